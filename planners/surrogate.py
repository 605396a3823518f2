"""A Gaussian model of the score over subsets, under several hypotheses at once.

Under one hypothesis the scores of all subsets are jointly normal. Two subsets of sizes s, t that share i
attributes have the covariance

    level(s, t) + sum_k w_k * (k(i) - mean k) / (the same for a subset of size B with itself)

(for a subset of the size where it is largest, if B is all attributes), where the mean is over all subsets of sizes s
and t, and

    effects    k(i) = i
    pairs      k(i) = C(i, 2)
    synergies  k(i) = C(i, 2) - i (s - 1)(t - 1) / (n - 2)

``effects`` is the kernel of a linear model with a coefficient for each attribute, ``pairs`` with one for each
two attributes, ``synergies`` the same less what effects explain, so that two attributes may count together though
neither does alone. What all subsets of a size have in common is the level's. The shares ``w`` sum to 1, the
variance among subsets of size B. Hypotheses differ in them and are weighted by the probability of the scores
heard (Bayesian model averaging). Nothing is fitted, and coefficients are never written
out: the cost grows with the scores heard and the subsets under consideration, not with the number of
coefficients.

Where scores are exact, hypotheses in which a few pairs count far more than all others stand beside the first
(``strong_pairs``). With noise they gained nothing, and took as much time again.

Where scores are exact their scale is unknown, with an inverse-gamma prior, so that everything is the same in points
as in percent; where they are noisy it is one of ``NOISY_SCALES`` times the noise, each a hypothesis of its own.

Sources: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), chapters 2 and 5; for expected
improvement Jones, Schonlau and Welch (1998); for the knowledge gradient Frazier, Powell and Dayanik (2009).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from raise_agent.errors import ConfigError
from raise_agent.subsets import known_in

from .additive import TINY, Array
from .contract import PlanningProblem
from .improvement import expected_excess
from .lattice import PathLattice
from .strong_pairs import Sets, StrongPairs

HYPOTHESES = ((0.97, 0.03, 0.0), (0.0, 1.0, 0.0), (0.2, 0.0, 0.8))
"""Shares of effects, pairs and synergies in the variance: nearly additive, interacting, deceptive."""
NOISY_SCALES = (0.5, 1.0, 2.0, 4.0, 16.0, 128.0)
"""Standard deviation of scores among subsets of full size, relative to the noise of one evaluation."""
LEVEL, SLOPE, BEND = 25.0, 25.0, 1.0
"""Variances, relative to that among subsets of one size, of what all subsets share, of how that grows from none to
the full size, and of each size's own departure."""
SHAPE, SPREAD = 1.0, 0.1
"""Inverse-gamma prior of the variance: shape, and scale relative to the variance of the scores heard."""
JITTER = 1e-6
"""Variance, relative to that of scores, that keeps the algebra sound where scores are exact."""
ROUNDING = 1e-9
TRUST = 0.7
"""Probability that a belief holds, before the first score."""
CONTENDERS, RIVALS = 24, 48
"""Subsets whose evaluation is weighed against noise, and subsets that it may bring forward."""


@lru_cache(maxsize=256)
def _tables(n: int, depth: int, noisy: bool) -> tuple[Array, Array]:
    """Covariances by hypothesis, size, size and shared attributes: (h, B+1, B+1, B+1); scales: (h,)."""
    sizes = np.arange(depth + 1)
    level = LEVEL + SLOPE * np.outer(sizes - depth, sizes - depth) / max(depth, 1) ** 2 + BEND * np.eye(depth + 1)
    parts = _components(n, depth)
    tables = [level[:, :, None] + sum(w * part for w, part in zip(shares, parts, strict=True)) for shares in HYPOTHESES]
    if not noisy:
        return np.stack(tables), np.ones(len(tables))
    return np.stack([table for table in tables for _ in NOISY_SCALES]), np.asarray(NOISY_SCALES * len(tables))


