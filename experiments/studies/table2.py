"""Does asking help, and does planning help asking (paper, Tables 2, 7 and 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from raise_agent.experiments.assembly import Bench
from raise_agent.experiments.published import published
from raise_agent.experiments.results import MethodResult, failures_told
from raise_agent.experiments.statistics import Mean, mean_interval
from raise_agent.experiments.tables import cell, interval, markdown_table, number, shown_name, with_half
from raise_agent.experiments.tracking import Tracker
from raise_agent.models.base import DIMENSIONS

from .comparison import Compared, comparison_parts, plan_and_compare
from .contract import Findings, Part
from .held_out import Scores, paired, scored
from .registry import register

PUBLISHED = {"none": "vanilla", "agent": "agent", "raise": "planner"}
"""Method -> its name in ``published.json``."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One method."""

    result: MethodResult
    over: Mean | None
    """Score less that of the method before it, paired by scenario; None for the first."""
    domains: Mapping[str, tuple[Mean, float]]
    """domain -> score, questions."""
    dimensions: Mapping[str, Mean]

    @property
    def published(self) -> tuple[float | None, float | None]:
        """Score and questions in the paper, mean over six models."""
        name, mean = PUBLISHED.get(self.result.method), published()["table2"]["mean"]
        return (None, None) if name is None else (mean[name], mean.get(f"questions_{name}"))

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **self.result.to_json(),
            "gain_over_the_method_before": None if self.over is None else self.over.to_json(),
            "domains": {d: {"score": mean.to_json(), "questions": q} for d, (mean, q) in self.domains.items()},
            "dimensions": {dimension: mean.to_json() for dimension, mean in self.dimensions.items()},
            "published": dict(zip(("score", "questions"), self.published, strict=True)),
        }


@register("table2")
@dataclass(frozen=True, slots=True)
class Table2Study:
    """Methods side by side, overall, by domain and by dimension, with the questions that each asks.

    ``none`` is the paper's vanilla model, ``agent`` its online agent without planned paths, ``raise`` the same with
    them; the distilled policy is this project's own.
    """

    def parts(self, bench: Bench) -> Sequence[Part]:
        """Planning, then one evaluation of each scenario and method."""
        return comparison_parts(bench)

    def measure(self, bench: Bench, tracker: Tracker, folder: Path) -> Findings:
        """Plan, distil, compare, and take it apart."""
        compared = plan_and_compare(bench, tracker, folder)
        rows = _rows(compared)
        return Findings(
            about=f"budget {bench.cfg.budget}",
            sections={
                "": _main_table(rows),
                "By domain": _domain_table(rows),
                "By dimension": _dimension_table(rows),
                "Published, by model": _published_table(),
            },
            data={"methods": [row.to_json() for row in rows]},
            rows=[_flat(row) for row in rows],
        )


def _rows(compared: Compared) -> list[_Row]:
    made: list[_Row] = []
    named = [shown_name(scenario.domain) for scenario in compared.scenarios]
    before: Scores | None = None
    for result in compared.results:
        talks = compared.talks[result.method]
        scores = compared.scores(result.method)
        by_domain = {}
        for domain in sorted(set(named)):
            places = [place for place, name in enumerate(named) if name == domain]
            asked = fmean(len(talks[place].asked) for place in places)
            by_domain[domain] = scored([scores[place] for place in places]), asked
        judged = [found for found in compared.dimensions[result.method] if found is not None]
        by_dimension = {name: mean_interval([found[i] for found in judged]) for i, name in enumerate(DIMENSIONS)}
        made.append(_Row(result, None if before is None else paired(scores, before), by_domain, by_dimension))
        before = scores
    return made


def _main_table(rows: Sequence[_Row]) -> str:
    header = [
        "method",
        "safety score [95 %]",
        "gain over none [95 %]",
        "over the row above [95 %]",
        "questions",
        "unscored",
        "published score",
        "published questions",
    ]
    cells = []
    for row in rows:
        result, (score, questions) = row.result, row.published
        cells.append(
            [
                result.method,
                interval(result.score),
                interval(result.gain),
                "-" if row.over is None else interval(row.over, 3),
                number(result.questions),
                f"{result.unscored:.1%}",
                "-" if score is None else number(score),
                "-" if questions is None else number(questions),
            ]
        )
    told = failures_told((row.result.method, row.result.failures) for row in rows)
    return f"{markdown_table(header, cells)}\n\nPublished: mean of six models over all domains. {told}".rstrip()


def _domain_table(rows: Sequence[_Row]) -> str:
    cells = [
        [row.result.method, *(f"{with_half(mean)} ({number(asked, 1)})" for mean, asked in row.domains.values())]
        for row in rows
    ]
    return f"{markdown_table(['score (questions)', *map(cell, rows[0].domains)], cells)}\n\n± half the 95 % interval."


def _dimension_table(rows: Sequence[_Row]) -> str:
    cells = [[row.result.method, *(interval(row.dimensions[dimension]) for dimension in DIMENSIONS)] for row in rows]
    return markdown_table(["method", *(f"{d.replace('_', ' ')} [95 %]" for d in DIMENSIONS)], cells)


def _published_table() -> str:
    models = published()["table2"]["models"]
    columns = ("vanilla", "agent", "planner", "questions_agent", "questions_planner")
    cells = [[name, *(number(row[column]) for column in columns)] for name, row in models.items()]
    header = ["model", "vanilla", "agent", "agent with planner", "questions, agent", "questions, with planner"]
    return markdown_table(header, cells)


def _flat(row: _Row) -> dict[str, Any]:
    score = row.result.score
    return {
        "what": row.result.method,
        "score": score.mean,
        "score_low": score.low,
        "score_high": score.high,
        "gain": row.result.gain.mean,
        "questions": row.result.questions,
        "unscored": row.result.unscored,
        "published_score": row.published[0],
        "published_questions": row.published[1],
    }
