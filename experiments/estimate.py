"""What a run will take, said before it is spent: counted, for searches on made-up scores, and measured on a few real
evaluations."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from raise_agent.planners import Evaluate, Planner, Rank, Search, run_planner
from raise_agent.planners.runner import LimitReached, Runner, Task, search_rng
from raise_agent.scenario import Scenario
from raise_agent.subsets import mask_of, members

from .assembly import Bench, planner_from, wants_order
from .exploring import random_prefixes
from .methods import origin_of
from .sensitivity import at_most_one

_log = logging.getLogger(__name__)

DRY_RUNS = 16
"""Searches run on made-up scores to count what a search asks for."""
PLANNING = "planning"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is still to be taken."""

    what: str
    """What is estimated, such as ``planning``."""
    evaluations: int
    """At most."""
    stored: int
    """Evaluations of the same kind that the store holds already."""
    measured_on: int
    """Real evaluations that the rest was measured on; they are kept like all others. 0: nothing was measured."""
    requests: int | None
    tokens: int | None
    """None where the server does not count them."""
    seconds: float | None
    """At most: measured while the client still finds out how much the server bears."""

    def __str__(self) -> str:
        stored = f" ({self.stored:,} more are in the store)" if self.stored else ""
        text = f"estimate of {self.what}: up to {self.evaluations:,} evaluations{stored}"
        if self.seconds is None:
            return f"{text}; what they take was not measured"
        tokens = "tokens not counted by the server" if self.tokens is None else f"{_rounded(self.tokens)} tokens"
        return (
            f"{text}, {self.requests:,} requests, {tokens}, at most about {duration(self.seconds)}; "
            f"measured on {self.measured_on} real evaluations"
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


def estimate(bench: Bench, name: str, settings: Mapping[str, Any], scenarios: Sequence[Scenario]) -> Estimate:
    """Estimate a planning run; what is not much is not measured.

    Args:
        bench: models, store.
        name: of the planner.
        settings: of the planner.
        scenarios: that will be planned over.
    """
    unordered = _unordered(bench) if wants_order(name, settings) else 0
    if unordered:
        # Which order it will be changes which subsets are asked for, not how many.
        planner = planner_from(name, settings, bench.table, range(len(bench.table)))
    else:
        planner = bench.planner(name, settings)
    evaluations, rankings = count_questions(bench, planner, scenarios[:DRY_RUNS])
    searching = evaluations * len(scenarios)
    if bench.cfg.spend is not None and bench.cfg.spend < searching:
        # Searches that are cut short rank less, too.
        rankings *= bench.cfg.spend / searching
        searching = bench.cfg.spend
    exploring = _missing(bench, scenarios, partial(random_prefixes, bench))
    wanted = searching + exploring + unordered
    stored = 0
    if not unordered:
        digests = [scenario.digest for scenario in scenarios]
        counts = bench.store.origins(bench.store.identity(bench.safety.identity), digests)
        stored = counts.get(origin_of(name, planner), 0)
    left = max(0.0, wanted - stored)
    if left < bench.cfg.runner.estimate_on:
        # Measuring would cost more than there is to come.
        return _unmeasured(PLANNING, left, stored)
    with bench.runner("estimating") as runner:
        fresh = [s for s in scenarios if (_some_subset(bench, s), 0) not in _known(bench, runner, s)]
        sample = fresh[: bench.cfg.runner.estimate_on]
        tasks = [Task(s, partial(_score, (0, _some_subset(bench, s)))) for s in sample]
        scoring = _measure(bench, runner, tasks)
        ranking = _measure(bench, runner, [Task(s, _rank) for s in sample]) if rankings else None
        measured_on = runner.tally.scored
    if scoring is None:
        return _unmeasured(PLANNING, left, stored)
    costs = scoring.times(left)
    if ranking is not None:
        # What is left of the rankings is taken to shrink as what is left of the evaluations does.
        costs = costs.plus(ranking.times(rankings * len(scenarios) * left / wanted if wanted else 0.0))
    return _measured(bench, PLANNING, left, stored, measured_on, costs)


def estimate_known(
    bench: Bench, scenarios: Sequence[Scenario], wanted: Callable[[Scenario], Iterable[int]], what: str, sample: int = 0
) -> Estimate:
    """Estimate evaluations that are known beforehand; what is not much is not measured.

    Those it is measured on are among them, so nothing is spent on the estimate alone.

    Args:
        bench: models, store.
        scenarios: that will be scored, each digest once.
        wanted: the subsets of each.
        what: is estimated, as it is called in the text.
        sample: index of the draw that will be asked for.

    Raises:
        LimitReached: the allowance does not suffice for what the estimate is measured on.
    """
    identity = bench.store.identity(bench.safety.identity)
    missing: list[tuple[Scenario, list[int]]] = []
    stored = 0
    for scenario in scenarios:
        subsets = dict.fromkeys(wanted(scenario))
        held = bench.store.evaluations(identity, scenario.digest)
        lacking = [subset for subset in subsets if (subset, sample) not in held]
        stored += len(subsets) - len(lacking)
        if lacking:
            missing.append((scenario, lacking))
    left = sum(len(lacking) for _, lacking in missing)
    most = bench.cfg.runner.estimate_on
    if left <= 2 * most:
        return _unmeasured(what, left, stored)
    tasks = [
        # The first and the last: a scenario's subsets are often given from the smallest to the largest.
        Task(scenario, partial(_score, tuple(dict.fromkeys((lacking[0], lacking[-1])))), first_sample=sample)
        for scenario, lacking in missing[:: -(-len(missing) // most)]
    ]
    with bench.runner("estimating") as runner:
        scoring = _measure(bench, runner, tasks)
        measured_on = runner.tally.scored
    if scoring is None:
        return _unmeasured(what, left, stored)
    left -= measured_on
    return _measured(bench, what, left, stored, measured_on, scoring.times(left))


def announce_known(
    bench: Bench, scenarios: Sequence[Scenario], wanted: Callable[[Scenario], Iterable[int]], what: str, sample: int = 0
) -> Estimate | None:
    """Say what evaluations that are known beforehand will take; arguments as ``estimate_known``.

    None, and nothing is said, where they are simulated, as they then cost nothing; where ``runner.estimate_on`` is 0;
    and where a limit is reached on the way, which the run itself then tells of.
    """
    if bench.safety.simulated or not bench.cfg.runner.estimate_on:
        return None
    try:
        expected = estimate_known(bench, scenarios, wanted, what, sample)
    except LimitReached:
        return None
    _log.warning("%s", expected)
    return expected


def announce_many(bench: Bench, evaluations: int, scenarios: Sequence[Scenario], what: str, sample: int = 0) -> None:
    """Say what evaluations will take of which only the number is known; nothing where ``announce_known`` says nothing.

    Measured on some that are certain to be among them, so nothing is spent on the estimate alone; where the store holds
    all of these, as of a run that goes on, nothing is measured.

    Args:
        bench: models, store.
        evaluations: how many, at most.
        scenarios: whose evaluation with nothing known is among them.
        what: is estimated, as it is called in the text.
        sample: index of the draw of that evaluation.
    """
    most = bench.cfg.runner.estimate_on
    if bench.safety.simulated or not most or not evaluations:
        return
    identity = bench.store.identity(bench.safety.identity)
    fresh = [s for s in scenarios if (0, sample) not in bench.store.evaluations(identity, s.digest)]
    tasks = [Task(scenario, partial(_score, (0,)), first_sample=sample) for scenario in fresh[:most]]
    try:
        with bench.runner("estimating") as runner:
            scoring = _measure(bench, runner, tasks)
            measured_on = runner.tally.scored
    except LimitReached:
        return
    left = evaluations - measured_on
    expected = (
        _unmeasured(what, left, 0)
        if scoring is None
        else _measured(bench, what, left, 0, measured_on, scoring.times(left))
    )
    _log.warning("%s", expected)


def _unmeasured(what: str, left: float, stored: int) -> Estimate:
    return Estimate(what, round(left), stored, 0, None, None, None)


def _measured(bench: Bench, what: str, left: float, stored: int, measured_on: int, costs: _Cost) -> Estimate:
    return Estimate(
        what=what,
        evaluations=round(left),
        stored=stored,
        measured_on=measured_on,
        requests=round(costs.requests),
        tokens=None if bench.usage.uncounted else round(costs.tokens),
        seconds=costs.seconds,
    )


def _unordered(bench: Bench) -> int:
    """Evaluations that are missing before the fixed order of attributes is known."""
    return _missing(bench, bench.scenarios.train[: bench.cfg.sensitivity_scenarios], at_most_one)


def _missing(bench: Bench, scenarios: Sequence[Scenario], wanted: Callable[[Scenario], Iterable[int]]) -> int:
    """How many evaluations of these subsets, first samples, the store lacks."""
    identity = bench.store.identity(bench.safety.identity)
    return sum(
        len({(subset, 0) for subset in wanted(scenario)} - bench.store.evaluations(identity, scenario.digest).keys())
        for scenario in scenarios
    )


def _known(bench: Bench, runner: Runner, scenario: Scenario) -> Container[tuple[int, int]]:
    return bench.store.evaluations(runner.identity, scenario.digest)


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


def _measure(bench: Bench, runner: Runner, tasks: Sequence[Task[None]]) -> _Cost | None:
    """What one question costs, in the mean; None where none was asked of a server."""
    before = (bench.usage.requests, bench.usage.tokens, runner.tally.scored + runner.tally.ranked)
    began = time.monotonic()
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
