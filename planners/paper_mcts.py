"""The published search, as the reference of every comparison (paper, section 5.2 and Algorithm 1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raise_agent.envs.dynamics import State, askable, start, step
from raise_agent.errors import ConfigError, did_you_mean
from raise_agent.subsets import mask_of, members

from .contract import KEPT_NODES, Plan, PlanningProblem, Rank, Search, TreeNode
from .registry import register
from .scoreboard import Scoreboard, check_evaluations

PRIORS = ("role", "uniform")
READINGS = ("pseudocode", "text")

TRIES = 3
"""After so many rollouts without a score, a child that was never scored is passed over."""


@dataclass(slots=True)
class _Node:
    """One path of questions, and what the rollouts through it brought."""

    state: State
    options: Sequence[int]
    """Attributes that may be asked next, ascending; empty where the budget is spent."""
    weights: Sequence[float]
    """Prior of each option; they sum to 1."""
    children: list[_Node | None]
    """Where each option leads; None where it was not visited."""
    completion: Sequence[int] = ()
    """What the rollout that added this node asked after it."""
    visits: int = 0
    """N: scored rollouts."""
    q: float = 0.0
    """Q = W / N: their mean score; 0 without any."""
    unscored: int = 0
    """Rollouts without a score."""

    @property
    def passed_over(self) -> bool:
        """Whether it was tried often enough, and never scored."""
        return not self.visits and self.unscored >= TRIES


@register("paper_mcts")
@dataclass(frozen=True, slots=True)
class PaperMCTSPlanner:
    """LLM-guided MCTS over paths, as published (paper, sections 5.2 and C, Algorithm 1).

    The tree has a node for each path: the same attributes asked in another order are another node. A rollout
    starts at the empty path and goes to the child of highest

        Q(U+a) + c * prior(a | U) * sqrt(sum_b N_b) / (1 + N_a),  Q = W / N in score points

    until it adds a node. The prior is asked once at each node below the budget. The new node's path is
    completed to the budget by an epsilon-greedy draw from its prior, with eps(d) = eps0 / (1 + exp(d - D/2)),
    d attributes known and D the most that can be. The completed subset is judged, and its score added to W of
    every node passed, 1 to N. At the end the path follows the child of highest Q at each depth. Vanilla MCTS
    is the same with ``prior="uniform"``.

    A subset judged before is judged again: each rollout is one evaluation, and there are exactly as many as
    set. Where the judge is noisy each is another draw; ``Plan.value`` is the mean of those of the path's subset.

    What the paper leaves open, and what is done here:

    - Section 5.2 adds unexplored children before the formula chooses, Algorithm 1 does not: see ``reading``.
      Of unexplored children that of highest prior is added, as the formula ranks them.
    - Q of a child never visited, in Algorithm 1: 0, as W is. Scores are 1 to 5, so that it then leaves its first
      path only when the square root has grown.
    - Equals in a rollout: any, at random. The first choice below a node in Algorithm 1 is always among equals,
      as the sum is 0. Equals in the final path: the lowest index.
    - Epsilon-greedy: uniform with probability eps, else the attribute of highest prior. The prior of the new
      node serves the whole completion.
    - The tree ends before the budget: the path goes on with the completion judged when that node was added,
      as it is what the node's Q was measured on. Without any score at all the path follows the root's prior.
    - Unscored rollouts: they add nothing to W and N. They are counted apart, beside N in the exploration term
      alone, so that the search moves on. A child without any score stays unexplored, behind those tried less,
      until ``TRIES`` rollouts; from then on it is passed over unless all are.
    - No prior, or one that failed: uniform at that node.
    - Costs: the paper's attributes all cost the same, so the search neither counts costs nor stops early; only
      ``Plan.value`` is less the cost.
    """

    evaluations: int = 300
    """Rollouts, 1 or more (T): as many evaluations are made. Published: 300; vanilla 50 with budget 3."""
    c: float = 0.5
    """Weight of exploration, 0 or more (0.5 in the experiments; C.4 says 1)."""
    eps0: float = 0.2
    """Scale, 0 to 1, of the chance that a completion draws uniformly."""
    prior: str = "role"
    """``role`` asks the prior model, and is uniform where there is none; ``uniform``."""
    reading: str = "text"
    """``text`` adds every child of a node before the formula chooses among them; ``pseudocode`` does not."""

    def __post_init__(self) -> None:
        check_evaluations(self.evaluations)
        if not (math.isfinite(self.c) and self.c >= 0):
            raise ConfigError(f"c must be a number, 0 or more, not {self.c}")
        if not 0 <= self.eps0 <= 1:
            raise ConfigError(f"eps0 must be between 0 and 1, not {self.eps0}")
        if self.prior not in PRIORS:
            raise ConfigError(f"unknown prior {self.prior!r}: {did_you_mean(self.prior, PRIORS)}")
        if self.reading not in READINGS:
            raise ConfigError(f"unknown reading {self.reading!r}: {did_you_mean(self.reading, READINGS)}")

    def search(self, problem: PlanningProblem, rng: np.random.Generator) -> Search[Plan]:
        """Make the rollouts, then follow the highest Q."""
        root = yield from self._node(problem, start())
        # No rollout ends at the root; this is for a search in which nothing is scored.
        by_prior = sorted(range(len(root.options)), key=lambda place: -root.weights[place])
        root.completion = [root.options[place] for place in by_prior[: problem.depth]]
        board = Scoreboard(problem, self.evaluations)
        while board.left:
            path, place = self._select(root, rng)
            if place is not None:
                path.append((yield from self._expand(problem, path[-1], place)))
                path[-1].completion = self._complete(problem, path[-1], rng)
            subset = path[-1].state.asked | mask_of(path[-1].completion)
            for score in (yield from board.draw([subset])):
                _back_up(path, score)
        best = _best_path(root)
        return Plan(best, board.worth(mask_of(best)), len(board.trace), tuple(board.trace), _most_visited(root))

    def _select(self, root: _Node, rng: np.random.Generator) -> tuple[list[_Node], int | None]:
        """Walk down to a child not visited, whose place under the last node is told, or to the end of a full path."""
        path = [root]
        while path[-1].options:
            place = self._choose(path[-1], rng)
            child = path[-1].children[place]
            if child is None:
                return path, place
            path.append(child)
        return path, None

    def _choose(self, node: _Node, rng: np.random.Generator) -> int:
        """The place of the child to go to."""
        if self.reading == "text" and (places := _unexplored(node)):
            return places[_highest([node.weights[place] for place in places], rng)]
        tried = [0 if child is None else child.visits + child.unscored for child in node.children]
        explore = self.c * math.sqrt(sum(tried))
        worth = [_q(child) for child in node.children]
        return _highest(
            [q + explore * prior / (1 + n) for q, prior, n in zip(worth, node.weights, tried, strict=True)], rng
        )

    def _expand(self, problem: PlanningProblem, parent: _Node, place: int) -> Search[_Node]:
        """Add the child at this place."""
        child = yield from self._node(problem, step(problem.rules, parent.state, parent.options[place]))
        parent.children[place] = child
        return child

    def _node(self, problem: PlanningProblem, state: State) -> Search[_Node]:
        """A node without children, with its prior."""
        options = members(askable(problem.rules, state, problem.pool))
        weights = [1.0] * len(options)
        if options and self.prior == "role":
            heard: Sequence[float] | None = yield Rank(state.asked)
            if heard is not None and sum(heard[option] for option in options) > 0:
                weights = [heard[option] for option in options]
        total = sum(weights)
        return _Node(state, options, [weight / total for weight in weights], [None] * len(options))

    def _complete(self, problem: PlanningProblem, node: _Node, rng: np.random.Generator) -> list[int]:
        """What is asked after a new node until the budget is spent."""
        prior = dict(zip(node.options, node.weights, strict=True))
        state, asked = node.state, list[int]()
        while options := members(askable(problem.rules, state, problem.pool)):
            eps = self.eps0 / (1.0 + math.exp(state.asked.bit_count() - problem.depth / 2))
            uniform = rng.random() < eps
            asked.append(options[_highest([0.0 if uniform else prior[option] for option in options], rng)])
            state = step(problem.rules, state, asked[-1])
        return asked


def _highest(values: Sequence[float], rng: np.random.Generator) -> int:
    """The place of the highest value, any of equals."""
    highest = max(values)
    places = [place for place, value in enumerate(values) if value == highest]
    return places[0] if len(places) == 1 else places[int(rng.random() * len(places))]


def _unexplored(node: _Node) -> list[int]:
    """Places of the children that are to be tried before the formula chooses: of those never scored the least tried."""
    tries = [
        0 if child is None else TRIES if child.visits or child.passed_over else child.unscored
        for child in node.children
    ]
    fewest = min(tries)
    return [place for place, tried in enumerate(tries) if tried == fewest < TRIES]


def _q(child: _Node | None) -> float:
    """Q of a child; below all others where it is passed over."""
    if child is None:
        return 0.0
    return -math.inf if child.passed_over else child.q


def _back_up(path: Sequence[_Node], score: float | None) -> None:
    """Count a rollout at every node it passed."""
    for node in path:
        if score is None:
            node.unscored += 1
        else:
            node.visits += 1
            # A sum divided would tell apart what scored the same, by rounding.
            node.q += (score - node.q) / node.visits


def _most_visited(root: _Node) -> tuple[TreeNode, ...]:
    """The scored nodes that most rollouts passed, each after its parent; of equals those nearer to the root."""
    found = list[TreeNode]()
    ahead: list[tuple[tuple[int, ...], _Node]] = [((), root)]
    while ahead:
        path, node = ahead.pop()
        if node.visits:
            found.append(TreeNode(path, node.visits, node.q))
            children = zip(node.options, node.children, strict=True)
            ahead += [((*path, option), child) for option, child in children if child is not None]
    return tuple(sorted(found, key=lambda node: (-node.visits, len(node.path), node.path))[:KEPT_NODES])


def _best_path(root: _Node) -> tuple[int, ...]:
    """The scored child of highest Q at each depth, then what was judged from the last one."""
    path, node = list[int](), root
    while True:
        scored = {place: child for place, child in enumerate(node.children) if child is not None and child.visits}
        if not scored:
            return (*path, *node.completion)
        place = max(scored, key=lambda place: scored[place].q)
        path.append(node.options[place])
        node = scored[place]
