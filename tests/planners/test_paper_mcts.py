"""The published search, against a naive account of it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import permutations
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raise_agent.errors import ConfigError
from raise_agent.planners import Plan, PlanningProblem, make_planner, run_planner
from raise_agent.planners.paper_mcts import READINGS, TRIES
from raise_agent.subsets import mask_of, members


class FirstOfEquals(np.random.Generator):
    """Draws that always take the first choice."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def random(self) -> float:  # type: ignore[override]
        return 0.0


def plan_with(
    problem: PlanningProblem,
    evaluate: Callable[[int], float | None],
    *,
    seed: int = 0,
    rank: Callable[[int], Sequence[float] | None] | None = None,
    **chosen: Any,
) -> Plan:
    return run_planner(make_planner("paper_mcts", **chosen), problem, evaluate, np.random.default_rng(seed), rank)


def random_scores(n: int, seed: int) -> list[float]:
    return [float(score) for score in np.random.default_rng(seed).uniform(1, 5, 1 << n)]


def mean(scores: Sequence[float]) -> float:
    """Rounded as the search rounds, so that equals are the same equals."""
    found = 0.0
    for count, score in enumerate(scores, 1):
        found += (score - found) / count
    return found


def asked(plan: Plan) -> list[int]:
    return [subset for subset, _ in plan.trace]


class Naive:
    """The published search written down as slowly and plainly as can be: counts are made from the log each time."""

    def __init__(self, n: int, budget: int, scores: Sequence[float], weights: Sequence[float]) -> None:
        self.n, self.budget, self.scores, self.weights = n, budget, scores, weights
        self.log: list[tuple[tuple[int, ...], int, float]] = []
        """Of each rollout the path in the tree, the subset judged and its score."""
        self.completions: dict[tuple[int, ...], tuple[int, ...]] = {(): ()}
        """Paths in the tree -> what their first rollout asked after them."""
        self.ranked = [0]

    def prior(self, path: tuple[int, ...]) -> dict[int, float]:
        left = [a for a in range(self.n) if a not in path]
        # The prior depends on what is known, so that it is not the same at every node.
        raw = {a: self.weights[(a + sum(path)) % self.n] for a in left}
        return {a: weight / sum(raw.values()) for a, weight in raw.items()}

    def rank(self, subset: int) -> list[float]:
        prior = self.prior(members(subset))
        return [prior.get(a, 0.0) for a in range(self.n)]

    def through(self, path: tuple[int, ...]) -> list[float]:
        return [score for visited, _, score in self.log if visited[: len(path)] == path]

    def urgency(self, path: tuple[int, ...], a: int, c: float) -> float:
        visits = {b: len(self.through((*path, b))) for b in self.prior(path)}
        return mean(self.through((*path, a))) + c * math.sqrt(sum(visits.values())) * self.prior(path)[a] / (
            1 + visits[a]
        )

    def rollout(self, c: float, reading: str) -> None:
        path: tuple[int, ...] = ()
        while len(path) < self.budget:
            prior = self.prior(path)
            new = [a for a in prior if (*path, a) not in self.completions]
            if reading == "text" and new:
                path = (*path, max(new, key=lambda a: prior[a]))
            else:
                path = (*path, max(prior, key=lambda a: self.urgency(path, a, c)))
            if path not in self.completions:
                order = sorted(self.prior(path).items(), key=lambda item: -item[1])
                self.completions[path] = tuple(a for a, _ in order)[: self.budget - len(path)]
                if len(path) < self.budget:
                    self.ranked.append(mask_of(path))
                break
        end = mask_of(path + self.completions[path])
        self.log.append((path, end, self.scores[end]))

    def best(self) -> tuple[int, ...]:
        path: tuple[int, ...] = ()
        while options := [a for a in range(self.n) if a not in path and self.through((*path, a))]:
            path = (*path, max(options, key=lambda a: mean(self.through((*path, a)))))
        return path + self.completions[path]


