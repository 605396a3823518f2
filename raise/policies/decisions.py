"""What a policy decides: ask this, or answer now; and many decisions held as arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt

from raise_agent.attributes import Attribute, AttributeTable

ANSWER = "answer"
"""Key of the answer action beside the attribute keys; no attribute table has such an attribute."""
DIGITS = 6
"""Scores are compared after rounding, so that platforms agree; ties go to the first attribute."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask this question next."""

    attribute: Attribute
    question: str
    scores: Mapping[str, float]
    """Expected safety score less cost, by attribute key for each question left, and ``answer`` for answering now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer now."""

    confidence: float
    """Probability, 0 to 1, that the best question left would not bring more than its cost and the policy's
    ``min_gain``, on a normal error around its forecast; 1 when no question may be asked any more."""
    scores: Mapping[str, float]
    """As in ``Ask``."""


Decision = Ask | Answer


def floor_of(now: float, min_gain: float) -> float:
    """What the best question's score must exceed to be asked; more than ``min_gain`` above that of answering now."""
    return round(now + min_gain, DIGITS)


def chance_of_no_gain(best: float, floor: float, spread: float) -> float:
    """Probability that the best question, of score ``best``, would not bring more than ``floor``.

    Its outcome is normal around its score, with standard deviation ``spread``, above 0.
    """
    return 0.5 * math.erfc((best - floor) / spread / math.sqrt(2))


@dataclass(frozen=True, slots=True)
class Rule:
    """How scores become a decision."""

    table: AttributeTable
    budget: int
    min_gain: float
    gain_spread: float
    gain_share: float

    def spread(self, gain: float) -> float:
        """Standard deviation of what a question brings that is forecast to bring ``gain``, before its cost."""
        return self.gain_spread + self.gain_share * max(gain, 0.0)

    def floor(self, now: float) -> float:
        """What the best question's score must exceed to be asked."""
        return floor_of(now, self.min_gain)

    def confidence(self, scores: Mapping[str, float]) -> float:
        """That of answering now, with these scores of it and of one question at least."""
        best = max((key for key in scores if key != ANSWER), key=lambda key: scores[key])
        gain = scores[best] + self.table[self.table.keys.index(best)].cost - scores[ANSWER]
        return chance_of_no_gain(scores[best], self.floor(scores[ANSWER]), self.spread(gain))

    def decide(self, scores: Mapping[str, float], asked: int) -> Decision:
        """Ask or answer.

        Args:
            scores: ``answer`` first, then each question left, in table order.
            asked: number of questions asked, declined ones counted.
        """
        now = scores[ANSWER]
        asks = {key: score for key, score in scores.items() if key != ANSWER}
        best = max(asks, key=asks.__getitem__) if asks else None
        if best is None or asked >= self.budget:
            return Answer(1.0, scores)
        if asks[best] <= self.floor(now):
            return Answer(self.confidence(scores), scores)
        attribute = self.table[self.table.keys.index(best)]
        return Ask(attribute, attribute.question, scores)

    def decide_all(self, now: npt.NDArray[np.float64], scores: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        """The same for b states: index of the attribute to ask, -1 to answer.

        Args:
            now: (b,), rounded.
            scores: (b, n), rounded; NaN where the question was asked.
        """
        left = np.where(np.isnan(scores), -np.inf, scores)
        best = left.argmax(axis=1)
        highest = left[np.arange(len(left)), best]
        with np.errstate(over="ignore", invalid="ignore"):
            millionths = (now + self.min_gain) * 10.0**DIGITS
            whole = np.rint(millionths)
            floors = whole / 10.0**DIGITS
            sure = np.abs(millionths - whole) < 0.5 - 2.0**-50 * np.abs(millionths)
        # numpy multiplies and then rounds; next to the middle only Python's own rounding is ``floor``'s.
        for row in np.flatnonzero(~sure):
            floors[row] = self.floor(float(now[row]))
        answers = (highest <= floors) | (np.isnan(scores).sum(axis=1) >= self.budget)
        return np.where(answers, -1, best)


class Decisions(Sequence[Decision]):
    """Decisions of a batch, in its order; ``Ask`` and ``Answer`` are made when they are taken out.

    The arrays suffice where only the actions matter, and cannot be written to.
    """

    __slots__ = ("_rule", "asks", "now", "scores")

    asks: npt.NDArray[np.intp]
    """(b,): index in the table of the attribute to ask, -1 to answer now."""
    now: npt.NDArray[np.float64]
    """(b,): expected safety score of answering now."""
    scores: npt.NDArray[np.float64]
    """(b, n): expected safety score less cost of each question; NaN where it was asked already."""

    def __init__(
        self,
        rule: Rule,
        asks: npt.NDArray[np.intp],
        now: npt.NDArray[np.float64],
        scores: npt.NDArray[np.float64],
    ) -> None:
        self._rule, self.asks, self.now, self.scores = rule, asks, now, scores
        for array in (asks, now, scores):
            array.setflags(write=False)

    @property
    def confidences(self) -> npt.NDArray[np.float64]:
        """(b,): that of each answer, NaN where a question is asked."""
        made = (decision.confidence if isinstance(decision, Answer) else math.nan for decision in self)
        return np.fromiter(made, np.float64, len(self))

    def __len__(self) -> int:
        return len(self.asks)

    def __repr__(self) -> str:
        answers = int((self.asks < 0).sum())
        return f"Decisions({len(self) - answers} questions, {answers} answers)"

    @overload
    def __getitem__(self, at: int) -> Decision: ...
    @overload
    def __getitem__(self, at: slice) -> Decisions: ...
    def __getitem__(self, at: int | slice) -> Decision | Decisions:
        if isinstance(at, slice):
            return Decisions(self._rule, self.asks[at], self.now[at], self.scores[at])
        return self._made(int(self.asks[at]), float(self.now[at]), self.scores[at].tolist())

    def __iter__(self) -> Iterator[Decision]:
        block = 1024
        for start in range(0, len(self), block):
            part = slice(start, start + block)
            yield from map(self._made, self.asks[part].tolist(), self.now[part].tolist(), self.scores[part].tolist())

    def _made(self, ask: int, now: float, row: list[float]) -> Decision:
        table = self._rule.table
        scores = {ANSWER: now}
        for key, score in zip(table.keys, row, strict=True):
            if score == score:  # NaN alone differs from itself
                scores[key] = score
        if ask >= 0:
            return Ask(table[ask], table[ask].question, scores)
        if 1 + len(row) - len(scores) >= self._rule.budget:
            return Answer(1.0, scores)
        return Answer(self._rule.confidence(scores), scores)
