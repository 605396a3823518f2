"""Methods side by side on held-out scenarios: same responder, same judge, paired."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from raise_agent.errors import ConfigError, TableError
from raise_agent.files import atomic_write_text
from raise_agent.planners.runner import Runner, Task, score_subsets
from raise_agent.policies import AcquisitionPolicy, SimulatedPolicyWarning
from raise_agent.policies.retrieval import PlannedPaths
from raise_agent.scenario import Scenario

from .agents import labels_of, method_of
from .assembly import Bench, planner_settings
from .methods import Conversation, Material, conversations
from .provenance import content_digest, describe_run
from .statistics import Mean, mean_interval
from .tables import interval, markdown_table, number
from .tracking import Tracker

HELD_OUT_SAMPLE = -1
"""Searches are sent samples 0, 1, ...; methods are compared on this one."""
RESULTS, REPORT, CONVERSATIONS = "results.json", "results.md", "conversations.jsonl"


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
    questions: float
    """Mean number of questions asked."""
    cost: float
    """Mean cost of the questions asked, declined ones too, in score points."""
    evaluations: float
    """Mean evaluations of the very scenario spent on deciding what to ask."""
    unscored: float
    """Share of scenarios whose final evaluation failed."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "method": self.method,
            "score": self.score.to_json(),
            "gain": self.gain.to_json(),
            "share_of_full_gain": self.share if math.isfinite(self.share) else None,
            "questions": self.questions,
            "cost": self.cost,
            "evaluations": self.evaluations,
            "unscored": self.unscored,
        }


MethodScores = Mapping[str, Sequence[float | None]]
"""method -> score per scenario, None where unscored."""


def compare(
    bench: Bench, tracker: Tracker, folder: Path, policy_folder: Path | None, plans: Path | None
) -> list[MethodResult]:
    """Run every method on the test scenarios; write results as JSON and Markdown.

    Args:
        bench: what the configuration describes.
        tracker: is told the results.
        folder: of the job's output.
        policy_folder: needed where a method has policy ``distilled``.
        plans: ``plans.jsonl`` over scenarios of the same data, needed where a method has policy ``retrieval``.

    Raises:
        ConfigError: a method lacks what it needs.
        PolicyError: the policy does not fit.
    """
    cfg = bench.cfg.evaluate
    methods = dict(zip(labels_of(cfg.methods), map(method_of, cfg.methods), strict=True))
    names, needed = list(methods), {m if isinstance(m, str) else m.policy for m in methods.values()}
    scenarios = bench.scenarios.test[: cfg.scenarios]
    policy = planned = None
    if "distilled" in needed:
        if policy_folder is None:
            raise ConfigError("evaluate.methods has 'distilled': give the policy's folder as evaluate.policy")
        with warnings.catch_warnings():
            # The results say it themselves.
            warnings.simplefilter("ignore", SimulatedPolicyWarning)
            policy = _fitting(AcquisitionPolicy.load(policy_folder), bench)
    if "retrieval" in needed:
        if plans is None:
            raise ConfigError("evaluate.methods has 'retrieval': give the plans it retrieves as evaluate.plans")
        planned = _planned_paths(bench, plans)
    planner = planner_settings(bench.cfg.planner)
    material = Material(policy, planned, planner)
    talks: dict[str, list[Conversation]] = {}
    scores: dict[str, list[float | None]] = {}
    if "static" in needed and not (planner[0] == "static" and planner[1].get("order")):
        bench.static_order()  # measured under a heading of its own
    with bench.runner("evaluating") as runner:
        for name in dict.fromkeys(["none", "full", *names]):
            talks[name] = conversations(methods.get(name, name), bench, runner, scenarios, material)
            scores[name] = _score(runner, scenarios, talks[name])
    results = [_result(name, talks[name], scores, bench.table.costs) for name in names]
    _write(bench, folder, scenarios, results, talks, scores)
    tracker.table("evaluate/results", [_flat(result) for result in results])
    tracker.log({f"evaluate/{r.method}/score": r.score.mean for r in results if math.isfinite(r.score.mean)})
    tracker.artifact("results", "results", folder / RESULTS)
    return results


