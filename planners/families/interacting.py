"""Attributes that help or spoil one another, in pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raise_agent.errors import ConfigError
from raise_agent.subsets import known_in

from .contract import Instance, Subsets, Values
from .registry import register_family
from .scaling import scaled_instances


@dataclass(frozen=True, slots=True)
class _Pairwise:
    effects: npt.NDArray[np.float64]
    """(n,)"""
    pairs: npt.NDArray[np.float64]
    """(n, n), above the diagonal."""

    def __call__(self, subsets: Subsets) -> npt.NDArray[np.float64]:
        known = known_in(subsets, len(self.effects))
        both: npt.NDArray[np.float64] = ((known @ self.pairs) * known).sum(axis=1)
        return known @ self.effects + both


@register_family("interacting")
@dataclass(frozen=True, slots=True)
class InteractingFamily:
    """Main effects, and pairs of both signs about as strong.

        v(S) = nothing + sum_{i in S} |a_i| + sum_{i < j in S} b_ij,    a_i standard normal,
        b_ij normal with standard deviation ``strength`` with probability ``density``, else 0

    Sparse pairs can be found within a few dozen evaluations, dense ones cannot: at density 1 there are more pairs
    than evaluations, and a subset of size 5 holds ten of them. Forward selection sees a pair only once one of
    it is taken.
    """

    density: float = 0.25
    """Share of pairs that interact, 0 to 1."""
    strength: float = 1.0
    """Standard deviation of a pair's effect relative to the main effects', 0 or more."""

    def __post_init__(self) -> None:
        if not 0 <= self.density <= 1:
            raise ConfigError(f"density must be between 0 and 1, not {self.density}")
        if not 0 <= self.strength < math.inf:
            raise ConfigError(f"strength must be 0 or more, not {self.strength}")

    def instances(self, n_attributes: int, budget: int, count: int, seed: int) -> list[Instance]:
        """Draw instances; two attributes or more.

        Raises:
            ConfigError: one attribute makes no pair.
        """
        if n_attributes < 2:
            raise ConfigError(f"family 'interacting': n_attributes must be 2 or more, not {n_attributes}")
        return scaled_instances(self, "interacting", n_attributes, budget, count, seed)

    def draw(self, n_attributes: int, budget: int, rng: np.random.Generator) -> Values:
        """One function, on its own scale."""
        shape = (n_attributes, n_attributes)
        pairs = self.strength * rng.standard_normal(shape) * (rng.random(shape) < self.density)
        return _Pairwise(np.abs(rng.standard_normal(n_attributes)), np.triu(pairs, 1))
