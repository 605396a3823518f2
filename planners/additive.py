"""What a search takes the scores to be made of: the estimate of what it has not asked.

    score(U) ~ level(|U|) + sum_{a in U} effect(a)

``AdditiveFit``: effects are shrunk towards 0; levels are free, so that subsets of one size compare by their attributes
alone. Attributes interplay, so this is a guide to what to try next and to the order among subsets of one size, never
a score. ``PairwiseFit`` adds pairs, and tells how sure it is.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from raise_agent.subsets import members

from .contract import PlanningProblem

Array = npt.NDArray[np.float64]

RIDGE = 0.5
"""How strongly effects are shrunk: as if each had been seen half a time to do nothing."""
LEVEL_RIDGE = 1e-6
"""The same for levels: hardly at all."""
TINY = 1e-300
"""Keeps variances above 0."""


class AdditiveFit:
    """Ridge regression, one score at a time (recursive least squares)."""

    def __init__(self, n_attributes: int, depth: int) -> None:
        self._n = n_attributes
        shrunk = [1.0 / RIDGE] * n_attributes + [1.0 / LEVEL_RIDGE] * (depth + 1)
        self._covariance: Array = np.diag(shrunk)
        self._weights: Array = np.zeros(len(shrunk))
        self.effects: list[float] = [0.0] * n_attributes
        """What each attribute seems to add, in score points, relative to one never seen."""
        self.levels: list[float] = [0.0] * (depth + 1)
        """What a subset of each size seems to score without them; 0 for a size never seen."""

    def add(self, subset: int, score: float) -> None:
        """Take one score into account."""
        present = [*members(subset), self._n + subset.bit_count()]
        spread = self._covariance[:, present].sum(axis=1)
        gain = spread / (1.0 + spread[present].sum())
        self._weights += gain * (score - self._weights[present].sum())
        self._covariance -= gain[:, None] * spread
        weights: list[float] = self._weights.tolist()
        self.effects, self.levels = weights[: self._n], weights[self._n :]

    def estimate(self, subset: int) -> float:
        """What this subset would score; comparable only with subsets of the same size."""
        return self.levels[subset.bit_count()] + sum([self.effects[index] for index in members(subset)])


PAIRS = 0.3
"""Share of pairs in the variance among subsets of full size; the rest is that of single attributes."""
NOISY_SCALES = (0.5, 1.0, 2.0, 4.0)
"""Standard deviation among subsets of full size, relative to the noise of one score: each a hypothesis."""
LEVEL, SLOPE, BEND = 25.0, 25.0, 1.0
"""Variances, relative to that among subsets of full size, of what all subsets share, of how that grows with the size,
and of each size's own departure."""
SHAPE, SPREAD = 1.0, 0.1
"""Inverse-gamma prior of the variance: shape, and scale relative to the variance of the scores heard."""
JITTER = 1e-6
"""Variance, relative to that among subsets of full size, that keeps the algebra sound where scores are exact."""


