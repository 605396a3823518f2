"""What a search may believe before it has heard a score, learned from searches before it.

The score of a subset is taken to be linear in its size, its attributes and its pairs of attributes,

    f(S) = phi(S) . beta + lack of fit,     phi(S) = (size of S one-hot, members of S, pairs in S)

with coefficients that differ from scenario to scenario around a mean that what is known beforehand (an embedding of
the query, say) tells in part:

    beta ~ N(M (1, context), Sigma),        lack of fit ~ N(0, tau^2), independent for each subset

a linear mixed model. ``learn`` estimates M, Sigma and tau by expectation-maximisation (Laird and Ware, Random-Effects
Models for Longitudinal Data, 1982) from all scores of earlier searches, however few each holds: what one scenario
leaves open others tell. M is shrunk towards no influence of the context and Sigma towards independent coefficients,
so that a few searches teach little and many teach much. The paper has no such step.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from raise_agent.errors import ConfigError
from raise_agent.files import atomic_write_bytes
from raise_agent.subsets import known_in

Array = npt.NDArray[np.float64]

FORMAT = "raise-agent experience 1"
_TENSORS, _COUNTS = ("centre", "directions", "influence", "covariance"), ("n_attributes", "depth", "scenarios")

ROUNDS = 30
"""Most rounds of expectation-maximisation."""
SETTLED = 1e-3
"""Rounds end when the lack of fit changes by less, relatively."""
LEAST_MISFIT = 0.01
"""The lack of fit is not taken to be less than this share of the variance within scenarios."""
DIRECTIONS = 64
"""Most directions of the context that are looked at: those in which it varies most."""
PRIOR_SCENARIOS = 10.0
"""How many scenarios the independent coefficients that Sigma is shrunk to count for."""
CONTEXT_RIDGE = 100.0
"""How many scenarios at unit distance the lack of a context's influence counts for."""

PRIOR_WEIGHT = 0.3
"""How much a factor of e in a prior's weights counts in a context, beside an embedding of length 1."""


def prior_context(weights: Sequence[float] | None, n_attributes: int) -> Array:
    """What a prior's weights tell of a search beforehand, (n,): their logarithms, less their mean.

    Args:
        weights: of each attribute when nothing is known; 0 for what cannot be known. None where the prior failed.
        n_attributes: how many attributes there are.
    """
    given = np.zeros(n_attributes) if weights is None else np.asarray(weights, dtype=np.float64)
    some = given > 0
    if not some.any():
        return np.zeros(n_attributes)
    logs = np.log(np.where(some, np.maximum(given, 1e-12), 1.0))
    return np.asarray(PRIOR_WEIGHT * np.where(some, logs - logs[some].mean(), 0.0))


def n_features(n_attributes: int, depth: int) -> int:
    """How many features a subset of at most ``depth`` attributes has."""
    return depth + 1 + n_attributes + n_attributes * (n_attributes - 1) // 2


