"""A policy's memory: what was found for the queries of training, fitted before the network learns.

A ridge regression of each scenario's scores says what every question was worth to that user, more or less than to
all. A Gaussian process over query vectors (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
section 2.2) makes of these the worth of the questions for any query; its mean is what ``policies.memory`` recalls.
Where there are more wordings than are kept, those kept stand for all (the subset of regressors, ibid., section
8.3.1).

In training a scenario is shown what the others taught, not what its own evaluations said, or the network would learn
to trust its memory more than it may later.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from raise_agent.policies.memory import Memory

from .dataset import Examples
from .threads import one_thread

_BANDWIDTH = 3.0
"""So wide that wordings which share some words teach each other; between 2 and 8 nothing depends on it."""
_NOISE = 0.3
"""Variance of what one scenario says of its wording, over that of what wordings are worth."""
_RIDGE = 2.0
"""Variance of one evaluation, over that of what a question is worth to one user or another."""
_JITTER = 1e-6


def remember(examples: Examples, most: int) -> tuple[Memory, Examples]:
    """Fit a memory; also the same examples, with what each recalls of the others in place of its query's vector.

    Args:
        examples: s training scenarios over n attributes.
        most: wordings to keep, 1 or more: those of most scenarios, of equals the first.
    """
    with one_thread():
        worth = _worth(examples)
        worth /= max(float(worth.std(correction=0)), 1e-12)
        wording = torch.from_numpy(examples.query_of)
        counts = torch.bincount(wording, minlength=len(examples.queries)).double()
        totals = torch.zeros(len(counts), worth.shape[1], dtype=torch.float64).index_add_(0, wording, worth)
        kept = torch.argsort(counts, descending=True, stable=True)[:most].sort().values
        queries = torch.from_numpy(examples.queries)
        kernel = _kernel(queries, queries[kept], _BANDWIDTH)
        precision = kernel[kept] + kernel.T @ (counts[:, None] / _NOISE * kernel)
        precision.diagonal().add_(_JITTER)
        factor = torch.linalg.cholesky(precision)
        effects = torch.cholesky_solve(kernel.T @ (totals / _NOISE), factor)
        # Leaving one observation out of a Gaussian takes its precision away: no second fit is needed.
        share = torch.linalg.solve_triangular(factor, kernel.T, upper=False).square().sum(dim=0)[wording, None] / _NOISE
        others = ((kernel @ effects)[wording] - share * worth) / (1 - share)
    memory = Memory(examples.queries[kept.numpy()], effects.float().numpy(), _BANDWIDTH)
    return memory, replace(examples, queries=others.float().numpy(), query_of=np.arange(len(examples)))


def recall(memory: Memory, examples: Examples) -> Examples:
    """Other examples, with what they recall in place of their queries' vectors."""
    with one_thread():
        kernel = _kernel(torch.from_numpy(examples.queries), torch.from_numpy(memory.vectors), memory.bandwidth)
        recalled = kernel @ torch.from_numpy(memory.effects).double()
    return replace(examples, queries=recalled.float().numpy())


def _kernel(queries: Tensor, kept: Tensor, bandwidth: float) -> Tensor:
    """How near each query is to each one kept, 0 to 1."""
    return torch.exp(bandwidth * (queries.double() @ kept.double().T - 1))


def _worth(examples: Examples) -> Tensor:
    """(s, n): what each question was worth in a scenario above what it was worth in all, in score points.

    Within scenarios only: how safe a bare answer is differs between users in ways no question reveals.
    """
    n = examples.values_of.shape[1]
    weights, scores = torch.from_numpy(examples.weights).double(), torch.from_numpy(examples.scores).double()
    subsets, bits = torch.from_numpy(examples.subsets), torch.arange(n)
    ridge = _RIDGE * torch.eye(n, dtype=torch.float64)
    products, sums = [], []
    # A part at a time: members of all would take as much memory as training does.
    for rows in torch.split(torch.arange(len(examples)), 1024):
        weight = weights[rows][..., None]
        members = (subsets[rows][..., None] >> bits & 1).double()
        members = (members - (members * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True)) * weight
        products.append(members.transpose(1, 2) @ members)
        sums.append(members.transpose(1, 2) @ (scores[rows] * weights[rows])[..., None])
    product, total = torch.cat(products), torch.cat(sums)
    everyone = torch.linalg.solve(product.sum(dim=0) + ridge, total.sum(dim=0))
    worth: Tensor = torch.linalg.solve(product + ridge, total - product @ everyone)
    return worth[..., 0]
