"""An additive account of what a search has heard: the estimate of what it has not asked.

    score(U) ~ level(|U|) + sum_{a in U} effect(a)

Effects are shrunk towards 0; levels are free, so that subsets of one size compare by their attributes alone.
Attributes interplay, so this is a guide to what to try next and to the order among subsets of one size, never
a score.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from raise_agent.subsets import members

RIDGE = 0.5
"""How strongly effects are shrunk: as if each had been seen half a time to do nothing."""
LEVEL_RIDGE = 1e-6
"""The same for levels: hardly at all."""


class AdditiveFit:
    """Ridge regression, one score at a time (recursive least squares)."""

    def __init__(self, n_attributes: int, depth: int) -> None:
        self._n = n_attributes
        shrunk = [1.0 / RIDGE] * n_attributes + [1.0 / LEVEL_RIDGE] * (depth + 1)
        self._covariance: npt.NDArray[np.float64] = np.diag(shrunk)
        self._weights: npt.NDArray[np.float64] = np.zeros(len(shrunk))
        self.effects: list[float] = [0.0] * n_attributes
        """What each attribute seems to add, in score points, relative to one never seen."""
        self.levels: list[float] = [0.0] * (depth + 1)
        """What a subset of each size seems to score without them; 0 for a size never seen."""

    def add(self, subset: int, score: float) -> None:
        """Take one score into account."""
        present = [*members(subset), self._n + subset.bit_count()]
        spread = self._covariance[:, present].sum(axis=1)
        gain = spread / (1.0 + spread[present].sum())
        self._weights += gain * (score - self._weights[present].sum())
        self._covariance -= gain[:, None] * spread
        weights: list[float] = self._weights.tolist()
        self.effects, self.levels = weights[: self._n], weights[self._n :]

    def estimate(self, subset: int) -> float:
        """What this subset would score; comparable only with subsets of the same size."""
        return self.levels[subset.bit_count()] + sum([self.effects[index] for index in members(subset)])
