"""Tree search over subsets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import permutations
from statistics import fmean

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
from raise_agent.subsets import full_mask, mask_of, members, subsets_of_size


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


def random_scores(n: int, seed: int) -> list[float | None]:
    return [float(score) for score in np.random.default_rng(seed).uniform(1, 5, 1 << n)]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), prior=st.sampled_from(["uniform", "static", "role"]))
def test_enough_evaluations_give_the_oracles_plan_for_any_set_function(seed: int, prior: str) -> None:
    scores = random_scores(6, seed)
    problem = PlanningProblem(6, 3)
    plan = plan_with(problem, scores, seed=seed, evaluations=26, prior=prior)
    oracle = run_planner(make_planner("exhaustive"), problem, scores.__getitem__, np.random.default_rng(0))
    assert (plan.path, plan.value) == (oracle.path, oracle.value)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_enough_evaluations_give_the_oracles_value_where_asking_costs(seed: int) -> None:
    scores = random_scores(5, seed)
    problem = PlanningProblem(5, 3, costs=(np.random.default_rng(seed).random(5) * 1.5).tolist())
    plan = plan_with(problem, scores, seed=seed, evaluations=40)
    oracle = run_planner(make_planner("exhaustive"), problem, scores.__getitem__, np.random.default_rng(0))
    assert plan.value == pytest.approx(oracle.value)


@settings(max_examples=60, deadline=None)
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
    plan = plan_with(PlanningProblem(10, 3), scores, evaluations=50)
    end = mask_of(plan.path)
    asked = [subset for subset, _ in plan.trace]
    assert all(subset.bit_count() == 3 for subset in asked[:44])
    assert {s for size in (1, 2) for s in subsets_of_size(end, size)} == set(asked[44:])
    best = max(
        permutations(members(end)), key=lambda order: fmean(scores[mask_of(order[:k])] or 0.0 for k in (1, 2, 3))
    )
    assert plan.path == best


def test_no_evaluation_is_kept_when_the_share_is_zero() -> None:
    plan = plan_with(PlanningProblem(10, 3), random_scores(10, 3), evaluations=50, prefix_share=0.0)
    assert {subset.bit_count() for subset, _ in plan.trace} == {3}


def test_where_asking_costs_the_prefixes_of_one_path_are_always_kept_for() -> None:
    problem = PlanningProblem(10, 3, costs=[0.01] * 10)
    additive = [float(subset.bit_count()) for subset in range(1 << 10)]
    plan = plan_with(problem, additive, evaluations=8, prefix_share=0.0)
    asked = {subset for subset, _ in plan.trace}
    assert all(mask_of(plan.path[:length]) in asked for length in range(4))


def test_the_first_completion_follows_the_prior() -> None:
    rank = [0.05, 0.3, 0.05, 0.4, 0.2]
    plan = plan_with(PlanningProblem(5, 3), random_scores(5, 0), rank=rank, evaluations=1, eps0=0.0)
    assert set(plan.path) == {1, 3, 4}


def test_the_static_prior_follows_its_order() -> None:
    plan = plan_with(PlanningProblem(5, 3), random_scores(5, 0), prior="static", order=(4, 2), evaluations=1, eps0=0.0)
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


def test_the_prior_is_asked_once_a_node_and_never_where_nothing_is_left_to_ask() -> None:
    asked = ranks_asked()
    assert asked[0] == 0
    assert len(asked) > 1
    assert len(set(asked)) == len(asked)
    assert all(subset.bit_count() < 3 for subset in asked)


def test_the_prior_may_be_asked_once_a_search() -> None:
    assert ranks_asked(rank_every_node=False) == [0]


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


def test_a_tree_that_has_seen_all_it_prefers_draws_subsets_not_asked_before() -> None:
    """Without luck and exploration, thousands of nodes of this tree all complete to the one favourite subset."""
    scores = defaultdict[int, float](float, {full_mask(20): 1.0})
    planner = make_planner("mcts", evaluations=12, c=0.0, eps0=0.0, prior="static", prefix_share=0.0)
    plan = run_planner(planner, PlanningProblem(40, 20), scores.__getitem__, np.random.default_rng(0))
    assert plan.evaluations == 12
    assert mask_of(plan.path) == full_mask(20)


def test_all_subsets_are_scored_where_evaluations_allow() -> None:
    scores: list[float | None] = [float(subset == 0b000111) for subset in range(64)]
    plan = plan_with(PlanningProblem(6, 3), scores, evaluations=100, c=0.0, eps0=0.0, prior="static")
    assert sum(subset.bit_count() == 3 for subset, _ in plan.trace) == 20
    assert plan.evaluations == 26


def test_unscored_subsets_are_not_tried_for_ever() -> None:
    """All subsets with attribute 0, the prior's favourite, fail."""
    scores = [None if subset & 1 else float(subset.bit_count()) for subset in range(64)]
    plan = plan_with(PlanningProblem(6, 3), scores, evaluations=20, prior="static", eps0=0.0)
    assert 0 not in plan.path
    assert plan.value == 3.0


def test_a_larger_c_explores_more() -> None:
    problem = PlanningProblem(10, 3)
    additive = [float(sum(members(subset))) for subset in range(1 << 10)]

    def mean_score(c: float) -> float:
        runs = [plan_with(problem, additive, seed=seed, evaluations=40, c=c, prior="uniform") for seed in range(10)]
        return fmean(score for run in runs for _, score in run.trace if score is not None)

    assert mean_score(0.1) > mean_score(20.0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"c": -1.0}, "c must be a number, 0 or more, not -1.0"),
        ({"c": float("nan")}, "c must be a number, 0 or more, not nan"),
        ({"eps0": 1.5}, "eps0 must be between 0 and 1, not 1.5"),
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