def _planned_paths(bench: Bench, file: Path) -> PlannedPaths:
    """The paths of a ``plans.jsonl``, with the queries of the scenarios they were planned for."""
    try:
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        paths = {line["id"]: [bench.table.index(key) for key in line["path"]] for line in lines}
    except OSError as error:
        raise ConfigError(f"evaluate.plans: {file}: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, TableError):
        raise ConfigError(f"evaluate.plans: {file} is not a plans.jsonl of this attribute table") from None
    found = [scenario for scenario in bench.scenarios.planned if paths.get(scenario.id)]
    if not found:
        raise ConfigError(f"evaluate.plans: {file} holds no plan of these scenarios; use those of the same data")
    assert bench.encoder is not None
    return PlannedPaths(bench.table, bench.encoder, [s.query for s in found], [paths[s.id] for s in found])


def _fitting(policy: AcquisitionPolicy, bench: Bench) -> AcquisitionPolicy:
    if policy.table.keys != bench.table.keys:
        raise ConfigError(
            f"the policy asks for {', '.join(policy.table.keys)}, the scenarios hold {', '.join(bench.table.keys)}; "
            "use the attribute table it was distilled with"
        )
    if policy.budget != bench.cfg.budget:
        raise ConfigError(
            f"the policy's budget is {policy.budget}, this evaluation's is {bench.cfg.budget}; "
            f"set budget={policy.budget}"
        )
    return policy


def _score(runner: Runner, scenarios: Sequence[Scenario], talks: Sequence[Conversation]) -> list[float | None]:
    """Scores of what each conversation ended with: a draw that no search has seen.

    A search returns the subset that looked best in its own draws; with a noisy judge, or one that fails at times,
    those draws flatter it.
    """
    tasks = [
        Task(s, partial(score_subsets, [t.known]), first_sample=HELD_OUT_SAMPLE)
        for s, t in zip(scenarios, talks, strict=True)
    ]
    return [scored[0] for scored in runner.run(tasks, origin="evaluate")]


def _paired(scores: MethodScores, *names: str) -> list[tuple[float, ...]]:
    """Scores of the scenarios that all these methods have scored."""
    rows = zip(*(scores[name] for name in names), strict=True)
    return [tuple(s for s in row if s is not None) for row in rows if None not in row]


def _result(name: str, talks: Sequence[Conversation], scores: MethodScores, costs: Sequence[float]) -> MethodResult:
    scored = [score for score in scores[name] if score is not None]
    both = _paired(scores, name, "none", "full")
    full = sum(full - none for _, none, full in both)
    n = len(talks)
    return MethodResult(
        method=name,
        score=mean_interval(scored),
        gain=mean_interval([mine - none for mine, none in _paired(scores, name, "none")]),
        share=sum(mine - none for mine, none, _ in both) / full if both and full else math.nan,
        questions=sum(len(talk.asked) for talk in talks) / n,
        cost=sum(sum(costs[index] for index in talk.asked) for talk in talks) / n,
        evaluations=sum(talk.evaluations for talk in talks) / n,
        unscored=1 - len(scored) / n,
    )


def results_table(results: Sequence[MethodResult]) -> str:
    """The comparison as Markdown; what asking costs is shown where it costs anything."""
    columns: dict[str, Callable[[MethodResult], str]] = {
        "method": lambda r: r.method,
        "safety score [95 %]": lambda r: interval(r.score),
        "gain over none [95 %]": lambda r: interval(r.gain),
        "share of full gain": lambda r: f"{r.share:.1%}" if math.isfinite(r.share) else "-",
        "questions": lambda r: number(r.questions),
        "evaluations": lambda r: number(r.evaluations, 1),
        "unscored": lambda r: f"{r.unscored:.1%}",
    }
    if any(r.cost for r in results):
        columns["cost"] = lambda r: number(r.cost, 3)
        columns["score less cost"] = lambda r: number(r.score.mean - r.cost, 3)
    return markdown_table(list(columns), [[cell(r) for cell in columns.values()] for r in results])


def _flat(result: MethodResult) -> dict[str, Any]:
    return {
        "method": result.method,
        "score": result.score.mean,
        "score_low": result.score.low,
        "score_high": result.score.high,
        "gain": result.gain.mean,
        "share_of_full_gain": result.share,
        "questions": result.questions,
        "cost": result.cost,
        "evaluations": result.evaluations,
        "unscored": result.unscored,
    }


def heading(bench: Bench, n: int) -> str:
    """What a results table stands under."""
    simulated = " **Simulated scores: they say how the methods compare in the simulation, nothing about a real model.**"
    return f"{n:,} held-out scenarios ({bench.scenarios.name}), budget {bench.cfg.budget}." + (
        simulated if bench.safety.simulated else ""
    )


def _write(
    bench: Bench,
    folder: Path,
    scenarios: Sequence[Scenario],
    results: Sequence[MethodResult],
    talks: Mapping[str, Sequence[Conversation]],
    scores: MethodScores,
) -> None:
    run = describe_run(bench.cfg.seed, simulated=bench.safety.simulated)
    config = OmegaConf.to_container(bench.cfg, resolve=True)
    data = {
        "name": bench.scenarios.name,
        "scenarios": len(scenarios),
        "digest": content_digest(scenarios),
        "skipped_records": len(bench.scenarios.skipped),
        "duplicates": bench.scenarios.duplicates,
    }
    plain = {**run, "data": data, "methods": [r.to_json() for r in results], "config": config}
    atomic_write_text(folder / RESULTS, json.dumps(plain, indent=2, allow_nan=False) + "\n")
    lines = [
        json.dumps(
            {
                "id": scenario.id,
                "simulated": bench.safety.simulated,
                "methods": {
                    r.method: {
                        "asked": [bench.table.keys[i] for i in talks[r.method][row].asked],
                        "answered": list(bench.table.keys_of(talks[r.method][row].known)),
                        "score": scores[r.method][row],
                    }
                    for r in results
                },
            }
        )
        for row, scenario in enumerate(scenarios)
    ]
    atomic_write_text(folder / CONVERSATIONS, "\n".join(lines) + "\n")
    notes = markdown_table(
        ["setting", "value"],
        [
            ["seed", str(run["seed"])],
            ["commit", str(run["commit"])],
            *([k, v] for k, v in run["versions"].items()),
        ],
    )
    text = (
        f"# Results\n\n{heading(bench, len(scenarios))}\n\n{results_table(results)}\n\n"
        "`greedy`, `mcts` and `oracle` search on these very scenarios with the safety model at hand (column "
        "*evaluations*, per scenario); agents (`random`, `static`, `retrieval`, `distilled`, ...) see the "
        "query and the answers only. "
        "Gains are paired by scenario; a scenario whose evaluation failed is unscored and enters no mean.\n\n"
        f"## Where it comes from\n\n{notes}\n\n```yaml\n{OmegaConf.to_yaml(bench.cfg, resolve=True)}```\n"
    )
    atomic_write_text(folder / REPORT, text)
