"""Learns what people value: the belief engine, the evidence log as Arrow, and a client of the service.

    >>> import credence
    >>> belief = credence.Belief(2)
    >>> question = credence.Question.choice([1.0, -1.0])
    >>> surprise = belief.observe(question, "first")
    >>> belief.predict(question)[0] > 0.5
    True
"""

from ._native import (
    ENGINE_VERSION,
    Belief,
    BeliefError,
    CredenceError,
    Log,
    LogError,
    Marginal,
    Question,
    Replay,
    Surprise,
    Table,
    __version__,
    write_sample_log,
)
from .client import Client, ServiceError
from .experiments import Experiment

__all__ = [
    "ENGINE_VERSION",
    "Belief",
    "BeliefError",
    "Client",
    "CredenceError",
    "Experiment",
    "Log",
    "LogError",
    "Marginal",
    "Question",
    "Replay",
    "ServiceError",
    "Surprise",
    "Table",
    "__version__",
    "write_sample_log",
]
