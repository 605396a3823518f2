"""How many requests an endpoint is given at once: fixed, or found out by watching what it bears."""

from __future__ import annotations

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
    full server's would fall by, that share counts as background and the limit goes back to where it was.

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
    PATIENCE = 20
    """Windows without a change after which growing is tried again."""

    def __init__(self, start: int = 16, highest: int = 512) -> None:
        self.value = min(start, highest)
        self._highest = highest
        self._background = 0.0
        self._before_shrinking: tuple[int, float] | None = None
        self._before_growing: tuple[int, float] | None = None
        self._still = self.PATIENCE
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
        if self._total >= 2 * self.value and now - self._began >= self.SHORTEST:
            self._decide(self._answered / (now - self._began), self._refused / self._total)
            self._open(now)

    def _decide(self, rate: float, refused: float) -> None:
        if self._before_shrinking is not None:
            limit, share = self._before_shrinking
            self._before_shrinking = None
            if share < self.NEVER_BACKGROUND and refused > (share + self._if_full(limit, share)) / 2:
                self._background = max(self._background, refused)
                self.value = limit
                return
        if refused > self._background + self.TOLERATED:
            self._before_growing = None
            self._before_shrinking = (self.value, refused)
            self.value = max(1, int(self.value * self.SHRINK))
            self._still = 0
            return
        if self._before_growing is not None:
            limit, rate_before = self._before_growing
            self._before_growing = None
            if rate < self.GAIN * rate_before:
                self.value = limit
                self._still = 0
                return
            self._still = self.PATIENCE
        self._still += 1
        if self._saturated * 2 >= self._total and self._still >= self.PATIENCE and self.value < self._highest:
            self._before_growing = (self.value, rate)
            self.value = min(self._highest, max(self.value + 1, int(self.value * self.GROW)))

    def _if_full(self, limit: int, share: float) -> float:
        """The share refused now, if the server has room for what it did not refuse of ``limit`` before."""
        return max(0.0, 1.0 - limit * (1.0 - share) / self.value)
