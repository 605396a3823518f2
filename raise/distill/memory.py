"""A policy's memory: what was found for the queries of training, fitted before the network learns.

Of the scores of one scenario a linear model with random slopes says what each question was worth to that user: a part
that depends on the query, times a part that depends on the answer (a graver answer makes its question worth more,
whatever the query), and a part of the user's own. What questions overlap is the same for all and taken off first. A
search scores what looks good for its user. As each user has slopes of their own here, and a question that was hardly
scored counts hardly, that biases what is recalled little; means and overlaps, estimated for all users alike, it does.

A Gaussian process over query vectors (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section
2.2) makes of these the worth of the questions for any query. A query of training that is known in other words too lies
in the middle of its wordings: a further one is likelier to be near that than near any of them. Where there are more
queries than are kept, those kept stand for all (the subset of regressors, ibid., section 8.3.1). Its mean for a query,
and its mean for the queries of training that the query may be in other words, are what ``policies.memory`` recalls.

In training a scenario is shown what the others taught, not what its own evaluations said, or the network would learn
to trust its memory more than it may later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from raise_agent.policies.memory import Memory
from raise_agent.threads import one_thread

from .dataset import Examples
from .effects import RIDGE, pairs, parts, shared_effects, within

_BANDWIDTH = 3.0
"""So wide that queries which share some words teach each other; between 2 and 8 nothing depends on it."""
_CONCENTRATION = 30.0
"""So narrow that another request that is near counts little beside the same one in other words."""
_NOISE = 0.2
"""Variance of what one scenario says of its query, over that of what queries are worth."""
_ANSWER_RIDGE = 20.0
"""So many scenarios with an answer tell half of what it changes."""
_LEAST_FACTOR, _MOST_FACTOR = 0.1, 10.0
"""Of what an answer makes of a question's worth."""
_LEAST_MEAN = 0.1
"""Of a question's mean worth, over that of the one worth most, for factors."""
_LEAST_SPREAD = 0.01
"""Of worths, over the greatest mean worth: scenarios that agree better than this are taken to differ by that much."""
_JITTER = 1e-6


@dataclass(frozen=True, slots=True)
class _Worth:
    """What scenarios say of their questions, (s, n) each but for ``mean``.

    A question's worth to a user is ``factor * (mean + what the query adds) + the user's own``; ``shown`` estimates
    ``resolution * factor * what the query adds``.
    """

    shown: Tensor
    """In score points."""
    resolution: Tensor
    """How much of a worth the scenario's evaluations show, from 0 (the question was not among them) to 1."""
    mean: Tensor
    """(n,): what questions are worth on average, in score points."""
    factor: Tensor
    """What the answer makes of the question's worth, about 1; 0 where the profile holds none."""


def remember(
    examples: Examples, requests: npt.NDArray[np.float32], most: int, recurrence: float
) -> tuple[Memory, Examples]:
    """Fit a memory; also the same examples, with what each recalls of the others in place of its query's vector.

    Args:
        examples: s training scenarios over n attributes.
        requests: (distinct queries, d), where what each query asks for lies (``dataset.requests_of``).
        most: queries to keep, 1 or more: those of most scenarios, of equals the first.
        recurrence: how likely a query is one of training, in the same words or in others, 0 to 1.
    """
    with one_thread():
        worth = _worth(examples)
        known = worth.resolution * worth.factor > _LEAST_FACTOR
        spread = float(worth.shown[known].std(correction=0)) if known.any() else 0.0
        shown = worth.shown / max(spread, _LEAST_SPREAD * float(worth.mean.abs().max()), 1e-12)
        query_of = torch.from_numpy(examples.query_of)
        counts = torch.bincount(query_of, minlength=len(examples.queries))
        kept = torch.argsort(counts, descending=True, stable=True)[:most].sort().values
        queries, wanted = torch.from_numpy(examples.queries), torch.from_numpy(requests)
        kernel = _kernel(wanted, wanted[kept], _BANDWIDTH)
        among = kernel[kept]
        # What of each effect a query recalls.
        reading = recurrence * _likely(queries, wanted[kept], _CONCENTRATION) @ among
        reading += (1 - recurrence) * _kernel(queries, wanted[kept], _BANDWIDTH)
        effects, others = [], []
        # A question that nobody answered tells nothing of itself, so that each has a precision of its own.
        for precise, total in zip(
            (worth.resolution * worth.factor.square() / _NOISE).T, (worth.factor * shown / _NOISE).T, strict=True
        ):
            of_query = torch.zeros(2, len(counts), dtype=torch.float64)
            of_query.index_add_(1, query_of, torch.stack([precise, total]))
            precision = among + kernel.T @ (of_query[0][:, None] * kernel)
            precision.diagonal().add_(_JITTER)
            factor = torch.linalg.cholesky(precision)
            effect = torch.cholesky_solve((kernel.T @ of_query[1])[:, None], factor)[:, 0]
            # Leaving one observation out of a Gaussian takes its precision away: no second fit is needed.
            own = torch.linalg.solve_triangular(factor, kernel.T, upper=False)
            variance = own.square().sum(dim=0)[query_of]
            covariance = (torch.linalg.solve_triangular(factor, reading.T, upper=False) * own).sum(dim=0)[query_of]
            surprise = (precise * (kernel @ effect)[query_of] - total) / (1 - variance * precise)
            others.append((reading @ effect)[query_of] + covariance * surprise)
            effects.append(effect)
        learned = torch.stack(effects, 1)
        found = among @ learned
    arrays = requests[kept.numpy()], learned.float().numpy(), found.float().numpy()
    memory = Memory(*arrays, _BANDWIDTH, _CONCENTRATION, recurrence)
    recalled = torch.stack(others, 1).float().numpy()
    return memory, replace(examples, queries=recalled, query_of=np.arange(len(examples)))