@settings(max_examples=150)
@given(
    n=st.integers(1, 5),
    budget=st.integers(1, 5),
    seed=st.integers(0, 10_000),
    evaluations=st.integers(1, 60),
    c=st.sampled_from([0.0, 0.5, 5.0]),
    reading=st.sampled_from(READINGS),
    uniform=st.booleans(),
)
def test_each_rollout_is_that_of_the_naive_account(
    n: int, budget: int, seed: int, evaluations: int, c: float, reading: str, uniform: bool
) -> None:
    scores = random_scores(n, seed)
    weights = [1.0] * n if uniform else np.random.default_rng(seed).random(n).tolist()
    naive = Naive(n, min(budget, n), scores, weights)
    for _ in range(evaluations):
        naive.rollout(c, reading)
    ranked = []

    def rank(subset: int) -> list[float]:
        ranked.append(subset)
        return naive.rank(subset)

    problem = PlanningProblem(n, min(budget, n))
    planner = make_planner("paper_mcts", evaluations=evaluations, c=c, eps0=0.0, reading=reading)
    plan = run_planner(planner, problem, scores.__getitem__, FirstOfEquals(), rank)
    assert asked(plan) == [end for _, end, _ in naive.log]
    assert ranked == naive.ranked
    assert plan.path == naive.best()


def test_a_search_by_hand() -> None:
    """Two of three attributes, c = 1, uniform prior, the lower index of equals."""
    scores = {0b011: 3.0, 0b101: 1.0, 0b110: 2.0}
    planner = make_planner("paper_mcts", evaluations=7, c=1.0, eps0=0.0, prior="uniform")
    plan = run_planner(planner, PlanningProblem(3, 2), scores.__getitem__, FirstOfEquals())
    assert asked(plan) == [
        0b011,  # 0, completed by 1
        0b011,  # 1, completed by 0
        0b101,  # 2, completed by 0
        0b011,  # 0 (Q 3, of two equals), then its new child 1
        0b011,  # 1 (3 + 2/6 against 3 + 2/9), then its new child 0
        0b101,  # 0 again, then its last new child 2: Q of 0 falls to 7/3
        0b110,  # 1 (Q 3), then its last new child 2: Q of 1 falls to 8/3
    ]
    assert (plan.path, plan.value) == ((1, 0), 3.0)


def ranked_with(problem: PlanningProblem, **chosen: Any) -> list[int]:
    ranked: list[int] = []

    def rank(subset: int) -> list[float]:
        ranked.append(subset)
        return [1.0] * problem.n_attributes

    plan_with(problem, random_scores(problem.n_attributes, 0).__getitem__, rank=rank, **chosen)
    return ranked


def test_the_text_visits_every_child_of_the_root_before_any_a_second_time() -> None:
    ranked = ranked_with(PlanningProblem(6, 3), evaluations=7)
    assert ranked[0] == 0
    assert {1 << a for a in range(6)} == set(ranked[1:7])
    assert ranked[7].bit_count() == 2


def test_the_pseudocode_goes_deeper_before_it_goes_wider() -> None:
    ranked = ranked_with(PlanningProblem(6, 4), evaluations=4, reading="pseudocode")
    assert [subset.bit_count() for subset in ranked] == [0, 1, 2, 3]
    assert all(ranked[place] & ranked[place + 1] == ranked[place] for place in range(3))


def test_unexplored_children_are_added_by_their_prior() -> None:
    weights = [0.1, 0.4, 0.2, 0.3]
    plan = plan_with(PlanningProblem(4, 1), lambda subset: 1.0, rank=lambda subset: weights, evaluations=4)
    assert asked(plan) == [0b0010, 0b1000, 0b0100, 0b0001]


@pytest.mark.parametrize("reading", READINGS)
def test_of_equals_any_is_taken_in_a_rollout(reading: str) -> None:
    problem = PlanningProblem(4, 1)
    firsts = {asked(plan_with(problem, float, seed=seed, evaluations=1, reading=reading))[0] for seed in range(60)}
    assert firsts == {1, 2, 4, 8}


def test_of_equals_the_lowest_index_is_in_the_path() -> None:
    for seed in range(10):
        assert plan_with(PlanningProblem(4, 2), lambda subset: 3.3, seed=seed, evaluations=100).path == (0, 1)


