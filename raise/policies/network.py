"""The policy's network, in numpy: what is known in, expected safety scores out.

    h = relu(Q q + sum_i V_i v_i + M m + b)      q query vector; v_i code of the i-th answer, 0 where there is none
    g = relu(H h + c)                             m marks each attribute as answered, declined, or neither
    o = O g + d                                   o = (score of answering now, gain of each question alone,
                                                       n x r factors u_i of how much two questions overlap)

Asking the set E next is expected to bring ``now + sum_{i in E} gain_i - sum_{i<j in E} u_i . u_j``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

OVERLAP_RANK = 4
LARGEST = 65536
"""Most units of any layer."""


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """Sizes of a network."""

    n_attributes: int
    query_dimension: int
    value_dimension: int
    hidden: int

    @property
    def outputs(self) -> int:
        """Score now, a gain per attribute, ``OVERLAP_RANK`` factors per attribute."""
        return 1 + self.n_attributes * (1 + OVERLAP_RANK)

    def weights(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every weight array."""
        n, h = self.n_attributes, self.hidden
        return {
            "query.weight": (self.query_dimension, h),
            "value.weight": (n * self.value_dimension, h),
            "mask.weight": (2 * n, h),
            "input.bias": (h,),
            "hidden.weight": (h, h),
            "hidden.bias": (h,),
            "output.weight": (h, self.outputs),
            "output.bias": (self.outputs,),
        }


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the network expects in a batch of b states, in score points."""

    now: npt.NDArray[np.float64]
    """(b,): the score if the query is answered with what is known."""
    gains: npt.NDArray[np.float64]
    """(b, n): what each question alone would add."""
    factors: npt.NDArray[np.float64]
    """(b, n, r): overlap of questions i and j is the dot product of their factors."""


class PolicyNetwork:
    """The forward pass. Sums run in double precision, so that platforms agree on near ties.

    Args:
        shape: sizes.
        weights: arrays by name, as ``NetworkShape.weights`` lists them.
    """

    def __init__(self, shape: NetworkShape, weights: Mapping[str, Array]) -> None:
        self.shape = shape
        self.weights = dict(weights)
        self._exact = {name: np.asarray(array, dtype=np.float64) for name, array in weights.items()}

    def forward(
        self, query: Array, values: Array, answered: npt.NDArray[np.bool_], declined: npt.NDArray[np.bool_]
    ) -> Forecast:
        """Forecast for b states.

        Args:
            query: (b, query_dimension).
            values: (b, n, value_dimension), zeros where not answered.
            answered: (b, n).
            declined: (b, n).
        """
        w, n = self._exact, self.shape.n_attributes
        batch = len(query)
        marks = np.concatenate([answered, declined], axis=1).astype(np.float64)
        mixed = query @ w["query.weight"] + marks @ w["mask.weight"] + w["input.bias"]
        if answered.any():
            mixed += values.reshape(batch, -1) @ w["value.weight"]
        hidden = np.maximum(mixed, 0.0)
        hidden = np.maximum(hidden @ w["hidden.weight"] + w["hidden.bias"], 0.0)
        out = hidden @ w["output.weight"] + w["output.bias"]
        return Forecast(out[:, 0], out[:, 1 : n + 1], out[:, n + 1 :].reshape(batch, n, OVERLAP_RANK))
