"""Plots of a benchmark: convergence (paper, Figure 14), the way along the path (Figure 15), and how subsets compare
(Figures 7 and 13)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from raise_agent.experiments.drawing import COLOURS, MARKERS, MOST_PANELS, file_name, legend, save, title

from .standings import Block, last_of, standings
from .trials import QUANTILES

_ASIDE = 0.05
"""Of a question, between planners that are drawn beside one another."""
_MOST_SHOWN = 60
"""Instances shown one by one; of more, every second or third."""


def draw_family(blocks: Sequence[Block], folder: Path, strategies_at: int) -> list[Path]:
    """All plots of one family, as SVG and PNG; what was written.

    Args:
        blocks: those of the family, a panel each.
        folder: must exist.
        strategies_at: the limit at which subsets are compared; of those tried, the nearest from below.
    """
    label = blocks[0].ground.family.label
    return [
        *save(_convergence(blocks), folder, f"convergence_{file_name(label)}"),
        *save(_steps(blocks), folder, f"steps_{file_name(label)}"),
        *save(_strategies(blocks, strategies_at), folder, f"strategies_{file_name(label)}"),
    ]


def _panels(blocks: Sequence[Block], height: float) -> tuple[Figure, list[Axes]]:
    # A row per ground where there are several noises, so that panels below one another share theirs.
    noises = len({block.noise for block in blocks})
    columns = noises if noises > 1 else min(len(blocks), MOST_PANELS)
    rows = math.ceil(len(blocks) / columns)
    figure = Figure(figsize=(max(5.2 * columns, 6.4), height * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    panels = [axes for row in grid for axes in row]
    for spare in panels[len(blocks) :]:
        spare.set_axis_off()
    first = blocks[0]
    figure.suptitle(title(first.ground.family.label, simulated=first.simulated), fontsize=12)
    for axes, block in zip(panels, blocks, strict=False):
        about = f"{block.ground.n_attributes} attributes, budget {block.ground.budget}, noise {block.noise:g}"
        axes.set_title(f"{about}, {block.instances} instances", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", linewidth=0.4, alpha=0.5)
    return figure, panels[: len(blocks)]


def _convergence(blocks: Sequence[Block]) -> Figure:
    """Share of the oracle's gain against evaluations, a line per planner with its 95 % interval."""
    figure, panels = _panels(blocks, 3.7)
    for axes, block in zip(panels, blocks, strict=True):
        table = standings(block)
        for position, planner in enumerate(block.planners):
            found = [table[planner, limit] for limit in block.evaluations if (planner, limit) in table]
            if not found:
                continue
            limits, means = [s.evaluations for s in found], [s.captured.mean for s in found]
            colour = COLOURS[position % len(COLOURS)]
            axes.plot(
                limits,
                means,
                color=colour,
                marker=MARKERS[position % len(MARKERS)],
                markersize=4,
                linewidth=1.5,
                linestyle="--" if planner == block.reference else "-",
                label=planner,
            )
            axes.fill_between(
                limits,
                [s.captured.low for s in found],
                [s.captured.high for s in found],
                color=colour,
                alpha=0.15,
                linewidth=0,
            )
        static, random = block.static().mean, block.random().mean
        axes.axhline(1.0, color="black", linewidth=0.8)
        if math.isfinite(static):
            axes.axhline(static, color="black", linewidth=1, linestyle=":", label="static top")
        axes.axhline(random, color="grey", linewidth=1, linestyle="-.", label="random subset")
        axes.set_xscale("log")
        axes.set_xticks(block.evaluations, [str(limit) for limit in block.evaluations])
        axes.minorticks_off()
        axes.set_xlabel("evaluations per instance")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    panels[0].set_ylabel("share of the oracle's gain")
    legend(figure, panels[0])
    return figure


