"""The belief engine from Python: the laws that the library's own tests hold, and its words in exceptions."""

import copy
import json
import math

import pytest
from credence import Belief, BeliefError, Question


def test_an_answer_moves_belief_towards_it() -> None:
    belief = Belief(2)
    question = Question.choice([1.0, -1.0])
    (gain,) = belief.expected_information_gain([question])
    assert 0.0 < gain <= math.log(3)
    before = belief.predict(question)
    surprise = belief.observe(question, "first")
    assert surprise.ln_predictive == pytest.approx(math.log(before[0]), rel=1e-9)
    assert surprise.outcome == 0 and surprise.probabilities == before
    assert belief.predict(question)[0] > before[0]
    contrast = belief.contrast([1.0, -1.0])
    low, high = contrast.interval(0.9)
    assert low < contrast.mean < high and contrast.mean > 0.0
    assert contrast.cdf(contrast.quantile(0.3)) == pytest.approx(0.3, abs=1e-9)
    assert contrast.probability_positive == pytest.approx(1.0 - contrast.cdf(0.0), abs=1e-9)


QUESTIONS = [
    (Question.choice([1.0, 0.5, 0.0]), ["first", "second", "neither"]),
    (Question.choice([1.0, 0.5, 0.0], indifference=False), ["first", "second"]),
    (Question.correction([1.0, 0.0, 0.0]), ["first", "second"]),
    (Question.demonstration([1.0, 0.0, 0.0]), ["first", "second"]),
    (Question.rating([1.0, 0.0, 1.0], levels=3), ["disagree", "pass", "agree"]),
    (Question.rating([1.0, 0.0, 1.0], levels=5), ["1/5", "2/5", "3/5", "4/5", "5/5"]),
    (Question.best_of([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]), ["0", "1", "2"]),
    (Question.best_and_worst([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]), None),
    (Question.importance([1.0, -1.0, 0.0]), None),
    (Question.statement([1.0, -1.0, 0.0]), ["affirmed", "not affirmed"]),
]


@pytest.mark.parametrize(("question", "names"), QUESTIONS)
def test_every_kind_is_predicted_and_learned(question: Question, names: list[str] | None) -> None:
    belief = Belief(3)
    outcomes = question.outcomes
    assert names is None or outcomes == names
    assert len(question) == len(outcomes) == len(belief.predict(question))
    assert sum(belief.predict(question)) == pytest.approx(1.0)
    (gain,) = belief.expected_information_gain([question])
    assert -1e-12 <= gain <= math.log(len(outcomes))
    for place, name in enumerate(outcomes):
        by_place, by_name = Belief(3), Belief(3)
        by_place.observe(question, place)
        by_name.observe(question, name)
        assert by_place.digest == by_name.digest != belief.digest
        # What was seen became likelier.
        assert by_place.predict(question)[place] > belief.predict(question)[place]


def test_an_order_may_be_said_as_it_is() -> None:
    question = Question.best_of([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], places=3)
    assert question.outcomes[1] == "0 2 1"
    by_name, by_order = Belief(3), Belief(3)
    by_name.observe(question, "0 2 1")
    by_order.observe(question, [0, 2, 1])
    assert by_name.digest == by_order.digest
    with pytest.raises(BeliefError, match="different ones"):
        by_order.observe(question, [0, 0, 1])


def test_copies_go_their_own_way() -> None:
    belief, question = Belief(2), Question.choice([1.0, -1.0])
    twins = [belief.copy(), copy.copy(belief), copy.deepcopy(belief)]
    belief.observe(question, 0)
    assert all(twin.records == 0 for twin in twins) and belief.records == 1
    for twin in twins:
        twin.observe(question, 0)
        assert twin.digest == belief.digest


def test_repeats_of_one_key_tell_less() -> None:
    same, other = Belief(2), Belief(2)
    for belief, keys in ((same, ["a", "a"]), (other, ["a", "b"])):
        for key in keys:
            belief.observe(Question.choice([1.0, -1.0], key=key), "first")
    assert same.contrast([1.0, -1.0]).mean < other.contrast([1.0, -1.0]).mean


def test_a_stated_prior_and_settings_are_used() -> None:
    settings = json.dumps({"signal_scales": [1.0], "lapse_rates": [0.01], "bands": [0.3], "slow_drift_weight": 0.0})
    belief = Belief(mean=[1.0, 0.0], covariance=[[4.0, 0.0], [0.0, 1.0]], settings=settings)
    assert belief.weight(0).mean == pytest.approx(1.0) and belief.weight(0).sd == pytest.approx(2.0)
    assert belief.signal_scales == [(1.0, 1.0)] and json.loads(belief.settings)["bands"] == [0.3]


def test_what_does_not_fit_is_said_and_changes_nothing() -> None:
    belief = Belief(2)
    digest = belief.digest
    wrong = [
        (Question.choice([1.0]), 0, "1 entries where 2 were expected"),
        (Question.choice([math.nan, 0.0]), 0, "not a number in range"),
        (Question.choice([1.0, 0.0], error=[-1.0, 0.0]), 0, "error variance"),
        (Question.choice([1.0, 0.0]), 3, "no outcome 3"),
        (Question.choice([1.0, 0.0], indifference=False), "neither", "none of the outcomes"),
        (Question.rating([1.0, 0.0], levels=1), 0, "cannot be graded"),
        (Question.choice([1.0, 0.0], misreading=1.0), 0, "misreading"),
        (Question.best_of([[1.0, 0.0]] * 6, places=6), 0, "too many to list"),
        (Question.best_of([]), 0, "cannot rank"),
    ]
    for question, outcome, words in wrong:
        with pytest.raises(BeliefError, match=words):
            belief.observe(question, outcome)  # type: ignore[arg-type]
    assert belief.digest == digest and belief.records == 0
    for arguments in [{}, {"weights": 0}, {"mean": [0.0]}, {"mean": [0.0], "covariance": [[-1.0]]}]:
        with pytest.raises(BeliefError):
            Belief(**arguments)  # type: ignore[arg-type]
    with pytest.raises(BeliefError, match="unknown field"):
        Belief(2, settings='{"lapse_rate": []}')
    with pytest.raises(BeliefError, match="entries"):
        belief.contrast([1.0])
    with pytest.raises(IndexError):
        belief.weight(2)
    with pytest.raises(BeliefError, match="level"):
        belief.weight(0).interval(1.0)
    with pytest.raises(BeliefError, match="strength|slight"):
        Question.statement([1.0, 0.0], strength="huge")  # type: ignore[arg-type]


def test_predictions_of_what_cannot_be_asked_are_refused() -> None:
    belief = Belief(2)
    for question in [Question.choice([1.0]), Question.best_of([[1.0, 0.0]] * 6, places=6)]:
        with pytest.raises(BeliefError):
            belief.predict(question)
        with pytest.raises(BeliefError):
            belief.expected_information_gain([question])