def features(subsets: Sequence[int], n_attributes: int, depth: int) -> Array:
    """The features phi of subsets of at most ``depth`` attributes: shape (k, depth + 1 + n + n (n - 1) / 2)."""
    known = known_in(subsets, n_attributes)
    sizes = (known.sum(axis=1)[:, None] == np.arange(depth + 1)).astype(np.float64)
    first, second = np.triu_indices(n_attributes, 1)
    return np.concatenate([sizes, known, known[:, first] * known[:, second]], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """What is believed of one scenario's scores."""

    n_attributes: int
    depth: int
    """Largest subset that it speaks of."""
    mean: Array
    """(p,): expected coefficients, in score points."""
    root: Array
    """(p, r): the coefficients' covariance is this times its transpose."""
    misfit: float
    """Variance of the lack of fit, in score points squared."""

    def features(self, subsets: Sequence[int]) -> Array:
        """phi of each subset, (k, p)."""
        return features(subsets, self.n_attributes, self.depth)


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """What one search heard."""

    scores: Sequence[tuple[int, float | None]]
    """(subset, score) as in a plan's trace."""
    context: Array | None = None
    """(d,): what was known before the search."""


@dataclass(frozen=True, eq=False)
class Experience:
    """What searches have taught so far, for any scenario to come."""

    n_attributes: int
    depth: int
    scenarios: int
    """How many searches it was learned from."""
    centre: Array
    """(d,): mean context; empty where there is none."""
    directions: Array
    """(d, r): from a context less the mean to what counts of it."""
    influence: Array
    """(1 + r, p): coefficients per unit of these; the first row is the mean."""
    covariance: Array
    """(p, p): of the coefficients around that."""
    misfit: float

    def belief(self, context: Array | None = None) -> Belief:
        """What to believe of a scenario of which ``context`` is known; passed over where none was learned from.

        Raises:
            ConfigError: the context is of another length than those learned from.
        """
        known = np.zeros(self.directions.shape[1])
        if context is not None and len(self.centre):
            if np.shape(context) != self.centre.shape:
                raise ConfigError(f"a context of {len(self.centre)} numbers is expected, not {np.shape(context)}")
            known = (context - self.centre) @ self.directions
        return Belief(
            self.n_attributes,
            self.depth,
            np.concatenate([[1.0], known]) @ self.influence,
            self._root,
            self.misfit,
        )

    def save(self, path: str | Path) -> None:
        """Write it to a file, all or nothing (safetensors)."""
        tensors = {name: np.ascontiguousarray(getattr(self, name)) for name in _TENSORS}
        told = {name: getattr(self, name) for name in (*_COUNTS, "misfit")}
        # One entry only: several would be written in any order.
        atomic_write_bytes(path, save(tensors, {FORMAT: json.dumps(told, sort_keys=True)}))

    @classmethod
    def load(cls, path: str | Path) -> Experience:
        """Read what ``save`` wrote.

        Raises:
            ConfigError: there is no such file, or it is not one of ours, or it is damaged.
        """
        try:
            with safe_open(str(path), framework="numpy") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in _TENSORS}
            if FORMAT not in metadata:
                raise ValueError("another format")
            told = json.loads(metadata[FORMAT])
            n_attributes, depth, scenarios = (int(told[name]) for name in _COUNTS)
            made = cls(n_attributes, depth, scenarios, **tensors, misfit=float(told["misfit"]))
            made.check()
        except (OSError, SafetensorError, KeyError, ValueError, TypeError, OverflowError) as error:
            raise ConfigError(f"{path}: not a file of what searches taught ({error})") from None
        return made

    def check(self) -> None:
        """Refuse what does not fit together.

        Raises:
            ValueError: a shape or a number is impossible.
        """
        p = n_features(self.n_attributes, self.depth)
        d, r = self.directions.shape
        shapes = (self.centre.shape, self.influence.shape, self.covariance.shape)
        if shapes != ((d,), (1 + r, p), (p, p)):
            raise ValueError("shapes that do not fit together")
        tensors = [getattr(self, name) for name in _TENSORS]
        if any(tensor.dtype != np.float64 for tensor in tensors):
            raise ValueError("numbers that are not of 64 bits")
        if not all(np.isfinite(tensor).all() for tensor in tensors) or not 0 <= self.misfit < np.inf:
            raise ValueError("numbers that are not finite")

    @cached_property
    def _root(self) -> Array:
        values, vectors = np.linalg.eigh(self.covariance)
        kept = values > 1e-9 * values[-1]
        return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))


def learn(histories: Sequence[History], n_attributes: int, depth: int, noise: float = 0.0) -> Experience:
    """Learn from searches.

    Args:
        histories: of searches; unscored evaluations are passed over.
        n_attributes: of all of them.
        depth: the largest subset.
        noise: standard deviation of one evaluation, in score points.

    Raises:
        ConfigError: no search heard a score, a subset is of other attributes or larger than ``depth``, or contexts do
            not fit together.
    """
    told = [(h, history.context) for history in histories if (h := _heard(history))]
    if not told:
        raise ConfigError("nothing to learn from: no search has heard a score")
    for subset in {subset for scores, _ in told for subset in scores}:
        if subset >> n_attributes or subset.bit_count() > depth:
            raise ConfigError(f"subset {subset:#b} is not one of at most {depth} of {n_attributes} attributes")
    centre, directions, known = _principal([context for _, context in told])
    design = np.concatenate([np.ones((len(told), 1)), known], axis=1)
    groups = _groups([scores for scores, _ in told], n_attributes, depth, noise)
    everything = np.concatenate([group.scores.ravel() for group in groups])
    within = float(np.mean(np.concatenate([group.scores.var(axis=1) for group in groups]))) + 1e-9
    start = _independent(n_attributes, depth, within, float(everything.var()))
    influence, covariance, misfit = np.zeros((design.shape[1], len(start))), start, 0.1 * within
    influence[0, : depth + 1] = everything.mean()
    ridge = np.diag([1e-9, *[CONTEXT_RIDGE] * known.shape[1]])
    for _ in range(ROUNDS):
        expected, means = design @ influence, np.zeros((len(told), len(start)))
        left, errors = np.zeros_like(start), 0.0
        for group in groups:
            means[group.places], doubt, error = group.posterior(expected[group.places], covariance, misfit)
            left += doubt
            errors += error
        influence = np.linalg.solve(design.T @ design + ridge, design.T @ means)
        around = means - design @ influence
        covariance = (left + around.T @ around + PRIOR_SCENARIOS * start) / (len(told) + PRIOR_SCENARIOS)
        # What rounding leaves asymmetric would grow from round to round.
        covariance = (covariance + covariance.T) / 2
        before, misfit = misfit, max(errors / len(everything), LEAST_MISFIT * within)
        if abs(misfit - before) < SETTLED * before:
            break
    return Experience(n_attributes, depth, len(told), centre, directions, influence, covariance, misfit)


