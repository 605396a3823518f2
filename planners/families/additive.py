"""Attributes that add up."""

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
class _Sum:
    effects: npt.NDArray[np.float64]
    """(n,)"""

    def __call__(self, subsets: Subsets) -> npt.NDArray[np.float64]:
        return known_in(subsets, len(self.effects)) @ self.effects


@register_family("additive")
@dataclass(frozen=True, slots=True)
class AdditiveFamily:
    """Random effects, a few of them large.

        v(S) = nothing + sum_{i in S} e_i,    e_i = exp(spread * z_i), z_i standard normal

    The easiest family: forward selection is exact, and n + 1 exact evaluations tell everything. What is left to get
    wrong is spending evaluations on what is already clear, and believing noise.
    """

    spread: float = 1.0
    """How unequal effects are, in log units, 0 or more; at 0 all subsets of one size are equal."""

    def __post_init__(self) -> None:
        if not 0 <= self.spread < math.inf:
            raise ConfigError(f"spread must be 0 or more, not {self.spread}")

    def instances(self, n_attributes: int, budget: int, count: int, seed: int) -> list[Instance]:
        """Draw instances; any number of attributes."""
        return scaled_instances(self, "additive", n_attributes, budget, count, seed)

    def draw(self, n_attributes: int, budget: int, rng: np.random.Generator) -> Values:
        """One function, on its own scale."""
        return _Sum(np.exp(self.spread * rng.standard_normal(n_attributes)))