class PairwiseFit:
    """An account with pairs, which tells how sure it is.

        score(U) ~ level(|U|) + sum_{a in U} effect(a) + sum_{a < b in U} pair(a, b)

    Effects, pairs and levels are normal beforehand (Rasmussen and Williams, 2006, section 2.1), with variances that do
    not depend on the attribute. Coefficients are not regressed on but follow from one weight per score heard (section
    2.2), so that it costs O(t^2 + n^2 t) to hear the t-th score, also where there are far more pairs than scores.

    Where scores are exact their scale is unknown, with an inverse-gamma prior; where they are noisy it is one of
    ``NOISY_SCALES``, averaged over by the probability of the scores heard. A guess of the effects may be given. It is
    in standard deviations among subsets of full size, so that it too needs no scale.

    Args:
        problem: attributes, budget, noise.
        guess: what each attribute is taken to add, shape (n,), relative to that standard deviation.
    """

    def __init__(self, problem: PlanningProblem, guess: Array) -> None:
        self._table, self._per_effect, self._per_pair = _covariances(problem.pool.bit_count(), problem.depth)
        self._exact = problem.noise == 0
        noise = problem.noise**2
        self._scales = np.ones(1) if self._exact else np.square(NOISY_SCALES) * noise
        self._nuggets = np.full(1, JITTER) if self._exact else noise / self._scales
        self._variances = self._scales
        self._known = np.zeros((16, problem.n_attributes))
        self._sizes, self._scores = np.zeros(16, np.int64), np.zeros(16)
        self._whitener = np.zeros((len(self._scales), 16, 16))
        """Inverse Cholesky factors of the covariances of what was heard, relative to the variance: (h, t, t)."""
        self._logdet = np.zeros(len(self._scales))
        self._weights = np.zeros((len(self._scales), 0))
        self._likely = np.full(len(self._scales), 1.0 / len(self._scales))
        self._guess = guess
        self._guided = bool(guess.any())
        self._guessed = guess
        """The guess in score points."""
        self.heard = 0
        """How many scores were taken into account."""
        self.deviation = 1.0
        """Standard deviation among subsets of full size, in score points; 1 before it can be told."""
        self.effects: Array = guess
        """What each attribute seems to add, (n,), relative to the average one."""
        self.pairs: Array = np.zeros((problem.n_attributes, problem.n_attributes))
        """What each two attributes seem to add together, (n, n), symmetric; 0 on the diagonal."""

    def add(self, known: Array, score: float) -> None:
        """Take the score of one subset, (n,) of 0 and 1, into account; a subset may come again."""
        t, size = self.heard, int(known.sum())
        if t == len(self._scores):
            self._grow()
        beside = self._table[size, self._sizes[:t], (self._known[:t] @ known).astype(np.int64)]
        white = self._whitener[:, :t, :t] @ beside
        left = self._table[size, size, size] + self._nuggets - np.square(white).sum(axis=1)
        left = np.maximum(left, self._nuggets / 2)
        pivot = np.sqrt(left)[:, None]
        self._whitener[:, t, :t] = -(white[:, None, :] @ self._whitener[:, :t, :t])[:, 0] / pivot
        self._whitener[:, t, t] = 1 / pivot[:, 0]
        self._logdet += np.log(left)
        self._known[t], self._sizes[t], self._scores[t] = known, size, score
        self.heard = t + 1
        self._solve()

    def _grow(self) -> None:
        more = len(self._scores)
        self._known = np.pad(self._known, ((0, more), (0, 0)))
        self._sizes, self._scores = np.pad(self._sizes, (0, more)), np.pad(self._scores, (0, more))
        self._whitener = np.pad(self._whitener, ((0, 0), (0, more), (0, more)))

    def _solve(self) -> None:
        """Weights of the scores heard, and the coefficients that follow from them."""
        t, known = self.heard, self._known[: self.heard]
        told = self._scores[:t] - self._scores[0]
        white = self._whitener[:, :t, :t] @ told
        self._judge(told, white)
        if self._guided:
            # The guess is in standard deviations, which had to be told without it.
            self._guessed = self.deviation * self._guess
            white -= self._whitener[:, :t, :t] @ ((known - known[0]) @ self._guessed)
            self._judge(told, white)
        self._weights = (white[:, None, :] @ self._whitener[:, :t, :t])[:, 0]
        weights = self._likely @ self._weights
        self.effects = self._per_effect * (weights @ known) + self._guessed
        self.pairs = self._per_pair * (known.T @ (weights[:, None] * known))
        self.pairs.flat[:: len(self.effects) + 1] = 0.0

    def _judge(self, told: Array, white: Array) -> None:
        """Variance and likelihood of each hypothesis, given the scores and what each leaves unexplained, (h, t)."""
        t, misfit = self.heard, np.square(white).sum(axis=1)
        if not self._exact:
            evidence = -0.5 * (self._logdet + t * np.log(self._scales) + misfit / self._scales)
            likely = np.exp(evidence - evidence.max())
            self._likely = likely / likely.sum()
        elif t > 1:
            spread = max(float(told @ told) / t - (float(told.sum()) / t) ** 2, 0.0)
            self._variances = np.maximum((SPREAD * spread + misfit / 2) / (SHAPE + t / 2), TINY)
        self.deviation = math.sqrt(float(self._likely @ self._variances))

    def fitted(self) -> Array:
        """Expected scores of the subsets heard, (t,) in the order heard: shrunk towards what the others tell."""
        return self._scores[: self.heard] - self._likely @ (self._nuggets[:, None] * self._weights)

    def moments(self, known: Array) -> tuple[Array, Array]:
        """Expected scores of subsets, (m, n) of 0 and 1, and their standard deviations, (m,) each.

        At least one score must have been heard.
        """
        t, sizes = self.heard, known.sum(axis=1).astype(np.int64)
        beside = self._table[sizes[:, None], self._sizes[:t], (known @ self._known[:t].T).astype(np.int64)]
        means = self._weights @ beside.T
        left = self._table[sizes, sizes, sizes] - np.square(self._whitener[:, :t, :t] @ beside.T).sum(axis=1)
        mean = self._likely @ means
        variance = self._likely @ (np.maximum(left, 0.0) * self._variances[:, None] + np.square(means - mean))
        return self._scores[0] + (known - self._known[0]) @ self._guessed + mean, np.sqrt(variance)


@lru_cache(maxsize=256)
def _covariances(n: int, depth: int) -> tuple[Array, float, float]:
    """Covariances by size, size and shared attributes, (B+1, B+1, B+1), and the variances of an effect and of a pair.

    All relative to the variance among subsets of full size. What subsets of one size have in common is the level's.
    """
    size = np.arange(depth + 1.0)
    s, t, shared = size[:, None, None], size[:, None], size
    effects = shared - s * t / max(n, 1)
    pairs = shared * (shared - 1) / 2 - s * (s - 1) * t * (t - 1) / (2 * max(n * (n - 1), 1))
    per_effect, per_pair = (
        share / float(unit) if (unit := kernel[depth, depth, depth]) > JITTER else 0.0
        for share, kernel in ((1 - PAIRS, effects), (PAIRS, pairs))
    )
    level = LEVEL + SLOPE * (s - depth) * (t - depth) / max(depth, 1) ** 2 + BEND * (s == t)
    return level + per_effect * effects + per_pair * pairs, per_effect, per_pair