def _heard(history: History) -> dict[int, list[float]]:
    """Scored samples by subset."""
    samples: dict[int, list[float]] = {}
    for subset, score in history.scores:
        if score is not None:
            samples.setdefault(subset, []).append(score)
    return samples


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Searches that heard as many subsets each, so that they are computed together."""

    places: npt.NDArray[np.int64]
    """(g,): which searches."""
    features: Array
    """(g, k, p): of the subsets scored."""
    scores: Array
    """(g, k): mean score of each."""
    noise: Array
    """(g, k): variance of that mean."""

    def posterior(self, expected: Array, covariance: Array, misfit: float) -> tuple[Array, Array, float]:
        """Coefficients (g, p), the sum of their covariances (p, p), and of the squared misfits expected."""
        gain = self.features @ covariance
        places = np.arange(self.scores.shape[1])
        joint = gain @ self.features.transpose(0, 2, 1)
        joint[:, places, places] += misfit + self.noise
        off = self.scores - (self.features @ expected[:, :, None])[:, :, 0]
        inverse = np.linalg.inv(joint)
        # What remains of the misfit is itself estimated, as one more coefficient for each subset.
        solved = (inverse @ off[:, :, None])[:, :, 0]
        means = expected + (gain.transpose(0, 2, 1) @ solved[:, :, None])[:, :, 0]
        left = len(off) * covariance - np.einsum("gkp,gkl,glq->pq", gain, inverse, gain, optimize=True)
        lacking = misfit * solved
        doubt = misfit - misfit**2 * inverse[:, places, places]
        return means, left, float((lacking**2 + doubt).sum())


def _groups(heard: Sequence[dict[int, list[float]]], n_attributes: int, depth: int, noise: float) -> list[_Group]:
    by_count: dict[int, list[int]] = {}
    for place, samples in enumerate(heard):
        by_count.setdefault(len(samples), []).append(place)
    p = n_features(n_attributes, depth)
    groups = []
    for count, places in sorted(by_count.items()):
        subsets = [subset for place in places for subset in heard[place]]
        drawn = [samples for place in places for samples in heard[place].values()]
        groups.append(
            _Group(
                np.asarray(places),
                features(subsets, n_attributes, depth).reshape(len(places), count, p),
                np.asarray([float(np.mean(samples)) for samples in drawn]).reshape(len(places), count),
                np.asarray([noise**2 / len(samples) for samples in drawn]).reshape(len(places), count),
            )
        )
    return groups


def _principal(contexts: Sequence[Array | None]) -> tuple[Array, Array, Array]:
    """Mean, directions (d, r) and coordinates (k, r) of the contexts, each direction of unit variance or less."""
    if any(context is None for context in contexts):
        return np.zeros(0), np.zeros((0, 0)), np.zeros((len(contexts), 0))
    if len({context.shape for context in contexts if context is not None}) > 1:
        raise ConfigError("contexts must all be of one length")
    table = np.asarray(contexts, dtype=np.float64)
    if not np.isfinite(table).all():
        raise ConfigError("contexts must be finite numbers")
    centre = table.mean(axis=0)
    _, sizes, axes = np.linalg.svd(table - centre, full_matrices=False)
    largest = max(sizes.max(initial=0.0), 1e-12)
    kept = min(DIRECTIONS, int((sizes > 1e-6 * largest).sum()))
    directions = axes[:kept].T * (np.sqrt(len(table)) / largest)
    return centre, directions, (table - centre) @ directions


def _independent(n_attributes: int, depth: int, variance: float, between: float) -> Array:
    """Covariance of independent coefficients: this variance among subsets of full size, and between scenarios."""
    n_pairs = n_attributes * (n_attributes - 1) // 2
    level = np.full(depth + 1, between + variance)
    effects = np.full(n_attributes, variance / max(depth, 1))
    pairs = np.full(n_pairs, 0.3 * variance / max(depth * (depth - 1) / 2, 1))
    return np.diag(np.concatenate([level, effects, pairs]))
