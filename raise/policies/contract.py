"""What decides at run time, in two parts: which question is best, and whether to ask at all (paper, section 5.3).

A *policy* ranks the attributes that are not asked yet; an *abstention* says when enough is known. Any pair of them
makes an agent. Neither sees more of a person than the query and the answers so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from raise_agent.attributes import AttributeTable

Known = Mapping[str, str | None]
"""Answers so far by attribute key, in the order asked; None for a question asked and declined."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a policy makes of each attribute that may be asked."""

    scores: Mapping[str, float]
    """By attribute key, more is better; what a score means depends on the policy."""
    now: float | None = None
    """What answering now is worth, on the same scale; None where the policy does not know."""
    spread: float | None = None
    """Standard deviation of what the best question brings around its score; None where the policy does not know."""
    because: Mapping[str, Any] = field(default_factory=dict)
    """What speaks for it, as plain data, without anything that a user said."""

    @property
    def best(self) -> str | None:
        """The attribute to ask, the first of equals; None where none is left."""
        return max(self.scores, key=lambda key: self.scores[key]) if self.scores else None


class Policy(Protocol):
    """Which attribute is best asked next."""

    @property
    def table(self) -> AttributeTable:
        """The attributes it may ask for."""

    def rank(self, query: str, known: Known) -> Ranking:
        """Scores of the attributes not in ``known``, in table order."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to answer now."""

    enough: bool
    because: str
    """In a few words, without anything that a user said."""
    confidence: float | None = None
    """Probability, 0 to 1, that this is right; None where the abstention does not know."""
    failed: bool = False
    """Whether it had to do without the model that it goes by."""


class Abstention(Protocol):
    """When enough is known."""

    def judge(self, query: str, known: Known, asked: int, ranking: Ranking) -> Verdict:
        """Whether to answer now.

        Args:
            query: what the user wrote.
            known: answers so far, also those given without a question.
            asked: how many questions were asked, declined ones counted.
            ranking: of the questions left, one at least.
        """
