"""Evaluations that many searches share: at first evenly, then where most is expected.

Every search may spend a share of its own at any time. With the first question beyond it, it waits until all others
wait as well or have ended. What is left then goes out in waves: the questions that are expected to bring most are
let through, all of them are answered, and the next wave is chosen. So who gets what depends on the questions
alone, not on when they came.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from raise_agent.errors import ConfigError

from .contract import Evaluate

NEAR = 0.5
"""A wave lets through every question expected to bring at least this part of what the best one is expected to."""
LEAST = 0.25
"""A wave lets through at least this part of the questions that wait, so that it keeps the model busy."""


def check_spending(evaluations: int | None, evenly: float) -> None:
    """Refuse shared evaluations that cannot be.

    Raises:
        ConfigError: the number or the share is out of range.
    """
    if evaluations is not None and (isinstance(evaluations, bool) or evaluations < 1):
        raise ConfigError(f"spend must be 1 or more evaluations, or null, not {evaluations}")
    if not 0 <= evenly <= 1:
        raise ConfigError(f"spend_evenly must be a share between 0 and 1, not {evenly}")


@dataclass(frozen=True, slots=True)
class Wave:
    """Who goes on, by place among the searches."""

    granted: Sequence[tuple[int, Evaluate]]
    """Searches whose question is let through, that which expects most first."""
    refused: Sequence[int]
    """Searches whose question does not fit into what is left, and never will."""


@dataclass(slots=True)
class Spending:
    """What searches share, what they have spent, and who waits for more.

    >>> spending = Spending(evaluations=4, searches=2, evenly=0.5)
    >>> spending.admits(0, Evaluate([1], gain=0.9)), spending.admits(0, Evaluate([2], gain=0.1))
    (True, False)
    >>> spending.admits(1, Evaluate([1, 2, 3], gain=0.8)), spending.waiting, spending.left
    (False, 2, 3)
    >>> spending.wave()
    Wave(granted=[(1, Evaluate(subsets=[1, 2, 3], gain=0.8))], refused=[0])
    """

    evaluations: int
    """Most that all searches spend together."""
    searches: int
    """How many there are."""
    evenly: float = 0.0
    """Share of the evaluations, 0 to 1, that is split evenly before expectations count."""
    left: int = field(init=False)
    _own: int = field(init=False)
    """What each search may spend without waiting."""
    _spent: dict[int, int] = field(init=False, default_factory=dict)
    _parked: dict[int, Evaluate] = field(init=False, default_factory=dict)
    _refused: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        check_spending(self.evaluations, self.evenly)
        self.left = self.evaluations
        self._own = math.floor(self.evenly * self.evaluations / max(1, self.searches))

    @property
    def waiting(self) -> int:
        """How many searches wait for the next wave."""
        return len(self._parked)

    def admits(self, place: int, question: Evaluate) -> bool:
        """Whether a question may be asked at once; otherwise it waits for a wave.

        Raises:
            RuntimeError: the search was told that nothing more is to be spent on it.
        """
        if place in self._refused:
            raise RuntimeError("a search asked for more after it was told that nothing more is to be spent on it")
        count = len(question.subsets)
        # What costs nothing need not wait.
        if count and self._spent.get(place, 0) + count > self._own:
            self._parked[place] = question
            return False
        self._spend(place, count)
        return True

    def wave(self) -> Wave:
        """Let questions through, highest gain first, of equals the first by place; at least one search goes on.

        To be called when every search waits or has ended.
        """
        # A gain that is no number, or below 0, promises nothing.
        gains = {place: max(0.0, question.gain) if question.gain > 0 else 0.0 for place, question in self._parked.items()}
        order = sorted(self._parked, key=lambda place: (-gains[place], place))
        fitting = [place for place in order if len(self._parked[place].subsets) <= self.left]
        enough = NEAR * gains[fitting[0]] if fitting else 0.0
        least = math.ceil(LEAST * len(fitting))
        wave = Wave([], [])
        for place in order:
            ...
        return wave

    def _spend(self, place: int, count: int) -> None:
        self._spent[place] = self._spent.get(place, 0) + count
        self.left -= count
