"""The belief engine and the log, compiled."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

__version__: str
ENGINE_VERSION: int

class CredenceError(Exception):
    """Something that Credence cannot do, in its own words."""

class BeliefError(ValueError):
    """A belief that cannot be formed, or a question or answer that does not fit it. The belief is unchanged."""

class LogError(CredenceError):
    """A log that cannot be read or replayed."""

@final
class Question:
    """A question, as vectors of features; `error` is the variance of each feature. Make one with a class method.

    Answers to questions of one `key` count as repeats of each other.
    """

    @classmethod
    def choice(
        cls,
        difference: Sequence[float],
        *,
        indifference: bool = True,
        error: Sequence[float] | None = None,
        misreading: float = 0.0,
        key: str | bytes | None = None,
    ) -> Question:
        """Which of two? `difference` is the features of the first less those of the second."""
    @classmethod
    def correction(
        cls, difference: Sequence[float], *, error: Sequence[float] | None = None, misreading: float = 0.0
    ) -> Question:
        """Not this, rather that: what was preferred less what was rejected. Observe it as "first"."""
    @classmethod
    def demonstration(
        cls, difference: Sequence[float], *, error: Sequence[float] | None = None, misreading: float = 0.0
    ) -> Question:
        """What a person was seen to do, less what they could have done. Observe it as "first"."""
    @classmethod
    def rating(
        cls,
        features: Sequence[float],
        *,
        levels: int = 6,
        error: Sequence[float] | None = None,
        misreading: float = 0.0,
        key: str | bytes | None = None,
    ) -> Question:
        """How good, on so many levels? Three levels are a verdict: disagree, pass, agree."""
    @classmethod
    def best_of(
        cls,
        features: Sequence[Sequence[float]],
        *,
        places: int = 1,
        error: Sequence[Sequence[float]] | None = None,
    ) -> Question:
        """The best so many of several alternatives, best first; 1 is a choice, all is a ranking."""
    @classmethod
    def best_and_worst(
        cls, features: Sequence[Sequence[float]], *, error: Sequence[Sequence[float]] | None = None
    ) -> Question:
        """The best and the worst of three to five alternatives."""
    @classmethod
    def importance(cls, direction: Sequence[float], *, misreading: float = 0.0) -> Question:
        """How much more does one value matter than another? `direction` is the one less the other."""
    @classmethod
    def statement(
        cls,
        direction: Sequence[float],
        *,
        strength: Literal["slight", "clear", "strong"] = "clear",
        misreading: float = 0.0,
    ) -> Question:
        """Whether a person says that a contrast of values is at least so large."""
    @property
    def outcomes(self) -> list[str]:
        """Names of the outcomes, in the order of predictions; for orders, the alternatives named. At most 24 orders."""
    def __len__(self) -> int: ...

@final
class Surprise:
    """What was expected of an answer before it came."""

    @property
    def ln_predictive(self) -> float:
        """`ln p` of the answer, in nats."""
    @property
    def probabilities(self) -> list[float]:
        """Probabilities of all outcomes; empty where they are too many to list."""
    @property
    def outcome(self) -> int | None:
        """Which of them was seen; nothing where they are not listed."""

@final
class Marginal:
    """The distribution of a weighted sum of the weights, in noise units."""

    @property
    def mean(self) -> float: ...
    @property
    def sd(self) -> float: ...
    @property
    def probability_positive(self) -> float: ...
    def interval(self, level: float = 0.9) -> tuple[float, float]:
        """The central interval that holds `level` of the mass."""
    def quantile(self, p: float) -> float:
        """Where a share `p` of the mass lies below."""
    def cdf(self, x: float) -> float:
        """`P(sum <= x)`."""

@final
class Belief:
    """Belief about one person's weights: a mixture over how noisy answers are, how often they slip, and priors."""

    def __new__(
        cls,
        weights: int | None = None,
        *,
        mean: Sequence[float] | None = None,
        covariance: Sequence[Sequence[float]] | None = None,
        settings: str | None = None,
    ) -> Belief:
        """A belief before any evidence.

        With `weights` alone, the flat prior of that many weights, the last of them a constant. `mean` and `covariance`
        state a prior of your own, at signal scale 1. `settings` is JSON; what it leaves out is the engine's default.
        """
    def observe(self, question: Question, outcome: int | str | Sequence[int]) -> Surprise:
        """Takes in an answer and says what had been expected of it.

        `outcome` is a place or a name from `question.outcomes`; for `best_of` and `best_and_worst` it may be the order
        itself.
        """
    def predict(self, question: Question) -> list[float]:
        """The probability of each outcome, in the order of `question.outcomes`."""
    def expected_information_gain(self, questions: Sequence[Question]) -> list[float]:
        """How much each question is expected to tell: nats, between 0 and `ln` of the number of its outcomes."""
    def contrast(self, a: Sequence[float]) -> Marginal:
        """The distribution of `a . w`, the sum of the weights times the entries of `a`."""
    def weight(self, index: int) -> Marginal:
        """The distribution of one weight."""
    @property
    def mean(self) -> list[float]:
        """Mean of all weights."""
    @property
    def dimension(self) -> int:
        """Number of weights."""
    @property
    def records(self) -> int:
        """Answers and statements taken in."""
    @property
    def log_marginal_likelihood(self) -> float:
        """`ln p` of all evidence so far, in nats."""
    @property
    def signal_scales(self) -> list[tuple[float, float]]:
        """Mass of each signal scale."""
    @property
    def lapse_rates(self) -> list[tuple[float, float]]:
        """Mass of each lapse rate."""
    @property
    def settings(self) -> str:
        """The settings, as JSON."""
    @property
    def digest(self) -> str:
        """BLAKE3 over the bits of the belief, in hexadecimal: equal digests, equal beliefs."""
    def copy(self) -> Belief:
        """A belief of its own that begins as this one stands."""
    def __copy__(self) -> Belief: ...
    def __deepcopy__(self, memo: Any, /) -> Belief: ...

