"""The runner against a driver that asks one question at a time, and against models that misbehave."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

from raise_agent.attributes import penguin_table
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.models.base import Evaluation, EvaluationRequest, RankRequest, Unscored, Weights
from raise_agent.models.simulated import SimulatedPrior, SimulatedSafetyModel
from raise_agent.planners import (
    Evaluate,
    Plan,
    PlanningProblem,
    Rank,
    Search,
    available_planners,
    make_planner,
    run_planner,
)
from raise_agent.planners.runner import Runner, Tally, Task, search_rng
from raise_agent.scenario import Scenario
from raise_agent.store import EvaluationStore

TABLE = penguin_table()
SCENARIOS = synthetic_scenarios(TABLE, 40, seed=5, missing=0.1)


@cache
def exact(judge_noise: float) -> SimulatedSafetyModel:
    """What all erratic models of one noise answer."""
    return SimulatedSafetyModel(TABLE, judge_noise=judge_noise)


@cache
def prior() -> SimulatedPrior:
    return SimulatedPrior(TABLE)


class Erratic:
    """A safety model that answers late, out of order, a few at a time, and counts what it is asked."""

    simulated = True

    def __init__(self, in_flight: int = 7, fail: int = 0, seed: int = 0, judge_noise: float = 0.0) -> None:
        self._exact = exact(judge_noise)
        self.in_flight = in_flight
        self._fail = fail
        self._random = random.Random(seed)
        self._waiting: list[tuple[int, EvaluationRequest]] = []
        self.asked: list[tuple[str, int, int]] = []
        self.most = 0

    @property
    def identity(self) -> Mapping[str, object]:
        return self._exact.identity

    def submit(self, ticket: int, request: EvaluationRequest) -> None:
        self._waiting.append((ticket, request))
        self.asked.append((request.scenario.digest, request.subset, request.sample))
        self.most = max(self.most, len(self._waiting))

    async def completed(self) -> list[tuple[int, Evaluation | Unscored]]:
        await asyncio.sleep(0)
        self._random.shuffle(self._waiting)
        count = self._random.randint(1, len(self._waiting))
        done, self._waiting = self._waiting[:count], self._waiting[count:]
        results: list[tuple[int, Evaluation | Unscored]] = []
        for ticket, request in done:
            if self._fail:
                tries = self.asked.count((request.scenario.digest, request.subset, request.sample))
                if tries <= self._fail:
                    results.append((ticket, Unscored("erratic")))
                    continue
            results.append((ticket, self._exact.evaluate([request])[0]))
        return results

    async def aclose(self) -> None:
        self._waiting = []


def problem(scenario: Scenario) -> PlanningProblem:
    known = scenario.profile.known
    return PlanningProblem(len(TABLE), 3, legal=[bool(known >> i & 1) for i in range(len(TABLE))])


def tasks(name: str, scenarios: Sequence[Scenario] = SCENARIOS) -> list[Task[Plan]]:
    planner = make_planner(name)

    def begin(scenario: Scenario) -> Search[Plan]:
        return planner.search(problem(scenario), search_rng(3, scenario))

    return [Task(s, partial(begin, s)) for s in scenarios]


def alone(name: str, scenarios: Sequence[Scenario] = SCENARIOS) -> list[Plan]:
    """The plans of a driver that asks one scenario at a time."""
    model, guess = exact(0.0), prior()

    def evaluate(scenario: Scenario, subset: int) -> float | None:
        (outcome,) = model.evaluate([EvaluationRequest(scenario, subset)])
        return outcome.score if isinstance(outcome, Evaluation) else None

    def rank(scenario: Scenario, subset: int) -> tuple[float, ...] | None:
        unasked = scenario.profile.known & ~subset
        request = RankRequest(scenario.inquiry, scenario.profile.disclose(subset), unasked)
        return guess.rank(request).weights if unasked else None

    return [
        run_planner(make_planner(name), problem(s), partial(evaluate, s), search_rng(3, s), partial(rank, s))
        for s in scenarios
    ]


@pytest.mark.parametrize("name", available_planners())
def test_plans_do_not_depend_on_concurrency_order_or_cache(name: str) -> None:
    few = SCENARIOS[:16]
    expected = alone(name, few)
    for searches, in_flight in ((1, 1), (16, 7)):
        safety = Erratic(in_flight)
        with EvaluationStore(":memory:") as store:
            runner = Runner(safety, prior(), store, searches=searches)
            assert runner.run(tasks(name, few), name) == expected
            assert safety.most <= in_flight
            asked = len(safety.asked)
            again = Runner(safety, prior(), store, searches=searches)
            assert again.run(tasks(name, few), name) == expected
            assert len(safety.asked) == asked, "a finished evaluation was made again"
            assert again.tally.scored == 0
            assert again.tally.cached == sum(plan.evaluations for plan in expected)


def test_searches_over_one_scenario_share_its_evaluations() -> None:
    safety = Erratic()
    runner = Runner(safety, prior(), EvaluationStore(":memory:"))
    twice = runner.run(tasks("exhaustive", SCENARIOS[:3]) * 2, "x")
    assert twice[:3] == twice[3:]
    assert len(safety.asked) == len(set(safety.asked))


def test_a_failure_is_tried_again() -> None:
    runner = Runner(Erratic(fail=1), None, EvaluationStore(":memory:"), attempts=2)
    assert all(plan.value is not None for plan in runner.run(tasks("greedy"), "x"))
    assert runner.tally.unscored == 0
    assert runner.tally.retried == runner.tally.scored


def test_what_fails_for_good_is_counted_and_never_becomes_a_number() -> None:
    store = EvaluationStore(":memory:")
    runner = Runner(Erratic(fail=9), None, store, attempts=2)
    plans = runner.run(tasks("greedy"), "x")
    assert all(plan.value is None for plan in plans)
    assert [len(plan.path) for plan in plans] == [problem(s).depth for s in SCENARIOS]
    assert runner.tally.scored == 0
    assert runner.tally.unscored == sum(plan.evaluations for plan in plans)
    assert all(not store.evaluations(runner.identity, s.digest) for s in SCENARIOS)


def test_an_unscored_evaluation_is_made_again_by_the_next_run() -> None:
    store = EvaluationStore(":memory:")
    flaky = SimulatedSafetyModel(TABLE, failure_rate=0.3)
    first = Runner(flaky, None, store)
    first.run(tasks("exhaustive"), "x")
    assert 0 < first.tally.unscored < first.tally.scored
    second = Runner(flaky, None, store)
    second.run(tasks("exhaustive"), "x")
    assert second.tally.unscored == first.tally.unscored
    assert second.tally.scored == 0


def ask_again(times: int) -> Search[list[float | None]]:
    heard: list[float | None] = []
    for _ in range(times):
        heard += yield Evaluate([3, 3])
    return heard


def test_a_noisy_task_draws_samples_and_an_exact_one_means_the_same_again() -> None:
    model = SimulatedSafetyModel(TABLE, judge_noise=0.3)
    store = EvaluationStore(":memory:")
    noisy, exact = Runner(model, None, store).run(
        [Task(SCENARIOS[0], partial(ask_again, 2), noisy=True), Task(SCENARIOS[0], partial(ask_again, 2))], "x"
    )
    expected = [model.evaluate([EvaluationRequest(SCENARIOS[0], 3, sample)])[0] for sample in range(4)]
    assert noisy == [e.score for e in expected if isinstance(e, Evaluation)]
    assert len(set(noisy)) == 4
    assert exact == [noisy[0]] * 4


def rank_then_score(subset: int) -> Search[tuple[float, ...] | None]:
    weights: tuple[float, ...] | None = yield Rank(subset)
    yield Evaluate([subset])
    return weights


def test_rankings_are_made_once_and_cover_what_is_legal_and_unasked() -> None:
    store = EvaluationStore(":memory:")
    scenario = next(s for s in SCENARIOS if s.profile.known != 1023)
    for expected in (1, 0):
        runner = Runner(exact(0.0), prior(), store)
        (weights,) = runner.run([Task(scenario, partial(rank_then_score, 2))], "x")
        assert weights is not None
        positive = sum(1 << i for i, weight in enumerate(weights) if weight > 0)
        assert positive == scenario.profile.known & ~2
        assert runner.tally.ranked == expected


def test_without_a_prior_rank_is_answered_by_none() -> None:
    runner = Runner(exact(0.0), None, EvaluationStore(":memory:"))
    assert runner.run([Task(SCENARIOS[0], partial(rank_then_score, 2))], "x") == [None]


class FailingPrior(SimulatedPrior):
    async def completed(self) -> list[tuple[int, Weights | Unscored]]:
        waiting, self._waiting = self._waiting, []
        return [(ticket, Unscored("no prior today")) for ticket, _ in waiting]


def test_a_prior_that_fails_is_counted_and_the_search_goes_on() -> None:
    runner = Runner(exact(0.0), FailingPrior(TABLE), EvaluationStore(":memory:"))
    plans = runner.run(tasks("mcts"), "x")
    assert all(plan.value is not None for plan in plans)
    assert runner.tally.unranked > 0
    assert runner.tally.ranked == 0


class Stop:
    """Interrupts after so many updates, as Ctrl-C would."""

    def __init__(self, after: int) -> None:
        self.after = after

    def update(self, tally: Tally) -> None:
        self.after -= 1
        if self.after < 0:
            raise KeyboardInterrupt


def test_a_run_stopped_at_any_moment_goes_on_to_the_same_plans(tmp_path: Path) -> None:
    expected = alone("mcts")
    path = tmp_path / "store.sqlite"
    for stop_after in (0, 1, 3, 8, 100_000):
        safety = Erratic(50, seed=stop_after)
        with EvaluationStore(path) as store:
            before = sum(len(store.evaluations(store.identity(safety.identity), s.digest)) for s in SCENARIOS)
            runner = Runner(safety, prior(), store, progress=Stop(stop_after))
            try:
                assert runner.run(tasks("mcts"), "x") == expected
            except KeyboardInterrupt:
                assert stop_after < 100_000
            after = {(s.digest, *key) for s in SCENARIOS for key in store.evaluations(runner.identity, s.digest)}
        assert len(after) == before + runner.tally.scored
    assert len(after) == sum(plan.evaluations for plan in expected)


class Interrupted(Erratic):
    """Interrupted in a task of its own, as the requests to a server are."""

    async def completed(self) -> list[tuple[int, Evaluation | Unscored]]:
        async def request() -> None:
            await asyncio.sleep(0)
            raise KeyboardInterrupt

        await asyncio.wait({asyncio.ensure_future(request())})
        return []


def test_an_interrupt_in_the_middle_of_a_task_is_raised_and_not_told_of_besides(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(KeyboardInterrupt):
        Runner(Interrupted(), None, EvaluationStore(":memory:")).run(tasks("mcts"), "x")
    gc.collect()
    assert caplog.records == []


def raising() -> Search[None]:
    yield Evaluate([1])
    raise RuntimeError("a fault in the planner")


def test_a_fault_in_a_planner_surfaces_and_keeps_what_was_scored() -> None:
    store = EvaluationStore(":memory:")
    runner = Runner(exact(0.0), None, store)
    with pytest.raises(RuntimeError, match="a fault in the planner"):
        runner.run([Task(SCENARIOS[0], raising)], "x")
    assert set(store.evaluations(runner.identity, SCENARIOS[0].digest)) == {(1, 0)}


def test_no_task_at_all() -> None:
    nothing: list[Task[Plan]] = []
    assert Runner(exact(0.0), None, EvaluationStore(":memory:")).run(nothing, "x") == []


def test_a_search_that_asks_nothing() -> None:
    empty = PlanningProblem(len(TABLE), 3, legal=[False] * len(TABLE))
    planner = make_planner("greedy")
    runner = Runner(exact(0.0), None, EvaluationStore(":memory:"))
    (plan,) = runner.run([Task(SCENARIOS[0], partial(planner.search, empty, np.random.default_rng(0)))], "x")
    assert plan.path == ()
