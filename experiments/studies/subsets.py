"""How good are searched, fixed and random subsets, against the best there is (paper, Figures 7 and 13)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import comb
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from raise_agent.errors import ConfigError
from raise_agent.experiments.assembly import Bench
from raise_agent.experiments.benchmarking.design import named_entries
from raise_agent.experiments.benchmarking.trials import Named
from raise_agent.experiments.drawing import COLOURS, legend, title
from raise_agent.experiments.methods import plan_all
from raise_agent.experiments.published import published
from raise_agent.experiments.statistics import Mean
from raise_agent.experiments.tables import interval, markdown_table
from raise_agent.experiments.tracking import Tracker
from raise_agent.planners.runner import Runner, Task, score_subsets
from raise_agent.scenario import Scenario
from raise_agent.subsets import mask_of, members, subsets_of_size

from .contract import Findings, Part, most_evaluations, order_part
from .held_out import Scores, column, paired, scored, unscored
from .registry import register

OTHERS = ("best", "static", "random")
"""Strategies that are no planners."""
MIDDLE = (0.1, 0.9)
"""Quantiles of random subsets that the plot shows beside the ends."""
MOST_SHOWN = 60
"""Scenarios shown one by one; of more, every second or third."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One way to choose a subset."""

    strategy: str
    score: Mean
    gain: Mean
    """Over knowing nothing, paired by scenario."""
    behind: Mean
    """The best subset's score less this one's, paired by scenario."""
    unscored: float

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        means = {"score": self.score, "gain": self.gain, "behind_best": self.behind}
        return {
            "strategy": self.strategy,
            **{name: mean.to_json() for name, mean in means.items()},
            "unscored": self.unscored,
        }