def recall(memory: Memory, examples: Examples) -> Examples:
    """Other examples, with what they recall in place of their queries' vectors."""
    with one_thread():
        queries, kept = torch.from_numpy(examples.queries), torch.from_numpy(memory.vectors)
        met = _likely(queries, kept, memory.concentration) @ torch.from_numpy(memory.found).double()
        new = _kernel(queries, kept, memory.bandwidth) @ torch.from_numpy(memory.effects).double()
        recalled = memory.recurrence * met + (1 - memory.recurrence) * new
    return replace(examples, queries=recalled.float().numpy())


def _kernel(queries: Tensor, kept: Tensor, bandwidth: float) -> Tensor:
    """How near each query is to each one kept, 0 to 1."""
    return torch.exp(bandwidth * (queries.double() @ kept.double().T - 1))


def _likely(queries: Tensor, kept: Tensor, concentration: float) -> Tensor:
    """How likely each query is each one kept in other words, if it is any of them."""
    return torch.softmax(concentration * queries.double() @ kept.double().T, dim=1)


def _worth(examples: Examples) -> _Worth:
    """Worths within scenarios only: how safe a bare answer is differs between users in ways no question reveals."""
    n = examples.values_of.shape[1]
    (_, overlaps), ridge = shared_effects(examples), RIDGE * torch.eye(n, dtype=torch.float64)
    products, totals = [], []
    for members, scores, weights in parts(examples):
        alone = within(members, weights)
        left = (scores - pairs(members) @ overlaps) * weights.sqrt()
        products.append(alone.transpose(1, 2) @ alone)
        totals.append(alone.transpose(1, 2) @ left[..., None])
    product, total = torch.cat(products), torch.cat(totals)
    mean = torch.linalg.solve(product.sum(dim=0) + ridge, total.sum(dim=0))
    inverse = torch.linalg.inv(product + ridge)
    shown = (inverse @ (total - product @ mean))[..., 0]
    resolution = (inverse @ product).diagonal(dim1=1, dim2=2)
    factor, changed = _answers(examples, shown, resolution, mean[:, 0])
    return _Worth(shown - resolution * changed, resolution, mean[:, 0], factor)


def _answers(examples: Examples, shown: Tensor, resolution: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """What answers make of their questions' mean worth, (s, n) each: a factor, and the change in score points.

    Ridge regressions of worths on the codes of answers. A question that is worth next to nothing on average, or less,
    has changes and no factors: there is nothing to be a share of.
    """
    values, values_of = torch.from_numpy(examples.values).double(), torch.from_numpy(examples.values_of)
    ridge = _ANSWER_RIDGE * torch.eye(values.shape[1], dtype=torch.float64)
    least = max(_LEAST_MEAN * float(mean.max()), 1e-12)
    factors, changes = torch.ones_like(shown), torch.zeros_like(shown)
    for i in range(values_of.shape[1]):
        codes = values[values_of[:, i]]
        weighted = codes * resolution[:, i, None]
        changes[:, i] = codes @ torch.linalg.solve(weighted.T @ codes + ridge, codes.T @ shown[:, i])
        if mean[i] >= least:
            factors[:, i] = (1 + changes[:, i] / mean[i]).clamp(_LEAST_FACTOR, _MOST_FACTOR)
            changes[:, i] = mean[i] * (factors[:, i] - 1)
    held = values_of != 0
    return factors * held, torch.where(held, changes, -mean)
