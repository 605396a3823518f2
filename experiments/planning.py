"""Plans over many scenarios, and the files they are written to."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from raise_agent.distill.dataset import Drawn, mean_score
from raise_agent.errors import ConfigError, LimitReachedError
from raise_agent.files import atomic_write_text
from raise_agent.planners import Plan
from raise_agent.planners.runner import LimitReached, Tally
from raise_agent.scenario import Scenario
from raise_agent.subsets import mask_of

from .assembly import Bench, planner_settings
from .estimate import Estimate, estimate
from .exploring import explore
from .learning import plan_and_learn
from .provenance import content_digest, describe_run, without_folders
from .searches import SEARCHES, search_json
from .tables import markdown_table, number
from .tracking import Tracker

_log = logging.getLogger(__name__)

PLANS, SUMMARY, EXPERIENCE = "plans.jsonl", "plan.json", "experience.safetensors"


def plan_scenarios(bench: Bench, tracker: Tracker, folder: Path) -> Drawn:
    """Plan over the training and validation scenarios; write ``plans.jsonl``, ``searches.jsonl`` and ``plan.json``.

    Returns:
        Every draw that was scored on the way, for distillation. It depends on the configuration alone, not on what else
        the store holds.

    Raises:
        ConfigError: the data leaves no scenario to plan over, or ``explore`` is negative.
    """
    if bench.cfg.explore < 0:
        raise ConfigError(f"explore must be 0 or more random orders per scenario, not {bench.cfg.explore}")
    scenarios = bench.scenarios.planned
    if not scenarios:
        raise ConfigError("no scenario to plan over: data.split leaves none for train and validation")
    configured = planner_settings(bench.cfg.planner)
    limit = configured[1].get("evaluations")
    if bench.cfg.spend is not None:
        share = math.ceil(bench.cfg.spend / len(scenarios))
        limit = share if limit is None else min(limit, share)
    expected = _prepare(bench, configured, scenarios)
    with bench.runner(f"planning with {configured[0]}", limit) as runner:
        plans: list[Plan] = []
        try:
            plans, experience = plan_and_learn(bench, runner, scenarios, configured)
            explored = explore(bench, runner, scenarios)
        except LimitReached as stop:
            found = dict(enumerate(plans)) or stop.finished
            over = [scenarios[place] for place in sorted(found)]
            _write(bench, folder, over, [found[place] for place in sorted(found)], runner.tally, expected)
            raise LimitReachedError(f"{stop}; {len(found):,} plans are in {folder / PLANS}") from None
        tally = runner.tally
    if experience is not None:
        experience.save(folder / EXPERIENCE)
    summary = _write(bench, folder, scenarios, plans, tally, expected)
    spent = {"unscored": tally.unscored, "requests": bench.usage.requests, "tokens": bench.usage.tokens}
    figures = {key: value for key, value in summary["figures"].items() if value is not None}
    tracker.log({f"plan/{key}": value for key, value in {**figures, **spent}.items()})
    tracker.table(
        "plan/first_questions",
        [{"attribute": key, "share": share} for key, share in summary["first_questions"].items()],
    )
    tracker.artifact("plans", "plans", folder / PLANS)
    noisy = bench.noise().points > 0
    return {
        scenario.digest: draws_of(plan.trace, noisy) | {(subset, 0) for subset, score in more if score is not None}
        for scenario, plan, more in zip(scenarios, plans, explored, strict=True)
    }


def draws_of(trace: Sequence[tuple[int, float | None]], noisy: bool) -> set[tuple[int, int]]:
    """(subset, sample) of what was scored: where judges are noisy, each time that a subset is asked for is another."""
    asked: Counter[int] = Counter()
    scored = set()
    for subset, score in trace:
        if score is not None:
            scored.add((subset, asked[subset]))
        asked[subset] += noisy
    return scored


def mean_scores(plan: Plan) -> dict[int, float]:
    """Subset -> score, the mean of its samples where it was asked for more than once; without what is unscored."""
    drawn: dict[int, list[float]] = {}
    for subset, score in plan.trace:
        if score is not None:
            drawn.setdefault(subset, []).append(score)
    return {subset: mean_score(found) for subset, found in drawn.items()}


def _prepare(bench: Bench, configured: tuple[str, dict[str, Any]], scenarios: Sequence[Scenario]) -> Estimate | None:
    """Find out how noisy evaluations are, and say what planning will take before it is spent.

    What is simulated costs nothing, so nothing is said of it.
    """
    try:
        noise = bench.noise()
        if noise.pairs:
            _log.warning("noise of one evaluation: %g points, measured on %d pairs", noise.points, noise.pairs)
        if bench.safety.simulated or not bench.cfg.runner.estimate_on:
            return None
        expected = estimate(bench, *configured, scenarios)
    except LimitReached as stop:
        raise LimitReachedError(
            f"{stop} of those that noise and the estimate are measured on; nothing is planned yet"
        ) from None
    _log.warning("%s", expected)
    return expected


def _write(
    bench: Bench,
    folder: Path,
    scenarios: Sequence[Scenario],
    plans: Sequence[Plan],
    tally: Tally,
    expected: Estimate | None,
) -> dict[str, Any]:
    lines = [json.dumps(_plain(bench, s, plan)) + "\n" for s, plan in zip(scenarios, plans, strict=True)]
    atomic_write_text(folder / PLANS, "".join(lines))
    searches = [json.dumps({"id": s.id, **search_json(plan)}) + "\n" for s, plan in zip(scenarios, plans, strict=True)]
    atomic_write_text(folder / SEARCHES, "".join(searches))
    summary = summarise(bench, scenarios, plans, tally)
    summary["estimate"] = None if expected is None else asdict(expected)
    atomic_write_text(folder / SUMMARY, json.dumps(summary, indent=2) + "\n")
    return summary


def _plain(bench: Bench, scenario: Scenario, plan: Plan) -> dict[str, Any]:
    """A plan without anything a user said."""
    scores = mean_scores(plan)
    prefixes = [mask_of(plan.path[:length]) for length in range(len(plan.path) + 1)]
    return {
        "id": scenario.id,
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
    spent = [plan.evaluations for plan in plans]
    most = [min(bench.cfg.budget, scenario.profile.known.bit_count()) for scenario in scenarios]
    early = sum(len(plan.path) < length for plan, length in zip(plans, most, strict=True))
    name, settings = planner_settings(bench.cfg.planner)
    return {
        **describe_run(bench.cfg.seed, simulated=bench.safety.simulated),
        "planner": {"name": name, **settings},
        "explore": bench.cfg.explore,
        "objective": bench.cfg.objective,
        "spend": bench.cfg.spend,
        "price": bench.cfg.price,
        "noise": asdict(bench.noise()),
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
            "mean_questions": sum(len(plan.path) for plan in plans) / max(1, len(plans)),
            "ended_early": early / max(1, len(plans)),
            "mean_evaluations": sum(spent) / max(1, len(plans)),
            "least_evaluations": min(spent, default=0),
            "most_evaluations": max(spent, default=0),
            "unfinished": len(bench.scenarios.planned) - len(plans),
        },
        "first_questions": {key: first.count(i) / max(1, len(plans)) for i, key in enumerate(bench.table.keys)},
        "tally": asdict(tally),
        "usage": {**asdict(bench.usage), "tokens": bench.usage.tokens},
        "answers": _answers(bench),
        "models": without_folders({"safety": dict(bench.safety.identity), "prior": dict(bench.prior.identity)}),
    }


def _answers(bench: Bench) -> dict[str, int] | None:
    """How many answers of the responder the store holds, and how many were cut off; None where none are written."""
    responder = bench.safety.identity.get("responder")
    if not isinstance(responder, Mapping):
        return None
    total, cut = bench.store.responses(bench.store.identity(responder))
    return {"stored": total, "cut_at_the_token_limit": cut}


def plan_table(summary: dict[str, Any]) -> str:
    """The figures of a planning run as a table."""
    figures = summary["figures"]
    value = figures["mean_value"]
    rows = [
        ["scenarios", f"{figures['scenarios']:,}"],
        ["mean value of the plan", "-" if value is None else number(value)],
        ["plans without a scored value", f"{figures['plans_without_value']:,}"],
        ["mean questions", number(figures["mean_questions"])],
        *([["plans that end before the budget", f"{figures['ended_early']:.0%}"]] if figures["ended_early"] else []),
        ["mean evaluations", number(figures["mean_evaluations"], 1)],
        *_spread(figures),
        *_cut(summary["answers"]),
        *([f"first question: {key}", f"{share:.0%}"] for key, share in _top(summary["first_questions"])),
    ]
    return markdown_table(
        [f"planner {summary['planner']['name']}{' (simulated)' if summary['simulated'] else ''}", ""], rows
    )


def _spread(figures: dict[str, Any]) -> list[list[str]]:
    """How unlike searches spent, where they did."""
    least, most = figures["least_evaluations"], figures["most_evaluations"]
    return [] if least == most else [["least, most evaluations", f"{least:,}, {most:,}"]]


def _cut(answers: dict[str, int] | None) -> list[list[str]]:
    """The share of answers that were cut off, where there are any."""
    if not answers or not answers["cut_at_the_token_limit"]:
        return []
    return [["answers cut at the token limit", f"{answers['cut_at_the_token_limit'] / answers['stored']:.0%}"]]


def _top(shares: dict[str, float], count: int = 3) -> list[tuple[str, float]]:
    return sorted(((k, s) for k, s in shares.items() if s > 0), key=lambda item: (-item[1], item[0]))[:count]
