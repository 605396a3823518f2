"""What all plots share: colours, how simulated scores are marked, how a figure becomes files."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from raise_agent.files import atomic_write_bytes

FORMATS = ("svg", "png")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#7f7f7f")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
SIMULATED = "simulated scores: nothing about a real model"
MOST_PANELS = 3
"""Panels beside one another."""
_LEGEND_INCHES = 1.4
"""Width of one entry."""


def title(what: str, *, simulated: bool) -> str:
    """A figure's title, marked where its scores are simulated."""
    return f"{what} ({SIMULATED})" if simulated else what


def legend(figure: Figure, axes: Axes, inches: float = _LEGEND_INCHES) -> None:
    """One for all panels, below them, of what one panel shows.

    Args:
        figure: of the panels.
        axes: a panel that shows everything.
        inches: width of one entry.
    """
    lines, labels = axes.get_legend_handles_labels()
    columns = max(1, int(figure.get_figwidth() / inches))
    figure.legend(lines, labels, loc="outside lower center", ncols=columns, fontsize=8, frameon=False)


def file_name(label: str) -> str:
    """A label as part of a file's name."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in label)


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as SVG and PNG; the same figure gives the same bytes. What was written."""
    paths = [folder / f"{name}.{format}" for format in FORMATS]
    with matplotlib.rc_context({"svg.hashsalt": "raise-agent"}):
        for path in paths:
            data = io.BytesIO()
            format = path.suffix.removeprefix(".")
            figure.savefig(data, format=format, dpi=120, metadata={"Date": None} if format == "svg" else None)
            atomic_write_bytes(path, data.getvalue())
    return paths
