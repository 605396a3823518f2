"""Hypotheses in which a few pairs of attributes count far more than all others.

Beside a Gaussian model of the score over subsets, each hypothesis has a small set P of pairs:

    score(S) ~ base(S) + sum_{p in P} effect_p * [both of p in S],   effect_p ~ N(0, SLAB^2)

A Gaussian model that gives all pairs alike a little spreads a surprise over every pair that may have caused it. These
hypotheses place it: in one of them, weighed by the probability of the scores (spike and slab; George and McCulloch,
1993). So two pairs found apart are expected together, before any subset has had both.

There are too many sets to hold. From the likeliest sets of one size those of the next grow, each by one pair (beam
search), and the likeliest of all sizes are kept. A pair that was never scored is in none of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from raise_agent.subsets import members

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

SLAB = 3.0
"""Standard deviation of a strong pair's effect, relative to that of scores among subsets of full size."""
EXPECTED = 0.5
"""How many strong pairs are expected beforehand."""
MOST = 3
"""Most strong pairs in one hypothesis."""
KEPT = 8
"""Hypotheses kept."""

Evidence = Callable[[Array, Array], Array]
"""Logarithm of the probability of scores from log determinants and misfits."""


@dataclass(frozen=True, slots=True)
class Sets:
    """The likeliest sets of strong pairs, k of them."""

    pairs: Places
    """The pairs of each, (k, MOST); one past the last where it has fewer."""
    effects: Array
    """Expected effects of these pairs, (k, MOST)."""
    misfit: Array
    """Squares of the whitened scores, (k,)."""
    log_odds: Array
    """Logarithm of the probability of the scores and the set, (k,)."""


