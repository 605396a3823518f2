"""LLM-guided Monte Carlo tree search over subsets (paper, section 5.2 and Algorithm 1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import NamedTuple, TypeVar

import numpy as np

from raise_agent.envs.dynamics import State, askable, start, step
from raise_agent.errors import ConfigError, did_you_mean
from raise_agent.subsets import mask_of, members, subsets_of_size

from .contract import Plan, PlanningProblem, Rank, Search
from .ordering import best_order
from .registry import register
from .scoreboard import Scoreboard, check_evaluations
from .static import check_order, whole_order

PRIORS = ("role", "static", "uniform")

REPEATS = 8
"""So many simulations in a row may end in a subset asked before; then one is drawn that was not."""
DRAWS = 16
"""So many random subsets are drawn to find one not asked before; then the first such is taken."""

_Choice = TypeVar("_Choice")


class _Edge(NamedTuple):
    """An action that is legal at a node, and where it leads."""

    action: int
    """Attribute to ask, or ``rules.answer``."""
    prior: float
    """Weight among the node's actions; they sum to 1."""
    child: _Node


@dataclass(slots=True)
class _Node:
    """One subset, however it was reached."""

    visits: int = 0
    total: float = 0.0
    """Sum of the worths backed up, in score points."""
    edges: Sequence[_Edge] | None = None
    """None until expanded; empty where the conversation ends."""
    done: bool = False
    """Whether nothing new is to be found: the conversation ends here and was asked, or all children are done."""


class _Tree:
    """The state of one search."""

    def __init__(self, problem: PlanningProblem, board: Scoreboard, rng: np.random.Generator) -> None:
        self.problem = problem
        self.board = board
        self.rng = rng
        self.nodes: dict[int, _Node] = {}
        self.root = self.node(0)
        self.prior: Sequence[float] | None = None
        """Weight of each attribute, as last told by the prior; None where there is none."""
        self.low, self.high = math.inf, -math.inf
        """Range of the worths backed up."""
        self.costs = (0.0,) * problem.n_attributes if problem.costs is None else problem.costs
        self.gains = [0.0] * (problem.n_attributes + 1)
        """What each action seems to add less its cost; the last, answering, is as good as the average."""
        self.sizes = range(problem.depth, problem.depth - 1 if problem.free else -1, -1)
        """Sizes that a subset may have when the conversation ends."""
        self.n_ends = sum(comb(problem.pool.bit_count(), size) for size in self.sizes)

    def node(self, key: int) -> _Node:
        """The node of a subset; with bit n, of answering there."""
        return self.nodes.setdefault(key, _Node())

    def actions(self, state: State) -> tuple[int, ...]:
        """What may be done next; answering early is a choice only where asking costs."""
        attributes = members(askable(self.problem.rules, state, self.problem.pool))
        return attributes if self.problem.free or not attributes else (*attributes, self.problem.rules.answer)

    def pick(self, choices: Sequence[_Choice]) -> _Choice:
        """One of these at random."""
        return choices[0] if len(choices) == 1 else choices[int(self.rng.random() * len(choices))]

    def draw_unasked(self) -> int:
        """A random end that was not asked before; there must be one."""
        for _ in range(DRAWS):
            state = start()
            while actions := self.actions(state):
                state = step(self.problem.rules, state, self.pick(actions))
            if state.asked not in self.board.scores:
                return state.asked
        ends = (subset for size in self.sizes for subset in subsets_of_size(self.problem.pool, size))
        return next(end for end in ends if end not in self.board.scores)


