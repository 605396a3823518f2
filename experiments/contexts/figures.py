"""Plots of PENGUIN as a benchmark: context-free against context-rich by domain (paper, Figure 4), by dimension
(Figure 5), by domain and dimension and by source (Figures 17 to 19), and of several models."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from raise_agent.experiments.drawing import COLOURS, MOST_PANELS, legend, save, title
from raise_agent.experiments.measures import MEASURES, SCORE
from raise_agent.experiments.published import published
from raise_agent.experiments.statistics import Mean
from raise_agent.experiments.tables import number
from raise_agent.models.base import DIMENSIONS, HIGHEST, LOWEST

from .lineup import LineUp
from .scoring import Contexts, Contrast, Group

_FREE, _RICH = COLOURS[1], COLOURS[0]
_MOST_ROWS, _MOST_SOURCES = 40, 6
"""Groups and sources shown; of more, the largest."""
_LABEL, _LABEL_LINES = 28, 2
"""Characters in a line of a row's label, and lines."""
_LINE_INCHES, _PANEL_INCHES, _LEGEND_INCHES = 0.17, 3.4, 1.9


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a panel."""

    label: str
    contrast: Contrast


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows on one scale."""

    title: str
    rows: Sequence[Row]
    published: bool = False
    """Whether the published means are drawn in."""


def draw_contexts(found: Contexts, folder: Path) -> list[Path]:
    """All plots of one responder, as SVG and PNG; what was written."""
    about, simulated = f"Responder {found.responder.model}, judge {found.judge.model}", found.simulated
    domains, largest = _largest(found.domains)
    groups = [found.overall, *domains]
    panels = {
        "domains": [Panel(f"safety score by domain{largest}", _rows(groups, SCORE), published=True)],
        "dimensions": [Panel("by dimension", [Row(m, found.overall.contrasts[k]) for k, m in MEASURES.items()])],
        "domains_by_dimension": [Panel(MEASURES[d] + largest, _rows(groups, d)) for d in DIMENSIONS],
    }
    if len(found.sources) > 1:
        sources = sorted(found.sources, key=lambda source: (-source.scenarios, source.name))[:_MOST_SOURCES]
        panels["sources"] = [
            Panel(
                f"source {_short(source.name)}", [Row(f"all ({source.scenarios:,})", source.score), *_rows(of, SCORE)]
            )
            for source in sources
            for of, _ in [_largest(found.by_source[source.name])]
        ]
    return [
        path
        for name, shown in panels.items()
        for path in save(_dumbbells(shown, title(about, simulated=simulated)), folder, name)
    ]


def draw_lineup(models: LineUp, folder: Path) -> list[Path]:
    """Several models, a panel for each measure, as SVG and PNG; what was written."""
    shown = models.entries[:_MOST_ROWS]
    panels = [
        Panel(label, [Row(entry.name, entry.contrasts[measure]) for entry in shown], published=measure == SCORE)
        for measure, label in sorted(MEASURES.items(), key=lambda item: item[0] != SCORE)
    ]
    simulated = any(entry.simulated for entry in shown)
    return save(_dumbbells(panels, title("Models side by side", simulated=simulated), columns=2), folder, "models")


def _largest(groups: Sequence[Group]) -> tuple[Sequence[Group], str]:
    """The largest groups, in their order, and what to say of it where there are more."""
    if len(groups) <= _MOST_ROWS:
        return groups, ""
    kept = {group.name for group in sorted(groups, key=lambda g: (-g.scenarios, g.name))[:_MOST_ROWS]}
    return [group for group in groups if group.name in kept], f", {_MOST_ROWS} largest of {len(groups)}"


def _rows(groups: Sequence[Group], measure: str) -> list[Row]:
    return [Row(f"{_short(group.name)} ({group.scenarios:,})", group.contrasts[measure]) for group in groups]


def _short(name: str) -> str:
    return textwrap.shorten(name, _LABEL * _LABEL_LINES - 10, placeholder=" ...")


