"""Tree search over subsets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raise_agent.attributes import penguin_table
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.errors import ConfigError
from raise_agent.models.base import Evaluation, EvaluationRequest
from raise_agent.models.simulated import SimulatedSafetyModel
from raise_agent.planners import Evaluate, Plan, PlanningProblem, Rank, make_planner, run_planner
from raise_agent.planners.additive import Array
from raise_agent.planners.contract import Search
from raise_agent.planners.mcts import TRUST, MCTSPlanner, _Tree
from raise_agent.planners.scoreboard import Scoreboard
from raise_agent.subsets import mask_of, members, subsets_of_size


def plan_with(
    problem: PlanningProblem,
    scores: Sequence[float | None],
    *,
    seed: int = 0,
    rank: Sequence[float] | None = None,
    **chosen: object,
) -> Plan:
    planner = make_planner("mcts", **chosen)
    prior = None if rank is None else (lambda subset: rank)
    return run_planner(planner, problem, scores.__getitem__, np.random.default_rng(seed), prior)


@dataclass(frozen=True)
class Additive:
    """A set function."""

    worth: Sequence[float]

    def __call__(self, subset: int) -> float:
        return float(sum(self.worth[index] for index in members(subset)))


def row(subset: int, n: int) -> Array:
    return np.asarray([float(subset >> index & 1) for index in range(n)])


def a_tree(problem: PlanningProblem, weights: Sequence[float] | None = None, **chosen: Any) -> _Tree:
    return _Tree(MCTSPlanner(**chosen), problem, Scoreboard(problem, 1000), np.random.default_rng(0), weights)


def random_scores(n: int, seed: int) -> list[float | None]:
    return [float(score) for score in np.random.default_rng(seed).uniform(1, 5, 1 << n)]


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), prior=st.sampled_from(["uniform", "static", "role"]))
def test_enough_evaluations_give_the_oracles_plan_for_any_set_function(seed: int, prior: str) -> None:
    scores = random_scores(6, seed)
    problem = PlanningProblem(6, 3)
    plan = plan_with(problem, scores, seed=seed, evaluations=26, prior=prior)
    oracle = run_planner(make_planner("exhaustive"), problem, scores.__getitem__, np.random.default_rng(0))
    assert (plan.path, plan.value) == (oracle.path, oracle.value)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_enough_evaluations_give_the_oracles_value_where_asking_costs(seed: int) -> None:
    scores = random_scores(5, seed)
    problem = PlanningProblem(5, 3, costs=(np.random.default_rng(seed).random(5) * 1.5).tolist())
    plan = plan_with(problem, scores, seed=seed, evaluations=40)
    oracle = run_planner(make_planner("exhaustive"), problem, scores.__getitem__, np.random.default_rng(0))
    assert plan.value == pytest.approx(oracle.value)


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), share=st.sampled_from([0.0, 0.15, 0.5]), evaluations=st.integers(1, 30))
def test_the_path_ends_in_the_best_subset_that_was_scored(seed: int, share: float, evaluations: int) -> None:
    scores = random_scores(6, seed)
    plan = plan_with(PlanningProblem(6, 3), scores, seed=seed, evaluations=evaluations, prefix_share=share)
    full_size = [score for subset, score in plan.trace if subset.bit_count() == 3 and score is not None]
    assert plan.value == max(full_size)


def test_of_equal_subsets_that_with_the_lowest_indices_is_chosen() -> None:
    plan = plan_with(PlanningProblem(5, 2), [3.0] * 32, evaluations=30)
    assert plan.path == (0, 1)


def test_prefixes_of_the_best_subset_are_scored_with_the_evaluations_kept_for_them() -> None:
    scores = random_scores(10, 3)
    plan = plan_with(PlanningProblem(10, 3), scores, evaluations=50, prefix_share=0.15)
    end = mask_of(plan.path)
    asked = [subset for subset, _ in plan.trace]
    assert all(subset.bit_count() == 3 for subset in asked[:44])
    assert {s for size in (1, 2) for s in subsets_of_size(end, size)} == set(asked[44:])
    best = max(
        permutations(members(end)), key=lambda order: fmean(scores[mask_of(order[:k])] or 0.0 for k in (1, 2, 3))
    )
    assert plan.path == best


def test_no_evaluation_is_kept_for_prefixes_unless_it_is_wished() -> None:
    plan = plan_with(PlanningProblem(10, 3), random_scores(10, 3), evaluations=50)
    assert {subset.bit_count() for subset, _ in plan.trace} == {3}


def test_where_asking_costs_the_prefixes_of_one_path_are_always_kept_for() -> None:
    problem = PlanningProblem(10, 3, costs=[0.01] * 10)
    additive = [float(subset.bit_count()) for subset in range(1 << 10)]
    plan = plan_with(problem, additive, evaluations=8, prefix_share=0.0)
    asked = {subset for subset, _ in plan.trace}
    assert all(mask_of(plan.path[:length]) in asked for length in range(4))


def test_the_first_subset_is_the_priors_favourite() -> None:
    rank = [0.05, 0.3, 0.05, 0.4, 0.2]
    plan = plan_with(PlanningProblem(5, 3), random_scores(5, 0), rank=rank, evaluations=1)
    assert set(plan.path) == {1, 3, 4}


def test_the_static_prior_follows_its_order() -> None:
    plan = plan_with(PlanningProblem(5, 3), random_scores(5, 0), prior="static", order=(4, 2), evaluations=1)
    assert set(plan.path) == {4, 2, 0}


def test_a_prior_that_tells_nothing_is_uniform() -> None:
    problem, scores = PlanningProblem(6, 3), random_scores(6, 1)
    uniform = plan_with(problem, scores, evaluations=15, prior="uniform")
    assert plan_with(problem, scores, evaluations=15) == uniform
    assert plan_with(problem, scores, evaluations=15, rank=[0.0] * 6) == uniform


def ranks_asked(**chosen: object) -> list[int]:
    asked: list[int] = []

    def rank(subset: int) -> list[float]:
        asked.append(subset)
        return [1.0] * 6

    planner = make_planner("mcts", evaluations=15, **chosen)
    scores = random_scores(6, 0)
    run_planner(planner, PlanningProblem(6, 3), scores.__getitem__, np.random.default_rng(0), rank)
    return asked


def test_the_prior_is_asked_once_before_anything_is_known() -> None:
    assert ranks_asked() == [0]


@pytest.mark.parametrize("prior", ["uniform", "static"])
def test_other_priors_ask_no_model(prior: str) -> None:
    assert ranks_asked(prior=prior) == []


def test_one_subset_is_asked_for_at_a_time_so_that_each_answer_counts() -> None:
    search = make_planner("mcts", evaluations=6, prefix_share=0.0).search(
        PlanningProblem(6, 3), np.random.default_rng(0)
    )
    question = next(search)
    sizes = []
    try:
        while True:
            if isinstance(question, Rank):
                question = search.send(None)
            else:
                assert isinstance(question, Evaluate)
                sizes.append(len(question.subsets))
                question = search.send([1.0])
    except StopIteration:
        assert sizes == [1] * 6


def test_many_attributes_are_searched_through_likely_and_random_pairs() -> None:
    worth = np.random.default_rng(0).permutation(40)
    scores = Additive(worth.tolist())
    planner = make_planner("mcts", evaluations=60)
    plan = run_planner(planner, PlanningProblem(40, 4), scores, np.random.default_rng(0))
    assert plan.value is not None
    assert plan.value >= 0.95 * (39 + 38 + 37 + 36)


def test_all_subsets_are_scored_where_evaluations_allow() -> None:
    scores: list[float | None] = [float(subset == 0b000111) for subset in range(64)]
    plan = plan_with(PlanningProblem(6, 3), scores, evaluations=100, c=0.0, discovery=0.0, prior="static")
    assert sum(subset.bit_count() == 3 for subset, _ in plan.trace) == 20
    assert plan.evaluations == 26


def test_a_wrong_prior_is_corrected() -> None:
    worth = [float(i) for i in range(10)]
    plan = run_planner(
        make_planner("mcts", evaluations=20, prior="static", order=tuple(range(10))),
        PlanningProblem(10, 3),
        Additive(worth),
        np.random.default_rng(0),
    )
    assert set(plan.path) == {7, 8, 9}


def test_the_guess_makes_scores_of_full_subsets_differ_by_what_the_prior_is_trusted() -> None:
    problem = PlanningProblem(7, 3, legal=[True] * 6 + [False])
    weights = [0.4, 0.3, 0.1, 0.1, 0.06, 0.04, 0.9]
    guess = a_tree(problem, weights=weights).guess()
    assert guess[6] == 0.0
    assert np.argsort(-guess[:6], kind="stable").tolist() == [0, 1, 2, 3, 4, 5]
    sums = [sum(guess[i] for i in members(subset)) for subset in subsets_of_size(problem.pool, 3)]
    assert (np.mean(sums), np.std(sums)) == (pytest.approx(0.0), pytest.approx(TRUST))


def test_descents_start_anywhere_and_go_on_by_what_is_expected() -> None:
    """Without optimism, and with additive scores, each ends in its start and the best of the others."""
    tree = a_tree(PlanningProblem(8, 4), c=0.0)
    worth = [float(i) for i in range(8)]
    for subset in subsets_of_size(255, 4):
        tree.fit.add(row(subset, 8), Additive(worth)(subset))
    ends = tree.subsets(tree.descend())
    assert len(ends) == len(set(tree.subsets(tree.starts))) == 28
    assert set(ends) == {
        start | mask_of([i for i in range(7, -1, -1) if not start >> i & 1][:2]) for start in subsets_of_size(255, 2)
    }


def from_start(tree: _Tree, start: int) -> set[int]:
    """What descents from one second-level node add to it."""
    return {end & ~start for end in tree.subsets(tree.descend()) if end & start == start and end}


def test_descents_look_at_pairs_and_costs() -> None:
    tree = a_tree(PlanningProblem(8, 4, costs=[0, 0, 0, 0, 0, 3, 0, 0]), c=0.0, discovery=0.0)
    tree.sizes = range(4, 5)
    tree.starts = row(0b11, 8)[None]
    tree.fit.effects = np.asarray([0.0, 0.0, 1.0, 0.0, 0.5, 2.0, 0.0, 0.0])
    assert from_start(tree, 0b11) == {1 << 2 | 1 << 4}
    tree.fit.pairs[2, 6] = tree.fit.pairs[6, 2] = 0.6
    assert from_start(tree, 0b11) == {1 << 2 | 1 << 6}
    tree.fit.pairs[0, 7] = tree.fit.pairs[7, 0] = 2.0
    assert from_start(tree, 0b11) == {1 << 7 | 1 << 2}


def test_optimism_counts_pairs_asked_together() -> None:
    tree = a_tree(PlanningProblem(8, 4), c=1.0)
    tree.starts = row(0b11, 8)[None]
    tree.together[:] = 100.0
    tree.together[2, 5] = tree.together[5, 2] = 0.0
    assert from_start(tree, 0b11) == {1 << 2 | 1 << 5}


def test_of_many_pairs_the_likely_ones_are_always_among_the_starts() -> None:
    tree = a_tree(PlanningProblem(40, 4))
    worth = np.zeros(40)
    worth[[7, 31]] = 1.0
    best = tree.subsets(tree.starts).index(1 << 7 | 1 << 31)
    assert all(best in tree.starting(worth) for _ in range(5))


def hear(tree: _Tree, scores: Sequence[tuple[int, float]]) -> None:
    for subset, score in scores:
        mean, count = tree.board.scores.get(subset) or 0.0, tree.board.samples.get(subset, 0)
        tree.board.trace.append((subset, score))
        tree.board.scores[subset] = mean + (score - mean) / (count + 1)
        tree.board.samples[subset] = count + 1
    tree.learn()


@pytest.mark.parametrize("noise", [0.0, 0.4])
def test_gains_are_the_expected_improvement_in_worth(noise: float) -> None:
    costs = [0.1 * i for i in range(6)]
    tree = a_tree(PlanningProblem(6, 3, costs=costs, noise=noise), discovery=0.0)
    rng = np.random.default_rng(0)
    subsets = list(subsets_of_size(63, 3))
    hear(tree, [(subset, float(rng.uniform(1, 5))) for subset in subsets[::2]])
    nodes = np.asarray([row(subset, 6) for subset in subsets])
    means, deviations = tree.fit.moments(nodes)
    worths = means - nodes @ costs
    best = max(tree.board.worth(s) or 0.0 for s in subsets[::2]) if noise == 0 else worths[::2].max()
    draws = np.random.default_rng(1).standard_normal(200_000)
    improved = [
        np.maximum(mean + deviation * draws - best, 0).mean()
        for mean, deviation in zip(worths, deviations, strict=True)
    ]
    less = 1 - noise / np.sqrt(noise**2 + deviations**2) if noise else 1.0
    assert tree.gains(nodes) == pytest.approx(np.asarray(improved) * less, abs=0.01)


def test_a_subset_sampled_often_beats_a_lucky_one() -> None:
    tree = a_tree(PlanningProblem(8, 2, noise=0.8))
    usual = [(subset, 2.0) for subset in subsets_of_size(0b11111100, 2)]
    hear(tree, [*usual, (0b11, 4.2), *[(0b101, 4.0)] * 12])
    assert mask_of(tree.best_path()) == 0b101


def test_optimism_leads_descents_to_what_was_asked_less() -> None:
    def never_asked(c: float) -> float:
        tree = a_tree(PlanningProblem(10, 4), c=c)
        rng = np.random.default_rng(1)
        for _ in range(12):
            known = row(mask_of(rng.permutation(6)[:4].tolist()), 10)
            tree.board.trace.append((int(tree.subsets(known[None])[0]), float(rng.random())))
        tree.learn()
        return float(tree.descend()[:, 6:].sum(axis=1).mean())

    assert never_asked(20.0) > never_asked(0.0) + 0.3


def test_attributes_that_count_only_together_are_found() -> None:
    """0 and 1 are worth much together and harm alone."""

    def trap(subset: int) -> float:
        return 4.0 * (subset & 3 == 3) - 0.5 * (subset & 3).bit_count() + 0.3 * (subset >> 2).bit_count()

    def found(discovery: float) -> float:
        plans = [
            run_planner(
                make_planner("mcts", evaluations=30, discovery=discovery),
                PlanningProblem(10, 3),
                trap,
                np.random.default_rng(seed),
            )
            for seed in range(30)
        ]
        return fmean({0, 1} <= set(plan.path) for plan in plans)

    assert found(1.0) > found(0.0) + 0.3


def noisy_plans(noise: float, evaluations: int, told: float | None = None) -> tuple[list[Plan], list[float]]:
    """Plans over additive scores of noise ``noise``, which the search takes to be ``told``; and the true worths."""
    plans, truths = list[Plan](), list[float]()
    for seed in range(30):
        rng = np.random.default_rng([seed, 1])
        scores = Additive(rng.exponential(0.5, 10).tolist())
        problem = PlanningProblem(10, 3, noise=noise if told is None else told)
        planner = make_planner("mcts", evaluations=evaluations)
        plans.append(
            run_planner(
                planner,
                problem,
                lambda subset, scores=scores, rng=rng: scores(subset) + noise * rng.standard_normal(),  # type: ignore[misc]
                np.random.default_rng(seed),
            )
        )
        truths.append(scores(mask_of(plans[-1].path)))
    return plans, truths


def test_noisy_scores_are_sampled_again_and_the_luckiest_one_is_not_believed() -> None:
    plans, truths = noisy_plans(0.5, 40)
    assert all(plan.evaluations == 40 for plan in plans)
    assert fmean(len({subset for subset, _ in plan.trace}) for plan in plans) < 39
    lucky = [max(plan.trace, key=lambda pair: pair[1] or 0.0)[0] for plan in plans]
    assert sum(mask_of(plan.path) != subset for plan, subset in zip(plans, lucky, strict=True)) > 4
    _, taken_as_exact = noisy_plans(0.5, 40, told=0.0)
    assert fmean(truths) > fmean(taken_as_exact) + 0.05


def drive_until(
    search: Search[Plan], most: int, evaluate: Callable[[int], float | None], gains: list[float] | None = None
) -> Plan:
    """Answer with scores ``most`` times, from then on with None; keep the gains that were told."""
    gains = [] if gains is None else gains
    try:
        question = next(search)
        while True:
            assert isinstance(question, Evaluate)
            gains.append(question.gain)
            question = search.send([evaluate(s) for s in question.subsets] if len(gains) <= most else None)
    except StopIteration as end:
        plan: Plan = end.value
        return plan


def test_the_search_ends_with_its_best_when_nothing_more_is_to_be_spent() -> None:
    scores = random_scores(8, 2)
    for noise in (0.0, 0.3):
        search = make_planner("mcts", evaluations=30, prior="uniform").search(
            PlanningProblem(8, 3, noise=noise), np.random.default_rng(0)
        )
        plan = drive_until(search, 6, lambda subset: scores[subset])
        asked = [subset for subset, _ in plan.trace]
        assert plan.evaluations == 6
        assert noise or mask_of(plan.path) == max(asked, key=lambda subset: scores[subset] or 0.0)


def test_the_expected_gain_is_told_once_there_is_one_and_falls() -> None:
    search = make_planner("mcts", evaluations=40, prior="uniform", discovery=0.0).search(
        PlanningProblem(8, 3), np.random.default_rng(0)
    )
    gains = list[float]()
    drive_until(search, 40, Additive([1.0, 2.0, 4.0, 0.5, 3.0, 0.1, 0.7, 1.5]), gains)
    assert gains[0] == float("inf")
    assert all(0 <= gain < float("inf") for gain in gains[1:])
    assert max(gains[20:]) < 0.1 * max(gains[1:4])


def mean_worth(scores: Sequence[float | None], path: Sequence[int]) -> float:
    return fmean(scores[mask_of(path[:length])] or 0.0 for length in range(1, len(path) + 1))


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_enough_evaluations_give_the_path_of_best_prefixes(seed: int) -> None:
    scores = random_scores(5, seed)
    plan = plan_with(PlanningProblem(5, 3, objective="prefixes"), scores, seed=seed, evaluations=25)
    best = max(mean_worth(scores, path) for path in permutations(range(5), 3))
    assert mean_worth(scores, plan.path) == pytest.approx(best)


def test_for_good_prefixes_few_evaluations_are_spent_on_prefixes_too() -> None:
    """What is best with three attributes is worth nothing with fewer."""
    scores: list[float | None] = [
        3.0 * (subset == 0b111) + 1.0 * (subset & ~0b111).bit_count() + 0.1 * subset.bit_count()
        for subset in range(256)
    ]
    plan = plan_with(PlanningProblem(8, 3, objective="prefixes"), scores, evaluations=40)
    assert {subset.bit_count() for subset, _ in plan.trace} == {1, 2, 3}
    assert mean_worth(scores, plan.path) == pytest.approx(2.2)


def test_unscored_subsets_are_not_tried_for_ever() -> None:
    """All subsets with attribute 0, the prior's favourite, fail."""
    scores = [None if subset & 1 else float(subset.bit_count()) for subset in range(64)]
    plan = plan_with(PlanningProblem(6, 3), scores, evaluations=20, prior="static")
    assert 0 not in plan.path
    assert plan.value == 3.0


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"c": -1.0}, "c must be a number, 0 or more, not -1.0"),
        ({"c": float("nan")}, "c must be a number, 0 or more, not nan"),
        ({"discovery": -1.0}, "discovery must be a number, 0 or more, not -1.0"),
        ({"prior": "rolle"}, "unknown prior 'rolle': did you mean 'role'\\? Valid: role, static, uniform"),
        ({"prefix_share": 1.0}, "prefix_share must be 0 or more and below 1, not 1.0"),
        ({"prefix_share": -0.1}, "prefix_share must be 0 or more and below 1, not -0.1"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_planner("mcts", **setting)


def test_on_the_simulated_model_it_beats_the_best_of_as_many_random_subsets() -> None:
    table = penguin_table()
    model = SimulatedSafetyModel(table)
    full_size = list(subsets_of_size(0b1111111111, 3))
    problem, evaluations = PlanningProblem(10, 3), 20
    searched, drawn = [], []
    for number, scenario in enumerate(synthetic_scenarios(table, 60, seed=5)):
        outcomes = model.evaluate([EvaluationRequest(scenario, subset) for subset in range(1 << 10)])
        scores = [outcome.score for outcome in outcomes if isinstance(outcome, Evaluation)]
        rng = np.random.default_rng(number)
        best, none = max(scores[subset] for subset in full_size), scores[0]
        plan = plan_with(problem, scores, seed=number, evaluations=evaluations, prior="uniform")
        assert plan.value is not None
        searched.append((plan.value - none) / (best - none))
        luck = max(scores[full_size[i]] for i in rng.permutation(len(full_size))[:evaluations])
        drawn.append((luck - none) / (best - none))
    assert fmean(searched) > 0.98
    assert fmean(searched) > fmean(drawn) + 0.02
