"""How many evaluations a search needs (paper, Figure 14)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure

from raise_agent.errors import ConfigError, did_you_mean
from raise_agent.experiments.assembly import Bench, wants_order
from raise_agent.experiments.benchmarking.design import named_entries, whole_numbers
from raise_agent.experiments.benchmarking.trials import Named
from raise_agent.experiments.drawing import COLOURS, MARKERS, legend, title
from raise_agent.experiments.methods import plan_all
from raise_agent.experiments.published import published
from raise_agent.experiments.statistics import Mean
from raise_agent.experiments.tables import interval, markdown_table, number, with_half
from raise_agent.experiments.tracking import Tracker
from raise_agent.subsets import mask_of

from .contract import Findings, Part, count_subsets, most_evaluations, order_part
from .held_out import Scores, column, paired, scored, unscored
from .registry import register

Key = tuple[str, int]
"""Label of a planner, and its limit."""


@register("convergence")
@dataclass(frozen=True, slots=True)
class ConvergenceStudy:
    """The value of the path found, planner by planner, within more and more evaluations.

    A value is the score of the path's subset on a draw that no search has seen. Searches share what the store holds:
    a subset that one of them had scored costs the others nothing.

    Raises:
        ConfigError: a limit is below 1, two planners share a label, one has a limit of its own, or the reference is
            none of them.
    """

    planners: Any
    """Names, or labels each with a name and settings."""
    evaluations: Any
    """Limits of one search; each planner is run once for each."""
    reference: str
    """Label of the planner that the others are held against, within its largest limit."""

    def __post_init__(self) -> None:
        planners = named_entries(self.planners, "study.planners")
        object.__setattr__(self, "planners", planners)
        object.__setattr__(self, "evaluations", tuple(sorted(whole_numbers(self.evaluations, "study.evaluations", 1))))
        for planner in planners:
            if "evaluations" in planner.settings:
                raise ConfigError(
                    f"study.planners: {planner.label!r}: study.evaluations sets the limits, for all alike"
                )
        labels = [planner.label for planner in planners]
        if self.reference not in labels:
            raise ConfigError(
                f"study.reference: {self.reference!r} is not among study.planners: "
                f"{did_you_mean(str(self.reference), labels)}"
            )

    @property
    def _searches(self) -> list[tuple[Named, int]]:
        return [(planner, limit) for planner in self.planners for limit in self.evaluations]

    def parts(self, bench: Bench) -> Sequence[Part]:
        """The searches, which together ask for no subset twice unless scores are noisy; then what they found."""
        scenarios = bench.scenarios.test
        asked = sum(most_evaluations(bench, p.name, {**p.settings, "evaluations": e}) for p, e in self._searches)
        each = asked if bench.noise().points else min(asked, count_subsets(bench))
        ordered = any(wants_order(planner.name, planner.settings) for planner in self.planners)
        return [
            *([order_part(bench)] if ordered else []),
            Part("searching", scenarios, each),
            Part("what was found", scenarios, 1 + len(self._searches)),
        ]

    def measure(self, bench: Bench, tracker: Tracker, folder: Path) -> Findings:
        """Search within every limit, then hold what was found to another draw."""
        scenarios = bench.scenarios.test
        values: dict[Key, Scores] = {}
        used: dict[Key, float] = {}
        for planner in self.planners:
            bench.planner(planner.name, planner.settings)  # a fixed order is measured under a heading of its own
        with bench.runner("searching") as runner:
            for planner, limit in self._searches:
                settings = {**planner.settings, "evaluations": limit}
                plans = plan_all(bench, runner, scenarios, planner.name, (planner.name, settings))
                key = planner.label, limit
                values[key] = column(runner, scenarios, [mask_of(plan.path) for plan in plans])
                used[key] = fmean(plan.evaluations for plan in plans)
            none = column(runner, scenarios, [0] * len(scenarios))
        means = {key: scored(found) for key, found in values.items()}
        reference = self.reference, self.evaluations[-1]
        less = {key: paired(found, values[reference]) for key, found in values.items() if key != reference}
        return Findings(
            about=f"budget {bench.cfg.budget}",
            sections={
                "": f"{self._table(means, used)}\n\nNothing known: {interval(scored(none))}. ± half the 95 % interval.",
                f"Less {reference[0]} within {reference[1]}": self._less_table(less),
                "Published": _claim(values),
            },
            data={
                "none": scored(none).to_json(),
                "reference": {"planner": reference[0], "evaluations": reference[1]},
                "searches": [
                    {
                        "planner": key[0],
                        "evaluations": key[1],
                        "score": means[key].to_json(),
                        "less_reference": less[key].to_json() if key in less else None,
                        "used": used[key],
                        "unscored": unscored(values[key]),
                    }
                    for key in values
                ],
            },
            rows=[
                {
                    "what": f"{key[0]}, {key[1]}",
                    "score": means[key].mean,
                    "score_low": means[key].low,
                    "score_high": means[key].high,
                    "used": used[key],
                    "unscored": unscored(values[key]),
                }
                for key in values
            ],
            figure=self._draw(less, simulated=bench.safety.simulated),
        )

    def _table(self, means: Mapping[Key, Mean], used: Mapping[Key, float]) -> str:
        most = self.evaluations[-1]
        rows = [
            [
                planner.label,
                *(with_half(means[planner.label, limit], 3) for limit in self.evaluations),
                number(used[planner.label, most], 1),
            ]
            for planner in self.planners
        ]
        return markdown_table(["safety score within", *map(str, self.evaluations), f"used of {most}"], rows)

    def _less_table(self, less: Mapping[Key, Mean]) -> str:
        rows = [
            [
                planner.label,
                *(
                    interval(less[planner.label, limit], 3) if (planner.label, limit) in less else "-"
                    for limit in self.evaluations
                ),
            ]
            for planner in self.planners
        ]
        return markdown_table(["paired by scenario, [95 %]", *map(str, self.evaluations)], rows)

    def _draw(self, less: Mapping[Key, Mean], *, simulated: bool) -> Figure:
        """Score less that of the reference, paired by scenario, with its 95 % interval."""
        figure = Figure(figsize=(6.4, 4.4), layout="constrained")
        axes = figure.subplots()
        figure.suptitle(title("convergence", simulated=simulated), fontsize=12)
        for position, planner in enumerate(self.planners):
            # The reference is no points from itself.
            found = {limit: less.get((planner.label, limit), Mean(0.0, 0.0, 0.0, 0)) for limit in self.evaluations}
            colour = COLOURS[position % len(COLOURS)]
            axes.plot(
                list(found),
                [mean.mean for mean in found.values()],
                color=colour,
                marker=MARKERS[position % len(MARKERS)],
                markersize=4,
                linewidth=1.5,
                linestyle="--" if planner.label == self.reference else "-",
                label=planner.label,
            )
            bounds = [mean.low for mean in found.values()], [mean.high for mean in found.values()]
            axes.fill_between(list(found), *bounds, color=colour, alpha=0.15, linewidth=0)
        axes.axhline(0.0, color="black", linewidth=0.8)
        axes.set_xscale("log")
        axes.set_xticks(self.evaluations, [str(limit) for limit in self.evaluations])
        axes.minorticks_off()
        axes.set_xlabel("evaluations of one search")
        axes.set_ylabel(f"score less {self.reference} within {self.evaluations[-1]}, 95 %")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", linewidth=0.4, alpha=0.5)
        legend(figure, axes)
        return figure


def _claim(values: Mapping[Key, Scores]) -> str:
    """What the paper says of guided and vanilla search, and the same difference here."""
    told = published()["convergence"]
    few, many = told["guided_rollouts"], told["as_good_as_vanilla_rollouts"]
    said = f"Published: guided search within {few} rollouts is as good as vanilla within {many}."
    if not {("guided", few), ("vanilla", many)} <= values.keys():
        return said
    difference = paired(values["guided", few], values["vanilla", many])
    return f"{said} Here, guided within {few} less vanilla within {many}: {interval(difference, 3)}."
