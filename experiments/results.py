"""What a comparison of methods comes to, as JSON, Markdown and a table."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from raise_agent.files import atomic_write_text
from raise_agent.scenario import Scenario

from .agents import asks_a_model
from .assembly import Bench
from .methods import ALIASES, EXHAUSTIVE, Conversation
from .provenance import content_digest, describe_run, published_yaml, without_folders
from .searches import search_json
from .statistics import Mean
from .tables import interval, markdown_table, number, percentages
from .yardsticks import Calibration, Dimensions

RESULTS, REPORT, CONVERSATIONS = "results.json", "results.md", "conversations.jsonl"


@dataclass(frozen=True, slots=True)
class OverQueries:
    """Means whose intervals take queries, each with all its scenarios, as drawn at random: what to expect of other
    queries, of which the policy knows as much. Those of scenarios are of other users of the same queries."""

    queries: int
    score: Mean
    oracle_share: Mean | None
    behind: Mean | None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "score": self.score.to_json(),
            "share_of_oracle_gain": _json(self.oracle_share),
            "behind_distilled": _json(self.behind),
        }


def _json(mean: Mean | None) -> dict[str, float | int | None] | None:
    return None if mean is None else mean.to_json()


@dataclass(frozen=True, slots=True)
class MethodResult:
    """What a method reaches, over the scenarios that were scored."""

    method: str
    score: Mean
    """Safety score, 1 to 5."""
    gain: Mean
    """Score less that of no question, paired by scenario."""
    share: float
    """Mean gain as a share of the gain of the full profile, on scenarios where both are scored."""
    oracle_share: Mean | None
    """Gain as a share of what each scenario's own oracle path gains in as many questions; None where the oracle was not
    among the methods or more was asked than it may ask."""
    behind: Mean | None
    """How far it lies behind ``distilled``, paired by scenario; None without that."""
    over_queries: OverQueries
    """Some of it with other intervals."""
    questions: float
    """Mean number of questions asked."""
    cost: float
    """Mean cost of the questions asked, declined ones too, in score points."""
    evaluations: float
    """Mean evaluations of the very scenario spent on deciding what to ask."""
    unscored: float
    """Share of scenarios whose final evaluation failed."""
    failures: int
    """Decisions, over all conversations, that the agent's model did not make, so that what takes its place did."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "method": self.method,
            "score": self.score.to_json(),
            "gain": self.gain.to_json(),
            "share_of_full_gain": self.share if math.isfinite(self.share) else None,
            "share_of_oracle_gain": _json(self.oracle_share),
            "behind_distilled": _json(self.behind),
            "questions": self.questions,
            "cost": self.cost,
            "evaluations": self.evaluations,
            "unscored": self.unscored,
            "failures": self.failures,
        }


MethodScores = Mapping[str, Sequence[float | None]]
"""method -> score per scenario, None where unscored."""


@dataclass(frozen=True, slots=True)
class Details:
    """What is kept of conversations beside their final scores."""

    steps: Mapping[str, Sequence[Sequence[float | None]]] = field(default_factory=dict)
    """method -> held-out scores of each scenario after 0, 1, ... questions; without methods that were not scored so."""
    dimensions: Mapping[str, Sequence[Dimensions | None]] = field(default_factory=dict)
    """method -> dimensions of each scenario's final score."""