@register("mcts")
@dataclass(frozen=True, slots=True)
class MCTSPlanner:
    """PUCT over subsets, guided by a prior, completing each new subset to the budget (paper, Algorithm 1).

    The tree is a table with one node per subset, however it was reached, since the order of asking does not
    change what is known. A simulation selects by

        Q(U+a) + c * prior(a | U) * sqrt(sum_b N_b) / (1 + N_a)

    expands one node, completes its subset by an epsilon-greedy draw from the prior with
    eps(d) = eps0 / (1 + exp(d - D/2)), has the completed subset scored and backs the score up.

    Deliberate differences from the paper:

    - Q is scaled to 0..1 by the scores seen in this search, so that ``c`` means the same on every scale.
    - Q counts one visit more, worth the mean of the parent plus what the attribute adds more than the others,
      by an additive account of the scores so far. The paper leaves open what an unvisited child is worth.
    - The sum under the root is at least 1, so that the prior has a say in the first choice too.
    - A completion scored before is backed up again without an evaluation, ``REPEATS`` times in a row at most.
      Selection passes over what is fully explored.
    - The path is not that of highest Q: it ends in the best subset scored, the lowest indices of equals, and
      some evaluations are kept back to put it in the order whose prefixes are best.
    - Where asking costs, answering is an action at every node, and what is backed up is score less cost.
    """

    evaluations: int = 20
    """Most evaluations, 1 or more. On simulated scenarios 20 reach 0.99 of the best gain with budget 3."""
    c: float = 0.5
    """Weight of exploration, 0 or more."""
    eps0: float = 0.2
    """Scale, 0 to 1, of the chance that a completion draws uniformly."""
    prior: str = "role"
    """``role`` asks the prior model, and is uniform where there is none; ``static``; ``uniform``."""
    order: tuple[int, ...] = ()
    """For the static prior: attribute indices, best first, those left out after; weights are 1/rank."""
    rank_every_node: bool = True
    """Whether the prior model is asked at each node that is expanded, or only at the empty subset."""
    prefix_share: float = 0.15
    """Share of the evaluations, 0 to below 1, kept for prefixes of the best subset found; never more than there
    are and, where asking costs, never fewer than one path has."""

    def __post_init__(self) -> None:
        check_evaluations(self.evaluations)
        object.__setattr__(self, "order", check_order(self.order))
        if not (math.isfinite(self.c) and self.c >= 0):
            raise ConfigError(f"c must be a number, 0 or more, not {self.c}")
        if not 0 <= self.eps0 <= 1:
            raise ConfigError(f"eps0 must be between 0 and 1, not {self.eps0}")
        if self.prior not in PRIORS:
            raise ConfigError(f"unknown prior {self.prior!r}: {did_you_mean(self.prior, PRIORS)}")
        if not 0 <= self.prefix_share < 1:
            raise ConfigError(f"prefix_share must be 0 or more and below 1, not {self.prefix_share}")

    def search(self, problem: PlanningProblem, rng: np.random.Generator) -> Search[Plan]:
        """Simulate, then put the best subset found in order."""
        board = Scoreboard(problem, self.evaluations)
        tree = _Tree(problem, board, rng)
        if self.prior == "static":
            order = whole_order(self.order, problem.n_attributes)
            tree.prior = [1.0 / (1 + order.index(attribute)) for attribute in range(problem.n_attributes)]
        kept = self._kept_for_prefixes(problem)
        repeats = 0
        while board.left > kept and len(board.scores) < tree.n_ends:
            state, path = self._select(tree)
            yield from self._expand(tree, state, path[-1])
            end = self._complete(tree, state, path[-1])
            repeats = repeats + 1 if end in board.scores else 0
            if repeats > REPEATS:
                path, end, repeats = path[:1], tree.draw_unasked(), 0
            yield from board.ask([end])
            _back_up(tree, path, board.worth(end))
        yield from _ask_prefixes(board)
        return board.plan(_best_path(board))

    def _kept_for_prefixes(self, problem: PlanningProblem) -> int:
        """How many evaluations the simulations leave over."""
        prefixes = (1 << problem.depth) - (2 if problem.free else 1)
        wanted = max(int(self.prefix_share * self.evaluations), 0 if problem.free else problem.depth)
        return max(0, min(wanted, prefixes, self.evaluations - 1))

    def _select(self, tree: _Tree) -> tuple[State, list[_Node]]:
        """Walk from the empty subset to a node not expanded yet, or to where the conversation ends."""
        state, path = start(), [tree.root]
        while path[-1].edges:
            edge = self._best_edge(tree, path[-1], path[-1].edges)
            if edge is None:
                path[-1].done = True
                state, path = start(), [tree.root]
            else:
                state = step(tree.problem.rules, state, edge.action)
                path.append(edge.child)
        return state, path

    def _best_edge(self, tree: _Tree, node: _Node, edges: Sequence[_Edge]) -> _Edge | None:
        """The edge of highest Q plus exploration, any of equals; None where all children are done."""
        explore = self.c * math.sqrt(max(1, sum([edge.child.visits for edge in edges])))
        gains = tree.gains
        usual = sum([gains[edge.action] for edge in edges]) / len(edges)
        mean = node.total / node.visits if node.visits else 0.0
        low, scale = tree.low, 1.0 / (tree.high - tree.low) if tree.high > tree.low else 0.0
        highest, best = -math.inf, list[_Edge]()
        for edge in edges:
            action, prior, child = edge
            if child.done:
                continue
            q = (child.total + mean + gains[action] - usual) / (child.visits + 1)
            urgency = ((q - low) * scale if scale else 0.0) + explore * prior / (child.visits + 1)
            if urgency > highest:
                highest, best = urgency, [edge]
            elif urgency == highest:
                best.append(edge)
        return tree.pick(best) if best else None

    def _expand(self, tree: _Tree, state: State, node: _Node) -> Search[None]:
        """Give the node its actions, each with its prior weight and its child; once."""
        if node.edges is not None:
            return
        actions = tree.actions(state)
        weights = (yield from self._weights(tree, state)) if actions else ()
        total = sum(weights[action] for action in actions)
        node.edges = [
            _Edge(action, weights[action] / total, tree.node(state.asked | 1 << action)) for action in actions
        ]

    def _weights(self, tree: _Tree, state: State) -> Search[Sequence[float]]:
        """One weight per action; answering weighs what an attribute does on average."""
        if self.prior == "role" and (self.rank_every_node or state == start()):
            tree.prior = yield Rank(state.asked)
        if tree.prior is not None:
            attributes = members(askable(tree.problem.rules, state, tree.problem.pool))
            total = sum(tree.prior[attribute] for attribute in attributes)
            if total > 0:
                return [*tree.prior, total / len(attributes)]
        return [1.0] * (tree.problem.n_attributes + 1)

    def _complete(self, tree: _Tree, state: State, node: _Node) -> int:
        """The subset in which the conversation ends when the node's prior, epsilon-greedy, goes on from here."""
        prior = {edge.action: edge.prior for edge in node.edges or ()}
        while actions := tree.actions(state):
            eps = self.eps0 / (1.0 + math.exp(state.asked.bit_count() - tree.problem.depth / 2))
            if tree.rng.random() >= eps:
                highest = max([prior[action] for action in actions])
                actions = tuple([action for action in actions if prior[action] == highest])
            state = step(tree.problem.rules, state, tree.pick(actions))
        return state.asked


