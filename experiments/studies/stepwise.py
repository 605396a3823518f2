"""How the score rises along the path, question by question (paper, Figure 15)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from matplotlib.figure import Figure

from raise_agent.experiments.agents import labels_of
from raise_agent.experiments.assembly import Bench
from raise_agent.experiments.drawing import COLOURS, MARKERS, legend, title
from raise_agent.experiments.published import published
from raise_agent.experiments.statistics import Mean
from raise_agent.experiments.tables import markdown_table, number, with_half
from raise_agent.experiments.tracking import Tracker
from raise_agent.experiments.yardsticks import prefix_scores

from .comparison import comparison_parts, plan_and_compare
from .contract import Findings, Part
from .held_out import Scores, paired, scored, unscored
from .registry import register

_ASIDE = 0.05
"""Of a question, between methods that are drawn beside one another."""

Steps = Mapping[str, Sequence[Scores]]
"""method -> after 0, 1, ... questions -> score of each scenario."""


@register("stepwise")
@dataclass(frozen=True, slots=True)
class StepwiseStudy:
    """The score after 0, 1, ..., budget questions; a conversation that ends earlier keeps its last one."""

    def parts(self, bench: Bench) -> Sequence[Part]:
        """Planning, the methods, then every prefix of every path."""
        each = len(labels_of(bench.cfg.evaluate.methods)) * bench.cfg.budget
        return [*comparison_parts(bench), Part("along the paths", bench.scenarios.test, each)]

    def measure(self, bench: Bench, tracker: Tracker, folder: Path) -> Findings:
        """Plan, distil, compare, then score the way."""
        compared = plan_and_compare(bench, tracker, folder)
        budget = bench.cfg.budget
        steps: dict[str, list[list[float | None]]] = {}
        with bench.runner("along the paths") as runner:
            for method, talks in compared.talks.items():
                ladders = prefix_scores(runner, compared.scenarios, talks)
                steps[method] = [
                    [ladder[min(asked, len(ladder) - 1)] for ladder in ladders] for asked in range(budget + 1)
                ]
        means = {method: [scored(scores) for scores in found] for method, found in steps.items()}
        return Findings(
            about=f"budget {budget}",
            sections={"": f"{_table(means)}\n\n{_told()}", "What each question adds": _rises(steps)},
            data={
                "methods": [
                    {
                        "method": method,
                        "scores": [mean.to_json() for mean in means[method]],
                        "unscored": [unscored(scores) for scores in found],
                        "rises": [paired(after, before).to_json() for before, after in _steps_of(found)],
                    }
                    for method, found in steps.items()
                ]
            },
            rows=[
                {"what": method, "questions": asked, "score": mean.mean, "low": mean.low, "high": mean.high}
                for method, found in means.items()
                for asked, mean in enumerate(found)
            ],
            figure=_draw(means, simulated=bench.safety.simulated),
        )


def _steps_of(found: Sequence[Scores]) -> list[tuple[Scores, Scores]]:
    return list(pairwise(found))


def _table(means: Mapping[str, Sequence[Mean]]) -> str:
    most = max(len(found) for found in means.values())
    rows = [[method, *map(with_half, found)] for method, found in means.items()]
    return markdown_table(["safety score after ... questions", *map(str, range(most))], rows)


def _told() -> str:
    scores = ", ".join(number(score) for score in published()["stepwise"]["scores"])
    return (
        f"± half the 95 % interval. Published along the path: {scores}; whether the first of these stands for no "
        "question or for one we do not know."
    )


def _rises(steps: Steps) -> str:
    """What each question adds, paired by scenario."""
    rows = [
        [method, *(with_half(paired(after, before)) for before, after in _steps_of(found))]
        for method, found in steps.items()
    ]
    told = published()["stepwise"]["scores"]
    rises = [number(after - before) for before, after in pairwise(told)]
    table = markdown_table(["question", *map(str, range(1, len(rows[0])))], rows)
    return f"{table}\n\nPaired by scenario. Published from each to the next: {', '.join(rises)}."


def _draw(means: Mapping[str, Sequence[Mean]], *, simulated: bool) -> Figure:
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    figure.suptitle(title("along the path", simulated=simulated), fontsize=12)
    for position, (method, found) in enumerate(means.items()):
        # Beside one another: methods that ask the same would hide each other.
        places = [asked + _ASIDE * (position - (len(means) - 1) / 2) for asked in range(len(found))]
        colour = COLOURS[position % len(COLOURS)]
        marker = MARKERS[position % len(MARKERS)]
        axes.plot(places, [m.mean for m in found], color=colour, marker=marker, markersize=4, linewidth=1, label=method)
        axes.vlines(places, [m.low for m in found], [m.high for m in found], color=colour, linewidth=0.7)
    axes.set_xticks(range(max(len(found) for found in means.values())))
    axes.set_xlabel("questions asked")
    axes.set_ylabel("safety score, 95 %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.4, alpha=0.5)
    legend(figure, axes)
    return figure
