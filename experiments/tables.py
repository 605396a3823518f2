"""Tables as people read them: Markdown that is aligned, so that it reads in a terminal too."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence

from .statistics import Mean

_LONGEST_NAME = 60


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table, the first ``left`` columns to the left, the others to the right.

    >>> print(markdown_table(["a", "b"], [["x", "10"]]))
    | a |  b |
    | - | -: |
    | x | 10 |
    """
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
        return "| " + " | ".join(padded) + " |"

    rule = [("-" * w) if i < left else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return "\n".join([line(header), line(rule), *(line(row) for row in rows)])


def shown_name(name: str) -> str:
    """A name from data, fit for a terminal: on one line, nothing in it steers; ``unnamed`` where nothing is left."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split()) or "unnamed"


def cell(name: str) -> str:
    """A name from outside, fit for a table: cut off where it is long, and nothing in it is taken for markup.

    >>> cell("a|b <i>")
    'a\\\\|b \\\\<i>'
    """
    return re.sub(r"[\\|<\[]", r"\\\g<0>", textwrap.shorten(name, _LONGEST_NAME, placeholder=" ..."))


def number(value: float, digits: int = 2) -> str:
    """A number, or a dash where there is none."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def interval(mean: Mean, digits: int = 2) -> str:
    """A mean with its interval, ``3.51 [3.48, 3.54]``."""
    if not math.isfinite(mean.low):
        return number(mean.mean, digits)
    return f"{mean.mean:.{digits}f} [{mean.low:.{digits}f}, {mean.high:.{digits}f}]"


def percentages(mean: Mean) -> str:
    """A share with its interval, ``93.3% [92.5, 94.0]``."""
    if not math.isfinite(mean.low):
        return f"{mean.mean:.1%}" if math.isfinite(mean.mean) else "-"
    return f"{mean.mean:.1%} [{100 * mean.low:.1f}, {100 * mean.high:.1f}]"


def with_half(mean: Mean, digits: int = 2) -> str:
    """A mean and half its interval, ``3.51 ±0.03``, where a column is too narrow for both bounds."""
    half = f" ±{mean.high - mean.mean:.{digits}f}" if math.isfinite(mean.high) else ""
    return number(mean.mean, digits) + half
