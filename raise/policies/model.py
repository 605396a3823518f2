"""What a policy and an abstention may ask of a language model, and no more.

A model sees the query, the answers so far and what could still be asked; the types can carry nothing else of a person.
It weighs the options it is given. Where it gives no weights at all, that is a ``NoDecisionError`` and never a number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, Protocol

from raise_agent.errors import ModelError

from .contract import Known

Form = Literal["basic", "binary", "scale"]
"""How a model is asked whether enough is known (paper, section 5.3)."""

OPTIONS: Mapping[Form, tuple[str, ...]] = MappingProxyType(
    {"basic": ("answer", "ask"), "binary": ("enough", "not enough"), "scale": ("0", "1", "2", "3", "4", "5")}
)
"""What it may say to each."""


class NoDecisionError(ModelError):
    """The model decided nothing: no answer, or one that cannot be read. Its text holds nothing that a user said."""


class Chooser(Protocol):
    """Names the attribute to ask next."""

    def choose(
        self, query: str, known: Known, unasked: Sequence[str], examples: Sequence[Sequence[str]]
    ) -> Mapping[str, float]:
        """Weights over the unasked attributes; what has most is named.

        Args:
            query: what the user wrote.
            known: answers so far.
            unasked: attribute keys to choose from, one at least.
            examples: paths planned for similar queries, attribute keys in order, those of the most similar first.

        Raises:
            NoDecisionError: the model names none of them.
        """


class Assessor(Protocol):
    """Says how much is known."""

    def assess(self, form: Form, query: str, known: Known, unasked: Sequence[str]) -> Mapping[str, float]:
        """Weights over ``OPTIONS[form]``.

        Args:
            form: of the question.
            query: what the user wrote.
            known: answers so far.
            unasked: keys of the attributes that could still be asked, one at least.

        Raises:
            NoDecisionError: the model gives none of the options.
        """


def shares(weights: Mapping[str, float], options: Sequence[str]) -> dict[str, float]:
    """Weights of exactly these options, in their order, summing to 1.

    Raises:
        NoDecisionError: a weight is no number of 0 or more, or all of what was offered have none.
    """
    given = {option: float(weights.get(option, 0.0)) for option in options}
    total = sum(given.values())
    if not (0 < total < math.inf and min(given.values()) >= 0):
        raise NoDecisionError("the model chose nothing that it was offered")
    return {option: weight / total for option, weight in given.items()}