def _back_up(tree: _Tree, path: Sequence[_Node], worth: float | None) -> None:
    """Add a worth to every node on the path; what is unscored adds nothing."""
    path[-1].done = not path[-1].edges
    if worth is None:
        return
    tree.low, tree.high = min(tree.low, worth), max(tree.high, worth)
    for node in path:
        node.visits += 1
        node.total += worth
    gains = [effect - cost for effect, cost in zip(tree.board.fit().effects, tree.costs, strict=True)]
    tree.gains = [*gains, sum(gains) / len(gains)]


def _ask_prefixes(board: Scoreboard) -> Search[None]:
    """Score the prefixes of the path that looks best until it stays so, then all other subsets of its end."""
    shortest = 1 if board.problem.free else 0
    while board.left:
        path = _best_path(board)
        prefixes = [mask_of(path[:length]) for length in range(shortest, len(path))]
        if all(prefix in board.scores for prefix in prefixes):
            sizes = range(shortest, len(path))
            yield from board.ask(mask_of(chosen) for size in sizes for chosen in combinations(path, size))
            return
        yield from board.ask(prefixes)


def _best_path(board: Scoreboard) -> tuple[int, ...]:
    """The best subset scored, in its best order; without any score, the lowest indices."""
    problem = board.problem
    default = mask_of(members(problem.pool)[: problem.depth])
    ends = [subset for subset in board.scores if not problem.free or subset.bit_count() == problem.depth]
    return best_order(board.best([*ends, default]), board.estimate)