class StrongPairs:
    """What is known of every pair, beside a Gaussian model of the same scores, its base.

    The base hands over the covariances of what was scored as a Cholesky factor, row by row; *whitened* is what is
    multiplied by the inverse of that factor.

    Args:
        pool: attributes that may be asked, a bitmask; p pairs.
    """

    def __init__(self, pool: int) -> None:
        pairs = np.asarray(list(combinations(members(pool), 2)), dtype=np.int64).reshape(-1, 2)
        self._first, self._second = pairs.T
        p = len(pairs)
        self._log_prior = math.log(EXPECTED / max(p, 1))
        self._whitened = np.zeros((8, p + 1))
        """Of the pairs in the subsets placed, (t, p + 1); the last pair is none."""
        self._gram = np.zeros((p + 1, p + 1))
        """Products of the columns of ``_whitened``."""
        self._told = np.zeros(p + 1)
        """Their products with the whitened scores."""
        self._left = np.zeros((p + 1, 0))
        """Of the pairs in each candidate, what the base does not explain by the subsets placed, (p + 1, m)."""
        self._placed = 0

    # --- what was asked -----------------------------------------------------------------------------------------------

    def add(self, known: npt.NDArray[np.int64], rows: Array) -> None:
        """More candidates: their membership (m, n) and whitened covariances with what was placed (t, m)."""
        both = (known[:, self._first] & known[:, self._second]).T
        held = np.concatenate([both, np.zeros((1, len(known)), np.int64)])
        left = held - self._whitened[: self._placed].T @ rows[: self._placed]
        self._left = np.concatenate([self._left, left], axis=1)

    def place(self, column: int, pivot: float, row: Array) -> None:
        """A candidate is being evaluated: the factor's diagonal, and whitened covariances with all candidates (m,)."""
        if self._placed == len(self._whitened):
            self._whitened = np.concatenate([self._whitened, np.zeros_like(self._whitened)])
        whitened = self._left[:, column] / pivot
        self._whitened[self._placed] = whitened
        self._gram += np.outer(whitened, whitened)
        self._left -= np.outer(whitened, row)
        self._placed += 1

    def hear(self, place: int, whitened: float) -> None:
        """The score of what was placed there, whitened."""
        self._told += self._whitened[place] * whitened

    # --- which pairs --------------------------------------------------------------------------------------------------

    def likeliest(self, log_det: float, misfit: float, evidence: Evidence) -> Sets | None:
        """The likeliest sets of pairs; None where no pair was scored.

        Args:
            log_det: of the base's covariances of what was heard.
            misfit: squares of the base's whitened scores.
            evidence: of scores with such determinants and misfits.
        """
        none, own = len(self._gram) - 1, np.diagonal(self._gram)
        pairs, dets, misfits = np.full((1, MOST), none), np.asarray([log_det]), np.asarray([misfit])
        inverse, effects = np.zeros((1, MOST, MOST)), np.zeros((1, MOST))
        found = list[Sets]()
        for size in range(1, MOST + 1):
            shared = self._gram[pairs]
            # One more pair adds one row and one column to the precision; this is what they leave on its diagonal.
            new = own + SLAB**-2 - (shared * (inverse @ shared)).sum(axis=1)
            unexplained = self._told - (effects[:, None, :] @ shared)[:, 0]
            det = dets[:, None] + np.log(new * SLAB**2)
            off = np.maximum(misfits[:, None] - unexplained**2 / new, 0.0)
            log_odds = evidence(det, off) + size * self._log_prior
            log_odds[:, own == 0] = -np.inf
            log_odds[np.arange(len(pairs))[:, None], pairs] = -np.inf
            row, pair = self._distinct(pairs, log_odds)
            if not len(row):
                break
            pairs = pairs[row]
            pairs[:, size - 1] = pair
            dets, misfits = det[row, pair], off[row, pair]
            inverse = self._covariances(pairs)
            effects = (inverse @ self._told[pairs][:, :, None])[:, :, 0]
            found.append(Sets(pairs, effects, misfits, log_odds[row, pair]))
        return _kept(found) if found else None

    def _distinct(self, pairs: Places, log_odds: Array) -> tuple[Places, Places]:
        """The best places of a table of sets by one more pair, the same set once: rows and pairs."""
        flat, width = log_odds.ravel(), log_odds.shape[1]
        # A set grows from each of its parts.
        likely = np.argpartition(-flat, min(MOST * KEPT, flat.size) - 1)[: MOST * KEPT]
        likely = likely[np.isfinite(flat[likely])]
        row, pair = np.divmod(likely, width)
        whole = np.sort(np.concatenate([pairs[row], pair[:, None]], axis=1), axis=1)
        likely = likely[np.unique(whole @ width ** np.arange(MOST + 1), return_index=True)[1]]
        return np.divmod(likely[np.argsort(-flat[likely], kind="stable")[:KEPT]], width)

    def _covariances(self, pairs: Places) -> Array:
        """Of the effects of sets of pairs, given what was placed, (k, MOST, MOST)."""
        precision = self._gram[pairs[:, :, None], pairs[:, None, :]]
        return np.asarray(np.linalg.inv(precision + SLAB**-2 * np.eye(MOST)))

    # --- what follows -------------------------------------------------------------------------------------------------

    def shift(self, sets: Sets, waiting: Array) -> tuple[Array, Array]:
        """What the pairs of each set add to the expected score and to the variance of every candidate, (k, m) each.

        Args:
            sets: found by the scores heard.
            waiting: whitened covariances of what was placed since with all candidates (w, m). It makes variances
                smaller and leaves expected scores as they are.
        """
        left = self._left[sets.pairs]
        mean = (left * sets.effects[:, :, None]).sum(axis=1)
        since = self._whitened[self._placed - len(waiting) : self._placed, sets.pairs]
        mean += (since * sets.effects).sum(axis=2).T @ waiting
        return mean, ((self._covariances(sets.pairs) @ left) * left).sum(axis=1)


def _kept(found: list[Sets]) -> Sets:
    """The likeliest of sets of several sizes."""
    log_odds = np.concatenate([sets.log_odds for sets in found])
    best = np.argsort(-log_odds, kind="stable")[:KEPT]
    return Sets(
        pairs=np.concatenate([sets.pairs for sets in found])[best],
        effects=np.concatenate([sets.effects for sets in found])[best],
        misfit=np.concatenate([sets.misfit for sets in found])[best],
        log_odds=log_odds[best],
    )
