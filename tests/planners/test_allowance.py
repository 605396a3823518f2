"""What a run may spend, and how it stops."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from raise_agent.attributes import penguin_table
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.errors import ConfigError
from raise_agent.models.base import Evaluation, EvaluationRequest, Unscored
from raise_agent.models.simulated import SimulatedPrior, SimulatedSafetyModel
from raise_agent.planners.allowance import Allowance, Limits
from raise_agent.planners.runner import LimitReached, Runner, Task, score_subsets
from raise_agent.store import EvaluationStore

TABLE = penguin_table()
SCENARIOS = synthetic_scenarios(TABLE, 5, seed=5)


@dataclass
class Used:
    """A meter and a clock, as set."""

    requests: int = 0
    tokens: int = 0
    seconds: float = 50.0

    def clock(self) -> float:
        return self.seconds


def tasks(count: int = 5, subsets: int = 4) -> list[Task[list[float | None]]]:
    return [Task(scenario, lambda: score_subsets(list(range(subsets)))) for scenario in SCENARIOS[:count]]


@pytest.mark.parametrize("name", ["evaluations", "tokens", "hours"])
@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan])
def test_a_limit_that_is_none_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"limits.{name} must be above 0"):
        Limits(**{name: value})  # type: ignore[arg-type]


def test_without_limits_there_is_always_room() -> None:
    allowance = Allowance()
    assert allowance.room(10**9) == math.inf
    assert allowance.open()


def test_evaluations_in_progress_count() -> None:
    allowance = Allowance(Limits(evaluations=10), evaluations=4)
    assert [allowance.room(n) for n in (0, 5)] == [6, 1]
    assert allowance.reached is None
    assert allowance.room(6) == 0
    assert allowance.reached == "limits.evaluations=10"


def test_tokens_close_it_once_they_are_used() -> None:
    used = Used(tokens=99)
    allowance = Allowance(Limits(tokens=100), used)
    assert allowance.open()
    used.tokens = 100
    assert not allowance.open()
    assert allowance.room(0) == 0
    assert allowance.reached == "limits.tokens=100"


def test_hours_are_counted_from_the_start() -> None:
    used = Used()
    allowance = Allowance(Limits(hours=0.5), clock=used.clock)
    used.seconds += 1799
    assert allowance.open()
    used.seconds += 1
    assert not allowance.open()
    assert allowance.reached == "limits.hours=0.5"


def test_the_first_limit_that_was_reached_is_the_one_told() -> None:
    used = Used(tokens=7)
    allowance = Allowance(Limits(evaluations=1, tokens=7, hours=1), used, clock=used.clock, evaluations=1)
    allowance.open()
    used.seconds += 7200
    allowance.room(0)
    assert allowance.reached == "limits.tokens=7"


def runner(store: EvaluationStore, limits: Limits, model: object = None) -> Runner:
    return Runner(
        model or SimulatedSafetyModel(TABLE),  # type: ignore[arg-type]
        SimulatedPrior(TABLE),
        store,
        allowance=Allowance(limits),
    )


def test_a_run_stops_at_its_limit_and_keeps_all_it_paid_for() -> None:
    with EvaluationStore(":memory:") as store:
        limited = runner(store, Limits(evaluations=7))
        with pytest.raises(LimitReached, match=r"stopped at limits\.evaluations=7: \d of 5 searches are finished"):
            limited.run(tasks(), "x")
        assert sum(len(store.evaluations(limited.identity, s.digest)) for s in SCENARIOS) == 7
        assert limited.tally.scored == 7


def test_what_was_finished_comes_with_the_error() -> None:
    with EvaluationStore(":memory:") as store:
        whole = runner(store, Limits()).run(tasks(2), "x")
        limited = runner(store, Limits(evaluations=1))
        with pytest.raises(LimitReached) as caught:
            limited.run(tasks(), "x")
    assert {0: whole[0], 1: whole[1]}.items() <= caught.value.finished.items()
    assert len(caught.value.finished) < 5


def test_a_run_that_needs_just_its_limit_is_finished() -> None:
    with EvaluationStore(":memory:") as store:
        limited = runner(store, Limits(evaluations=20))
        assert len(limited.run(tasks(), "x")) == 5
        assert limited.tally.scored == 20


def test_what_the_store_holds_costs_nothing() -> None:
    with EvaluationStore(":memory:") as store:
        whole = runner(store, Limits()).run(tasks(), "x")
        assert runner(store, Limits(evaluations=1)).run(tasks(), "x") == whole


def test_steps_of_one_evaluation_each_come_to_the_same_result() -> None:
    with EvaluationStore(":memory:") as store:
        whole = runner(EvaluationStore(":memory:"), Limits()).run(tasks(2), "x")
        stops = 0
        while True:
            try:
                assert runner(store, Limits(evaluations=1)).run(tasks(2), "x") == whole
                break
            except LimitReached:
                stops += 1
    assert stops == 7


class Failing:
    """A model whose every second evaluation fails, for good."""

    simulated = True
    in_flight = 1

    def __init__(self) -> None:
        self._exact = SimulatedSafetyModel(TABLE)
        self._waiting: list[tuple[int, EvaluationRequest]] = []

    @property
    def identity(self) -> Mapping[str, object]:
        return self._exact.identity

    def submit(self, ticket: int, request: EvaluationRequest) -> None:
        self._waiting.append((ticket, request))

    async def completed(self) -> list[tuple[int, Evaluation | Unscored]]:
        done, self._waiting = self._waiting, []
        return [
            (ticket, self._exact.evaluate([request])[0] if request.subset % 2 else Unscored("no", final=True))
            for ticket, request in done
        ]

    async def aclose(self) -> None:
        self._waiting = []


def test_evaluations_that_fail_do_not_use_it_up() -> None:
    with EvaluationStore(":memory:") as store:
        limited = runner(store, Limits(evaluations=10), Failing())
        found = limited.run(tasks(), "x")
    assert (limited.tally.scored, limited.tally.unscored) == (10, 10)
    assert all([score is None for score in scores] == [True, False, True, False] for scores in found)
