"""What scores within a scenario have in common with those of all others: effects of questions and of pairs of them.

How safe a bare answer is differs between users in ways no question reveals, so only differences within scenarios tell.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from raise_agent.subsets import known_in

from .dataset import Examples

RIDGE = 1.0
"""Variance of one evaluation, over that of what a question is worth to one user or another."""
_MOST_NUMBERS = 1 << 24
"""In one array of a part of the scenarios."""


def parts(examples: Examples) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """A part at a time, since all would take as much memory as training does: which questions were known in each
    evaluation, (s, k, n); scores, (s, k); and weights, (s, k)."""
    n = examples.values_of.shape[1]
    scores, weights = torch.from_numpy(examples.scores).double(), torch.from_numpy(examples.weights).double()
    size = max(1, min(1024, _MOST_NUMBERS // (n * (n + 1) // 2 * scores.shape[1])))
    for rows in torch.split(torch.arange(len(examples)), size):
        yield torch.from_numpy(known_in(examples.subsets[rows.numpy()], n)), scores[rows], weights[rows]


def pairs(members: Tensor) -> Tensor:
    """(s, k, n (n - 1) / 2): which pairs of questions were known."""
    one, other = torch.triu_indices(members.shape[-1], members.shape[-1], 1)
    return members[..., one] * members[..., other]


def within(features: Tensor, weights: Tensor) -> Tensor:
    """Features of evaluations, less their scenario's mean, times the roots of their weights."""
    weight = weights[..., None]
    mean = (features * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True)
    return (features - mean) * weight.sqrt()


def shared_effects(examples: Examples) -> tuple[Tensor, Tensor]:
    """What each question brings, (n,), and what each two bring together above that, (n (n - 1) / 2,)."""
    n = examples.values_of.shape[1]
    features = n * (n + 1) // 2
    product, total = torch.zeros(features, features).double(), torch.zeros(features).double()
    for members, scores, weights in parts(examples):
        both = within(torch.cat([members, pairs(members)], dim=-1), weights).flatten(0, 1)
        product += both.T @ both
        total += both.T @ (scores * weights.sqrt()).flatten()
    product.diagonal().add_(RIDGE)
    effects = torch.linalg.solve(product, total)
    return effects[:n], effects[n:]
