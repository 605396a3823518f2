"""How much each evaluation counts in training: the less certain its score, the less.

A score is uncertain where its judge wavered, and the more so the fewer draws it is the mean of. What a judge says of
its own doubt need not be on any scale, and no forecast explains even certain scores wholly. So how much of an
evaluation's error goes with its doubt is estimated. Within scenarios, scores are taken to follow a linear mixed model
(Laird and Ware, Biometrics 38, 1982), whose levels and slopes are each scenario's own, with residual variance

    misfit + noise * doubt / draws,

and all four variances are found by maximum likelihood. An evaluation's weight is its precision, the reciprocal of its
residual variance, over the mean precision of all: 1 for all where doubt tells nothing.

The paper takes all scores as equally certain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from raise_agent.threads import one_thread

from .dataset import Examples
from .effects import pairs, parts, shared_effects

_ENOUGH = 1 << 18
"""Evaluations that tell four variances apart."""
_LEAST_MISFIT = 0.1
"""Of the median residual variance: no score is taken to be surer than that."""
_LEAST, _START = 1e-6, 0.25
"""Of the variance of scores: the least that the misfit is taken to be, and where the search for variances starts."""


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """What evaluations' errors are made of, in score points squared."""

    misfit: float
    """Variance of the error of a score that is certain; what is found, and at least a tenth of the median of all."""
    noise: float
    """What is added to it by the usual doubt of one draw."""
    usual_doubt: float | None
    """``Score.doubt``, the mean over all that have one, is taken as 1; None where none has."""
    precision: float
    """Mean precision of the evaluations that this was measured on, in score points to the power of -2."""

    def weigh(self, examples: Examples) -> Examples:
        """The same examples with their evaluations' weights."""
        variances = self.misfit + self.noise * relative_doubts(examples, self.usual_doubt)
        weights = np.where(examples.draws > 0, 1 / (self.precision * variances), 0.0)
        return replace(examples, weights=weights.astype(np.float32))


def measure_uncertainty(examples: Examples, seed: int) -> Uncertainty | None:
    """Find out what evaluations' errors are made of; None where all are equally doubtful.

    Args:
        examples: of training, unweighed.
        seed: of which scenarios are looked at, where there are more than enough.
    """
    usual = usual_doubt(examples)
    some = _some(examples, seed)
    doubt = relative_doubts(some, usual)
    if np.ptp(doubt[some.draws > 0]) == 0:
        return None
    with one_thread():
        misfit, noise = _variances(some, doubt)
    all_of_it = relative_doubts(examples, usual)[examples.draws > 0]
    misfit = max(misfit, _LEAST_MISFIT * (misfit + noise * float(np.median(all_of_it))))
    return Uncertainty(misfit, noise, usual, float((1 / (misfit + noise * all_of_it)).mean()))


def usual_doubt(examples: Examples) -> float | None:
    """``Score.doubt``, the mean over all that have one; None where none has."""
    told = examples.doubts[(examples.draws > 0) & ~np.isnan(examples.doubts)]
    return float(told.mean(dtype=np.float64)) if len(told) else None


def relative_doubts(examples: Examples, usual: float | None) -> npt.NDArray[np.float64]:
    """(s, k): doubt of each score, over that of one draw with the usual doubt, which stands where none is told."""
    doubts = examples.doubts.astype(np.float64)
    told = ~np.isnan(doubts) if usual else np.zeros(doubts.shape, np.bool_)
    relative = np.divide(doubts, usual or 1.0, out=np.ones_like(doubts), where=told)
    return np.asarray(relative / np.maximum(examples.draws, 1))


def _some(examples: Examples, seed: int) -> Examples:
    """The same, or as many of the scenarios, drawn from all, as have enough evaluations."""
    count = max(1, len(examples) * _ENOUGH // max(examples.evaluations, 1))
    if count >= len(examples):
        return examples
    rows = np.sort(np.random.default_rng(seed).permutation(len(examples))[:count])
    of_scenarios = ("query_of", "values_of", "subsets", "scores", "draws", "doubts", "weights")
    return replace(examples, **{name: getattr(examples, name)[rows] for name in of_scenarios})


def _variances(examples: Examples, doubt: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Misfit and noise of highest likelihood, with the variances of levels and of slopes.

    What all scenarios share is taken off the scores first, so that only what is each one's own is left to explain.
    """
    alone, overlaps = shared_effects(examples)
    found = [(m, scores - m @ alone - pairs(m) @ overlaps, weights) for m, scores, weights in parts(examples)]
    members, left, real = (torch.cat(tensors) for tensors in zip(*found, strict=True))
    left = (left - (left * real).sum() / real.sum()) * real
    own = torch.cat([members, torch.ones_like(left)[..., None]], dim=-1)
    scale = max(float(left[real > 0].var(correction=0)), 1e-12)
    relative = torch.from_numpy(doubt)
    logs = torch.full((4,), math.log(_START), dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([logs], max_iter=200, line_search_fn="strong_wolfe")

    def minus_log_likelihood() -> Tensor:
        misfit, noise, slope, level = _above_least(logs, scale)
        of = torch.cat([slope.expand(members.shape[-1]), level[None]])
        search.zero_grad()
        loss = _minus_log_likelihood(left, own, real, misfit + noise * relative, of) / real.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    search.step(minus_log_likelihood)  # type: ignore[no-untyped-call]
    misfit, noise, _, _ = (float(variance) for variance in _above_least(logs.detach(), scale))
    return misfit, noise


def _above_least(logs: Tensor, scale: float) -> Tensor:
    """Variances of misfit, noise, slopes and levels; the misfit above the least, so that no residual is impossible.

    Where scores are explained almost wholly, doubt would count for as much as a least noise, were there one.
    """
    return scale * (logs.exp() + torch.tensor([_LEAST, 0.0, _LEAST, _LEAST], dtype=torch.float64))


def _minus_log_likelihood(left: Tensor, own: Tensor, real: Tensor, variances: Tensor, of: Tensor) -> Tensor:
    """Of normal residuals with covariance V = diag(variances) + Z D Z^T in each scenario; twice, without its constant.

    Log-determinants and quadratic forms by Woodbury's identities: features are few, evaluations may be many.

    Args:
        left: (s, k), the residuals.
        own: (s, k, f), Z: what each scenario has an effect of its own for.
        real: (s, k), 1 for an evaluation, 0 where padded.
        variances: (s, k), of evaluations.
        of: (f,), the diagonal of D.
    """
    precisions = real / variances
    scaled = own * of.sqrt()
    inner = torch.eye(len(of), dtype=torch.float64) + scaled.transpose(1, 2) @ (scaled * precisions[..., None])
    shown = (scaled * (precisions * left)[..., None]).sum(dim=1)
    explained = (shown * torch.linalg.solve(inner, shown)).sum()
    total: Tensor = (
        (precisions * left.square()).sum() - explained + (real * variances.log()).sum() + torch.logdet(inner).sum()
    )
    return total
