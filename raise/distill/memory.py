"""What was found for training queries, as inputs for the network: fitted once, before training.

A ridge regression of each scenario's scores gives what every question was worth to that user, shrunk to what it is
worth to all. A Gaussian process over query vectors (Rasmussen and Williams, Gaussian Processes for Machine Learning,
2006, section 2.2) makes of these the worth of the questions for any query; its mean is what ``policies.memory``
recalls. Where more wordings were trained on than are kept, those kept stand for all (deterministic training
conditional, Quinonero-Candela and Rasmussen, 2005, section 5).

In training a scenario must not be shown what its own evaluations said, or the network would trust its memory more
than it may later. Taking observations out of a Gaussian is a subtraction of precisions, so that no second fit is
needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from raise_agent.policies.memory import Memory
from raise_agent.policies.network import Array

from .dataset import Examples

_RIDGE = 2.0
"""Noise of an evaluation over the spread of a question's worth between users, both as variances."""
_BANDWIDTHS = (1.5, 3.0, 6.0, 12.0)
_NOISES = (0.1, 0.3, 1.0, 3.0)
"""Variance of what one scenario says of its wording, over that between wordings."""
_JITTER = 1e-6


@dataclass(frozen=True, slots=True)
class Recalled:
    """A memory, and what the s training scenarios are shown of it, over n attributes."""

    memory: Memory
    others: Array
    """(s, n): features of each scenario's query, what the scenario itself taught taken out."""
    unseen: Array
    """(s, n): the same, what every scenario of its wording taught taken out."""


def remember(examples: Examples, most: int) -> Recalled:
    """Fit a memory of at most ``most`` wordings, those of most scenarios, of equals the first.

    Bandwidth and noise are those that foretell each scenario best from the others, and each wording from the others.
    """
    n = examples.values_of.shape[1]
    found = worths(examples, n)
    spread = float(found.std()) or 1.0
    found = found / spread
    wording = torch.from_numpy(examples.query_of)
    distinct = len(examples.queries)
    counts = torch.bincount(wording, minlength=distinct).double()
    totals = torch.zeros(distinct, n, dtype=torch.float64).index_add_(0, wording, found)
    kept = torch.argsort(-counts, stable=True)[:most].sort().values
    queries = torch.from_numpy(examples.queries).double()
    cosines = queries @ queries[kept].T
    fits = [
        _Fit(torch.exp(bandwidth * (cosines - 1)), kept, counts, totals, noise, bandwidth)
        for bandwidth in _BANDWIDTHS
        for noise in _NOISES
    ]
    best = min(fits, key=lambda fit: fit.error(found, wording))
    memory = Memory(
        vectors=examples.queries[kept.numpy()],
        effects=best.effects.float().numpy(),
        bandwidth=best.bandwidth,
    )
    others, unseen = best.without(found, wording)
    return Recalled(memory, others.float().numpy(), unseen.float().numpy())


class _Fit:
    """A Gaussian process with one bandwidth and noise: m wordings kept of w, f attributes."""

    def __init__(
        self, kernel: Tensor, kept: Tensor, counts: Tensor, totals: Tensor, noise: float, bandwidth: float
    ) -> None:
        self.counts, self.totals, self.noise, self.bandwidth = counts, totals, noise, bandwidth
        precision = kernel[kept] + kernel.T @ (counts[:, None] / noise * kernel)
        precision.diagonal().add_(_JITTER)
        factor = torch.linalg.cholesky(precision)
        self.effects = torch.cholesky_solve(kernel.T @ (totals / noise), factor)
        """(m, f)"""
        self.mean = kernel @ self.effects
        """(w, f): what each wording recalls."""
        self.variance = torch.linalg.solve_triangular(factor, kernel.T, upper=False).square().sum(dim=0)
        """(w,)"""

    def without(self, found: Tensor, wording: Tensor) -> tuple[Tensor, Tensor]:
        """(s, f) twice: each scenario's recall without itself, and without all of its wording."""
        others = self._less(self.mean[wording], self.variance[wording], found, torch.ones(len(found)))
        unseen = self._less(self.mean, self.variance, self.totals, self.counts)
        return others, unseen[wording]

    def _less(self, mean: Tensor, variance: Tensor, total: Tensor, count: Tensor) -> Tensor:
        """The mean where ``count`` observations, whose sum is ``total``, are taken out."""
        left = 1 - count * variance / self.noise
        return (mean - variance[:, None] * total / self.noise) / left[:, None]

    def error(self, found: Tensor, wording: Tensor) -> float:
        """Mean squared error of both."""
        others, unseen = self.without(found, wording)
        return float((others - found).square().mean() + (unseen - found).square().mean())


def worths(examples: Examples, n: int) -> Tensor:
    """(s, n): what each question was worth in each scenario above what it is worth in all, in score points."""
    weights = torch.from_numpy(examples.weights).double()
    scores = torch.from_numpy(examples.scores).double()
    bits = torch.arange(n)
    ridge = _RIDGE * torch.eye(n, dtype=torch.float64)
    products, sums = [], []
    for part in torch.split(torch.arange(len(examples)), 1024):
        w = weights[part][..., None]
        members = (torch.from_numpy(examples.subsets[part.numpy()])[..., None] >> bits & 1).double()
        members = (members - (members * w).sum(1, keepdim=True) / w.sum(1, keepdim=True)) * w
        score = scores[part][..., None] * w
        products.append(members.transpose(1, 2) @ members)
        sums.append(members.transpose(1, 2) @ score)
    everyone = torch.linalg.solve(sum(p.sum(dim=0) for p in products) + ridge, sum(s.sum(dim=0) for s in sums))
    return torch.cat(
        [torch.linalg.solve(p + ridge, s - p @ everyone)[..., 0] for p, s in zip(products, sums, strict=True)]
    )
