"""The figures of a report as SVG: drawn from means, styled by the page, so that they follow dark and light.

Colours are classes: ``m0``, ``m1``, ... of methods and ``k0``, ... of kinds of attribute set the current colour. A
picture has no text but labels; what it says is in its caption and in the table behind it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from raise_agent.experiments.statistics import Mean

from .markup import el


@dataclass(frozen=True, slots=True)
class Style:
    """How a method is drawn."""

    label: str
    class_: str
    """Of its colour."""
    hollow: bool = False
    """For methods that search with the safety model at hand."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places along one axis."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = 0.5 if self.high == self.low else (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values in range, about as many as asked for."""
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        raw = span / about
        power = 10.0 ** math.floor(math.log10(raw))
        step = min((power * m for m in (1, 2, 2.5, 5, 10)), key=lambda s: abs(s - raw))
        first = math.ceil(self.low / step - 1e-9)
        return [round(k * step, 10) for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


def reach(means: Sequence[Mean], pad: float = 0.04) -> tuple[float, float]:
    """A range that holds these means and their intervals, with some room."""
    ends = [end for mean in means for end in (mean.low, mean.mean, mean.high) if math.isfinite(end)]
    if not ends:
        return 1.0, 5.0
    low, high = min(ends), max(ends)
    room = max((high - low) * pad, 0.02)
    return low - room, high + room


def marker(x: float, y: float, style: Style, radius: float = 4.0) -> Element:
    """The point of a method."""
    return el("circle", cx=x, cy=y, r=radius, class_=f"dot {style.class_}{' hollow' if style.hollow else ''}")


def swatch(style: Style) -> Element:
    """A method's marker beside its name."""
    return el("svg", marker(6.0, 6.0, style), viewBox="0 0 12 12", class_="swatch", aria_hidden="true")


def _whisker(x1: float, y1: float, x2: float, y2: float, style: Style) -> Element:
    return el("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=f"whisker {style.class_}")


def _text(x: float, y: float, text: str, class_: str = "t", anchor: str = "start") -> Element:
    return el("text", text, x=x, y=y, class_=class_, text_anchor=anchor)


def picture(width: float, height: float, parts: Sequence[Element], label: str, class_: str) -> Element:
    """A drawing that is read out as its label."""
    size = f"0 0 {width:g} {height:g}"
    return el("svg", parts, viewBox=size, width=f"{width:g}", role="img", aria_label=label, class_=class_)


def strip(mean: Mean, scale: Scale, style: Style, height: float = 18.0) -> Element:
    """One mean with its interval, as wide as the scale; for a row of a table."""
    parts = [el("line", x1=scale.start, y1=height / 2, x2=scale.end, y2=height / 2, class_="grid")]
    parts += _dot(mean, scale, height / 2, style)
    width = scale.end + scale.start
    return el("svg", parts, viewBox=f"0 0 {width:g} {height:g}", class_="strip", aria_hidden="true")


def _dot(mean: Mean, scale: Scale, y: float, style: Style) -> list[Element]:
    if not math.isfinite(mean.mean):
        return []
    parts = []
    if math.isfinite(mean.low):
        parts.append(_whisker(scale(mean.low), y, scale(mean.high), y, style))
    return [*parts, marker(scale(mean.mean), y, style)]


_ROW = 19.0
_PANEL = 330.0
_NAMES = 104.0


def panel(title: str, rows: Sequence[tuple[Style, Mean]], limits: tuple[float, float]) -> Element:
    """Means with intervals, a method a row.

    Args:
        title: above the panel.
        rows: what is drawn, from top to bottom.
        limits: of the axis, the same for panels beside one another.
    """
    top, bottom = 24.0, 24.0
    height = top + _ROW * len(rows) + bottom
    scale = Scale(*limits, _NAMES, _PANEL - 10.0)
    parts = [_text(0.0, 13.0, title, "t title")]
    for tick in scale.ticks(4):
        parts.append(el("line", x1=scale(tick), x2=scale(tick), y1=top, y2=height - bottom + 3.0, class_="grid"))
        parts.append(_text(scale(tick), height - bottom + 16.0, f"{tick:g}", "t axis", "middle"))
    for place, (style, mean) in enumerate(rows):
        y = top + _ROW * (place + 0.5)
        parts.append(_text(_NAMES - 10.0, y + 4.0, _short(style.label), "t", "end"))
        parts += _dot(mean, scale, y, style)
    said = ", ".join(f"{style.label} {mean.mean:.2f}" for style, mean in rows if math.isfinite(mean.mean))
    return picture(_PANEL, height, parts, f"{title}: {said}", "panel")


def _short(label: str, most: int = 15) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"


@dataclass(frozen=True, slots=True)
class Line:
    """A method in a line chart."""

    style: Style
    points: Sequence[tuple[float, Mean]]
    stop: tuple[float, Mean] | None = None
    """A point of its own, drawn larger."""


_WIDTH, _HEIGHT = 960.0, 440.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 170.0, 34.0, 46.0
_APART = 15.0
"""Between labels."""
_MANY = 4
"""Lines from which on their bands are fainter, as they lie over one another."""


def line_chart(
    lines: Sequence[Line],
    *,
    label: str,
    x_title: str,
    y_title: str,
    levels: Sequence[tuple[Style, float]] = (),
    logarithmic: bool = False,
    marked: bool = True,
) -> Element:
    """Means against a count with a band for their intervals, each line named at its end.

    Args:
        lines: at least one.
        label: read out in place of the picture.
        x_title: what is counted.
        y_title: of the means.
        levels: horizontal lines to hold the others against.
        logarithmic: whether the count is so drawn.
        marked: whether each count has a point of its own.
    """
    drawn = [(x, mean) for line in lines for x, mean in [*line.points, *([line.stop] if line.stop else [])]]
    low, high = reach([*(mean for _, mean in drawn), *(Mean(y, y, y, 1) for _, y in levels)])
    first, last = min(x for x, _ in drawn), max(x for x, _ in drawn)
    y_scale = Scale(low, high, _HEIGHT - _BOTTOM, _TOP)
    place = math.log if logarithmic else float
    inset = 14.0
    x_scale = Scale(place(first), place(max(last, first + 1)), _LEFT + inset, _WIDTH - _RIGHT - inset)
    counts = _counts(first, last, logarithmic)
    parts = _frame([(x_scale(place(count)), f"{count:g}") for count in counts], y_scale, x_title, y_title)
    names: list[tuple[float, float, Style]] = []
    for style, y in levels:
        at = y_scale(y)
        parts.append(el("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=at, y2=at, class_=f"level {style.class_}"))
        names.append((_WIDTH - _RIGHT, at, style))
    for line in lines:
        points = [(x_scale(place(x)), mean) for x, mean in line.points if math.isfinite(mean.mean)]
        if not points:
            continue
        parts += _drawn(line.style, points, y_scale, marked)
        if line.stop is not None and math.isfinite(line.stop[1].mean):
            x, y = x_scale(place(line.stop[0])), y_scale(line.stop[1].mean)
            parts.append(marker(x, y, line.style, 5.5))
        names.append((points[-1][0], y_scale(points[-1][1].mean), line.style))
    return picture(_WIDTH, _HEIGHT, [*parts, *_names(names)], label, "wide many" if len(lines) > _MANY else "wide")


def _counts(first: float, last: float, logarithmic: bool) -> list[float]:
    if not logarithmic:
        return [tick for tick in Scale(first, last, 0, 1).ticks(8) if tick == int(tick)]
    marks = [m * 10**power for power in range(6) for m in (1, 2, 5)]
    return [mark for mark in marks if first <= mark <= last]


def _frame(columns: Sequence[tuple[float, str]], y_scale: Scale, x_title: str, y_title: str) -> list[Element]:
    parts = []
    for tick in y_scale.ticks(6):
        y = y_scale(tick)
        parts.append(el("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(_text(_LEFT - 8.0, y + 4.0, f"{tick:g}", "t axis", "end"))
    foot = _HEIGHT - _BOTTOM
    for x, text in columns:
        parts.append(el("line", x1=x, x2=x, y1=foot, y2=foot + 4.0, class_="tick"))
        parts.append(_text(x, foot + 18.0, text, "t axis", "middle"))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, foot + 38.0, x_title, "t axis", "middle"))
    parts.append(_text(0.0, 14.0, y_title, "t axis"))
    return parts


def _drawn(style: Style, points: Sequence[tuple[float, Mean]], y_scale: Scale, marked: bool) -> list[Element]:
    sure = [(x, mean) for x, mean in points if math.isfinite(mean.low)]
    around = [(x, y_scale(m.low)) for x, m in sure] + [(x, y_scale(m.high)) for x, m in reversed(sure)]
    way = [(x, y_scale(mean.mean)) for x, mean in points]
    return [
        el("polygon", points=_joined(around), class_=f"band {style.class_}"),
        el("polyline", points=_joined(way), class_=f"line {style.class_}{' dashed' if style.hollow else ''}"),
        *(marker(x, y, style, 3.0) for x, y in way if marked),
    ]


def _joined(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _names(ends: Sequence[tuple[float, float, Style]]) -> list[Element]:
    """The name of each line beside its end, moved apart where several end together."""
    ordered = sorted(ends, key=lambda end: end[1])
    heights = spread([y for _, y, _ in ordered], _APART, _TOP, _HEIGHT - _BOTTOM)
    parts, x = [], _WIDTH - _RIGHT + 22.0
    for (end, y, style), height in zip(ordered, heights, strict=True):
        leader = f"{end + 5:.1f},{y:.1f} {x - 14:.1f},{height:.1f} {x - 4:.1f},{height:.1f}"
        parts.append(el("polyline", points=leader, class_=f"leader {style.class_}"))
        parts.append(_text(x, height + 4.0, _short(style.label, 20), f"t name {style.class_}"))
    return parts


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Ascending places moved as little as needed to lie ``gap`` apart, within the limits where they fit.

    >>> spread([10, 10, 40], 10, 0, 100)
    [5.0, 15.0, 40.0]
    """
    groups: list[list[float]] = []
    for place in places:
        groups.append([place, 1])
        while len(groups) > 1 and groups[-1][0] - groups[-2][0] < gap * (groups[-1][1] + groups[-2][1]) / 2:
            (a, n), (b, m) = groups[-2:]
            groups[-2:] = [[(a * n + b * m) / (n + m), n + m]]
    found: list[float] = []
    for centre, count in groups:
        half = gap * (count - 1) / 2
        centre = max(min(centre, high - half), low + half)
        found += [centre - half + gap * k for k in range(int(count))]
    for k in range(1, len(found)):
        found[k] = max(found[k], found[k - 1] + gap)
    return found


_SQUARE = 320.0


def reliability_chart(bins: Sequence[tuple[float, float, int]], across: str, label: str) -> Element:
    """What was said against what held, a disc for each bin with its area by the number of statements.

    Args:
        bins: said and held, 0 to 1, and how many statements.
        across: the name of what was said.
        label: read out in place of the picture.
    """
    x_scale, y_scale = Scale(0, 1, 44.0, _SQUARE - 12.0), Scale(0, 1, _SQUARE - 44.0, 30.0)
    parts = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(el("line", x1=x_scale(0), x2=x_scale(1), y1=y_scale(tick), y2=y_scale(tick), class_="grid"))
        parts.append(_text(36.0, y_scale(tick) + 4.0, f"{tick:.0%}", "t axis", "end"))
        parts.append(_text(x_scale(tick), _SQUARE - 26.0, f"{tick:.0%}", "t axis", "middle"))
    parts.append(el("line", x1=x_scale(0), y1=y_scale(0), x2=x_scale(1), y2=y_scale(1), class_="level"))
    parts.append(_text((x_scale(0) + x_scale(1)) / 2, _SQUARE - 6.0, across, "t axis", "middle"))
    parts.append(_text(0.0, 14.0, "held", "t axis"))
    most = max(count for _, _, count in bins)
    for said, held, count in bins:
        radius = 3.0 + 10.0 * math.sqrt(count / most)
        parts.append(el("circle", cx=x_scale(said), cy=y_scale(held), r=radius, class_="disc"))
    return picture(_SQUARE, _SQUARE, parts, label, "square")
