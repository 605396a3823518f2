"""Settings of distillation; importing them needs no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from raise_agent.errors import ConfigError, refuse_below_one
from raise_agent.policies.network import LARGEST

_LONGEST_CODE = 4096
"""Time grows with its cube."""
_MOST_WORDINGS = 8
"""What one reply of usual length can hold."""
_MOST_VARIANCE = 1e4
"""Beyond it single precision cannot tell what is left of a residual."""


@dataclass(frozen=True, slots=True)
class DistillSettings:
    """How a policy is made from evaluations.

    Raises:
        ConfigError: a setting is out of range.
    """

    min_gain: float = 0.0
    """The policy answers when no question is expected to add more than this beyond its cost, in score points."""
    memory: int = 1024
    """Most queries of training whose vectors the policy keeps, to recall what was found for them; 0 keeps none, and
    the network reads the query's vector instead."""
    wordings: int = 4
    """In how many other words the writer puts each query of training, one call a query, so that the memory knows it
    better in yet others; 0 to 8, 0 asks for none. Without a memory none are asked for."""
    contrast: int = 10
    """Passes over the queries in which a ``static`` encoder learns which of them and of their other wordings ask for
    the same; 0 leaves it as it is. Other encoders stay as they are."""
    recurrence: float = 0.5
    """How likely a query is taken to be one of training, in the same words or in others, 0 to 1: what was found for
    the one that it is like counts so much, and what is found for all that are somewhat like it counts the rest."""
    value_dimension: int = 64
    """Length of the code of an answer; a power of two, 16 to 4,096."""
    hidden: int = 128
    """Width of both hidden layers, 1 to 65,536."""
    epochs: int = 80
    """Most passes over the scenarios; the best one on validation scenarios is kept."""
    patience: int = 16
    """Passes without a better validation loss before training stops."""
    batch: int = 64
    """Scenarios a step, each with all its evaluations."""
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    dropout: float = 0.1
    """Of the query vector and of hidden units, at least 0, below 1."""
    levels: float = 0.5
    """Variance of how safe a bare answer is from user to user, over that of one evaluation; 0 to 10,000."""
    slopes: float = 0.3
    """Variance of what a question is worth from user to user, in ways no question reveals, over that of one evaluation;
    0 to 10,000."""
    uncertainty: bool = True
    """Whether an evaluation counts the less, the less certain its score is; false counts all alike."""
    decline: float = 0.1
    """Share of the unasked attributes that are marked as declined in training, at least 0, below 1."""
    unfamiliar: float = 0.1
    """Share of the answers that the network is told in training in words it never met, at least 0, below 1."""
    overheard: float = 0.25
    """Mean number of answers that the network is told in training beside those of the evaluated subset, 0 or more."""

    @property
    def asks_the_writer(self) -> bool:
        """Whether queries are put in other words."""
        return bool(self.memory and self.wordings)

    def __post_init__(self) -> None:
        if not math.isfinite(self.min_gain):
            raise ConfigError(f"distill.min_gain must be a finite number of score points, not {self.min_gain}")
        if not 0 <= self.memory <= LARGEST:
            raise ConfigError(f"distill.memory must be a number of queries from 0 to {LARGEST}, not {self.memory}")
        if not 0 <= self.wordings <= _MOST_WORDINGS:
            raise ConfigError(f"distill.wordings must be from 0 to {_MOST_WORDINGS}, not {self.wordings}")
        if self.contrast < 0:
            raise ConfigError(f"distill.contrast must be a number of passes, 0 or more, not {self.contrast}")
        if not 0 <= self.recurrence <= 1:
            raise ConfigError(f"distill.recurrence must be from 0 to 1, not {self.recurrence}")
        size = self.value_dimension
        if not (16 <= size <= _LONGEST_CODE and size & (size - 1) == 0):
            raise ConfigError(f"distill.value_dimension must be a power of two from 16 to {_LONGEST_CODE}, not {size}")
        if self.hidden > LARGEST:
            raise ConfigError(f"distill.hidden must be {LARGEST} or less, not {self.hidden}")
        refuse_below_one(self, "distill.", "hidden", "epochs", "patience", "batch")
        for name in ("dropout", "decline", "unfamiliar"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"distill.{name} must be at least 0 and below 1, not {getattr(self, name)}")
        for name in ("levels", "slopes"):
            if not 0 <= getattr(self, name) <= _MOST_VARIANCE:
                raise ConfigError(f"distill.{name} must be from 0 to {_MOST_VARIANCE:,.0f}, not {getattr(self, name)}")
        for name in ("learning_rate", "weight_decay", "overheard"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"distill.{name} must be 0 or more, not {getattr(self, name)}")
