"""Planning that gets cheaper as it goes: each round of searches starts from what the rounds before it taught.

The first round is small and starts cold; each next one is as large as all before it. Which scenario falls into
which round depends on their order alone, and what a round teaches on its plans alone, so that plans do not depend
on concurrency, on what the store holds, or on where an earlier run was stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from raise_agent.encoders import HashingEncoder
from raise_agent.errors import ConfigError
from raise_agent.planners import Plan, Rank, Search, planner_class
from raise_agent.planners.beliefs import Belief, Experience, History, learn, prior_context
from raise_agent.planners.runner import LimitReached, Runner, Task
from raise_agent.scenario import Scenario

from .assembly import Bench
from .methods import plan_all

FIRST_ROUND = 64
"""Scenarios that are planned before anything is learned."""
REMEMBERED = 1500
"""Most searches that are learned from: those of the latest scenarios."""
DIMENSION = 256
"""Of the embedding of queries."""

Context = npt.NDArray[np.float64]


def plan_and_learn(
    bench: Bench, runner: Runner, scenarios: Sequence[Scenario], configured: tuple[str, Mapping[str, Any]]
) -> tuple[list[Plan], Experience | None]:
    """A plan per scenario by the configured planner, and what planning taught; None where nothing is learned.

    Raises:
        ConfigError: what ``learned`` names is about other problems.
        LimitReached: ``finished`` holds the plans found until then.
    """
    cfg, name = bench.cfg, configured[0]
    if not cfg.learn or not getattr(planner_class(name), "learns", False):
        return plan_all(bench, runner, scenarios, name, configured, spend=cfg.spend), None
    start = None if cfg.learned is None else Experience.load(cfg.learned)
    known = contexts(runner, scenarios)
    if start is not None and (start.n_attributes, start.depth, len(start.centre)) != (
        len(bench.table),
        cfg.budget,
        len(known[0]),
    ):
        raise ConfigError(
            f"{cfg.learned}: learned for {start.n_attributes} attributes and budget {start.depth}, not for "
            f"{len(bench.table)} and {cfg.budget}"
        )
    plans: list[Plan] = []

    def plan_round(places: range, beliefs: Sequence[Belief | None]) -> list[Plan]:
        spend = None
        if cfg.spend is not None:
            spend = cfg.spend * places.stop // len(scenarios) - sum(plan.evaluations for plan in plans)
        round_of = [scenarios[place] for place in places]
        found = plan_all(bench, runner, round_of, name, configured, beliefs, spend)
        plans.extend(found)
        return found

    return plan_in_rounds(plan_round, len(scenarios), known, len(bench.table), cfg.budget, bench.noise().points, start)


def contexts(runner: Runner, scenarios: Sequence[Scenario]) -> list[Context]:
    """What is known of each scenario beforehand: its query's embedding, and the prior's first weights."""
    encoded = HashingEncoder(DIMENSION).encode([scenario.query for scenario in scenarios]).astype(np.float64)
    try:
        ranked = runner.run([Task(scenario, _first_weights) for scenario in scenarios], origin="prior")
    except LimitReached as stop:
        stop.finished = {}
        raise
    n_attributes = len(scenarios[0].profile.keys)
    return [
        np.concatenate([own, prior_context(weights, n_attributes)])
        for own, weights in zip(encoded, ranked, strict=True)
    ]


def _first_weights() -> Search[Sequence[float] | None]:
    weights: Sequence[float] | None = yield Rank(0)
    return weights


def plan_in_rounds(
    plan_round: Callable[[range, Sequence[Belief | None]], list[Plan]],
    count: int,
    known: Sequence[Context],
    n_attributes: int,
    depth: int,
    noise: float,
    start: Experience | None = None,
) -> tuple[list[Plan], Experience | None]:
    """Plan round by round.

    Args:
        plan_round: plans over the scenarios at these places, each with what is believed of it.
        count: how many scenarios there are.
        known: context of each.
        n_attributes: of the table.
        depth: most questions.
        noise: standard deviation of one evaluation.
        start: what earlier runs taught; all are then planned in one round, with it.

    Returns:
        A plan per scenario, and what all of them taught; None where nothing was scored.

    Raises:
        LimitReached: in some round; ``finished`` holds the plans of all rounds.
    """
    plans: list[Plan] = []
    experience = start
    for places in rounds(count, warm=start is not None):
        beliefs = [experience.belief(known[place]) if experience else None for place in places]
        try:
            plans += plan_round(places, beliefs)
        except LimitReached as stop:
            this_round = {places[place]: plan for place, plan in stop.finished.items()}
            raise LimitReached(stop.limit, {**dict(enumerate(plans)), **this_round}, count) from None
        latest = range(max(0, len(plans) - REMEMBERED), len(plans))
        histories = [History(plans[place].trace, known[place]) for place in latest]
        if any(score is not None for history in histories for _, score in history.scores):
            experience = learn(histories, n_attributes, depth, noise)
    return plans, experience


def rounds(count: int, *, warm: bool) -> Iterator[range]:
    """Places of the scenarios of each round.

    >>> [len(places) for places in rounds(500, warm=False)]
    [64, 64, 128, 244]
    """
    start, size = 0, FIRST_ROUND
    while start < count:
        end = min(count, start + size) if not warm else count
        yield range(start, end)
        start, size = end, end
