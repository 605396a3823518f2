"""LLM-guided Monte Carlo tree search over subsets (paper, section 5.2 and Algorithm 1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, islice
from math import comb

import numpy as np
import numpy.typing as npt

from raise_agent.errors import ConfigError, did_you_mean
from raise_agent.subsets import known_in, mask_of, members, submasks, subsets_of_size

from .additive import Array, PairwiseFit
from .contract import Plan, PlanningProblem, Rank, Search
from .improvement import expected_excess
from .ordering import EXACT_SIZE, best_order
from .registry import register
from .scoreboard import Scoreboard, check_evaluations
from .static import check_order, whole_order

PRIORS = ("role", "static", "uniform")

DESCENTS = 32
"""Imagined descents before each evaluation."""
TRUST = 0.5
"""How far the prior is believed at first: by how many standard deviations, of those among subsets of full size, it
makes the expected scores of these subsets differ."""
ANY_OF_EQUALS = 1e-9
"""What luck adds to weights so that equals are told apart."""


@register("mcts")
@dataclass(frozen=True, slots=True)
class MCTSPlanner:
    """Descends the tree of subsets by upper confidence, in imagination; scores the most promising end (paper, 5.2).

    Before each evaluation ``DESCENTS`` simulations start below random second-level nodes of the tree and go on to the
    budget, each time to the child of highest

        Q(U+a) - Q(U) + c' * s * (1 / (1 + N_a) + sum_{b in U} 2 / (1 + N_ab))

    N counts how often an attribute, or two together, were in a subset scored; Q is the expected score by an account
    with effects of attributes and pairs (``PairwiseFit``), s its standard deviation; c' is uniform in 0..c, one for
    each descent. Of the subsets where they end, that of highest

        expected improvement + discovery * (share of evaluations left after this one) * (range of the scores)
                                 * (share of all pairs first asked together in it)

    is scored; with noise, expected improvement over the best expected score, times 1 - noise / sqrt(noise^2 + s(U)^2),
    be it new or scored before. The account learns the score, and with it every node of the tree.

    Where asking costs, all nodes passed may be scored, by worth. For the objective ``prefixes``, the path of best
    prefixes by mean and standard deviation is taken, and of these prefixes the least known is scored.

    Sources: PUCT from the paper; statistics shared by all nodes that hold an attribute, Gelly and Silver (2011); c'
    drawn at random, Vaswani et al. (2020); expected improvement, Jones, Schonlau and Welch (1998), with noise Huang et
    al. (2006). Deliberate differences from the paper:

    - A node's value is what the account expects, not the mean over its visits: a score tells of all subsets that share
      attributes, not only of the nodes passed. Backing up means (of a few visits each) gained nothing beside it.
    - A simulation costs no evaluation; only the best of them is judged.
    - The prior is asked once, at the empty subset. The first subset is its favourite; from then on it is the account's
      first guess of the effects, which scores correct.
    - No subset is asked twice where scores are exact.
    - The path is not that of highest Q at each depth: it ends in the best subset scored, the lowest indices of equals
      (with noise, of highest expected score), in the order of best expected prefixes.
    """

    evaluations: int = 20
    """Most evaluations, 1 or more. On simulated scenarios 20 reach 0.99 of the best gain with budget 3."""
    c: float = 2.0
    """Weight of exploration in descents, 0 or more."""
    discovery: float = 2.0
    """What attributes that were never asked together are taken to hide at first, 0 or more, relative to the range of
    scores; it falls to nothing at the last evaluation, after which nothing can be made of a find."""
    prior: str = "role"
    """``role`` asks the prior model, and is uniform where there is none; ``static``; ``uniform``."""
    order: tuple[int, ...] = ()
    """For the static prior: attribute indices, best first, those left out after; weights are 1/rank."""
    prefix_share: float = 0.0
    """Share of the evaluations, 0 to below 1, kept to measure the prefixes of the best subset found, so that their
    order is not only expected; never more than there are and, where asking costs, never fewer than one path has."""

    def __post_init__(self) -> None:
        check_evaluations(self.evaluations)
        object.__setattr__(self, "order", check_order(self.order))
        if not (math.isfinite(self.c) and self.c >= 0):
            raise ConfigError(f"c must be a number, 0 or more, not {self.c}")
        if not (math.isfinite(self.discovery) and self.discovery >= 0):
            raise ConfigError(f"discovery must be a number, 0 or more, not {self.discovery}")
        if self.prior not in PRIORS:
            raise ConfigError(f"unknown prior {self.prior!r}: {did_you_mean(self.prior, PRIORS)}")
        if not 0 <= self.prefix_share < 1:
            raise ConfigError(f"prefix_share must be 0 or more and below 1, not {self.prefix_share}")

    def search(self, problem: PlanningProblem, rng: np.random.Generator) -> Search[Plan]:
        """Descend, score, learn; then put the best subset found in order."""
        board = Scoreboard(problem, self.evaluations)
        weights = yield from self._weights(problem)
        tree = _Tree(self, problem, board, rng, weights)
        kept = self._kept_for_prefixes(problem)
        while board.left > kept:
            subset, gain = tree.choose()
            if subset is None:
                break
            yield from board.draw([subset], gain)
            tree.learn()
        yield from _ask_prefixes(board, tree)
        return board.plan(tree.best_path())

    def _weights(self, problem: PlanningProblem) -> Search[Sequence[float] | None]:
        """One weight per attribute; None without a prior."""
        if self.prior == "static":
            order = whole_order(self.order, problem.n_attributes)
            return [1.0 / (1 + order.index(attribute)) for attribute in range(problem.n_attributes)]
        if self.prior == "role" and problem.depth:
            weights: Sequence[float] | None = yield Rank(0)
            return weights
        return None

    def _kept_for_prefixes(self, problem: PlanningProblem) -> int:
        """How many evaluations the simulations leave over."""
        if problem.objective == "prefixes":
            return 0
        prefixes = (1 << problem.depth) - (2 if problem.free else 1)
        wanted = max(int(self.prefix_share * self.evaluations), 0 if problem.free else problem.depth)
        return max(0, min(wanted, prefixes, self.evaluations - 1))


class _Tree:
    """The state of one search."""

    def __init__(
        self,
        planner: MCTSPlanner,
        problem: PlanningProblem,
        board: Scoreboard,
        rng: np.random.Generator,
        weights: Sequence[float] | None,
    ) -> None:
        self.planner, self.problem, self.board, self.rng = planner, problem, board, rng
        n, self.n_legal = problem.n_attributes, problem.pool.bit_count()
        self.exact, self.prefixes = problem.noise == 0, problem.objective == "prefixes"
        smallest = 0 if not problem.free else min(1, problem.depth) if self.prefixes else problem.depth
        self.sizes = range(smallest, problem.depth + 1)
        """Sizes that may be scored."""
        self.n_nodes = sum(comb(self.n_legal, size) for size in self.sizes)
        self.legal = known_in([problem.pool], n)[0]
        self.bits = np.left_shift(1, np.arange(n, dtype=np.int64))
        self.costs = np.zeros(n) if problem.costs is None else np.asarray(problem.costs)
        self.prior = np.zeros(n) if weights is None else np.asarray(weights) * self.legal
        self.fit = PairwiseFit(problem, self.guess())
        self.starts = _nodes_at(problem.pool, min(2, problem.depth), n)
        self.together = np.zeros((n, n))
        """How often two attributes were in a subset scored; on the diagonal, how often one was."""
        self.low, self.high = math.inf, -math.inf
        """Range of the worths heard."""
        self.paid = np.zeros(0)
        """What asking each subset heard costs, (t,)."""
        self.learnt = 0
        """How much of the trace was taken into account."""

    def guess(self) -> Array:
        """What the prior makes of each attribute: its weight, centred and scaled to ``TRUST``."""
        if self.n_legal == self.problem.depth:
            return np.zeros_like(self.prior)
        off = (self.prior - self.prior.sum() / self.n_legal) * self.legal
        size = self.problem.depth
        spread = math.sqrt(float(off @ off) / self.n_legal * size * (self.n_legal - size) / (self.n_legal - 1))
        return np.asarray(TRUST * off / spread if spread > 0 else off)

    # --- which subset is scored next --------------------------------------------------------------------------------

    def choose(self) -> tuple[int | None, float]:
        """The subset to score, None where all were, and what that is expected to bring."""
        if len(self.board.scores) >= self.n_nodes and (self.exact or self.n_nodes == 1):
            return None, 0.0
        if not self.board.trace:
            favourites = np.argsort(-(self.prior + ANY_OF_EQUALS * self.rng.random(len(self.prior)) - (1 - self.legal)))
            return mask_of(favourites[: self.problem.depth].tolist()), math.inf
        if self.fit.heard:
            nodes = self.descend()
            subsets = self.subsets(nodes)
            gains = self.gains(nodes)
            open_to = [gain if self.may_be_asked(s) else -1.0 for s, gain in zip(subsets, gains.tolist(), strict=True)]
            gain = max(open_to)
            if gain >= 0:
                return subsets[open_to.index(gain)], gain
        return self.any_unasked(), 0.0 if self.fit.heard else math.inf

    def descend(self) -> Array:
        """Where imagined descents end, (m, n); all nodes they pass where any may be scored."""
        fit = self.fit
        bonus = 2 * fit.deviation / (1 + self.together)
        alone = bonus.diagonal() / 2
        bonus.flat[:: len(alone) + 1] = 0.0
        effects = fit.effects - self.costs
        nodes = self.starts[self.starting(effects)]
        optimism = self.planner.c * self.rng.random((len(nodes), 1))
        worth = effects + nodes @ fit.pairs + optimism * (alone + nodes @ bonus)
        worth[(self.legal == 0) | (nodes > 0)] = -np.inf
        passed, places = [nodes], np.arange(len(nodes))
        for _ in range(min(2, self.problem.depth), self.problem.depth):
            best = worth.argmax(axis=1)
            nodes = nodes.copy()
            nodes[places, best] = 1.0
            worth += fit.pairs[best] + optimism * bonus[best]
            worth[places, best] = -np.inf
            passed.append(nodes)
        return nodes if len(self.sizes) == 1 else np.concatenate([*passed, *self.shallow()])

    def starting(self, effects: Array) -> npt.NDArray[np.int64]:
        """Places of the second-level nodes where descents start: random ones, half of many by their expected score."""
        count = len(self.starts)
        places = self.rng.permutation(count)[:DESCENTS]
        if count > 2 * DESCENTS:
            worth = self.starts @ effects + ((self.starts @ self.fit.pairs) * self.starts).sum(axis=1) / 2
            likely = DESCENTS // 2
            places[:likely] = np.argpartition(-worth, likely)[:likely]
        return places

    def shallow(self) -> list[Array]:
        """The nodes above those where descents start."""
        sizes = range(self.sizes.start, min(2, self.problem.depth))
        return [_nodes_at(self.problem.pool, size, len(self.legal)) for size in sizes]

    def gains(self, nodes: Array) -> Array:
        """What scoring each of these nodes is expected to bring, (m,)."""
        means, deviations = self.fit.moments(nodes)
        fresh = ((nodes @ (self.together == 0)) * nodes).sum(axis=1) / max(self.n_legal * (self.n_legal - 1), 1)
        surprise = self.planner.discovery * self.board.ahead(1) * (self.high - self.low) * fresh
        if self.prefixes:
            return np.asarray(self.doubts(nodes, means, deviations) + surprise)
        best = self.high if self.exact else float((self.fit.fitted() - self.paid).max())
        gains = expected_excess(means - nodes @ self.costs - best, deviations)
        if not self.exact:
            gains *= 1 - self.problem.noise / np.sqrt(self.problem.noise**2 + np.square(deviations))
        return np.asarray(gains + surprise)

    def doubts(self, nodes: Array, means: Array, deviations: Array) -> Array:
        """How little is known of each prefix of the path that may be the best; 0 for other nodes."""
        subsets = self.subsets(nodes)
        hopes = means + deviations - nodes @ self.costs
        path = self.path_of_best_prefixes(self.with_scores(subsets, hopes))
        prefixes = {mask_of(path[:length]) for length in range(1, len(path) + 1)}
        return np.where([subset in prefixes for subset in subsets], deviations / max(self.problem.depth, 1), 0.0)

    def may_be_asked(self, subset: int) -> bool:
        """Whether another score tells more: a new subset, or one whose scores are noisy and do come."""
        return subset not in self.board.scores or (not self.exact and self.board.scores[subset] is not None)

    def subsets(self, nodes: Array) -> list[int]:
        """Rows of 0 and 1 as bitmasks."""
        found: list[int] = (nodes.astype(np.int64) @ self.bits).tolist()
        return found

    def any_unasked(self) -> int | None:
        """A random subset not asked before; None where there is none."""
        if len(self.board.scores) >= self.n_nodes:
            return None
        pool = members(self.problem.pool)
        for size in self.rng.permutation(self.sizes):
            subset = mask_of(pool[i] for i in self.rng.permutation(len(pool))[:size])
            if subset not in self.board.scores:
                return subset
        return next(
            s for size in self.sizes for s in subsets_of_size(self.problem.pool, size) if s not in self.board.scores
        )

    def learn(self) -> None:
        """Take what was heard since into account; what is unscored tells nothing."""
        for subset, score in islice(self.board.trace, self.learnt, None):
            known = known_in([subset], len(self.legal))[0]
            self.together += np.outer(known, known)
            if score is not None:
                self.fit.add(known, score)
                self.paid = np.append(self.paid, known @ self.costs)
                worth = score - self.paid[-1]
                self.low, self.high = min(self.low, worth), max(self.high, worth)
        self.learnt = len(self.board.trace)

    # --- what is found ----------------------------------------------------------------------------------------------

    def best_path(self) -> tuple[int, ...]:
        """The path to the best subset scored, or the one of best prefixes; without any score, the lowest indices."""
        lowest = members(self.problem.pool)[: self.problem.depth]
        if not self.fit.heard:
            return lowest
        if self.prefixes:
            subsets = [*self.subsets(self.descend()), *self.board.samples]
            worths = self.with_scores(subsets, self.expected(subsets))
            return self.board.as_far_as_it_pays(self.path_of_best_prefixes(worths), worths.__getitem__)
        ends = [s for s in self.board.samples if not self.problem.free or s.bit_count() == self.problem.depth]
        if self.exact or not ends:
            end = self.board.best([*ends, mask_of(lowest)])
        else:
            end = ends[int(np.argmax(self.expected(ends)))]
        if end.bit_count() > EXACT_SIZE:
            return best_order(end, self.board.estimate)
        below = list(submasks(end))
        worths = self.with_scores(below, self.expected(below))
        return best_order(end, worths.__getitem__)

    def expected(self, subsets: Sequence[int]) -> Array:
        """Expected worths of subsets."""
        nodes = known_in(subsets, len(self.legal))
        return self.fit.moments(nodes)[0] - nodes @ self.costs

    def with_scores(self, subsets: Sequence[int], worths: Array) -> dict[int, float]:
        """Worths by subset, the given ones where they were not scored exactly."""
        found = dict(zip(subsets, worths.tolist(), strict=True))
        if self.exact:
            found |= {s: worth for s in found if (worth := self.board.worth(s)) is not None}
        return found

    def path_of_best_prefixes(self, worths: dict[int, float]) -> tuple[int, ...]:
        """Among the paths that lead over these nodes alone, the full one whose prefixes are worth most together."""
        ahead: dict[int, tuple[float, int]] = {0: (0.0, 0)}
        for subset in sorted(worths, key=int.bit_count):
            before = [(ahead[rest][0], -i) for i in members(subset) if (rest := subset & ~(1 << i)) in ahead]
            if before:
                most, last = max(before)
                ahead[subset] = most + worths[subset], -last
        subset = max((s for s in ahead if s.bit_count() == self.problem.depth), key=lambda s: ahead[s][0])
        path = list[int]()
        while subset:
            path.append(ahead[subset][1])
            subset &= ~(1 << path[-1])
        return tuple(reversed(path))


def _ask_prefixes(board: Scoreboard, tree: _Tree) -> Search[None]:
    """Score the prefixes of the path that looks best until it stays so, then all other subsets of its end."""
    shortest = 1 if board.problem.free else 0
    while board.left:
        path = tree.best_path()
        prefixes = [mask_of(path[:length]) for length in range(shortest, len(path))]
        if all(prefix in board.scores for prefix in prefixes):
            sizes = range(shortest, len(path))
            yield from board.ask(mask_of(chosen) for size in sizes for chosen in combinations(path, size))
            return
        yield from board.ask(prefixes)
        tree.learn()


@lru_cache(maxsize=64)
def _nodes_at(pool: int, depth: int, n_attributes: int) -> Array:
    """All nodes at one depth of the tree, (m, n); not to be written to."""
    nodes = known_in(list(subsets_of_size(pool, depth)), n_attributes)
    nodes.flags.writeable = False
    return nodes