def test_the_path_follows_the_highest_mean_and_not_the_best_subset_seen() -> None:
    """Where all is explored evenly, 0 leads to good subsets only, 2 and 3 to the best one and to a bad one."""
    scores = {0b0011: 4.0, 0b0101: 3.0, 0b1001: 3.0, 0b0110: 0.0, 0b1010: 0.0, 0b1100: 5.0}
    plan = plan_with(PlanningProblem(4, 2), scores.__getitem__, evaluations=400, c=200.0)
    assert (0b1100, 5.0) in plan.trace
    assert (plan.path, plan.value) == ((0, 1), 4.0)


def test_the_order_of_asking_makes_another_node_and_the_prior_is_asked_once_at_each() -> None:
    ranked = ranked_with(PlanningProblem(4, 4), evaluations=600, c=100.0)
    expected = [mask_of(path) for length in range(4) for path in permutations(range(4), length)]
    assert sorted(ranked) == sorted(expected)


def test_a_uniform_prior_asks_no_model() -> None:
    assert ranked_with(PlanningProblem(4, 2), evaluations=20, prior="uniform") == []


@pytest.mark.parametrize("told", [None, [0.0] * 6])
def test_a_prior_that_fails_or_tells_nothing_is_uniform(told: list[float] | None) -> None:
    problem, scores = PlanningProblem(6, 3), random_scores(6, 1)
    uniform = plan_with(problem, scores.__getitem__, evaluations=40, prior="uniform")
    assert plan_with(problem, scores.__getitem__, evaluations=40) == uniform
    assert plan_with(problem, scores.__getitem__, evaluations=40, rank=lambda subset: told) == uniform


def test_weights_of_any_scale_and_of_attributes_that_may_not_be_asked_are_set_right() -> None:
    problem, scores = PlanningProblem(5, 2, legal=[True, True, True, True, False]), random_scores(5, 1)
    plans = [
        plan_with(problem, scores.__getitem__, evaluations=60, c=3.0, rank=lambda subset, w=w: w)  # type: ignore[misc]
        for w in ([0.1, 0.4, 0.2, 0.3, 0.0], [1.0, 4.0, 2.0, 3.0, 90.0])
    ]
    assert plans[0] == plans[1]


def ends(known: int, weights: Sequence[float], budget: int, eps0: float) -> dict[int, float]:
    """Probability of each subset that a completion from ``known`` can end in."""
    if known.bit_count() == budget:
        return {known: 1.0}
    eps = eps0 / (1.0 + math.exp(known.bit_count() - budget / 2))
    left = [a for a in range(len(weights)) if not known >> a & 1]
    favourite = max(left, key=lambda a: weights[a])
    total = defaultdict[int, float](float)
    for a in left:
        share = eps / len(left) + (1.0 - eps) * (a == favourite)
        for end, probability in ends(known | 1 << a, weights, budget, eps0).items():
            total[end] += share * probability
    return total


@pytest.mark.parametrize("eps0", [0.2, 1.0])
def test_completions_are_drawn_as_published(eps0: float) -> None:
    weights, n_draws = [0.3, 0.2, 0.18, 0.14, 0.1, 0.08], 6000
    problem, planner = PlanningProblem(6, 4), make_planner("paper_mcts", evaluations=1, eps0=eps0)
    rng = np.random.default_rng(0)
    drawn = Counter(
        run_planner(planner, problem, lambda subset: 1.0, rng, lambda subset: weights).trace[0][0]
        for _ in range(n_draws)
    )
    expected = ends(0b000001, weights, 4, eps0)
    assert set(drawn) <= set(expected)
    for end, probability in expected.items():
        spread = math.sqrt(probability * (1 - probability) / n_draws)
        assert abs(drawn[end] / n_draws - probability) < 4 * spread


@pytest.mark.parametrize(("reading", "c"), [("text", 0.5), ("pseudocode", 3.0)])
def test_enough_rollouts_give_the_oracles_subset_of_an_additive_score(reading: str, c: float) -> None:
    for seed in range(8):
        worth = np.random.default_rng(seed).uniform(0, 1, 6)

        def score(subset: int, worth: Sequence[float] = worth.tolist()) -> float:
            return sum(worth[a] for a in members(subset))

        problem = PlanningProblem(6, 3)
        plan = plan_with(problem, score, seed=seed, evaluations=1500, reading=reading, c=c)
        oracle = run_planner(make_planner("exhaustive"), problem, score, np.random.default_rng(0))
        assert set(plan.path) == set(oracle.path)
        assert plan.value == oracle.value


