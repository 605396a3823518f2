"""Plan, distil and compare, for the experiments on the online agent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from raise_agent.errors import ConfigError
from raise_agent.experiments.agents import AgentMethod, asks_a_model, labels_of, method_of
from raise_agent.experiments.assembly import Bench, planner_settings, wants_order
from raise_agent.experiments.comparing import compare
from raise_agent.experiments.distilling import distill_policy
from raise_agent.experiments.methods import AGENTS, ALIASES, Conversation
from raise_agent.experiments.planning import PLANS, plan_scenarios
from raise_agent.experiments.results import CONVERSATIONS, MethodResult
from raise_agent.experiments.tracking import Tracker
from raise_agent.experiments.yardsticks import Dimensions, final_dimensions
from raise_agent.scenario import Scenario
from raise_agent.subsets import mask_of

from .contract import Part, most_evaluations, order_part


@dataclass(frozen=True, slots=True)
class Compared:
    """Methods side by side on the same scenarios."""

    scenarios: Sequence[Scenario]
    results: Sequence[MethodResult]
    """In the order of ``evaluate.methods``."""
    talks: Mapping[str, Sequence[Conversation]]
    """method -> one conversation per scenario."""
    dimensions: Mapping[str, Sequence[Dimensions | None]]
    """method -> held-out scores of each, by dimension; None where unscored."""

    def scores(self, method: str) -> list[float | None]:
        """Held-out safety score of each conversation."""
        return [None if found is None else fmean(found) for found in self.dimensions[method]]


def comparison_parts(bench: Bench) -> list[Part]:
    """What ``plan_and_compare`` asks for."""
    cfg, scenarios = bench.cfg, bench.scenarios.test[: bench.cfg.evaluate.scenarios]
    configured = planner_settings(cfg.planner)
    methods = [method_of(entry) for entry in cfg.evaluate.methods]
    searching = {method: ALIASES.get(method, method) for method in methods if isinstance(method, str)}
    planners = {
        method: (name, configured[1] if configured[0] == name else {})
        for method, name in searching.items()
        if method not in AGENTS
    }
    parts = []
    policies = [method.policy for method in methods if isinstance(method, AgentMethod)]
    if "static" in policies or any(wants_order(*planner) for planner in (configured, *planners.values())):
        parts.append(order_part(bench))
    if "fixed" in methods:
        steps = sum(1 + len(bench.table) - asked for asked in range(cfg.budget))
        parts.append(Part("the best fixed order", bench.scenarios.train[: cfg.sensitivity_scenarios], steps))
    if not _given(bench):
        each = most_evaluations(bench, *configured) + cfg.explore * (cfg.budget + 1)
        wordings = len({one.query for one in bench.scenarios.train}) if bench.writer is not None else 0
        parts.append(Part("planning", bench.scenarios.planned, each, tells=True, wordings=wordings))
    for method, planner in planners.items():
        parts.append(Part(f"searching with {method}", scenarios, most_evaluations(bench, *planner)))
    compared = len({"none", "full", *labels_of(cfg.evaluate.methods)})
    # Once to name the question and once to stop, in each turn.
    decisions = 2 * sum(map(asks_a_model, cfg.evaluate.methods)) * cfg.budget * len(scenarios)
    parts.append(Part("comparing", scenarios, compared, decisions=decisions))
    return parts


def plan_and_compare(bench: Bench, tracker: Tracker, folder: Path) -> Compared:
    """Plan over the training scenarios, distil, and run every method on the test scenarios.

    With ``evaluate.policy`` and ``evaluate.plans``, those are compared, and nothing is planned.

    Raises:
        ConfigError: one of the two is given without the other.
    """
    cfg = bench.cfg.evaluate
    if _given(bench):
        policy, plans = Path(cfg.policy), Path(cfg.plans)
    else:
        policy = distill_policy(bench, tracker, folder, plan_scenarios(bench, tracker, folder))
        plans = folder / PLANS
    results = compare(bench, tracker, folder, policy, plans)
    scenarios = bench.scenarios.test[: cfg.scenarios]
    lines = [json.loads(line) for line in (folder / CONVERSATIONS).read_text(encoding="utf-8").splitlines()]

    def mask(keys: Sequence[str]) -> int:
        return mask_of(map(bench.table.index, keys))

    talks = {
        result.method: [
            Conversation(tuple(map(bench.table.index, talk["asked"])), mask(talk["answered"]))
            for talk in (line["methods"][result.method] for line in lines)
        ]
        for result in results
    }
    identity = bench.store.identity(bench.safety.identity)
    return Compared(scenarios, results, talks, final_dimensions(bench.store, identity, scenarios, talks))


def _given(bench: Bench) -> bool:
    policy, plans = bench.cfg.evaluate.policy, bench.cfg.evaluate.plans
    if (policy is None) != (plans is None):
        raise ConfigError("give both evaluate.policy and evaluate.plans, of one run, or neither: then it plans first")
    return policy is not None
