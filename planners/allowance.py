"""What a run may spend, and what it has spent: evaluations, tokens, hours."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from raise_agent.errors import ConfigError


class Meter(Protocol):
    """Counts what models are asked."""

    @property
    def requests(self) -> int:
        """Requests answered."""

    @property
    def tokens(self) -> int:
        """Tokens read and written by models."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one run may spend; None is no limit. What the store already holds costs nothing."""

    evaluations: int | None = None
    """New evaluations."""
    tokens: int | None = None
    """Tokens read and written by models. What is in progress when it is reached is finished."""
    hours: float | None = None
    """Hours since the run began. What is in progress when it is reached is finished."""

    def __post_init__(self) -> None:
        for name in ("evaluations", "tokens", "hours"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"limits.{name} must be above 0, or null for no limit, not {value}")


@dataclass(slots=True)
class Allowance:
    """Limits, and how much of them is used; shared by all that one run does.

    >>> allowance = Allowance(Limits(evaluations=10))
    >>> allowance.evaluations = 7
    >>> allowance.room(in_progress=1), allowance.room(in_progress=3), allowance.reached
    (2, 0, 'limits.evaluations=10')
    """

    limits: Limits = field(default_factory=Limits)
    meter: Meter | None = None
    clock: Callable[[], float] = time.monotonic
    evaluations: int = 0
    """New evaluations so far."""
    reached: str | None = None
    """The limit that was reached, as it is set."""
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    def open(self) -> bool:
        """Whether anything more may be asked of a model."""
        limits = self.limits
        if limits.tokens is not None and self.meter is not None and self.meter.tokens >= limits.tokens:
            self.reached = self.reached or f"limits.tokens={limits.tokens}"
        if limits.hours is not None and self.clock() - self._began >= 3600 * limits.hours:
            self.reached = self.reached or f"limits.hours={limits.hours:g}"
        return self.reached is None

    def room(self, in_progress: int) -> float:
        """How many more evaluations may be begun; 0 once a limit is reached.

        Args:
            in_progress: evaluations begun and not yet finished.
        """
        if not self.open():
            return 0
        if self.limits.evaluations is None:
            return math.inf
        left = self.limits.evaluations - self.evaluations - in_progress
        if left <= 0:
            self.reached = f"limits.evaluations={self.limits.evaluations}"
        return max(0, left)