@settings(max_examples=150)
@given(
    flags=st.lists(st.booleans(), min_size=1, max_size=6),
    budget=st.integers(1, 6),
    evaluations=st.integers(1, 80),
    failing=st.sampled_from([0.0, 0.4, 1.0]),
    costs=st.booleans(),
    reading=st.sampled_from(READINGS),
    seed=st.integers(0, 1000),
)
def test_paths_fill_the_budget_and_every_rollout_is_an_evaluation(
    flags: list[bool], budget: int, evaluations: int, failing: float, costs: bool, reading: str, seed: int
) -> None:
    n = len(flags)
    problem = PlanningProblem(n, min(budget, n), costs=[0.5] * n if costs else None, legal=flags)
    scores, fails = random_scores(n, seed), np.random.default_rng(seed).random(1 << n) < failing
    calls: list[int] = []

    def evaluate(subset: int) -> float | None:
        calls.append(subset)
        return None if fails[subset] else scores[subset]

    plan = plan_with(problem, evaluate, seed=seed, evaluations=evaluations, reading=reading)
    assert len(plan.path) == len(set(plan.path)) == problem.depth
    assert plan.evaluations == len(calls) == evaluations
    assert plan.trace == tuple((subset, None if fails[subset] else scores[subset]) for subset in calls)
    assert {subset.bit_count() for subset in calls} == {problem.depth}
    end = mask_of(plan.path)
    scored = end in calls and not fails[end]
    assert plan.value == (scores[end] - problem.cost_of(end) if scored else None)
    assert scored or all(score is None for _, score in plan.trace)


def test_where_the_tree_ends_the_path_goes_on_as_it_was_judged() -> None:
    scores = random_scores(8, 0)
    for evaluations in (1, 5, 8):
        plan = plan_with(PlanningProblem(8, 4), scores.__getitem__, evaluations=evaluations, prior="uniform")
        # No child of the root was visited twice: its Q is one score.
        assert plan.value == max(scores[subset] for subset in asked(plan))


def test_a_noisy_subset_is_judged_again_and_its_value_is_the_mean() -> None:
    rng = np.random.default_rng(3)
    plan = plan_with(PlanningProblem(4, 2, noise=1.0), lambda subset: float(rng.normal(subset, 1.0)), evaluations=80)
    samples = [score for subset, score in plan.trace if subset == mask_of(plan.path) and score is not None]
    assert len(samples) > 3
    assert plan.value == pytest.approx(fmean(samples))


def test_costs_are_taken_off_the_value_and_change_nothing_else() -> None:
    scores, costs = random_scores(6, 2), [5.0, 0.1, 5.0, 0.1, 0.2, 0.3]
    free = plan_with(PlanningProblem(6, 3), scores.__getitem__, evaluations=50)
    costly = plan_with(PlanningProblem(6, 3, costs), scores.__getitem__, evaluations=50)
    assert (costly.path, costly.trace) == (free.path, free.trace)
    assert free.value is not None
    assert costly.value == pytest.approx(free.value - sum(costs[a] for a in costly.path))


def test_q_is_in_score_points() -> None:
    """The same c explores less where scores lie further apart."""
    problem, scores = PlanningProblem(6, 2), random_scores(6, 0)

    def distinct(scale: float) -> int:
        plan = plan_with(problem, lambda subset: scale * scores[subset], evaluations=150, prior="uniform")
        return len(set(asked(plan)[60:]))

    assert distinct(0.01) > 12 > 6 > distinct(100.0)