def _drawn(text: str) -> str:
    """A text on as many lines as it takes; a dollar sign would begin a formula."""
    lines = textwrap.wrap(text, _LABEL, max_lines=_LABEL_LINES + 1, placeholder=" ...")
    return "\n".join(lines).replace("$", r"\$")


def _dumbbells(panels: Sequence[Panel], about: str, columns: int = MOST_PANELS) -> Figure:
    """Two dots a row, each with its 95 % interval, and the paired gain beside them."""
    labels = [[_drawn(row.label) for row in panel.rows] for panel in panels]
    same = all(mine == labels[0] for mine in labels)
    columns = min(len(panels), columns)
    deep = math.ceil(len(panels) / columns)
    lines = max(sum(label.count("\n") + 2 for label in mine) for mine in labels)
    width = _PANEL_INCHES * columns + (1.8 if same else 1.8 * columns) + 0.6
    figure = Figure(figsize=(max(width, 6.8), (lines * _LINE_INCHES + 0.9) * deep + 0.9), layout="constrained")
    grid = figure.subplots(deep, columns, squeeze=False, sharey="row" if same else False)
    every = [axes for row in grid for axes in row]
    for spare in every[len(panels) :]:
        spare.set_axis_off()
    figure.suptitle("\n".join(textwrap.wrap(about.replace("$", r"\$"), 95)), fontsize=11)
    for axes, panel, mine in zip(every, panels, labels, strict=False):
        axes.set_title(panel.title.replace("$", r"\$"), fontsize=9)
        # A row as high as its label has lines.
        heights = [label.count("\n") + 2 for label in mine]
        places = [sum(heights[:i]) + heights[i] / 2 for i in range(len(heights))]
        _draw_rows(axes, panel, places)
        axes.set_yticks(places, mine, fontsize=8)
        axes.set_ylim(sum(heights), 0)
    legend(figure, every[0], _LEGEND_INCHES)
    return figure


def _draw_rows(axes: Axes, panel: Panel, places: Sequence[float]) -> None:
    contrasts = [row.contrast for row in panel.rows]
    axes.hlines(places, [c.free.mean for c in contrasts], [c.rich.mean for c in contrasts], color="#cccccc", zorder=1)
    _draw_means(axes, [c.free for c in contrasts], places, _FREE, "context-free", filled=False)
    _draw_means(axes, [c.rich for c in contrasts], places, _RICH, "context-rich", filled=True)
    for place, contrast in zip(places, contrasts, strict=True):
        gain = contrast.gain.mean
        beside = f"{gain:+.2f}" if math.isfinite(gain) else number(gain)
        axes.text(1.02, place, beside, transform=axes.get_yaxis_transform(), va="center", fontsize=8)
    axes.text(1.02, 1.01, "gain", transform=axes.transAxes, va="bottom", fontsize=8, color="#555555")
    if panel.published:
        means = published()["context"]
        for key, colour in (("context_free", _FREE), ("context_rich", _RICH)):
            label = f"paper's models, mean, {key.replace('_', '-')}"
            axes.axvline(means[key], color=colour, linewidth=0.9, linestyle=":", zorder=0, label=label)
    axes.set_xlim(LOWEST - 0.1, HIGHEST + 0.1)
    axes.set_xticks(range(int(LOWEST), int(HIGHEST) + 1))
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel("mean score, 1 to 5, and its 95 % interval", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", linewidth=0.4, alpha=0.5)


def _draw_means(
    axes: Axes, means: Sequence[Mean], places: Sequence[float], colour: str, label: str, *, filled: bool
) -> None:
    bounded = [(place, mean) for place, mean in zip(places, means, strict=True) if math.isfinite(mean.low)]
    axes.hlines([p for p, _ in bounded], [m.low for _, m in bounded], [m.high for _, m in bounded], color=colour, lw=2)
    axes.scatter(
        [mean.mean for mean in means],
        places,
        s=26,
        facecolors=colour if filled else "white",
        edgecolors=colour,
        zorder=3,
        label=label,
    )
