"""What every part of a report shares: the run, how its methods are drawn, how numbers are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from raise_agent.experiments.statistics import Mean
from raise_agent.experiments.tables import interval
from raise_agent.models.base import DIMENSIONS

from .charts import Style, swatch
from .folder import RunFolder
from .markup import Part, el
from .summaries import PLANNING

_COLOURS = 9
"""Classes ``m0`` to ``m8`` of the style sheet."""
NEUTRAL = ("none", "full")
"""Methods that ask nothing and everything."""
SIMULATED = "Simulated scores"
DIMENSION_NAMES = dict(
    zip(DIMENSIONS, ("risk sensitivity", "emotional empathy", "user-specific alignment"), strict=True)
)
SCORE, LEVEL = "safety score", "[95\u00a0%]"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page."""

    id: str
    short: str
    """In the list of parts."""
    title: str
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Shown:
    """What sections are made of."""

    run: RunFolder
    domains: Sequence[str] | None
    """Of the held-out scenarios; None where they are not to be had."""
    styles: Mapping[str, Style]
    """How each method is drawn."""

    @property
    def simulated(self) -> bool:
        """Whether every score shown is simulated."""
        return bool(self.run.summary["simulated"])

    @property
    def budget(self) -> int:
        """Most questions."""
        return int(self.run.cfg.budget)

    def said(self, caption: str) -> str:
        """A caption, marked where scores are simulated."""
        return f"{caption} {SIMULATED}." if self.simulated else caption


def styles_of(run: RunFolder) -> dict[str, Style]:
    """How methods are drawn: the two ends in grey, searches hollow, each of the others in a colour of its own."""
    found, colours = dict[str, Style](), 0
    for method in [] if run.results is None else run.results["methods"]:
        name = method["method"]
        searches = bool(method.get("evaluations"))
        if name in NEUTRAL:
            found[name] = Style(name, "neutral")
        else:
            found[name] = Style(name, "accent" if name == "distilled" else f"m{colours % _COLOURS}", hollow=searches)
            colours += name != "distilled"
    found[PLANNING] = Style("planning", "plans", hollow=True)
    return found


def named(style: Style) -> list[Part]:
    """A method's name beside its marker."""
    return [swatch(style), style.label]


def left_out(why: str) -> Element:
    """In place of what a folder does not hold."""
    return el("p", f"Left out: {why}.", class_="left-out")


def with_interval(mean: Mean, digits: int = 2) -> Part:
    """A mean, and its interval in grey."""
    value, _, rest = interval(mean, digits).partition(" ")
    return el("span", value, el("span", f" {rest}", class_="interval") if rest else None)


def share(value: float | None) -> str:
    """As a percentage, or a dash where there is none."""
    return "-" if value is None else f"{value:.1%}"