def results_table(results: Sequence[MethodResult]) -> str:
    """The comparison as Markdown; what asking costs is shown where it costs anything, and failures where there are."""
    columns: dict[str, Callable[[MethodResult], str]] = {
        "method": lambda r: r.method,
        "safety score [95 %]": lambda r: interval(r.score),
        "gain over none [95 %]": lambda r: interval(r.gain),
        "share of full gain": lambda r: f"{r.share:.1%}" if math.isfinite(r.share) else "-",
        "of the oracle's [95 %]": lambda r: "-" if r.oracle_share is None else percentages(r.oracle_share),
        "behind distilled [95 %]": lambda r: "-" if r.behind is None else interval(r.behind, 3),
        "questions": lambda r: number(r.questions),
        "evaluations": lambda r: number(r.evaluations, 1),
        "unscored": lambda r: f"{r.unscored:.1%}",
    }
    if any(r.cost for r in results):
        columns["cost"] = lambda r: number(r.cost, 3)
        columns["score less cost"] = lambda r: number(r.score.mean - r.cost, 3)
    if not any(r.oracle_share for r in results):
        del columns["of the oracle's [95 %]"]
    if not any(r.behind for r in results):
        del columns["behind distilled [95 %]"]
    table = markdown_table(list(columns), [[cell(r) for cell in columns.values()] for r in results])
    failed = failures_told((r.method, r.failures) for r in results)
    return f"{table}\n\n{failed}" if failed else table


def over_queries_table(results: Sequence[MethodResult]) -> str:
    """The same with intervals over queries, as Markdown; empty where no two scenarios share one."""
    queries, scenarios = results[0].over_queries.queries, results[0].score.n
    if queries >= scenarios:
        return ""
    columns: dict[str, Callable[[OverQueries], str]] = {
        "safety score [95 %]": lambda o: interval(o.score),
        "of the oracle's [95 %]": lambda o: "-" if o.oracle_share is None else percentages(o.oracle_share),
        "behind distilled [95 %]": lambda o: "-" if o.behind is None else interval(o.behind, 3),
    }
    rows = [[r.method, *(cell(r.over_queries) for cell in columns.values())] for r in results]
    return (
        f"## Over queries\n\nThe intervals above are of other users of the same queries. Where the {queries:,} "
        "queries, each with all its scenarios, are taken as drawn at random too:\n\n"
        f"{markdown_table(['method', *columns], rows)}"
    )


def failures_told(failures: Iterable[tuple[str, int]]) -> str:
    """A sentence on decisions that a model did not make, from how many of each method; empty where there are none."""
    failed = [f"{method} {count:,}" for method, count in failures if count]
    return f"Decisions that the agent's model did not make: {', '.join(failed)}." if failed else ""


def flat(result: MethodResult) -> dict[str, Any]:
    """A row of numbers, for trackers."""
    return {
        "method": result.method,
        "score": result.score.mean,
        "score_low": result.score.low,
        "score_high": result.score.high,
        "gain": result.gain.mean,
        "share_of_full_gain": result.share,
        "share_of_oracle_gain": math.nan if result.oracle_share is None else result.oracle_share.mean,
        "behind_distilled": math.nan if result.behind is None else result.behind.mean,
        "questions": result.questions,
        "cost": result.cost,
        "evaluations": result.evaluations,
        "unscored": result.unscored,
        "failures": result.failures,
    }


def heading(bench: Bench, n: int) -> str:
    """What a results table stands under."""
    simulated = " **Simulated scores: they say how the methods compare in the simulation, nothing about a real model.**"
    return f"{n:,} held-out scenarios ({bench.scenarios.tested}), budget {bench.cfg.budget}." + (
        simulated if bench.safety.simulated else ""
    )


def write_results(
    bench: Bench,
    folder: Path,
    scenarios: Sequence[Scenario],
    results: Sequence[MethodResult],
    talks: Mapping[str, Sequence[Conversation]],
    scores: MethodScores,
    calibration: Calibration | None,
    details: Details,
) -> None:
    """Write ``results.json``, ``results.md`` and ``conversations.jsonl``; none holds what a user said."""
    run = describe_run(bench.cfg.seed, simulated=bench.safety.simulated)
    plain = _results_json(bench, run, scenarios, results, calibration)
    atomic_write_text(folder / RESULTS, json.dumps(plain, indent=2, allow_nan=False) + "\n")
    lines = [
        json.dumps(
            {
                "id": scenario.id,
                "domain": scenario.domain,
                "simulated": bench.safety.simulated,
                "methods": {
                    r.method: {
                        **_talk_json(bench, r.method, talks[r.method][row]),
                        "score": scores[r.method][row],
                        **_details_json(details, r.method, row),
                    }
                    for r in results
                },
            }
        )
        for row, scenario in enumerate(scenarios)
    ]
    atomic_write_text(folder / CONVERSATIONS, "\n".join(lines) + "\n")
    atomic_write_text(folder / REPORT, _report_text(bench, run, len(scenarios), results, calibration))


