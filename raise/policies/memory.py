"""What was found for training queries, recalled for any query: inputs of the network beside the query's vector.

    features(q) = sum_j exp(bandwidth (q . q_j - 1)) effects_j

The mean of a Gaussian process over query vectors, fitted in distillation (``distill.memory``). It holds vectors, no
text.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .network import Array


@dataclass(frozen=True, slots=True)
class Memory:
    """Queries that were trained on."""

    vectors: Array
    """(m, query dimension): unit vectors."""
    effects: Array
    """(m, n): what each adds to the features of a query like it, in standard deviations over training scenarios."""
    bandwidth: float
    """How fast a query is forgotten with distance, above 0."""

    def features(self, queries: Array) -> Array:
        """(b, n): what is recalled for queries (b, query dimension)."""
        nearness = np.exp(self.bandwidth * ((queries @ self.vectors.T).astype(np.float64) - 1.0))
        return (nearness @ self.effects.astype(np.float64)).astype(np.float32)
