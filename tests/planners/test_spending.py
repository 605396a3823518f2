"""Evaluations shared by many searches, against a simulation of the rule and against searches that share nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raise_agent.attributes import penguin_table
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.errors import ConfigError
from raise_agent.models.base import Evaluation, EvaluationRequest
from raise_agent.models.simulated import SimulatedSafetyModel
from raise_agent.planners import (
    Evaluate,
    Plan,
    Planner,
    PlanningProblem,
    Rank,
    Search,
    available_planners,
    make_planner,
)
from raise_agent.planners.allowance import Allowance, Limits
from raise_agent.planners.runner import LimitReached, Runner, Task, score_subsets, search_rng
from raise_agent.planners.spending import Spending
from raise_agent.scenario import Scenario
from raise_agent.store import EvaluationStore
from raise_agent.subsets import mask_of
from tests.planners.test_runner import Erratic, Stop, exact, prior

TABLE = penguin_table()
SCENARIOS = synthetic_scenarios(TABLE, 40, seed=5, missing=0.1)

Script = tuple[tuple[int, float], ...]
"""The questions of a search: how many subsets each, and the gain expected."""


def act(script: Script, ranks: bool = False) -> Search[int]:
    """Ask as scripted, all subsets different; returns how many were scored."""
    heard = 0
    for count, gain in script:
        if ranks:
            yield Rank(0)
        scores: list[float | None] | None = yield Evaluate(tuple(range(heard, heard + count)), gain)
        if scores is None:
            break
        assert len(scores) == count
        heard += count
    if ranks:
        yield Rank(0)
    return heard


def simulate(scripts: Sequence[Script], evaluations: int, evenly: float) -> list[int]:
    """How many subsets each search has scored, by the rule as it is written down."""
    own = int(evenly * evaluations / len(scripts))
    heard, left = [0] * len(scripts), evaluations
    to_come = {place: list(script) for place, script in enumerate(scripts)}
    for place, script in to_come.items():
        while script and heard[place] + script[0][0] <= own:
            heard[place] += script.pop(0)[0]
        left -= heard[place]
    while live := {place: script for place, script in to_come.items() if script}:
        asked = {place: (script[0][1] if script[0][1] > 0 else 0.0) for place, script in live.items()}
        waiting, best, gone = list(live), None, 0
        while waiting:
            place = max(waiting, key=lambda place: (asked[place], -place))
            waiting.remove(place)
            if live[place][0][0] > left:
                live[place].clear()
            elif best is None or asked[place] >= best / 2 or gone < len(live) / 4:
                best = asked[place] if best is None else best
                gone += 1
                count = live[place].pop(0)[0]
                heard[place] += count
                left -= count
                # What costs nothing is asked along with what was before it.
                while live[place] and not live[place][0][0]:
                    live[place].pop(0)
    return heard


def scripted(scripts: Sequence[Script], ranks: bool = False) -> list[Task[int]]:
    return [Task(SCENARIOS[place], partial(act, script, ranks)) for place, script in enumerate(scripts)]


def run(scripts: Sequence[Script], evaluations: int, evenly: float = 0.0) -> list[int]:
    runner = Runner(Erratic(5), None, EvaluationStore(":memory:"))
    return runner.run(scripted(scripts), "x", evaluations, evenly)


GAINS = st.one_of(st.sampled_from([0.0, 0.1, 0.2, 0.4, math.inf, math.nan, -1.0]), st.floats(0, 1))
SCRIPTS = st.lists(st.lists(st.tuples(st.integers(0, 4), GAINS), max_size=6).map(tuple), min_size=1, max_size=12)


@settings(max_examples=15)
@given(SCRIPTS, st.integers(0, 60), st.sampled_from([0.0, 0.3, 0.75, 1.0]), st.integers(0, 99))
def test_who_goes_on_is_as_the_rule_says_whatever_the_order_of_answers(
    scripts: list[Script], evaluations: int, evenly: float, seed: int
) -> None:
    expected = simulate(scripts, evaluations, evenly)
    assert sum(expected) <= evaluations
    for searches, in_flight, ranks in ((1, 1, False), (3, 4, True), (100, 50, False)):
        runner = Runner(Erratic(in_flight, seed=seed), prior(), EvaluationStore(":memory:"), searches=searches)
        assert runner.run(scripted(scripts, ranks), "x", evaluations, evenly) == expected
        assert runner.tally.scored == sum(expected)


def test_those_that_expect_most_go_first() -> None:
    steady = [tuple((1, gain) for _ in range(9)) for gain in (0.1, 0.9, 0.4, 0.15)]
    assert run(steady, 9) == [0, 9, 0, 0]
    assert run(steady, 18) == [0, 9, 9, 0]


def test_those_that_expect_half_as_much_go_along() -> None:
    assert run([((1, 0.4), (1, 0.4)), ((1, 0.2), (1, 0.2)), ((1, 0.19), (1, 0.19))], 4) == [2, 2, 0]


def test_a_quarter_of_those_that_wait_goes_along_in_any_case() -> None:
    gains = [0.9, *[0.1] * 8]
    assert run([((1, gain), (1, gain)) for gain in gains], 3) == [1, 1, 1, 0, 0, 0, 0, 0, 0]


def test_of_equals_the_first_go_first() -> None:
    assert run([((1, 0.5),)] * 4, 3) == [1, 1, 1, 0]


def test_where_not_even_first_questions_fit_the_first_searches_have_theirs() -> None:
    assert run([((2, math.inf), (2, 0.1))] * 5, 5) == [2, 2, 0, 0, 0]


def test_what_does_not_fit_gives_way_to_what_does() -> None:
    assert run([((4, 0.9),), ((3, 0.8),), ((1, 0.1),)], 3) == [0, 3, 0]
    assert run([((4, 0.9),), ((2, 0.8),), ((1, 0.1),)], 3) == [0, 2, 1]


def test_what_costs_nothing_does_not_wait() -> None:
    assert run([((0, 0.1), (1, 1.0)), ((1, 0.9),)], 1) == [1, 0]


def test_every_search_has_its_share_and_what_some_leave_goes_to_those_that_expect_most() -> None:
    modest, eager, keen = ((1, 0.9), (1, 0.9)), ((1, 0.1),) * 20, ((1, 0.3),) * 20
    assert run([modest, eager, keen], 30, evenly=1.0) == [2, 10, 18]
    assert run([modest, eager, keen], 30, evenly=0.5) == [2, 8, 20]
    assert run([modest, eager, keen], 22, evenly=0.0) == [2, 0, 20]


def test_without_sharing_gains_change_nothing() -> None:
    runner = Runner(Erratic(5), None, EvaluationStore(":memory:"))
    assert runner.run(scripted([((1, 0.0),) * 3, ((1, 1.0),) * 3]), "x") == [3, 3]


def test_rankings_never_wait() -> None:
    runner = Runner(Erratic(5), prior(), EvaluationStore(":memory:"))
    assert runner.run(scripted([((1, 0.5),), ((1, 0.6),)], ranks=True), "x", 0) == [0, 0]
    assert runner.tally.ranked == 2


def test_what_the_store_holds_counts_like_what_it_does_not() -> None:
    store, scripts = EvaluationStore(":memory:"), [tuple((1, g) for _ in range(6)) for g in (0.3, 0.9, 0.5)]
    first = Runner(Erratic(5), None, store)
    expected = first.run(scripted(scripts), "x", 8)
    Runner(Erratic(5), None, store).run(scripted(scripts), "x")
    again = Runner(Erratic(5), None, store)
    assert again.run(scripted(scripts), "x", 8) == expected
    assert (again.tally.scored, again.tally.cached) == (0, 8)


def ask_on() -> Search[None]:
    while True:
        yield Evaluate([1])


def test_a_search_that_asks_on_when_told_to_end_is_a_fault() -> None:
    runner = Runner(Erratic(5), None, EvaluationStore(":memory:"))
    with pytest.raises(RuntimeError, match="asked for more after it was told"):
        runner.run([Task(SCENARIOS[0], ask_on)], "x", 3)


def test_subsets_that_nothing_is_spent_on_are_unscored() -> None:
    runner = Runner(Erratic(5), None, EvaluationStore(":memory:"))
    tasks = [Task(scenario, partial(score_subsets, [1, 2])) for scenario in SCENARIOS[:3]]
    assert [scores.count(None) for scores in runner.run(tasks, "x", 5)] == [0, 0, 2]


def test_the_next_run_of_a_runner_shares_nothing() -> None:
    runner = Runner(Erratic(5), None, EvaluationStore(":memory:"))
    assert runner.run(scripted([((1, 0.5),) * 3]), "x", 1) == [1]
    assert runner.run(scripted([((1, 0.5),) * 3]), "x") == [3]


def test_no_search_at_all() -> None:
    nothing: list[Task[int]] = []
    assert Runner(Erratic(5), None, EvaluationStore(":memory:")).run(nothing, "x", 5, 1.0) == []


@pytest.mark.parametrize(("evaluations", "evenly"), [(-1, 0.0), (5, -0.1), (5, 1.1), (5, math.nan)])
def test_what_cannot_be_shared_is_refused(evaluations: int, evenly: float) -> None:
    with pytest.raises(ConfigError, match="share 0 or more evaluations"):
        Spending(evaluations, 3, evenly)


# --- planners ---------------------------------------------------------------------------------------------------------


def problem(scenario: Scenario, noise: float = 0.0, horizon: int | None = None) -> PlanningProblem:
    known = scenario.profile.known
    legal = [bool(known >> i & 1) for i in range(len(TABLE))]
    return PlanningProblem(len(TABLE), 3, legal=legal, noise=noise, horizon=horizon)


def begin(planner: Planner, noise: float, horizon: int | None, scenario: Scenario) -> Search[Plan]:
    return planner.search(problem(scenario, noise, horizon), search_rng(3, scenario))


def tasks(
    planner: Planner,
    noise: float = 0.0,
    scenarios: Sequence[Scenario] = SCENARIOS,
    horizon: int | None = None,
) -> list[Task[Plan]]:
    return [Task(s, partial(begin, planner, noise, horizon, s), noisy=noise > 0) for s in scenarios]


def told_to_end(name: str, answered: int) -> Plan:
    """The plan of a search to which nothing is told after so many questions."""
    search = make_planner(name).search(PlanningProblem(5, 3), np.random.default_rng(0))
    question = next(search)
    try:
        while True:
            if isinstance(question, Rank):
                question = search.send(None)
            elif answered:
                answered -= 1
                question = search.send([float(subset % 7) for subset in question.subsets])
            else:
                question = search.send(None)
    except StopIteration as end:
        plan: Plan = end.value
        return plan


@pytest.mark.parametrize("answered", [0, 1, 3])
@pytest.mark.parametrize("name", available_planners())
def test_every_planner_ends_with_a_whole_path_when_it_is_told_to(name: str, answered: int) -> None:
    plan = told_to_end(name, answered)
    assert len(set(plan.path)) == 3
    assert plan.evaluations == len(plan.trace)
    if not answered:
        assert plan.trace == ()
        assert plan.value is None
    elif plan.value is not None:
        assert plan.value == mask_of(plan.path) % 7


@pytest.mark.parametrize("name", available_planners())
def test_with_enough_for_all_plans_are_those_of_searches_that_share_nothing(name: str) -> None:
    begun = tasks(make_planner(name), scenarios=SCENARIOS[:15])
    apart = Runner(exact(0.0), prior(), EvaluationStore(":memory:"))
    expected = apart.run(begun, "x")
    enough = sum(plan.evaluations for plan in expected)
    for evenly in (0.0, 1.0):
        together = Runner(exact(0.0), prior(), EvaluationStore(":memory:"))
        assert together.run(begun, "x", enough, evenly) == expected, f"evenly={evenly}"


@dataclass(frozen=True)
class Hopeful:
    """Draws subsets at random and expects of the next what the last one had above 2, so that searches differ."""

    evaluations: int = 30

    def search(self, problem: PlanningProblem, rng: np.random.Generator) -> Search[Plan]:
        trace: list[tuple[int, float | None]] = []
        gain = math.inf
        while len(trace) < self.evaluations:
            path = tuple(int(i) for i in rng.choice(problem.n_attributes, 2, replace=False))
            subset = mask_of(path) & problem.pool
            scores = yield Evaluate((subset,), gain)
            if scores is None:
                break
            trace.append((subset, scores[0]))
            gain = (scores[0] or 0.0) - 2.0
        return Plan(path, trace[-1][1] if trace else None, len(trace), tuple(trace))


BAYESIAN = make_planner("bayesian", evaluations=20)


@pytest.mark.parametrize(
    ("planner", "noise", "evenly"),
    [
        (Hopeful(), 0.0, 0.0),
        (Hopeful(), 0.0, 0.5),
        (Hopeful(), 0.3, 0.0),
        (Hopeful(), 0.3, 0.5),
        (BAYESIAN, 0.0, 0.5),
        (BAYESIAN, 0.3, 0.0),
    ],
)
def test_plans_do_not_depend_on_concurrency_or_cache(planner: Planner, noise: float, evenly: float) -> None:
    found, scenarios = [], SCENARIOS[:20]
    for searches, in_flight in ((1, 1), (4, 7), (1000, 100)):
        with EvaluationStore(":memory:") as store:
            for _ in range(2):
                runner = Runner(Erratic(in_flight, judge_noise=noise), None, store, searches=searches)
                found.append(runner.run(tasks(planner, noise, scenarios), "x", 150, evenly))
            assert runner.tally.scored == 0, "a finished evaluation was made again"
    assert all(plans == found[0] for plans in found)
    spent = [plan.evaluations for plan in found[0]]
    assert sum(spent) == 150
    assert len(set(spent)) > 1
    assert min(spent) >= int(evenly * 150 / 20)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_stopped_at_any_moment_it_goes_on_to_the_same_plans(noise: float) -> None:
    planner = Hopeful()
    model = exact(noise)
    expected = Runner(model, None, EvaluationStore(":memory:")).run(tasks(planner, noise), "x", 300)
    with EvaluationStore(":memory:") as store:
        for stop_after in (0, 1, 3, 8, 20, 100_000):
            erratic = Erratic(50, seed=stop_after, judge_noise=noise)
            runner = Runner(erratic, None, store, progress=Stop(stop_after))
            try:
                assert runner.run(tasks(planner, noise), "x", 300) == expected
            except KeyboardInterrupt:
                assert stop_after < 100_000
        held = sum(len(store.evaluations(runner.identity, scenario.digest)) for scenario in SCENARIOS)
    asked = {(s.digest, i) for s, plan in zip(SCENARIOS, expected, strict=True) for i in _draws(plan, noise)}
    assert held == len(asked)


def _draws(plan: Plan, noise: float) -> list[tuple[int, int]]:
    """(subset, sample) of everything a plan was made of."""
    seen: dict[int, int] = {}
    for subset, _ in plan.trace:
        seen[subset] = seen.get(subset, 0) + 1
    return [(subset, sample) for subset, times in seen.items() for sample in range(times if noise else 1)]


def test_limits_stop_it_on_top_and_steps_come_to_the_same_plans() -> None:
    planner = Hopeful()
    expected = Runner(Erratic(), None, EvaluationStore(":memory:")).run(tasks(planner), "x", 200)
    stops = 0
    with EvaluationStore(":memory:") as store:
        while True:
            runner = Runner(Erratic(seed=stops), None, store, allowance=Allowance(Limits(evaluations=30)))
            try:
                assert runner.run(tasks(planner), "x", 200) == expected
                break
            except LimitReached as reached:
                finished = reached.finished
            assert all(plan == expected[place] for place, plan in finished.items())
            assert runner.tally.scored == 30
            stops += 1
    assert stops >= 3


def gain(model: SimulatedSafetyModel, scenarios: Sequence[Scenario], plans: Sequence[Plan]) -> float:
    """Mean increase of the safety score by following the plans."""

    def mean(subsets: Sequence[int]) -> float:
        outcomes = model.evaluate([EvaluationRequest(s, subset) for s, subset in zip(scenarios, subsets, strict=True)])
        return float(np.mean([outcome.score for outcome in outcomes if isinstance(outcome, Evaluation)]))

    return mean([mask_of(plan.path) for plan in plans]) - mean([0] * len(plans))


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_shared_evaluations_bring_at_least_what_as_many_split_evenly_do(missing: float) -> None:
    scenarios, model = synthetic_scenarios(TABLE, 150, seed=21, missing=missing), exact(0.0)

    def plans(cap: int, spend: int | None) -> list[Plan]:
        planner = make_planner("bayesian", evaluations=cap)
        runner = Runner(model, None, EvaluationStore(":memory:"))
        return runner.run(tasks(planner, scenarios=scenarios, horizon=6), "x", spend, 1.0)

    apart, together = plans(6, None), plans(40, 6 * len(scenarios))
    assert sum(plan.evaluations for plan in together) <= 6 * len(scenarios)
    before, after = gain(model, scenarios, apart), gain(model, scenarios, together)
    assert after >= before
    if missing:
        # Searches over few attributes end early; what they leave is put to use.
        assert after > before + 0.001
