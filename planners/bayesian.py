"""Bayesian optimisation over subsets: a Gaussian model of the score says which subset to try next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb

import numpy as np

from raise_agent.errors import ConfigError
from raise_agent.subsets import mask_of, members, subsets_of_size

from .contract import Plan, PlanningProblem, Search
from .ordering import EXACT_SIZE, best_order
from .registry import register
from .scoreboard import Scoreboard, check_evaluations
from .surrogate import Array, Surrogate

ALL = 1024
"""Up to so many subsets all are considered; of more, a random sample and the neighbours of the best."""
SAMPLE = 192


@register("bayesian")
@dataclass(frozen=True, slots=True)
class BayesianPlanner:
    """Next the subset that is expected to improve the choice most, by a model of the score (not in the paper).

    The model (``surrogate``) is Gaussian over effects of attributes and of pairs, averaged over hypotheses of how
    strongly attributes interact. Where scores are exact, the subset of highest expected improvement over the best
    one is next, and none is asked twice; where they are noisy, that of highest knowledge gradient, be it a new
    subset or a further sample of one asked before.

    Where asking is free only subsets of full size are tried; where it costs, all sizes, by score less cost. The path
    ends in the best subset tried: of highest score where scores are exact, else of highest expected score. It is put
    in the order whose prefixes the model expects to be best. Of more than ``ALL`` subsets a random sample is
    considered and the neighbours of the best, that differ in one attribute.
    """

    evaluations: int = 20
    """Most evaluations, 1 or more."""
    batch: int = 1
    """Subsets asked for at once, 1 or more: for fast servers with few scenarios."""
    discovery: float = 0.3
    """Part of the range of scores heard, 0 or more, that pairs of attributes never asked together may hide."""
    stop_below: float = 0.0
    """The search ends once one more evaluation is expected to bring less than this, in score points."""

    def __post_init__(self) -> None:
        check_evaluations(self.evaluations)
        if isinstance(self.batch, bool) or not isinstance(self.batch, int) or self.batch < 1:
            raise ConfigError(f"batch must be 1 or more, a whole number, not {self.batch!r}")
        if not 0 <= self.stop_below < float("inf"):
            raise ConfigError(f"stop_below must be 0 or more score points, not {self.stop_below}")

    def search(self, problem: PlanningProblem, rng: np.random.Generator) -> Search[Plan]:
        """Ask, learn, ask again."""
        search = _Search(self, problem, Scoreboard(problem, self.evaluations), rng)
        while search.board.left and (chosen := search.choose(min(self.batch, search.board.left), self.stop_below)):
            search.surrogate.hear((yield from search.board.draw(chosen)))
        return search.plan()


class _Search:
    """The state of one search."""

    def __init__(
        self, settings: BayesianPlanner, problem: PlanningProblem, board: Scoreboard, rng: np.random.Generator
    ) -> None:
        self.discovery = settings.discovery
        self.problem = problem
        self.board = board
        self.rng = rng
        self.sizes = range(problem.depth, problem.depth + 1) if problem.free else range(problem.depth + 1)
        self.whole = sum(comb(problem.pool.bit_count(), size) for size in self.sizes) <= ALL
        self.surrogate = Surrogate(problem, self.candidates())
        n = problem.n_attributes
        self.untried = np.ones((n, n)) - np.eye(n)
        self.n_pairs = n * (n - 1)
        self.explored: set[int] = set()
        """Subsets whose neighbours are considered."""

    def candidates(self) -> Iterator[int]:
        """What is considered from the start."""
        if self.whole:
            for size in self.sizes:
                yield from subsets_of_size(self.problem.pool, size)
            return
        pool = members(self.problem.pool)
        for size in self.sizes:
            for _ in range(SAMPLE // len(self.sizes)):
                yield sum(1 << pool[i] for i in self.rng.choice(len(pool), size, replace=False))

    def consider_neighbours(self, subset: int) -> None:
        """Consider all subsets that differ from this one in one attribute, or in one for another."""
        if self.whole or subset in self.explored:
            return
        self.explored.add(subset)
        outside = members(self.problem.pool & ~subset)
        near = [subset & ~(1 << gone) | 1 << new for gone in members(subset) for new in outside]
        if len(self.sizes) > 1:
            near += [subset & ~(1 << gone) for gone in members(subset)]
            near += [subset | 1 << new for new in outside if subset.bit_count() < self.problem.depth]
        self.surrogate.add(near)

    def gains(self) -> Array:
        """What one more evaluation of each candidate is expected to bring; below 0 where it may not be asked."""
        surrogate, board = self.surrogate, self.board
        if surrogate.exact:
            worths = [worth for subset in board.samples if (worth := board.worth(subset)) is not None]
            gains = surrogate.expected_improvement(max(worths, default=0.0))
            barred = list(board.scores)
        else:
            gains = surrogate.knowledge_gradient()
            barred = [subset for subset, score in board.trace if score is None]
        gains[[surrogate.columns[subset] for subset in barred]] = -1.0
        return gains

    def choose(self, count: int, stop_below: float) -> list[int]:
        """The subsets to ask next, told to the surrogate; none where the search is over."""
        if self.board.samples:
            self.consider_neighbours(self.surrogate.masks[int(np.argmax(self.surrogate.means()))])
        chosen: list[int] = []
        while len(chosen) < count:
            gains = self.gains()
            if self.discovery and self.board.samples:
                v = [s for s in self.board.scores.values() if s is not None]
                gains = np.where(gains < 0, gains, gains + self.discovery * (max(v) - min(v)) * self.surprises())
            if self.surrogate.exact:
                gains[[self.surrogate.columns[subset] for subset in chosen]] = -1.0
            column = self.most(gains)
            if gains[column] < 0 or (self.board.samples and gains[column] < stop_below):
                break
            chosen.append(self.surrogate.masks[column])
            self.surrogate.expect(column)
            self.try_together(column)
        return chosen

    def try_together(self, column: int) -> None:
        """Note which pairs of attributes are asked together."""
        known = self.surrogate.known[column]
        self.untried[np.outer(known, known) > 0] = 0.0

    def surprises(self) -> Array:
        """The share of all pairs, never asked together before, that each candidate asks together."""
        known = self.surrogate.known
        return np.asarray(((known @ self.untried) * known).sum(axis=1) / max(self.n_pairs, 1))

    def most(self, gains: Array) -> int:
        """The place of the largest gain, any of equals."""
        equals = np.flatnonzero(gains == gains.max())
        return int(equals[int(self.rng.random() * len(equals))])

    def plan(self) -> Plan:
        """The path to the best subset tried."""
        board, surrogate, problem = self.board, self.surrogate, self.problem
        default = mask_of(members(problem.pool)[: problem.depth])
        ends = [subset for subset in board.scores if not problem.free or subset.bit_count() == problem.depth]
        end = board.best([*ends, default])
        if not surrogate.exact and (scored := [subset for subset in ends if subset in board.samples]):
            means = surrogate.means()
            end = max(scored, key=lambda subset: means[surrogate.columns[subset]])
        if board.samples and end.bit_count() <= EXACT_SIZE:
            surrogate.add(submasks(end))
            means = surrogate.means()
            return board.plan(best_order(end, lambda subset: float(means[surrogate.columns[subset]])))
        return board.plan(best_order(end, board.estimate))


def submasks(subset: int) -> Iterator[int]:
    """All subsets of a subset, itself included."""
    part = subset
    while part:
        yield part
        part = (part - 1) & subset
    yield 0