def _components(n: int, depth: int) -> list[Array]:
    """Effects, pairs and synergies by size, size and shared attributes: (B+1, B+1, B+1); 1 at the full size."""
    sizes = np.arange(depth + 1)
    size = sizes.astype(np.float64)
    s, t, shared = size[:, None, None], size[:, None], size
    pairs = shared * (shared - 1) / 2
    common_pairs = s * (s - 1) * t * (t - 1) / (2 * max(n * (n - 1), 1))
    explained = (s - 1) * (t - 1) / max(n - 2, 1)
    found = []
    for kernel in (
        shared - s * t / max(n, 1),
        pairs - common_pairs + 0 * shared,
        pairs - common_pairs - (shared - s * t / max(n, 1)) * explained,
    ):
        # Where one subset alone has the full size, nothing varies there.
        unit = kernel[depth, depth, depth] if depth < n else kernel[sizes, sizes, sizes].max()
        found.append(kernel / unit if unit > ROUNDING else np.zeros_like(kernel))
    return found


@dataclass(slots=True)
class _Heard:
    """One evaluation."""

    column: int
    score: float


class Surrogate:
    """What is believed of the worth of candidate subsets, given the scores heard.

    Args:
        problem: attributes, budget, noise.
        candidates: subsets to consider; more may be added.

    Raises:
        ConfigError: the problem's belief is one of other attributes or of fewer questions.
    """

    def __init__(self, problem: PlanningProblem, candidates: Iterable[int]) -> None:
        belief = problem.belief
        if belief is not None and (belief.n_attributes != problem.n_attributes or belief.depth < problem.depth):
            raise ConfigError(
                f"the belief is of {belief.n_attributes} attributes and {belief.depth} questions, "
                f"the problem has {problem.n_attributes} and {problem.depth}"
            )
        self.exact = problem.noise == 0
        self._problem = problem
        self._tables, scales = _tables(problem.pool.bit_count(), problem.depth, not self.exact)
        self._belief = belief
        self._scale = np.ones(len(scales)) if self.exact else (scales * problem.noise) ** 2
        self._nugget = np.full(len(scales), JITTER) if self.exact else np.full(len(scales), problem.noise**2)
        self._cold = len(scales)
        self._strong = StrongPairs(problem.pool)
        """Where scores are exact; their base is the first hypothesis, that is nearly additive."""
        self._sets: Sets | None = None
        """The likeliest, by the scores heard."""
        self._cached: tuple[Array, Array, Array] | None = None
        """What is believed now."""
        h = self._cold + (self._belief is not None)
        if self._belief is not None:
            self._nugget = np.append(self._nugget, self._nugget[0])
        self.masks: list[int] = []
        """Candidates by column."""
        self.columns: dict[int, int] = {}
        self.known = np.zeros((0, problem.n_attributes), np.int64)
        self._sizes = np.zeros(0, np.int64)
        self._costs = np.zeros(0)
        self._heard: list[_Heard] = []
        self._pending: list[int] = []
        self._factor = np.zeros((h, 8, 8))
        """Cholesky factors of the covariances of what was heard: (h, t, t)."""
        self._rows = np.zeros((h, 8, 0))
        """The factors' inverses times the covariances with the candidates: (h, t, m)."""
        self._whitened = np.zeros((h, 8))
        """The factors' inverses times the scores: (h, t)."""
        self._logdet = np.zeros(h)
        """Of the covariances of what was heard, what is expected left out: (h,)."""
        self._phi = np.zeros((0, 0 if self._belief is None else len(self._belief.mean)))
        """Features of the candidates, as the belief sees them: (m, p)."""
        self._prior = np.zeros((h, 0))
        """Expected scores before any was heard; without a belief, the first score: (h, m)."""
        self._mean = np.zeros((h, 0))
        """What the scores heard add to that: (h, m)."""
        self._start = np.zeros((h, 0))
        """Variances before any score was heard: (h, m)."""
        self._variance = np.zeros((h, 0))
        self._origin = 0.0
        self.add(candidates)
        self._least = SPREAD * self._believed_variance() if self._belief is not None else 0.0
        """Scale of the inverse-gamma prior: from the belief, or else from what was heard."""

    # --- candidates ---------------------------------------------------------------------------------------------------

    def add(self, subsets: Iterable[int]) -> None:
        """Consider more subsets."""
        new = [subset for subset in dict.fromkeys(subsets) if subset not in self.columns]
        if not new:
            return
        for subset in new:
            self.columns[subset] = len(self.masks)
            self.masks.append(subset)
        known = known_in(new, self._problem.n_attributes).astype(np.int64)
        self.known = np.concatenate([self.known, known])
        self._sizes = np.concatenate([self._sizes, known.sum(axis=1)])
        costs = np.zeros(len(new)) if self._problem.costs is None else known @ np.asarray(self._problem.costs)
        self._costs = np.concatenate([self._costs, costs])
        h, t, size = len(self._nugget), self._placed, known.sum(axis=1)
        variance, prior = self._tables[:, size, size, size] * self._scale[:, None], np.full((h, len(new)), self._origin)
        if self._belief is not None:
            phi = self._belief.features(new)
            self._phi = np.concatenate([self._phi, phi])
            prior[-1] = phi @ self._belief.mean
            believed = ((phi @ self._belief.root) ** 2).sum(axis=1) + self._belief.misfit
            variance = np.concatenate([variance, believed[None]])
        self._start = np.concatenate([self._start, variance], axis=1)
        self._prior = np.concatenate([self._prior, prior], axis=1)
        rows, mean = np.zeros((h, self._rows.shape[1], len(new))), np.zeros((h, len(new)))
        self._cached = None
        if t:
            placed = [one.column for one in self._heard] + self._pending
            start = len(self.masks) - len(new)
            covariance = self._covariance(np.asarray(placed), np.arange(start, len(self.masks)))
            for step in range(t):
                below = self._factor[:, step, None, :step] @ rows[:, :step]
                rows[:, step] = (covariance[:, step] - below[:, 0]) / self._factor[:, step, step, None]
            mean = np.einsum("ht,htm->hm", self._whitened[:, :t], rows[:, :t])
            variance = np.maximum(variance - (rows[:, :t] ** 2).sum(axis=1), 0.0)
        self._rows = np.concatenate([self._rows, rows], axis=2)
        self._mean = np.concatenate([self._mean, mean], axis=1)
        self._variance = np.concatenate([self._variance, variance], axis=1)
        if self.exact:
            self._strong.add(known, rows[0])

    def _covariance(self, columns: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> Array:
        """Prior covariances (h, k, m) between columns."""
        shared = self.known[columns] @ self.known[others].T
        found = self._tables[:, self._sizes[columns][:, None], self._sizes[others], shared]
        found = found * self._scale[:, None, None]
        if self._belief is None:
            return np.asarray(found)
        believed = (self._phi[columns] @ self._belief.root) @ (self._phi[others] @ self._belief.root).T
        believed += self._belief.misfit * (columns[:, None] == others)
        return np.concatenate([found, believed[None]])

    # --- evaluations --------------------------------------------------------------------------------------------------

    @property
    def _placed(self) -> int:
        return len(self._heard) + len(self._pending)

    def expect(self, column: int) -> None:
        """Take it that this candidate is being evaluated; its score comes with ``hear``."""
        t = self._placed
        if t == self._factor.shape[1]:
            self._grow()
        covariance = self._covariance(np.asarray([column]), np.arange(len(self.masks)))[:, 0]
        beside = self._rows[:, :t, column]
        left = covariance[:, column] + self._nugget - (beside**2).sum(axis=1)
        pivot = np.sqrt(np.maximum(left, self._nugget * 0.5))
        row = (covariance - np.einsum("ht,htm->hm", beside, self._rows[:, :t])) / pivot[:, None]
        self._factor[:, t, :t], self._factor[:, t, t] = beside, pivot
        self._rows[:, t] = row
        self._whitened[:, t] = 0.0
        self._variance = np.maximum(self._variance - row**2, 0.0)
        if self.exact:
            self._strong.place(column, float(pivot[0]), row[0])
        self._pending.append(column)
        self._cached = None

    def _grow(self) -> None:
        h, t = self._factor.shape[:2]
        factor = np.zeros((h, 2 * t, 2 * t))
        factor[:, :t, :t] = self._factor
        self._factor = factor
        self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)], axis=1)
        self._whitened = np.concatenate([self._whitened, np.zeros_like(self._whitened)], axis=1)

    def hear(self, scores: Sequence[float | None]) -> None:
        """The scores of what is being evaluated, in the order expected; None is forgotten."""
        pending, self._pending, self._cached = self._pending, [], None
        new = [_Heard(column, score) for column, score in zip(pending, scores, strict=True) if score is not None]
        if len(new) < len(pending):
            self._restart([*self._heard, *new])
        else:
            for one in new:
                self._take(one)
        if self.exact and self._heard:
            told = self._whitened[0, : len(self._heard)]
            self._sets = self._strong.likeliest(float(self._logdet[0]), float(told @ told), self._evidence)

    def _take(self, heard: _Heard) -> None:
        t = len(self._heard)
        if not t:
            self._prior[: self._cold] = self._origin = heard.score
        self._heard.append(heard)
        told = heard.score - self._prior[:, heard.column] - (self._factor[:, t, :t] * self._whitened[:, :t]).sum(axis=1)
        self._whitened[:, t] = told / self._factor[:, t, t]
        if self.exact:
            self._strong.hear(t, float(self._whitened[0, t]))
        self._logdet += 2 * np.log(self._factor[:, t, t])
        if self._belief is None:
            self._least = SPREAD * float(np.var([one.score for one in self._heard]))
        self._mean += self._whitened[:, t, None] * self._rows[:, t]

    def _restart(self, heard: Sequence[_Heard]) -> None:
        """Forget what was placed for scores that did not come."""
        self._heard, self._logdet = [], np.zeros_like(self._logdet)
        self._whitened[:], self._mean = 0.0, np.zeros_like(self._mean)
        self._variance = self._start
        if self.exact:
            self._strong = StrongPairs(self._problem.pool)
            self._strong.add(self.known, self._rows[0])
        for one in heard:
            self.expect(one.column)
        self._pending = []
        for one in heard:
            self._take(one)

    # --- beliefs ------------------------------------------------------------------------------------------------------

    def _believed(self) -> tuple[Array, Array, Array]:
        """Weights (h,) of the hypotheses, means and standard deviations (h, m) of the candidates' scores.

        First those without strong pairs, the belief last of them, then those with.
        """
        if self._cached is None:
            log_odds, means, deviations = self._plain()
            if self._sets is not None:
                mean, variance = self._strong.shift(self._sets, self._rows[0, len(self._heard) : self._placed])
                beside = (self._variance[0] + variance) * self._amplitude(self._sets.misfit)[:, None]
                log_odds = np.concatenate([log_odds, self._sets.log_odds])
                means = np.concatenate([means, means[0] + mean])
                deviations = np.concatenate([deviations, np.sqrt(beside)])
            weights = np.exp(log_odds - log_odds.max())
            self._cached = weights / weights.sum(), means, deviations
        return self._cached

    def _plain(self) -> tuple[Array, Array, Array]:
        """Log odds (h,), means and deviations (h, m) of the hypotheses without strong pairs."""
        misfit = (self._whitened[:, : len(self._heard)] ** 2).sum(axis=1)
        log_odds, amplitude = self._evidence(self._logdet, misfit), self._amplitude(misfit)
        if self._belief is not None:
            log_odds[-1] = -0.5 * (self._logdet[-1] + misfit[-1]) + math.log(TRUST * self._cold / (1 - TRUST))
            amplitude[-1] = 1.0
        return log_odds, self._prior + self._mean, np.sqrt(self._variance * amplitude[:, None])

    def _evidence(self, log_det: Array, misfit: Array) -> Array:
        """Logarithm of the probability of the scores heard, but for what all hypotheses share."""
        if not self.exact:
            return np.asarray(-0.5 * (log_det + misfit))
        shape, least = SHAPE + len(self._heard) / 2, max(self._least, TINY)
        evidence = SHAPE * math.log(least) - math.lgamma(SHAPE) + math.lgamma(shape)
        return np.asarray(evidence - 0.5 * log_det - shape * np.log(least + misfit / 2))

    def _amplitude(self, misfit: Array) -> Array:
        """Variance of the scores relative to the tables'."""
        if not self.exact:
            return np.ones_like(misfit)
        return np.asarray(np.maximum(self._least + misfit / 2, TINY) / (SHAPE + len(self._heard) / 2))

    def _believed_variance(self) -> float:
        """Variance of the scores among the largest candidates, as believed."""
        assert self._belief is not None
        largest = self._phi[self._sizes == self._sizes.max()]
        around = (largest - largest.mean(axis=0)) @ self._belief.root
        return float((around**2).sum(axis=1).mean()) + self._belief.misfit

    def _first(self, means: Array, deviations: Array) -> Array:
        """What speaks for each candidate to be the first: the belief, or without one how little is known."""
        return np.array(deviations[0] if self._belief is None else means[self._cold] - means[self._cold].min())

    def means(self) -> Array:
        """Expected worth of each candidate, (m,): score less cost."""
        weights, means, _ = self._believed()
        return np.asarray(weights @ means - self._costs)

    def moments(self) -> tuple[Array, Array]:
        """Expected worth and its standard deviation, (m,) each, over all hypotheses."""
        weights, means, deviations = self._believed()
        mean = weights @ means
        variance = weights @ (deviations**2 + (means - mean) ** 2)
        return mean - self._costs, np.sqrt(variance)

    def expected_improvement(self, best: float) -> Array:
        """By how much each candidate's worth is expected to exceed ``best``, (m,)."""
        weights, means, deviations = self._believed()
        if not self._heard:
            return self._first(means, deviations)
        return np.asarray(weights @ expected_excess(means - self._costs - best, deviations))

    def path_improvement(self, lattice: PathLattice) -> Array:
        """By how much each candidate is expected to raise the mean worth of the prefixes of the best path, (m,).

        The others are taken to be worth what is expected.
        """
        means, deviations = self.moments()
        if self.exact:
            told = [one.column for one in self._heard]
            means[told] = [one.score for one in self._heard] - self._costs[told]
            deviations[told] = 0.0
        through, gains = lattice.through(means), np.zeros(len(means))
        on = np.isfinite(through)
        gains[on] = expected_excess((through[on] - through.max()) / lattice.depth, deviations[on] / lattice.depth)
        return gains

    def knowledge_gradient(self) -> Array:
        """By how much one more evaluation of each candidate is expected to improve the choice, (m,).

        A lower bound: of all that an evaluation may bring forward only the single most likely rival of the
        present choice is counted. 0 for candidates that are out of the question. Only where scores are noisy.
        """
        weights, means, deviations = self._believed()
        if not self._heard:
            return self._first(means, deviations)
        mean, deviation = self.moments()
        hope, choice = mean + deviation, int(np.argmax(mean))
        rivals = _largest(hope, RIVALS)
        contenders = np.union1d(_largest(hope, CONTENDERS), [choice])
        t = self._placed
        others = np.append(rivals, choice)
        joint = self._covariance(contenders, others)
        joint = joint - self._rows[:, :t, contenders].transpose(0, 2, 1) @ self._rows[:, :t, others]
        moved = np.abs(joint[:, :, :-1] - joint[:, :, -1:])
        moved /= np.sqrt(self._variance[:, contenders] + self._nugget[:, None])[:, :, None]
        behind = np.minimum(mean[rivals] - mean[choice], 0.0)
        gains = np.zeros(len(self.masks))
        gains[contenders] = weights @ expected_excess(behind, moved).max(axis=2)
        return gains


def _largest(values: Array, count: int) -> npt.NDArray[np.int64]:
    """Places of the largest values."""
    return np.argpartition(-values, min(count, len(values)) - 1)[:count]
