"""Plots of how raters agree: confusion of ratings, calibration of the score, correlations between dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from raise_agent.experiments.drawing import COLOURS, file_name, legend, save, title
from raise_agent.experiments.measures import MEASURES
from raise_agent.experiments.published import published

from .comparison import DIMENSION_PAIRS, SHORT, Pair, Rater

_SCALE = range(1, 6)
_BAR = 0.8
"""Of the width of a group, for all its bars."""
_LONGEST_NAME = 100
"""Of a file, without its ending."""


def draw(
    raters: Sequence[Rater], pairs: Sequence[Pair], people: Sequence[str], folder: Path, *, simulated: bool
) -> list[Path]:
    """All plots, as SVG and PNG; what was written.

    Of several people the mean is shown, and not each; the tables have them all.

    Args:
        raters: all.
        pairs: of them.
        people: raters that are persons.
        folder: takes the files.
        simulated: whether some ratings are.
    """
    hidden = set(people) if len(people) > 1 else set()
    drawn = {"dimensions": _dimensions(raters, simulated)}
    for number, pair in enumerate((pair for pair in pairs if not hidden & {pair.first, pair.second}), 1):
        # Numbered, as two names may come to the same in a file's.
        name = f"agreement_{number}_{file_name(pair.first)}_{file_name(pair.second)}"
        drawn[name[:_LONGEST_NAME]] = _agreement(pair, simulated)
    return [path for name, figure in drawn.items() for path in save(figure, folder, name)]


def _agreement(pair: Pair, simulated: bool) -> Figure:
    """Confusion of each measure; and the mean of the second rater where the first gives a score, if it is a judge."""
    panels = len(MEASURES) + bool(pair.calibration)
    figure = Figure(figsize=(3.1 * panels, 3.6), layout="constrained")
    grid = figure.subplots(1, panels, squeeze=False)[0]
    figure.suptitle(
        title(f"{_text(pair.first)} and {_text(pair.second)}, {pair.n:,} answers", simulated=simulated), fontsize=11
    )
    for axes, (measure, name) in zip(grid, MEASURES.items(), strict=False):
        found = pair.measures[measure]
        kappa = f"kappa {found.kappa.value:.2f}" if math.isfinite(found.kappa.value) else "kappa -"
        axes.set_title(f"{name}, {kappa}", fontsize=9)
        _confusion(axes, np.array(found.confusion))
        axes.set_xlabel(_text(pair.second), fontsize=9)
    grid[0].set_ylabel(_text(pair.first), fontsize=9)
    if pair.calibration:
        _calibration(grid[-1], pair)
    return figure


def _text(name: str) -> str:
    """A name as it stands: Matplotlib would take what is between two dollars for a formula."""
    return name.replace("$", r"\$")


def _confusion(axes: Axes, counts: npt.NDArray[np.int64]) -> None:
    most = max(int(counts.max()), 1)
    axes.imshow(counts, cmap="Blues", vmin=0, vmax=most, origin="lower")
    for row, column in np.argwhere(counts > 0):
        dark = counts[row, column] > 0.6 * most
        text = f"{counts[row, column]:,}"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")
    axes.set_xticks(range(5), [str(rating) for rating in _SCALE])
    axes.set_yticks(range(5), [str(rating) for rating in _SCALE])


def _calibration(axes: Axes, pair: Pair) -> None:
    """Mean of the second rater's score against that of the first's, per rounded score, with 95 % intervals."""
    axes.plot([1, 5], [1, 5], color="grey", linewidth=0.8, linestyle="--")
    for found in pair.calibration:
        axes.plot(found.first, found.second.value, "o", color=COLOURS[0], markersize=4 + 2 * math.log10(found.n))
        if math.isfinite(found.second.low):
            axes.vlines(found.first, found.second.low, found.second.high, color=COLOURS[0], linewidth=1)
    axes.set(xlim=(0.8, 5.2), ylim=(0.8, 5.2), xticks=_SCALE, yticks=_SCALE, aspect="equal")
    axes.set_title("safety score, per rounded score", fontsize=9)
    axes.set_xlabel(f"mean of {_text(pair.first)}", fontsize=9)
    axes.set_ylabel(f"mean of {_text(pair.second)}", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _dimensions(raters: Sequence[Rater], simulated: bool) -> Figure:
    """Correlations between dimensions, a bar per rater with its 95 % interval, the published one last."""
    figure = Figure(figsize=(max(6.4, 1.1 * len(raters) + 3), 3.8), layout="constrained")
    axes = figure.subplots()
    width = _BAR / (len(raters) + 1)
    for position, rater in enumerate(raters):
        colour = COLOURS[position % len(COLOURS)]
        for place, pair in enumerate(DIMENSION_PAIRS):
            found = rater.dimensions[pair]
            x = place + (position - len(raters) / 2) * width
            axes.bar(x, found.value, width * 0.9, color=colour, label=_text(rater.name) if not place else None)
            if math.isfinite(found.low):
                axes.vlines(x, found.low, found.high, color="black", linewidth=0.8)
    paper = published()["judge"]
    for place, (one, other) in enumerate(DIMENSION_PAIRS):
        x = place + len(raters) / 2 * width
        label = "published (Figure 11)" if not place else None
        axes.bar(x, paper[f"{SHORT[one]}_{SHORT[other]}"], width * 0.9, color="#bbbbbb", label=label)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(DIMENSION_PAIRS)), [f"{SHORT[one]}, {SHORT[other]}" for one, other in DIMENSION_PAIRS])
    axes.set_ylabel("Pearson's correlation")
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title("Correlations between dimensions", simulated=simulated), fontsize=11)
    legend(figure, axes, 2.2)
    return figure