@final
class Table:
    """Rows in named columns. Whatever reads `__arrow_c_stream__` takes it as it is, without a copy."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    @property
    def columns(self) -> list[str]: ...
    def __len__(self) -> int: ...
    def to_polars(self) -> polars.DataFrame:
        """As a polars DataFrame; polars must be installed."""
    def to_pyarrow(self) -> pyarrow.Table:
        """As a pyarrow Table; pyarrow must be installed."""
    def to_pandas(self) -> pandas.DataFrame:
        """As a pandas DataFrame; pandas and pyarrow must be installed."""

@final
class Replay:
    """What a replay found."""

    def values(self) -> Table:
        """`person`, `value`, `mean`, `low`, `high` (a 90% interval), `probability_above`.

        Each value is relative to the person's own average, in the unit of `credence values`.
        """
    def predictions(self) -> Table:
        """How well each answer had been predicted before it came: `person`, `record`, `ln_predictive` (nats)."""
    def people(self) -> Table:
        """Everybody in one row: `person`, `evidence`, `log_loss` (mean, nats), `digest`."""
    def digests(self) -> Table:
        """Recorded digests beside those found: `person`, `record`, `through`, `agrees`. Empty without `verify`."""
    @property
    def log_loss(self) -> float | None:
        """Mean log loss of all predictions, in nats."""
    @property
    def brier(self) -> float | None:
        """Mean Brier score."""
    @property
    def records(self) -> int:
        """Records taken in."""
    @property
    def left_out(self) -> int:
        """Evidence left out."""
    @property
    def is_torn(self) -> bool:
        """Whether the last line was torn; it was not counted then."""

@final
class Log:
    """The evidence log of a home. It is only read, so a session may go on meanwhile."""

    def __new__(cls, path: str | os.PathLike[str]) -> Log:
        """The log at this path: a home, or the file itself."""
    @property
    def path(self) -> Path: ...
    def records(self) -> Table:
        """Every whole record: `seq`, `time`, `kind`, `person` and `source` of evidence, and `payload` as JSON."""
    def people(self) -> list[str]:
        """Everybody who said something, in the order of their names."""
    def replay(
        self,
        *,
        person: str | None = None,
        prior: Literal["logged", "flat", "elicited"] = "logged",
        without: Sequence[str] = (),
        until: str | None = None,
        hypotheses: str | None = None,
        verify: bool = False,
    ) -> Replay:
        """Folds the log again, as it was or as it might have been. No model is needed.

        `without` leaves evidence out: a record's number, `person:NAME`, `kind:KIND` or `time:FROM..TO`. `until` is a
        record's number or a time. `hypotheses` narrows the grid ("sigma=0.4,1.5 eps=0.1"). With `verify`, recorded
        digests are compared, and one that differs is a `LogError`.
        """
    def belief(self, person: str) -> Belief:
        """What is believed of a person at the log's end."""
    def trajectory(self, person: str) -> Table:
        """After each of a person's answers: `record`, `value`, `mean`, `sd`, in the unit of `Replay.values`."""

def write_sample_log(
    path: str | os.PathLike[str],
    *,
    choices: int = 1000,
    people: int = 10,
    alternatives: int = 100,
    values: int = 18,
    hypotheses: Literal[1, 12, 48] = 12,
    seed: int = 1,
) -> Log:
    """Writes a log of invented people to try things on. The same arguments give the same bytes."""
