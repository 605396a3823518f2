"""What planning will take, said before it is spent: counted on made-up scores, measured on a few real evaluations."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from raise_agent.planners import Evaluate, Planner, Rank, Search, run_planner
from raise_agent.planners.runner import Runner, Task, search_rng
from raise_agent.scenario import Scenario
from raise_agent.subsets import mask_of, members

from .assembly import Bench

DRY_RUNS = 16
"""Searches run on made-up scores to count what a search asks for."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is still to be spent on planning."""

    evaluations: int
    stored: int
    """Evaluations that the store holds already."""
    requests: int
    tokens: int
    seconds: float
    measured_on: int
    """Real evaluations that this was measured on; they count as done."""

    def __str__(self) -> str:
        stored = f" ({self.stored:,} are in the store already)" if self.stored else ""
        return (
            f"estimate: up to {self.evaluations:,} evaluations{stored}, {self.requests:,} requests, "
            f"{_rounded(self.tokens)} tokens, about {duration(self.seconds)}; measured on {self.measured_on} real "
            "evaluations, which count"
        )


def _rounded(tokens: int) -> str:
    return f"{tokens / 1e6:,.1f} million" if tokens >= 1_000_000 else f"{tokens:,}"


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(42), duration(600), duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def estimate(bench: Bench, planner: Planner, scenarios: Sequence[Scenario], each: int) -> Estimate | None:
    """Estimate a planning run.

    Args:
        bench: models, store.
        planner: that will plan.
        scenarios: that it will plan over.
        each: evaluations per scenario beside the search.

    Returns:
        None where nothing could be measured: the store holds all that was asked for, or nothing was answered.
    """
    sample = scenarios[: bench.cfg.runner.estimate_on]
    evaluations, rankings = count_questions(bench, planner, sample[:DRY_RUNS])
    subsets = [_some_subset(bench, scenario) for scenario in sample]
    with bench.runner("estimating") as runner:
        scoring = _measure(bench, runner, sample, [partial(_score, (0, subset)) for subset in subsets])
        ranking = _measure(bench, runner, sample, [_rank] * len(sample)) if rankings else None
        measured_on = runner.tally.scored
    if scoring is None:
        return None
    stored = [len(bench.store.evaluations(runner.identity, scenario.digest)) for scenario in scenarios]
    wanted = evaluations + each
    left = sum(max(0.0, wanted - done) for done in stored)
    # What is left of the rankings is taken to shrink as what is left of the evaluations does.
    ranked = left / wanted * rankings if wanted else 0.0
    costs = scoring.times(left)
    if ranking is not None:
        costs = costs.plus(ranking.times(ranked))
    return Estimate(
        evaluations=round(left),
        stored=sum(stored),
        requests=round(costs.requests),
        tokens=round(costs.tokens),
        seconds=costs.seconds,
        measured_on=measured_on,
    )


@dataclass(frozen=True, slots=True)
class _Cost:
    """Of one question, or of many."""

    requests: float
    tokens: float
    seconds: float

    def times(self, count: float) -> _Cost:
        return _Cost(self.requests * count, self.tokens * count, self.seconds * count)

    def plus(self, other: _Cost) -> _Cost:
        return _Cost(self.requests + other.requests, self.tokens + other.tokens, self.seconds + other.seconds)


def _measure(
    bench: Bench, runner: Runner, scenarios: Sequence[Scenario], starts: Sequence[Callable[[], Search[None]]]
) -> _Cost | None:
    """What one question costs, in the mean; None where none was asked of a server."""
    before = (bench.usage.requests, bench.usage.tokens, runner.tally.scored + runner.tally.ranked)
    began = time.monotonic()
    tasks = [Task(scenario, start) for scenario, start in zip(scenarios, starts, strict=True)]
    runner.run(tasks, origin="estimate")
    made = runner.tally.scored + runner.tally.ranked - before[2]
    if not made:
        return None
    requests, tokens = bench.usage.requests - before[0], bench.usage.tokens - before[1]
    return _Cost(requests, tokens, time.monotonic() - began).times(1 / made)


def _score(subsets: tuple[int, ...]) -> Search[None]:
    yield Evaluate(subsets)


def _rank() -> Search[None]:
    yield Rank(0)


def _some_subset(bench: Bench, scenario: Scenario) -> int:
    held = members(scenario.profile.known)
    return mask_of(held[: bench.cfg.budget])


def count_questions(bench: Bench, planner: Planner, scenarios: Sequence[Scenario]) -> tuple[float, float]:
    """Mean evaluations and rankings of one search, on made-up scores."""
    evaluations = rankings = 0
    for scenario in scenarios:
        draw = np.random.default_rng(0)

        def rank(subset: int) -> Sequence[float]:
            nonlocal rankings
            rankings += 1
            return [1.0 / len(bench.table)] * len(bench.table)

        plan = run_planner(
            planner,
            bench.problem(scenario),
            evaluate=lambda subset, draw=draw: 3.0 + float(draw.normal(0.0, 0.3)),  # type: ignore[misc]
            rng=search_rng(bench.cfg.seed, scenario),
            rank=rank,
        )
        evaluations += plan.evaluations
    n = max(1, len(scenarios))
    return evaluations / n, rankings / n
