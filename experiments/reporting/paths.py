"""Which question follows which, as a picture: a column for each question, ribbons as wide as they are frequent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from raise_agent.attributes import KINDS, AttributeTable

from .charts import picture, spread
from .markup import el
from .summaries import Paths, asked_at, flows

_BAR, _GAP = 11.0, 9.0
_WIDTH, _NARROWEST = 960.0, 190.0
"""Of the whole picture, and of one column."""
_NAMES = 158.0
"""Beside the last column."""
_FULL = 300.0
"""Height of all paths together."""
_TOP = 28.0
_LETTERS = 14.0
ENDED = "answers"


@dataclass(slots=True)
class _Block:
    """A question at one place of the paths."""

    attribute: int | None
    """None where the conversation has ended."""
    count: int
    top: float
    height: float
    left: float
    """Where the next ribbon that leaves begins."""
    entered: float
    """Where the next ribbon that comes in ends."""


def kind_class(table: AttributeTable, attribute: int | None) -> str:
    """The colour of an attribute: by its kind."""
    return "ended" if attribute is None else f"k{KINDS.index(table[attribute].kind)}"


def legend(table: AttributeTable) -> Element:
    """What the colours of attributes tell."""
    kinds = [kind for kind in KINDS if any(attribute.kind == kind for attribute in table)]
    entries = [(kind, f"k{KINDS.index(kind)}") for kind in kinds] + [(ENDED, "ended")]
    square = [
        el(
            "svg",
            el("rect", width=10.0, height=10.0, rx=2.0, class_=f"bar {c}"),
            viewBox="0 0 10 10",
            class_="swatch",
            aria_hidden="true",
        )
        for _, c in entries
    ]
    return el("ul", [el("li", mark, name) for mark, (name, _) in zip(square, entries, strict=True)], class_="legend")


def flow_chart(paths: Paths, table: AttributeTable, depth: int, label: str) -> Element:
    """The paths of one method.

    Args:
        paths: what was asked in each conversation.
        table: names the attributes.
        depth: most questions.
        label: read out in place of the picture.
    """
    columns = [_column(asked_at(paths, place), len(paths)) for place in range(depth)]
    apart = max((_WIDTH - _NAMES - _BAR) / max(depth - 1, 1), _NARROWEST)
    height = _TOP + max(blocks[-1].top + blocks[-1].height for blocks in columns) + 6.0
    width = apart * (depth - 1) + _BAR + _NAMES
    parts = [el("text", f"question {place + 1}", x=apart * place, y=14.0, class_="t axis") for place in range(depth)]
    steps = flows(paths, depth)
    for place, step in enumerate(steps):
        parts += _ribbons(
            step, columns[place], columns[place + 1], (apart * place + _BAR, apart * (place + 1)), table, len(paths)
        )
    for place, blocks in enumerate(columns):
        parts += _bars(blocks, apart * place, table, len(paths))
    return picture(width, height, parts, label, "wide flow")


def _column(counts: Counter[int | None], total: int) -> list[_Block]:
    """Questions from top to bottom: most frequent first, those who have ended last."""
    order = sorted(counts, key=lambda a: (a is None, -counts[a], a if a is not None else -1))
    blocks, top = list[_Block](), 0.0
    for attribute in order:
        height = _FULL * counts[attribute] / total
        blocks.append(_Block(attribute, counts[attribute], top, height, 0.0, 0.0))
        # A name needs its line, however thin its bar.
        top += max(height, _LETTERS - _GAP + 4.0) + _GAP
    return blocks


def _bars(blocks: Sequence[_Block], x: float, table: AttributeTable, total: int) -> list[Element]:
    parts = []
    middles = [_TOP + block.top + block.height / 2 for block in blocks]
    heights = spread(middles, _LETTERS, _TOP, 1e9)
    for block, y in zip(blocks, heights, strict=True):
        class_ = f"bar {kind_class(table, block.attribute)}"
        parts.append(el("rect", x=x, y=_TOP + block.top, width=_BAR, height=max(block.height, 1.0), class_=class_))
        name = ENDED if block.attribute is None else table[block.attribute].name
        share = el("tspan", f"  {block.count / total:.0%}", class_="share")
        parts.append(el("text", name, share, x=x + _BAR + 6.0, y=y + 4.0, class_="t over"))
    return parts


def _ribbons(
    step: Counter[tuple[int | None, int | None]],
    before: Sequence[_Block],
    after: Sequence[_Block],
    reach: tuple[float, float],
    table: AttributeTable,
    total: int,
) -> list[Element]:
    """From each question to those that follow it; a path that has ended goes on as a thin grey line of its own."""
    parts = []
    for block in before:
        for target in after:
            count = step[block.attribute, target.attribute]
            if not count:
                continue
            thick = _FULL * count / total
            start = _TOP + block.top + block.left + thick / 2
            block.left += thick
            end = _TOP + target.top + target.entered + thick / 2
            target.entered += thick
            (near, far), middle = reach, sum(reach) / 2
            way = f"M{near:.1f} {start:.1f}C{middle:.1f} {start:.1f} {middle:.1f} {end:.1f} {far:.1f} {end:.1f}"
            class_ = f"ribbon {kind_class(table, block.attribute)}"
            parts.append(el("path", d=way, stroke_width=max(thick, 0.6), class_=class_))
    return parts