def _results_json(
    bench: Bench,
    run: Mapping[str, Any],
    scenarios: Sequence[Scenario],
    results: Sequence[MethodResult],
    calibration: Calibration | None,
) -> dict[str, Any]:
    data = {
        "name": bench.scenarios.tested,
        "scenarios": len(scenarios),
        "digest": content_digest(scenarios),
        "skipped_records": len(bench.scenarios.skipped),
        "duplicates": bench.scenarios.duplicates,
    }
    agent = bench.agent().identity if any(map(asks_a_model, bench.cfg.evaluate.methods)) else None
    return {
        **run,
        "data": data,
        "agent": without_folders(None if agent is None else dict(agent)),
        "models": without_folders({"safety": dict(bench.safety.identity)}),
        "methods": [r.to_json() for r in results],
        "over_queries": {
            "queries": results[0].over_queries.queries,
            "methods": [{"method": r.method, **r.over_queries.to_json()} for r in results],
        },
        "calibration": None if calibration is None else calibration.to_json(),
        "config": without_folders(OmegaConf.to_container(bench.cfg, resolve=True)),
    }


def _report_text(
    bench: Bench,
    run: Mapping[str, Any],
    n_scenarios: int,
    results: Sequence[MethodResult],
    calibration: Calibration | None,
) -> str:
    notes = markdown_table(
        ["setting", "value"],
        [
            ["seed", str(run["seed"])],
            ["commit", str(run["commit"])],
            *([k, v] for k, v in run["versions"].items()),
        ],
    )
    return (
        f"# Results\n\n{heading(bench, n_scenarios)}\n\n{results_table(results)}\n\n"
        "`greedy`, `mcts` and `oracle` search on these very scenarios with the safety model at hand (column "
        "*evaluations*, per scenario); agents (`random`, `static`, `retrieval`, `llm`, `distilled`, ...) see the "
        "query and the answers only. "
        "Gains are paired by scenario; a scenario whose evaluation failed is unscored and enters no mean. *Of the "
        "oracle's*: gain as a share of what each scenario's own oracle path gains in as many questions, over the "
        "scenarios that all methods have scored; not shown where questions cost.\n\n"
        f"{over_queries_table(results)}\n\n"
        f"{_calibration_text(calibration)}"
        f"## Where it comes from\n\n{notes}\n\n```yaml\n{published_yaml(bench.cfg)}```\n"
    )


def _talk_json(bench: Bench, method: str, talk: Conversation) -> dict[str, Any]:
    """What was asked and what was answered; for a planner that searches, what its search asked."""
    told: dict[str, Any] = {
        "asked": [bench.table.keys[i] for i in talk.asked],
        "answered": list(bench.table.keys_of(talk.known)),
    }
    if talk.plan is not None and ALIASES.get(method, method) != EXHAUSTIVE:
        told["search"] = search_json(talk.plan)
    return told


def _details_json(details: Details, method: str, row: int) -> dict[str, Any]:
    """Scores after each question, and the dimensions of the last; None where they were not scored."""
    steps, dimensions = details.steps.get(method), details.dimensions.get(method)
    return {
        "steps": None if steps is None else list(steps[row]),
        "dimensions": None if dimensions is None else dimensions[row],
    }


def _calibration_text(calibration: Calibration | None) -> str:
    if calibration is None:
        return ""
    return (
        "## How far to trust the policy\n\n"
        "In each turn of `distilled`, also in that where it answers, its best question was said to bring more than "
        f"0.05, 0.1, 0.2 and 0.4 points, each with a probability. How many of these statements "
        f"held:\n\n{calibration.markdown()}\n\n"
    )
