"""When to stop asking: what each way of stopping scores, and how much it asks (paper, section 5.3 and Figure 16)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from raise_agent.experiments.assembly import Bench
from raise_agent.experiments.drawing import COLOURS, MARKERS, legend, title
from raise_agent.experiments.published import published
from raise_agent.experiments.results import MethodResult, failures_told
from raise_agent.experiments.statistics import Mean, mean_interval
from raise_agent.experiments.tables import interval, markdown_table, number
from raise_agent.experiments.tracking import Tracker

from .comparison import Compared, comparison_parts, plan_and_compare
from .contract import Findings, Part
from .held_out import paired
from .registry import register

REFERENCE = "scale"
"""The paper's best, which the others are held against where it is among them."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One way of stopping."""

    result: MethodResult
    questions: Mean
    behind: Mean | None
    """Score less that of ``REFERENCE``, paired by scenario; None for itself, and without it."""

    @property
    def published(self) -> float | None:
        """Mean questions in the paper."""
        found: float | None = published()["abstention"]["questions"].get(self.result.method)
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **self.result.to_json(),
            "questions": self.questions.to_json(),
            f"less_{REFERENCE}": None if self.behind is None else self.behind.to_json(),
            "published_questions": self.published,
        }


@register("abstention")
@dataclass(frozen=True, slots=True)
class AbstentionStudy:
    """Score against questions asked.

    The paper's ``basic``, ``binary`` and ``scale`` ask a model whether enough is known; ``value`` stops where the
    distilled policy expects too little of its best question; ``never`` asks until the budget is spent.
    """

    def parts(self, bench: Bench) -> Sequence[Part]:
        """Planning, then one evaluation of each scenario and method."""
        return comparison_parts(bench)

    def measure(self, bench: Bench, tracker: Tracker, folder: Path) -> Findings:
        """Plan, distil, compare."""
        rows = _rows(plan_and_compare(bench, tracker, folder))
        return Findings(
            about=f"budget {bench.cfg.budget}",
            sections={"": _table(rows)},
            data={"methods": [row.to_json() for row in rows]},
            rows=[
                {
                    "what": row.result.method,
                    "score": row.result.score.mean,
                    "questions": row.questions.mean,
                    "unscored": row.result.unscored,
                    "published_questions": row.published,
                }
                for row in rows
            ],
            figure=_draw(rows, simulated=bench.safety.simulated),
        )


def _rows(compared: Compared) -> list[_Row]:
    best = compared.scores(REFERENCE) if REFERENCE in compared.talks else None
    rows = []
    for result in compared.results:
        asked = [float(len(talk.asked)) for talk in compared.talks[result.method]]
        other = None if best is None or result.method == REFERENCE else paired(compared.scores(result.method), best)
        rows.append(_Row(result, mean_interval(asked), other))
    return rows


def _table(rows: Sequence[_Row]) -> str:
    header = [
        "stopping",
        "safety score [95 %]",
        "gain over none [95 %]",
        f"less {REFERENCE} [95 %]",
        "questions [95 %]",
        "unscored",
        "published questions",
    ]
    cells = [
        [
            row.result.method,
            interval(row.result.score),
            interval(row.result.gain),
            "-" if row.behind is None else interval(row.behind, 3),
            interval(row.questions),
            f"{row.result.unscored:.1%}",
            "-" if row.published is None else number(row.published, 1),
        ]
        for row in rows
    ]
    told = failures_told((row.result.method, row.result.failures) for row in rows)
    return f"{markdown_table(header, cells)}\n\nPublished: of the three, scale has the best score. {told}".rstrip()


def _draw(rows: Sequence[_Row], *, simulated: bool) -> Figure:
    """Score against questions, a point per way of stopping, with both intervals."""
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.subplots()
    figure.suptitle(title("when to stop", simulated=simulated), fontsize=12)
    for position, row in enumerate(rows):
        score, asked = row.result.score, row.questions
        axes.errorbar(
            [asked.mean],
            [score.mean],
            xerr=[[asked.mean - asked.low], [asked.high - asked.mean]],
            yerr=[[score.mean - score.low], [score.high - score.mean]],
            color=COLOURS[position % len(COLOURS)],
            marker=MARKERS[(position + position // len(COLOURS)) % len(MARKERS)],
            markersize=5,
            linewidth=0.8,
            linestyle="none",
            label=row.result.method,
        )
    axes.set_xlabel("questions asked, 95 %")
    axes.set_ylabel("safety score, 95 %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(linewidth=0.4, alpha=0.5)
    legend(figure, axes)
    return figure