@pytest.mark.parametrize("reading", READINGS)
def test_with_nothing_scored_the_path_follows_the_prior(reading: str) -> None:
    weights = [0.1, 0.3, 0.1, 0.35, 0.15]
    chosen: dict[str, Any] = {"evaluations": 200, "reading": reading}
    plan = plan_with(PlanningProblem(5, 3), lambda subset: None, rank=lambda subset: weights, **chosen)
    assert (plan.path, plan.value, plan.evaluations) == ((3, 1, 4), None, 200)
    assert len(set(asked(plan))) == 10, "the rollouts went on asking the same"
    assert plan_with(PlanningProblem(5, 3), lambda subset: None, **chosen).path == (0, 1, 2)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("level", [3.0, -3.0])
def test_what_always_fails_is_given_up(reading: str, level: float) -> None:
    """The prior's favourite fails whatever it is asked with, and no score tells it from the others."""

    def evaluate(subset: int) -> float | None:
        return None if subset & 1 else level

    problem, weights = PlanningProblem(5, 1), [0.6, 0.1, 0.1, 0.1, 0.1]
    plan = plan_with(problem, evaluate, rank=lambda subset: weights, evaluations=100, reading=reading)
    assert asked(plan).count(1) <= TRIES
    assert plan.value == level


def test_a_failure_in_passing_is_not_held_against_an_attribute() -> None:
    """The best attribute fails twice at first."""
    failures = iter([None, None])

    def evaluate(subset: int) -> float | None:
        return next(failures, 5.0) if subset == 1 else 1.0

    plan = plan_with(PlanningProblem(4, 1), evaluate, evaluations=12)
    assert [score for subset, score in plan.trace if subset == 1][:3] == [None, None, 5.0]
    assert (plan.path, plan.value) == ((0,), 5.0)


def test_the_least_tried_of_the_unscored_is_next() -> None:
    weights = [0.4, 0.3, 0.2, 0.1]
    plan = plan_with(PlanningProblem(4, 1), lambda subset: None, rank=lambda subset: weights, evaluations=4 * TRIES)
    assert asked(plan) == [1, 2, 4, 8] * TRIES


def test_an_unscored_rollout_adds_nothing_to_q() -> None:
    """Each attribute's first evaluation is scored, and of 1, the better one, no other."""
    seen: set[int] = set()

    def evaluate(subset: int) -> float | None:
        first = subset not in seen
        seen.add(subset)
        return {1: 4.0, 2: 4.2}[subset] if first or subset == 1 else None

    plan = plan_with(PlanningProblem(2, 1), evaluate, evaluations=60)
    assert Counter(plan.trace)[2, None] > 5
    assert (plan.path, plan.value) == ((1,), 4.2)


def test_what_fails_again_and_again_leaves_room_for_its_equals() -> None:
    """Attribute 0 is scored once, as the best by little, and never again."""
    scored = iter([4.1])

    def evaluate(subset: int) -> float | None:
        return next(scored, None) if subset == 1 else 4.0

    plan = plan_with(PlanningProblem(3, 1), evaluate, evaluations=300)
    assert asked(plan).count(2) > 15
    assert asked(plan).count(4) > 15


def test_a_score_that_is_no_finite_number_is_unscored() -> None:
    plan = plan_with(PlanningProblem(3, 1), lambda subset: math.inf if subset == 1 else float(subset), evaluations=20)
    assert (plan.path, plan.value) == ((2,), 4.0)
    assert {score for subset, score in plan.trace if subset == 1} == {None}


def test_the_settings_are_those_published() -> None:
    planner = make_planner("paper_mcts")
    settings_of = {name: getattr(planner, name) for name in ("evaluations", "c", "eps0", "prior", "reading")}
    assert settings_of == {"evaluations": 300, "c": 0.5, "eps0": 0.2, "prior": "role", "reading": "text"}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"c": -1.0}, "c must be a number, 0 or more, not -1.0"),
        ({"c": math.inf}, "c must be a number, 0 or more, not inf"),
        ({"eps0": 1.5}, "eps0 must be between 0 and 1, not 1.5"),
        ({"prior": "rolle"}, "unknown prior 'rolle': did you mean 'role'\\? Valid: role, uniform"),
        ({"reading": "txt"}, "unknown reading 'txt': did you mean 'text'\\? Valid: pseudocode, text"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_planner("paper_mcts", **setting)
