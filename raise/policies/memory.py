"""What was found for the queries of training, recalled for any query: what the network reads in place of its vector.

    recalled(q) = sum_j exp(bandwidth (q . q_j - 1)) effects_j

This is the mean of a Gaussian process over query vectors, which distillation fits (``distill.memory``). It holds
vectors of queries, no text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .network import Array

STEEPEST, LARGEST = 1000.0, 1e6
"""Most that a bandwidth and an effect may be; beyond, sums could overflow."""


@dataclass(frozen=True, slots=True)
class Memory:
    """m queries of training, and what they teach for f numbers, those that the network reads of a query."""

    vectors: Array
    """(m, d): as the query encoder gives them, at most of length 1."""
    effects: Array
    """(m, f): what each adds to what is recalled for a query like it."""
    bandwidth: float
    """How soon a query counts as another one, above 0."""
    _exact: npt.NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_exact", np.asarray(self.effects, np.float64))

    def recall(self, query: Array) -> Array:
        """(1, f): what is recalled for a query's vector, (1, d)."""
        nearness = self.vectors @ query[0]
        nearness -= 1.0
        nearness *= self.bandwidth
        return np.asarray((np.exp(nearness, dtype=np.float64) @ self._exact)[None], np.float32)

    def faults(self, dimension: int, taken: int) -> Iterator[str]:
        """What keeps it from standing between an encoder and a network.

        Args:
            dimension: numbers that the encoder gives.
            taken: numbers that the network reads of a query.
        """
        count = max(self.vectors.shape[0], 1) if self.vectors.ndim else 1
        for name, array, size in (("vectors", self.vectors, dimension), ("effects", self.effects, taken)):
            if array.shape != (count, size) or array.dtype != np.float32:
                yield f"memory.{name} is {array.dtype}{array.shape}, expected float32{(count, size)}"
                return
        if not (np.square(self.vectors, dtype=np.float64).sum(axis=1) < 1.001).all():
            yield "memory.vectors holds vectors that are longer than 1 or not finite"
        if not (np.abs(self.effects) <= LARGEST).all():
            yield f"memory.effects holds numbers beyond {LARGEST:,.0f} or not finite"