def _steps(blocks: Sequence[Block]) -> Figure:
    """True value against questions asked along the path, each planner within its largest limit, with 95 % intervals."""
    figure, panels = _panels(blocks, 3.7)
    for axes, block in zip(panels, blocks, strict=True):
        table = standings(block)
        asked = range(block.ground.budget + 1)
        for position, planner in enumerate(block.planners):
            last = last_of(block, table, planner)
            if last is None:
                continue
            # Beside one another: planners that find the same path would hide each other.
            aside = _ASIDE * (position - (len(block.planners) - 1) / 2)
            places = [questions + aside for questions in asked]
            colour = COLOURS[position % len(COLOURS)]
            axes.plot(
                places,
                [step.mean for step in last.steps],
                color=colour,
                marker=MARKERS[position % len(MARKERS)],
                markersize=4,
                linewidth=1,
                linestyle="--" if planner == block.reference else "-",
                label=planner,
            )
            lows, highs = [step.low for step in last.steps], [step.high for step in last.steps]
            axes.vlines(places, lows, highs, color=colour, linewidth=0.7)
        best = fmean(reference.best for reference in block.references)
        axes.axhline(best, color="black", linewidth=0.8, label="best subset")
        axes.set_xticks(asked)
        axes.set_xlabel(f"questions asked, after at most {block.evaluations[-1]} evaluations")
    panels[0].set_ylabel("safety score")
    legend(figure, panels[0])
    return figure


def _strategies(blocks: Sequence[Block], strategies_at: int) -> Figure:
    """Per instance, sorted by the oracle: best subset, one planner, static top, and how random subsets spread."""
    figure, panels = _panels(blocks, 3.9)
    for axes, block in zip(panels, blocks, strict=True):
        limit = max([e for e in block.evaluations if e <= strategies_at], default=block.evaluations[0])
        order = sorted(block.references, key=lambda r: (r.best - r.nothing, r.seed, r.instance))
        order = order[:: math.ceil(len(order) / _MOST_SHOWN)]
        places = range(len(order))
        quantiles = {
            q: [r.random_quantiles[i] - r.nothing for r in order]
            for i, q in enumerate(QUANTILES)
            if q in (0.0, 0.1, 0.9, 1.0)
        }
        axes.vlines(places, quantiles[0.0], quantiles[1.0], color="#dddddd", linewidth=1.5, label="random: all")
        axes.vlines(places, quantiles[0.1], quantiles[0.9], color="#aaaaaa", linewidth=2.5, label="random: middle 80 %")
        static = [(x, r.static - r.nothing) for x, r in zip(places, order, strict=True) if r.static is not None]
        axes.scatter(*_columns(static), marker="x", s=16, color="#d55e00", linewidth=1, label="static top", zorder=3)
        planner = _shown(block, limit)
        if planner is not None:
            found = {(t.seed, t.instance): t.value for t in block.values_at(planner, limit)}
            reached = [
                (x, found[r.seed, r.instance] - r.nothing)
                for x, r in zip(places, order, strict=True)
                if (r.seed, r.instance) in found
            ]
            axes.scatter(
                *_columns(reached),
                s=16,
                facecolors="none",
                edgecolors="#0072b2",
                label=f"{planner}, {limit} evaluations",
                zorder=4,
            )
        axes.plot(places, [r.best - r.nothing for r in order], color="black", linewidth=1, label="best subset")
        axes.set_xlabel("instances, by the oracle's gain")
        axes.set_xticks([])
        axes.legend(fontsize=7, frameon=False, loc="upper left")
    panels[0].set_ylabel("gain over knowing nothing, score points")
    return figure


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _shown(block: Block, limit: int) -> str | None:
    """The planner that captures most within the limit, the reference left out where there is another."""
    table = standings(block)
    tried = [planner for planner in block.planners if (planner, limit) in table]
    others = [planner for planner in tried if planner != block.reference] or tried
    return max(others, key=lambda planner: table[planner, limit].captured.mean, default=None)
