"""Bayesian optimisation over subsets: a Gaussian model of the score says which subset to try next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from math import comb, hypot, inf
from operator import or_
from typing import ClassVar

import numpy as np

from raise_agent.errors import ConfigError
from raise_agent.subsets import mask_of, members, submasks, subsets_of_size

from .additive import Array
from .contract import Plan, PlanningProblem, Search
from .lattice import PathLattice
from .ordering import EXACT_SIZE, best_order
from .registry import register
from .scoreboard import Scoreboard, check_evaluations
from .surrogate import Surrogate

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

    learns: ClassVar[bool] = True
    """Makes use of ``PlanningProblem.belief``."""
    evaluations: int = 20
    """Most evaluations, 1 or more."""
    batch: int = 1
    """Subsets asked for at once, 1 or more: for fast servers with few scenarios."""
    discovery: float = 2.0
    """What attributes that were never asked together are taken to hide at first, 0 or more, relative to the range of
    the scores heard: how much is spent on looking for what the model cannot expect. It falls to nothing at the last
    evaluation, after which nothing can be made of a find."""
    stop_below: float = 0.0
    """The search ends once one more evaluation is expected to bring less than this, in score points. Where scores are
    exact and nothing is believed beforehand, not before every attribute was asked."""

    def __post_init__(self) -> None:
        check_evaluations(self.evaluations)
        if isinstance(self.batch, bool) or not isinstance(self.batch, int) or self.batch < 1:
            raise ConfigError(f"batch must be 1 or more, a whole number, not {self.batch!r}")
        if not 0 <= self.discovery < inf:
            raise ConfigError(f"discovery must be a number, 0 or more, not {self.discovery}")
        if not 0 <= self.stop_below < inf:
            raise ConfigError(f"stop_below must be 0 or more score points, not {self.stop_below}")

    def search(self, problem: PlanningProblem, rng: np.random.Generator) -> Search[Plan]:
        """Ask, learn, ask again."""
        search = _Search(problem, Scoreboard(problem, self.evaluations), rng, self.discovery)
        while search.board.left:
            chosen, gain = search.choose(min(self.batch, search.board.left), self.stop_below)
            heard = (yield from search.board.draw(chosen, gain)) if chosen else []
            if not heard:
                break
            search.surrogate.hear(heard)
        return search.board.plan(search.path())


class _Search:
    """The state of one search."""

    def __init__(self, problem: PlanningProblem, board: Scoreboard, rng: np.random.Generator, discovery: float) -> None:
        self.problem, self.board, self.rng, self.discovery = problem, board, rng, discovery
        self.sizes = range(problem.depth if problem.free else 0, problem.depth + 1)
        self.lattice: PathLattice | None = None
        """All paths, where their prefixes count."""
        prefixes = range(min(self.sizes.start, 1), problem.depth + 1)
        if problem.objective == "prefixes" and problem.depth and self.are_few(prefixes):
            self.sizes = prefixes
        self.whole = self.are_few(self.sizes)
        self.surrogate = Surrogate(problem, self.candidates())
        if self.sizes is prefixes:
            self.lattice = PathLattice(self.surrogate.columns, problem.depth)
        self.untried = np.ones((problem.n_attributes, problem.n_attributes))
        """1 for each two attributes that were never asked together."""
        np.fill_diagonal(self.untried, 0.0)
        self.explored: set[int] = set()
        """Subsets whose neighbours are considered."""

    # --- which subsets are considered ---------------------------------------------------------------------------------

    def are_few(self, sizes: range) -> bool:
        """Whether all subsets of these sizes can be considered."""
        return sum(comb(self.problem.pool.bit_count(), size) for size in sizes) <= ALL

    def candidates(self) -> Iterator[int]:
        """What is considered from the start."""
        if self.whole:
            for size in self.sizes:
                yield from subsets_of_size(self.problem.pool, size)
            return
        pool = members(self.problem.pool)
        for size in self.sizes:
            for _ in range(max(1, SAMPLE // len(self.sizes))):
                yield mask_of(pool[i] for i in self.rng.choice(len(pool), size, replace=False))

    def consider_neighbours(self, subset: int) -> None:
        """Consider all subsets that differ from this one in one attribute, or in one for another."""
        if self.whole or subset in self.explored:
            return
        self.explored.add(subset)
        outside = members(self.problem.pool & ~subset)
        near = [subset & ~(1 << gone) | 1 << new for gone in members(subset) for new in outside]
        if len(self.sizes) > 1:
            near += [subset & ~(1 << gone) for gone in members(subset)]
            near += [subset | 1 << new for new in outside]
        self.surrogate.add([subset for subset in near if subset.bit_count() in self.sizes])

    def consider_others(self) -> bool:
        """Consider random subsets not considered yet; whether there were any."""
        pool, before = members(self.problem.pool), len(self.surrogate.masks)
        room = sum(comb(len(pool), size) for size in self.sizes) - before
        while room and len(self.surrogate.masks) == before:
            sizes = self.rng.choice(np.asarray(self.sizes), SAMPLE)
            drawn = (self.rng.permutation(len(pool))[:size].tolist() for size in sizes)
            self.surrogate.add([mask_of(pool[i] for i in places) for places in drawn])
        return bool(room)

    # --- which is asked next ------------------------------------------------------------------------------------------

    def choose(self, count: int, stop_below: float) -> tuple[list[int], float]:
        """The subsets to ask next, told to the surrogate, and what the first is expected to bring.

        None where the search is over: all was asked, or nothing is worth asking.
        """
        surrogate = self.surrogate
        if self.board.samples:
            self.consider_neighbours(surrogate.masks[int(np.argmax(surrogate.means()))])
        chosen, first, measured = list[int](), inf, self.measured()
        if len(surrogate.masks) == 1 and self.board.samples:
            return chosen, first
        while len(chosen) < count:
            gains = self.gains(count)
            if surrogate.exact or not self.board.samples:
                gains[[surrogate.columns[subset] for subset in chosen]] = -1.0
            column = self.any_of_the_largest(gains)
            if gains[column] < 0 and not self.whole and self.consider_others():
                continue
            if gains[column] < 0 or (measured and gains[column] < stop_below):
                break
            first = first if chosen or not measured else float(gains[column])
            chosen.append(surrogate.masks[column])
            surrogate.expect(column)
            known = surrogate.known[column]
            self.untried[np.outer(known, known) > 0] = 0.0
        return chosen, first

    def measured(self) -> bool:
        """Whether gains are in score points already.

        The noise or a belief tells their scale. Where neither does, the scores do, once every attribute was asked:
        after one score every gain would be 0, after two very little.
        """
        samples = self.board.samples
        if not samples or not self.surrogate.exact or self.problem.belief is not None:
            return bool(samples)
        return reduce(or_, samples) == self.problem.pool

    def gains(self, count: int) -> Array:
        """What one more evaluation of each candidate is expected to bring; below 0 where it may not be asked.

        Args:
            count: evaluations asked for at once, this one among them.
        """
        surrogate, board = self.surrogate, self.board
        if self.lattice is not None and board.samples:
            gains = surrogate.path_improvement(self.lattice)
        elif surrogate.exact:
            worths = [worth for subset in board.samples if (worth := board.worth(subset)) is not None]
            gains = surrogate.expected_improvement(max(worths, default=0.0))
        else:
            gains = surrogate.knowledge_gradient()
        if board.samples:
            gains = gains + self.surprises(count)
        barred = board.scores if surrogate.exact else [subset for subset, score in board.trace if score is None]
        gains[[surrogate.columns[subset] for subset in barred]] = -1.0
        return gains

    def surprises(self, count: int) -> Array:
        """What pairs hide that a candidate is the first to ask together: more, the more there is left to use it."""
        surrogate, board, noise = self.surrogate, self.board, self.problem.noise
        heard = surrogate.means()[[surrogate.columns[subset] for subset in board.samples]]
        pool = self.problem.pool.bit_count()
        new = ((surrogate.known @ self.untried) * surrogate.known).sum(axis=1) / max(pool * (pool - 1), 1)
        spread = float(heard.max() - heard.min())
        seen = 1.0 if surrogate.exact else 1 - noise / hypot(noise, spread)
        return np.asarray(self.discovery * seen * spread * board.ahead(count) * new)

    def any_of_the_largest(self, gains: Array) -> int:
        """The place of the largest gain, any of equals."""
        equals = np.flatnonzero(gains == gains.max())
        return int(equals[int(self.rng.random() * len(equals))])

    # --- what is found ------------------------------------------------------------------------------------------------

    def path(self) -> tuple[int, ...]:
        """The path to the best subset tried, or the one of the best prefixes."""
        if not self.board.samples:
            return members(self.problem.pool)[: self.problem.depth]
        if self.lattice is not None:
            worths, columns = self.worths(), self.surrogate.columns
            return self.board.as_far_as_it_pays(self.lattice.best(worths), lambda subset: worths[columns[subset]])
        return self.in_order(self.best_end())

    def best_end(self) -> int:
        """The best subset tried: by score where that is exact, else by expected score."""
        board, surrogate = self.board, self.surrogate
        ends = [s for s in board.samples if not self.problem.free or s.bit_count() == self.problem.depth]
        if surrogate.exact:
            return board.best(ends)
        means = surrogate.means()
        return max(ends, key=lambda subset: means[surrogate.columns[subset]])

    def in_order(self, end: int) -> tuple[int, ...]:
        """The attributes of a subset in the order whose prefixes are expected to be best."""
        if end.bit_count() > EXACT_SIZE:
            return best_order(end, self.board.estimate)
        self.surrogate.add(submasks(end))
        worths = self.worths()
        return best_order(end, lambda subset: float(worths[self.surrogate.columns[subset]]))

    def worths(self) -> Array:
        """The worth of each candidate: as scored where that is exact, else as expected.

        The model need not be able to follow scores of several sizes.
        """
        worths = self.surrogate.means()
        if self.surrogate.exact:
            for subset in self.board.samples:
                worths[self.surrogate.columns[subset]] = self.board.worth(subset)
        return worths
