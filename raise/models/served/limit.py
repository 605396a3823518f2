"""How many requests an endpoint is given at once: fixed, or found out by watching what it bears."""

from __future__ import annotations

import math
from typing import Protocol


class Limit(Protocol):
    """Most requests in progress at one endpoint."""

    @property
    def value(self) -> int:
        """The limit now, 1 or more."""

    def record(self, now: float, *, succeeded: bool, overloaded: bool, saturated: bool) -> None:
        """A request came back.

        Args:
            now: seconds on a steady clock.
            succeeded: it was answered.
            overloaded: it failed in a way that speaks of too much load.
            saturated: more were waiting, so that the limit is what held them up.
        """


class FixedLimit:
    """Always the same."""

    def __init__(self, value: int) -> None:
        self.value = value

    def record(self, now: float, *, succeeded: bool, overloaded: bool, saturated: bool) -> None:
        """Nothing to learn."""


class AdaptiveLimit:
    """Grows while that brings more answers a second, shrinks when the server refuses more than it did before.

    It looks at windows of requests. A server that fails a share of requests whatever its load would starve under
    a limit that shrinks at every failure: where shrinking lowers the share refused by less than half of what a
    full server's would fall by, that share counts as background and the limit goes back to where it was. So does what
    is refused of one request at a time.

    Args:
        start: first limit.
        highest: largest limit.
    """

    GAIN = 1.05
    """Growth is kept where answers a second rise by this factor."""
    TOLERATED = 0.05
    """Share refused above the background that makes the limit shrink."""
    NEVER_BACKGROUND = 0.5
    """A server that refuses this share has too much to do, whatever shrinking showed."""
    SHRINK, GROW = 0.7, 1.5
    SHORTEST = 0.5
    """Seconds that a window lasts at least."""
    ENOUGH, ENOUGH_REFUSED = 32, 16
    """Requests in a window that was refused some, and in one that was refused most, so that chance decides little."""
    FIRST_PATIENCE, LONGEST_PATIENCE = 2, 20
    """Windows without a change after which growing is tried: doubled each time that it brings nothing."""

    def __init__(self, start: int = 16, highest: int = 512) -> None:
        self.value = min(start, highest)
        self._highest = highest
        self._background = 0.0
        self._before_shrinking: tuple[int, float] | None = None
        self._before_growing: tuple[int, float] | None = None
        self._patience = self._still = self.FIRST_PATIENCE
        self._open(None)

    def _open(self, now: float | None) -> None:
        self._began = now
        self._answered = self._refused = self._total = self._saturated = 0

    def record(self, now: float, *, succeeded: bool, overloaded: bool, saturated: bool) -> None:
        """Count; at the end of a window, decide."""
        if self._began is None:
            self._began = now
        self._total += 1
        self._answered += succeeded
        self._refused += overloaded
        self._saturated += saturated
        if self._total >= 2 * self.value and now - self._began >= self.SHORTEST and self._telling():
            self._decide(self._answered / (now - self._began), self._refused / self._total)
            self._open(now)

    def _telling(self) -> bool:
        """Whether the share refused in the window says more than chance does."""
        most = self._refused >= self.NEVER_BACKGROUND * self._total
        return not self._refused or self._total >= (self.ENOUGH_REFUSED if most else self.ENOUGH)

    def _decide(self, rate: float, refused: float) -> None:
        if self._before_shrinking is not None:
            limit, share = self._before_shrinking
            self._before_shrinking = None
            if share < self.NEVER_BACKGROUND and refused > (share + self._if_full(limit, share)) / 2:
                self._background = (share + refused) / 2
                self.value = limit
                return
        chance = 2.0 * math.sqrt(self._background * (1.0 - self._background) / self._total)
        if refused > self._background + max(self.TOLERATED, chance):
            self._too_much(refused)
            return
        self._background += (refused - self._background) * self._total / (self._total + 4 * self.ENOUGH)
        if self._before_growing is not None:
            limit, rate_before = self._before_growing
            if rate < self.GAIN * rate_before:
                self._back_to(limit)
                return
            self._before_growing = None
            self._patience = self._still = self.FIRST_PATIENCE
        self._still += 1
        if self._saturated * 2 >= self._total and self._still >= self._patience and self.value < self._highest:
            self._before_growing = (self.value, rate)
            self.value = min(self._highest, max(self.value + 1, int(self.value * self.GROW)))

    def _too_much(self, refused: float) -> None:
        if self._before_growing is not None:
            self._back_to(self._before_growing[0])
        elif self.value > 1:
            self._before_shrinking = (self.value, refused)
            self.value = max(1, int(self.value * self.SHRINK))
            self._patience, self._still = self.FIRST_PATIENCE, 0
        elif refused < self.NEVER_BACKGROUND:
            self._background = refused

    def _back_to(self, limit: int) -> None:
        """Growing to more than this brought nothing."""
        self.value = limit
        self._before_growing = None
        self._patience, self._still = min(self.LONGEST_PATIENCE, 2 * self._patience), 0

    def _if_full(self, limit: int, share: float) -> float:
        """The share refused now, if the server has room for what it did not refuse of ``limit`` before."""
        return max(0.0, 1.0 - limit * (1.0 - share) / self.value)
