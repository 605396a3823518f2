"""The policy's network, in numpy: what is known in, expected safety scores out.

    h = relu(Q q + sum_i V_i v_i + M m + b)      q what is recalled for the query, or its vector;
                                                  v_i code of the i-th answer, 0 where there is none
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
    """Of what is recalled for a query, or of its vector."""
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
        kept = 1 + shape.n_attributes
        self._now_and_gains = np.ascontiguousarray(self._exact["output.weight"][:, :kept])
        self._now_and_gains_bias = self._exact["output.bias"][:kept]

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
        batch, size = len(query), self.shape.value_dimension
        marks = np.concatenate([answered, declined], axis=1).astype(np.float64)
        mixed = query @ w["query.weight"] + marks @ w["mask.weight"] + w["input.bias"]
        # Most questions have no answer yet, and the weights for answers are most of the network.
        for i in np.flatnonzero(answered.any(axis=0)).tolist():
            mixed += values[:, i] @ w["value.weight"][i * size : (i + 1) * size]
        hidden = np.maximum(mixed, 0.0)
        hidden = np.maximum(hidden @ w["hidden.weight"] + w["hidden.bias"], 0.0)
        out = hidden @ w["output.weight"] + w["output.bias"]
        return Forecast(out[:, 0], out[:, 1 : n + 1], out[:, n + 1 :].reshape(batch, n, OVERLAP_RANK))

    def query_part(self, query: Array) -> npt.NDArray[np.float64]:
        """(b, hidden): what queries and the bias give the first layer, before answers are added."""
        return np.asarray(query.astype(np.float64) @ self._exact["query.weight"] + self._exact["input.bias"])

    def answer_part(self, attribute: int, codes: Array) -> npt.NDArray[np.float64]:
        """(..., hidden): what answers for an attribute, codes (..., value_dimension), add to the first layer."""
        size = self.shape.value_dimension
        rows = self._exact["value.weight"][attribute * size : (attribute + 1) * size]
        return np.asarray(codes.astype(np.float64) @ rows + self._exact["mask.weight"][attribute])

    def declined_part(self, attribute: int) -> npt.NDArray[np.float64]:
        """(hidden,): what declining adds to the first layer."""
        return np.asarray(self._exact["mask.weight"][self.shape.n_attributes + attribute])

    def head(self, mixed: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(b, 1 + n): score now and gains, from the whole first layer, which is overwritten.

        The sums run in another order than in ``forward``; ``drift`` says how far that takes them apart.
        """
        hidden = np.maximum(mixed, 0.0, out=mixed) @ self._exact["hidden.weight"]
        hidden += self._exact["hidden.bias"]
        out = np.maximum(hidden, 0.0, out=hidden) @ self._now_and_gains
        out += self._now_and_gains_bias
        return np.asarray(out)

    def drift(self, norm: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """How far apart two orders of summation can bring now and gains, (1 + n,), and how large these can be.

        A sum of k products, in any order, fused or not, is off by at most k u / (1 - k u) times the sum of their
        absolute values, u = 2**-53 (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).

        Args:
            norm: largest Euclidean norm of ``query``; answers' codes are of norm 1.
        """
        w, s = {name: np.abs(array) for name, array in self._exact.items()}, self.shape
        n, kept = s.n_attributes, 1 + s.n_attributes
        # Codes are scaled to length 1 in single precision.
        codes = 1.001 * np.sqrt(np.square(w["value.weight"]).reshape(n, s.value_dimension, -1).sum(axis=1))
        marks = w["mask.weight"].reshape(2, n, -1)
        size = 1.001 * norm * np.sqrt(np.square(w["query.weight"]).sum(axis=0)) + w["input.bias"]
        size += np.maximum(marks[0] + codes, marks[1]).sum(axis=0)
        off = _rounding(s.query_dimension + n * (s.value_dimension + 2) + 8) * size
        layers = (
            (w["hidden.weight"], w["hidden.bias"]),
            (w["output.weight"][:, :kept], w["output.bias"][:kept]),
        )
        for weight, bias in layers:
            off, size = (
                off @ weight + _rounding(len(weight) + 4) * ((size + off) @ weight + bias),
                size @ weight + bias,
            )
        # Either order may be off, in opposite directions; one part in a thousand for the bounds' own rounding.
        return 2.002 * off, 1.001 * size


def _rounding(terms: int) -> float:
    return terms * 2.0**-53 / (1 - terms * 2.0**-53)
