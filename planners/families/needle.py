"""One subset stands out, and nothing points to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .contract import Instance, Subsets, Values
from .registry import register_family
from .scaling import full_subsets, scaled_instances


@dataclass(frozen=True, slots=True)
class _Needle:
    needle: int
    reward: float

    def __call__(self, subsets: Subsets) -> npt.NDArray[np.float64]:
        return np.where(subsets == self.needle, self.reward, 0.0)


@register_family("needle")
@dataclass(frozen=True, slots=True)
class NeedleFamily:
    """A needle in a haystack.

        v(S) = nothing + r [S = needle],    needle uniform among the subsets of size ``budget``, r uniform in 0.7..1.3

    No planner can do better than to try full subsets one after the other, none twice: after E exact evaluations of
    C = n! / (B! (n - B)!) the mean gain captured is E / C. It shows which planner spends evaluations on subsets that
    cannot be the end, or stops early because all looks equal.
    """

    def instances(self, n_attributes: int, budget: int, count: int, seed: int) -> list[Instance]:
        """Draw instances; any number of attributes."""
        return scaled_instances(self, "needle", n_attributes, budget, count, seed)

    def draw(self, n_attributes: int, budget: int, rng: np.random.Generator) -> Values:
        """One function, on its own scale."""
        reward = float(rng.uniform(0.7, 1.3))
        return _Needle(int(rng.choice(full_subsets(n_attributes, budget))), reward)
