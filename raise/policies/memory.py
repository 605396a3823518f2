"""What was found for the queries of training, recalled for any query: what the network reads in place of its vector.

    recalled(q) = recurrence sum_j p_j found_j + (1 - recurrence) sum_j exp(bandwidth (q . q_j - 1)) effects_j
    p_j proportional to exp(concentration q . q_j)

A query may be one of those of training, in the same words or in others, or one that was never met. If it is one of
them, p_j says which, all of them as likely before it is looked at: the posterior of a mixture of von Mises-Fisher
distributions, one about each query of training (Banerjee et al., Journal of Machine Learning Research 6, 2005). What
was found for that one then holds. If it is new, the mean of a Gaussian process over query vectors says what it is
worth. The shares are the same for every query, however near the nearest is: a query never met is often as near to
others as one in other words is to its own. For the very words of training both say next to the same; for other words
the process alone, whose kernel has to be wide, would recall too little. Distillation fits both (``distill.memory``). A
memory holds vectors of queries, no text.

When deciding, the numbers of all vectors are rounded to 1/3900, which moves a cosine by about a ten-thousandth:
products of whole numbers add up without rounding, so that every processor finds the same ones, however it adds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .network import Array

STEEPEST, LARGEST = 1000.0, 1e6
"""Most that a bandwidth or concentration, and an effect or what was found, may be; beyond, sums could overflow."""
_WHOLE = 3900.0
"""What vectors are multiplied by before they are rounded. Any sum of products of two vectors of that length, and some
more for the rounding, is below 2**24 (Cauchy and Schwarz): single precision holds it exactly."""
ARRAYS, SETTINGS = ("vectors", "effects", "found"), ("bandwidth", "concentration", "recurrence")
"""What a memory is made of."""
_SPARSE = 4
"""How many times as many numbers a vector must have as are not zero, for the others to be left out, as in hashing."""
_ALONE = 9216
"""From so many numbers on, a matrix may be multiplied by a vector on several threads (OpenBLAS 0.3.23; from 460,800 on
in 0.3.31), and where the processor's cores are busy that waits milliseconds for them."""


@dataclass(frozen=True, slots=True)
class Memory:
    """m queries of training, and what they teach for f numbers, those that the network reads of a query."""

    vectors: Array
    """(m, d): of each what the query encoder gives it, or the mean direction of that and of its other wordings; at most
    of length 1."""
    effects: Array
    """(m, f): what each adds to what is recalled for a query like it."""
    found: Array
    """(m, f): what was found for each, by all that is like it."""
    bandwidth: float
    """How soon what is found for one query says nothing of another, above 0."""
    concentration: float
    """How near other words of a query lie to it, above 0."""
    recurrence: float
    """How likely a query is taken to be one of training, 0 to 1."""

    def arrays(self) -> dict[str, Array]:
        """Those that ``ARRAYS`` names."""
        return {name: getattr(self, name) for name in ARRAYS}

    def settings(self) -> dict[str, float]:
        """Those that ``SETTINGS`` names."""
        return {name: getattr(self, name) for name in SETTINGS}

    def faults(self, dimension: int, taken: int) -> Iterator[str]:
        """What keeps it from standing between an encoder and a network.

        Args:
            dimension: numbers that the encoder gives.
            taken: numbers that the network reads of a query.
        """
        count = max(self.vectors.shape[0], 1) if self.vectors.ndim else 1
        for name, array, size in zip(ARRAYS, self.arrays().values(), (dimension, taken, taken), strict=True):
            if array.shape != (count, size) or array.dtype != np.float32:
                yield f"memory.{name} is {array.dtype}{array.shape}, expected float32{(count, size)}"
                return
        if not (np.square(self.vectors, dtype=np.float64).sum(axis=1) < 1.001).all():
            yield "memory.vectors holds vectors that are longer than 1 or not finite"
        for name, array in (("effects", self.effects), ("found", self.found)):
            if not (np.abs(array) <= LARGEST).all():
                yield f"memory.{name} holds numbers beyond {LARGEST:,.0f} or not finite"


class Recollection:
    """Recalls, in double precision.

    Args:
        memory: one without faults.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._new = _weighed(memory.effects, 1.0 - memory.recurrence)
        self._met = _weighed(memory.found, memory.recurrence)
        self._steepness = np.array([[memory.bandwidth], [memory.concentration]]) / _WHOLE**2

    def recall(self, query: Array) -> Array:
        """(1, f): what is recalled for a query's vector, (1, d)."""
        nearness = self._nearness(np.rint(query[0] * np.float32(_WHOLE)))
        nearest = nearness.max()
        # Both are taken relative to the nearest query, so that neither is too large, and at once.
        like, likely = np.exp(self._steepness * (nearness - nearest))
        recalled = (self._new @ like) * math.exp(self._memory.bandwidth * (float(nearest) / _WHOLE**2 - 1.0))
        recalled += (self._met @ likely) / likely.sum()
        return np.asarray(recalled[None], np.float32)

    def _nearness(self, query: Array) -> Array:
        """(m,): products with the queries of training, all of whole numbers."""
        if _SPARSE * np.count_nonzero(query) < len(query):
            used = np.flatnonzero(query)
            return np.asarray(query[used] @ self._by_number[used])
        return np.asarray((self._blocks @ query).ravel()[: len(self._memory.vectors)])

    @cached_property
    def _by_number(self) -> Array:
        """(d, m): for vectors most of whose numbers are zero."""
        return np.ascontiguousarray(self._rounded().T)

    @cached_property
    def _blocks(self) -> Array:
        """(blocks, rows, d): all queries, and zeros in the end."""
        count, dimension = self._memory.vectors.shape
        rows = max(1, (_ALONE - 1) // dimension)
        blocks = np.zeros((-(-count // rows), rows, dimension), np.float32)
        blocks.reshape(-1, dimension)[:count] = self._rounded()
        return blocks

    def _rounded(self) -> Array:
        return np.asarray(np.rint(self._memory.vectors * np.float32(_WHOLE)))


def _weighed(taught: Array, share: float) -> npt.NDArray[np.float64]:
    """(f, m), times a share."""
    return np.ascontiguousarray(share * taught.T.astype(np.float64))
