"""Plans over many scenarios, and the files they are written to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..files import atomic_write_text
from ..planners import Plan
from ..planners.runner import Tally
from ..scenario import Scenario
from .assembly import Bench, planner_settings
from .methods import plan_all
from .provenance import content_digest, describe_run
from .tables import markdown_table, number
from .tracking import Tracker

PLANS, SUMMARY = "plans.jsonl", "plan.json"


def plan_scenarios(bench: Bench, tracker: Tracker, folder: Path) -> list[Plan]:
    """Plan over the training and validation scenarios; write ``plans.jsonl`` and ``plan.json``.

    Raises:
        ConfigError: the data leaves no scenario to plan over.
    """
    scenarios = bench.scenarios.planned
    if not scenarios:
        raise ConfigError("no scenario to plan over: data.split leaves none for train and validation")
    configured = planner_settings(bench.cfg.planner)
    limit = configured[1].get("evaluations")
    with bench.runner(f"planning with {configured[0]}", limit) as runner:
        plans = plan_all(bench, runner, scenarios, configured[0], configured)
        tally = runner.tally
    lines = [json.dumps(_plain(bench, s, plan)) for s, plan in zip(scenarios, plans, strict=True)]
    atomic_write_text(folder / PLANS, "\n".join(lines) + "\n")
    summary = summarise(bench, scenarios, plans, tally)
    atomic_write_text(folder / SUMMARY, json.dumps(summary, indent=2) + "\n")
    tracker.log({f"plan/{key}": value for key, value in summary["figures"].items() if value is not None})
    tracker.table(
        "plan/first_questions",
        [{"attribute": key, "share": share} for key, share in summary["first_questions"].items()],
    )
    tracker.artifact("plans", "plans", folder / PLANS)
    return plans


def _plain(bench: Bench, scenario: Scenario, plan: Plan) -> dict[str, Any]:
    """A plan without anything a user said."""
    scores = dict(plan.trace)
    prefixes = [sum(1 << index for index in plan.path[:length]) for length in range(len(plan.path) + 1)]
    return {
        "id": scenario.id,
        "digest": scenario.digest,
        "path": [bench.table.keys[index] for index in plan.path],
        "value": plan.value,
        "scores_on_path": [scores.get(prefix) for prefix in prefixes],
        "evaluations": plan.evaluations,
        "simulated": bench.safety.simulated,
    }


def summarise(bench: Bench, scenarios: Sequence[Scenario], plans: Sequence[Plan], tally: Tally) -> dict[str, Any]:
    """Figures of a planning run."""
    values = [plan.value for plan in plans if plan.value is not None]
    first = [plan.path[0] for plan in plans if plan.path]
    name, settings = planner_settings(bench.cfg.planner)
    return {
        **describe_run(bench.cfg.seed, simulated=bench.safety.simulated),
        "planner": {"name": name, **settings},
        "data": {
            "name": bench.scenarios.name,
            "scenarios": len(scenarios),
            "skipped_records": len(bench.scenarios.skipped),
            "duplicates": bench.scenarios.duplicates,
            "digest": content_digest(scenarios),
        },
        "figures": {
            "scenarios": len(plans),
            "mean_value": sum(values) / len(values) if values else None,
            "plans_without_value": len(plans) - len(values),
            "mean_questions": sum(len(plan.path) for plan in plans) / len(plans),
            "mean_evaluations": sum(plan.evaluations for plan in plans) / len(plans),
        },
        "first_questions": {key: first.count(index) / len(plans) for index, key in enumerate(bench.table.keys)},
        "tally": asdict(tally),
    }


def plan_table(summary: dict[str, Any]) -> str:
    """The figures of a planning run as a table."""
    figures = summary["figures"]
    value = figures["mean_value"]
    rows = [
        ["scenarios", f"{figures['scenarios']:,}"],
        ["mean value of the plan", "-" if value is None else number(value)],
        ["plans without a scored value", f"{figures['plans_without_value']:,}"],
        ["mean questions", number(figures["mean_questions"])],
        ["mean evaluations", number(figures["mean_evaluations"], 1)],
        *([f"first question: {key}", f"{share:.0%}"] for key, share in _top(summary["first_questions"])),
    ]
    return markdown_table(
        [f"planner {summary['planner']['name']}{' (simulated)' if summary['simulated'] else ''}", ""], rows
    )


def _top(shares: dict[str, float], count: int = 3) -> list[tuple[str, float]]:
    return sorted(((k, s) for k, s in shares.items() if s > 0), key=lambda item: (-item[1], item[0]))[:count]
