"""Attributes that say the same thing twice: returns diminish."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raise_agent.errors import ConfigError

from .contract import Instance, Subsets, Values
from .registry import register_family
from .scaling import scaled_instances


@dataclass(frozen=True, slots=True)
class _Coverage:
    covers: npt.NDArray[np.int64]
    """(topics,): the subset of attributes that cover each topic."""
    weights: npt.NDArray[np.float64]
    """(topics,)"""

    def __call__(self, subsets: Subsets) -> npt.NDArray[np.float64]:
        covered = (subsets[:, None] & self.covers) != 0
        return np.asarray(covered @ self.weights, dtype=np.float64)


@register_family("submodular")
@dataclass(frozen=True, slots=True)
class SubmodularFamily:
    """Weighted coverage: each attribute covers some topics, and a topic counts once.

        v(S) = nothing + sum_j w_j [some i in S covers topic j],    w_j exponential

    Every attribute covers a topic with probability ``coverage``, and each topic is covered by at least one. Forward
    selection reaches at least 1 - 1/e of the gain (Nemhauser, Wolsey and Fisher, 1978), and usually more; the rest
    is hard, since the best single attributes overlap and the best subset need not hold any of them.
    """

    topics: int = 24
    """How many topics there are, 1 or more; with fewer, attributes differ more."""
    coverage: float = 0.2
    """Probability, above 0 and at most 1, that an attribute covers a topic."""

    def __post_init__(self) -> None:
        if self.topics < 1:
            raise ConfigError(f"topics must be 1 or more, not {self.topics}")
        if not 0 < self.coverage <= 1:
            raise ConfigError(f"coverage must be above 0 and at most 1, not {self.coverage}")

    def instances(self, n_attributes: int, budget: int, count: int, seed: int) -> list[Instance]:
        """Draw instances; any number of attributes."""
        return scaled_instances(self, "submodular", n_attributes, budget, count, seed)

    def draw(self, n_attributes: int, budget: int, rng: np.random.Generator) -> Values:
        """One function, on its own scale."""
        covered = rng.random((self.topics, n_attributes)) < self.coverage
        covered[np.arange(self.topics), rng.integers(n_attributes, size=self.topics)] = True
        masks = (covered.astype(np.int64) << np.arange(n_attributes)).sum(axis=1)
        return _Coverage(masks, rng.exponential(size=self.topics))
