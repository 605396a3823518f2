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
    """Most that all searches spend together, 0 or more."""
    searches: int
    """How many there are."""
    evenly: float = 0.0
    """Share of the evaluations, 0 to 1, that is split evenly before expectations count."""
    left: int = field(init=False)
    """What is not spent yet."""
    _own: int = field(init=False)
    """What each search may spend without waiting."""
    _spent: dict[int, int] = field(init=False, default_factory=dict)
    _parked: dict[int, Evaluate] = field(init=False, default_factory=dict)
    _refused: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        if self.evaluations < 0 or not 0 <= self.evenly <= 1:
            raise ConfigError(
                f"searches share 0 or more evaluations, 0 to 1 of them evenly, not {self.evaluations} and {self.evenly}"
            )
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
        gains = {place: asked.gain if asked.gain > 0 else 0.0 for place, asked in self._parked.items()}
        granted: list[tuple[int, Evaluate]] = []
        refused: list[int] = []
        near, least = math.nan, math.ceil(LEAST * self.waiting)
        for place in sorted(gains, key=lambda place: (-gains[place], place)):
            question = self._parked[place]
            if len(question.subsets) > self.left:
                refused.append(place)
                continue
            if not granted:
                near = NEAR * gains[place]
            if gains[place] >= near or len(granted) < least:
                granted.append((place, question))
                self._spend(place, len(question.subsets))
        for place in (*refused, *(place for place, _ in granted)):
            del self._parked[place]
        self._refused.update(refused)
        return Wave(granted, refused)

    def _spend(self, place: int, count: int) -> None:
        self._spent[place] = self._spent.get(place, 0) + count
        self.left -= count