@register("subsets")
@dataclass(frozen=True, slots=True)
class SubsetsStudy:
    """Subsets of as many attributes as the budget allows, scenario by scenario.

    ``best`` is the best of all by the draw that searches see, ``static`` the attributes that do best alone over the
    training scenarios, ``random`` the mean over all subsets. All but ``random`` are held to a draw that chose nothing.

    Raises:
        ConfigError: the planners are not names, or labels with a name and settings, or one has the name of another
            strategy.
    """

    planners: Any
    """Names, or labels each with a name and settings."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "planners", named_entries(self.planners, "study.planners"))
        for planner in self._named:
            if planner.label in OTHERS:
                raise ConfigError(
                    f"study.planners: {planner.label!r} is the name of another strategy; give another label"
                )

    def parts(self, bench: Bench) -> Sequence[Part]:
        """All subsets, the fixed order, the searches, and the held-out draws of what was chosen."""
        cfg, scenarios = bench.cfg, bench.scenarios.test
        full = comb(len(bench.table), cfg.budget)
        searches = [
            Part(f"searching with {planner.label}", scenarios, most_evaluations(bench, planner.name, planner.settings))
            for planner in self._named
        ]
        return [
            Part("all subsets", scenarios, full, partial(_full_size, budget=cfg.budget)),
            order_part(bench),
            *searches,
            Part("what was chosen", scenarios, 3 + len(self._named)),
        ]

    @property
    def _named(self) -> tuple[Named, ...]:
        found: tuple[Named, ...] = self.planners
        return found

    def measure(self, bench: Bench, tracker: Tracker, folder: Path) -> Findings:
        """Score all subsets, search, then hold what was chosen to another draw."""
        budget, scenarios = bench.cfg.budget, bench.scenarios.test
        bench.noise()
        order = bench.static_order()
        with bench.runner("subsets") as runner:
            every = _score_all(runner, scenarios, budget)
            chosen: dict[str, list[int]] = {"best": [_best(scores) for scores in every]}
            for planner in self._named:
                settings = (planner.name, planner.settings)
                plans = plan_all(bench, runner, scenarios, planner.name, settings)
                chosen[planner.label] = [mask_of(plan.path) for plan in plans]
            chosen["static"] = [_first(order, scenario, budget) for scenario in scenarios]
            none = column(runner, scenarios, [0] * len(scenarios))
            scores: dict[str, Scores] = {name: column(runner, scenarios, found) for name, found in chosen.items()}
        scores["random"] = [_mean(found) for found in every]
        rows = [
            _Row(name, scored(own), paired(own, none), paired(scores["best"], own), unscored(own))
            for name, own in scores.items()
        ]
        fixed = [bench.table.keys[index] for index in order[:budget]]
        return Findings(
            about=f"subsets of {budget} of {len(bench.table)} attributes",
            sections={
                "": f"{_table(rows)}\n\n{_static_note(fixed)}",
                "Published order": _order_table(scores),
            },
            data={
                "strategies": [row.to_json() for row in rows],
                "static": fixed,
                "order": [
                    {"over": f"{better} over {worse}", "difference": mean.to_json()}
                    for better, worse, mean in _order(scores)
                ],
            },
            rows=[
                {
                    "what": row.strategy,
                    "score": row.score.mean,
                    "score_low": row.score.low,
                    "score_high": row.score.high,
                    "gain": row.gain.mean,
                    "unscored": row.unscored,
                }
                for row in rows
            ],
            figure=_draw(scores, none, every, budget, simulated=bench.safety.simulated),
        )


def _full_size(scenario: Scenario, budget: int) -> list[int]:
    pool = scenario.profile.known
    return list(subsets_of_size(pool, min(budget, pool.bit_count())))


def _score_all(runner: Runner, scenarios: Sequence[Scenario], budget: int) -> list[dict[int, float | None]]:
    """Every subset of full size of each scenario, by the draw that searches see."""
    wanted = [_full_size(scenario, budget) for scenario in scenarios]
    tasks = [Task(s, partial(score_subsets, subsets)) for s, subsets in zip(scenarios, wanted, strict=True)]
    rows = runner.run(tasks, origin="subsets")
    return [dict(zip(subsets, row, strict=True)) for subsets, row in zip(wanted, rows, strict=True)]


def _best(scores: Mapping[int, float | None]) -> int:
    """The subset of highest score, the first of equals; an unscored one never wins against a scored one."""
    return max(scores, key=lambda subset: -math.inf if (score := scores[subset]) is None else score)


def _first(order: Sequence[int], scenario: Scenario, budget: int) -> int:
    """The first attributes of an order that this user has a value for."""
    return mask_of([index for index in order if index in members(scenario.profile.known)][:budget])


def _mean(scores: Mapping[int, float | None]) -> float | None:
    heard = [score for score in scores.values() if score is not None]
    return fmean(heard) if heard else None


def _table(rows: Sequence[_Row]) -> str:
    header = ["subset", "safety score [95 %]", "gain over none [95 %]", "behind best [95 %]", "unscored"]
    cells = [
        [
            row.strategy,
            interval(row.score),
            interval(row.gain),
            "-" if row.strategy == "best" else interval(row.behind, 3),
            f"{row.unscored:.1%}",
        ]
        for row in rows
    ]
    return markdown_table(header, cells)


def _static_note(fixed: Sequence[str]) -> str:
    told = ", ".join(published()["subsets"]["static"])
    return f"static: {', '.join(fixed)}; published: {told}. random: the mean over all subsets of a scenario."


def _order(scores: Mapping[str, Scores]) -> list[tuple[str, str, Mean]]:
    """Each two neighbours of the published order that are both here, and their difference, paired by scenario."""
    here = [name for name in published()["subsets"]["order"] if name in scores]
    return [(better, worse, paired(scores[better], scores[worse])) for better, worse in pairwise(here)]


def _order_table(scores: Mapping[str, Scores]) -> str:
    rows = [
        [f"{better} over {worse}", interval(mean, 3), "yes" if mean.low > 0 else "no" if mean.high < 0 else "open"]
        for better, worse, mean in _order(scores)
    ]
    told = " > ".join(published()["subsets"]["order"])
    table = markdown_table(["published order", "difference here [95 %]", "held here"], rows)
    return f"{table}\n\nPublished: {told}; no numbers are given. Paired by scenario; open: the interval holds 0."


def _draw(
    scores: Mapping[str, Scores],
    none: Scores,
    every: Sequence[Mapping[int, float | None]],
    budget: int,
    *,
    simulated: bool,
) -> Figure:
    """Gain over knowing nothing, scenario by scenario, sorted by that of the best subset."""
    gains = {
        name: [
            math.nan if own is None or before is None else own - before for own, before in zip(found, none, strict=True)
        ]
        for name, found in scores.items()
    }
    order = sorted(
        (place for place, gain in enumerate(gains["best"]) if math.isfinite(gain)), key=lambda p: (gains["best"][p], p)
    )
    order = order[:: max(1, math.ceil(len(order) / MOST_SHOWN))]
    places = range(len(order))
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    figure.suptitle(title(f"subsets of {budget}", simulated=simulated), fontsize=12)
    spread = [_spread(every[place], none[place]) for place in order]
    axes.vlines(
        places, [s[0] for s in spread], [s[3] for s in spread], color="#dddddd", linewidth=1.5, label="random: all"
    )
    middle = f"random: middle {MIDDLE[1] - MIDDLE[0]:.0%}"
    axes.vlines(places, [s[1] for s in spread], [s[2] for s in spread], color="#aaaaaa", linewidth=2.5, label=middle)
    shown = [name for name in scores if name not in OTHERS]
    axes.scatter(
        places,
        [gains["static"][p] for p in order],
        marker="x",
        s=16,
        color=COLOURS[1],
        linewidth=1,
        label="static",
        zorder=3,
    )
    for position, name in enumerate(shown):
        colour = COLOURS[(0, 2, 3, 4, 5, 6, 7)[position % 7]]
        own = [gains[name][p] for p in order]
        axes.scatter(places, own, s=16 + 14 * position, facecolors="none", edgecolors=colour, label=name, zorder=4)
    axes.plot(places, [gains["best"][p] for p in order], color="black", linewidth=1, label="best")
    axes.set_xlabel("scenarios, by the gain of the best subset")
    axes.set_xticks([])
    axes.set_ylabel("gain over knowing nothing, score points")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.4, alpha=0.5)
    legend(figure, axes)
    return figure


def _spread(scores: Mapping[int, float | None], nothing: float | None) -> list[float]:
    """Least, quantiles and most of all subsets, less the score of nothing."""
    heard = [score for score in scores.values() if score is not None] or [math.nan]
    found: list[float] = (np.quantile(heard, (0.0, *MIDDLE, 1.0)) - (nothing or 0.0)).tolist()
    return found
