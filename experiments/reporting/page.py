"""A run's report as one HTML file: no request leaves it, no script but its own runs in it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any
from xml.etree.ElementTree import Element

from raise_agent.errors import ConfigError
from raise_agent.experiments.tables import shown_name
from raise_agent.files import atomic_write_text

from .answers import Stored, answers_of
from .asking import asking
from .browsing import Browsed, as_script, browser_data
from .comparison import breakdowns, comparison
from .folder import RunFolder, read_run
from .markup import Part, el, escaped, written
from .overview import overview, provenance
from .people import People, people_of
from .process import calibrating, questions, searching
from .shown import SIMULATED, Section, Shown, left_out, styles_of

REPORT = "report.html"


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """What a report shows of scenarios.

    Raises:
        ConfigError: a number is negative.
    """

    profiles: bool = True
    """Whether it holds what users said: queries, profiles, and answers of models, which may repeat both."""
    scenarios: int | None = 2000
    """Most scenarios to browse, test ones first; None takes all. Tables and figures are over all in any case."""
    answers: int | None = 200
    """Most test scenarios whose answers are shown; None takes all."""

    def __post_init__(self) -> None:
        for name in ("scenarios", "answers"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ConfigError(f"{name} must be 0 or more, or null for all, not {value}")


def write_report(folder: Path, output: Path, settings: ReportSettings) -> None:
    """Write the report of a run.

    Raises:
        ConfigError: the folder is not of a finished ``run``, ``evaluate`` or ``plan``.
        StoreError: the run's store is damaged.
        OSError: the file cannot be written.
    """
    atomic_write_text(output, report(folder, settings))


def report(folder: Path, settings: ReportSettings) -> str:
    """The report of a run; see ``write_report``."""
    run = read_run(folder)
    people = people_of(run)
    stored = Stored({}, "profiles=false leaves out answers, which may repeat what users said")
    if settings.profiles and run.results is not None:
        stored = answers_of(run, people.held_out, settings.answers)
    return page(run, people, stored, settings)


def page(run: RunFolder, people: People, stored: Stored, settings: ReportSettings) -> str:
    """A report of what was read."""
    shown = Shown(run, domains_of(run, people), styles_of(run))
    sections = [
        *([] if run.results is None else [comparison(shown), breakdowns(shown), questions(shown)]),
        asking(shown),
        searching(shown),
        *([] if run.results is None else [calibrating(shown)]),
    ]
    browsed = Browsed.of(run, settings.scenarios)
    data = browser_data(shown, people, stored.answers, browsed, profiles=settings.profiles)
    sections += [_browser(people, stored, browsed, settings), provenance(shown)]
    return _assembled(shown, sections, data)


def domains_of(run: RunFolder, people: People) -> list[str] | None:
    """Of the held-out scenarios, as they are shown: as recorded, else as the data has them."""
    recorded = [record.domain for record in run.held_out]
    found = [shown_name(domain) for domain in recorded if isinstance(domain, str)]
    if len(found) == len(recorded):
        return found
    return None if people.held_out is None else [shown_name(scenario.domain) for scenario in people.held_out]


def _browser(people: People, stored: Stored, browsed: Browsed, settings: ReportSettings) -> Section:
    """The place where the script shows scenarios, and what it cannot show."""
    notes: list[Part] = []
    if not settings.profiles:
        notes.append(left_out("queries, profiles and answers (profiles=false)"))
    elif people.missing is not None:
        notes.append(left_out(f"queries and profiles: {people.missing}"))
    if settings.profiles and stored.missing is not None:
        notes.append(left_out(f"answers: {stored.missing}") if not stored.answers else _note(stored.missing))
    if browsed.left:
        notes.append(_note(f"{browsed.left:,} more scenarios are not here (scenarios=null takes all)"))
    return Section(
        "scenarios",
        "Scenarios",
        "Scenarios",
        [*notes, el("div", id="browser"), el("p", _WITHOUT_SCRIPT, id="no-browser")],
    )


_WITHOUT_SCRIPT = "Scenarios are browsed on screen, by a script in this file."


def _note(text: str) -> Element:
    return el("p", f"{text[0].upper()}{text[1:]}.", class_="note")


def _assembled(shown: Shown, sections: list[Section], data: dict[str, Any]) -> str:
    style, script = _asset("report.css"), "\n".join(_asset(name) for name in ("tree.js", "browser.js", "report.js"))
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    head, title = overview(shown), f"{shown.run.path.resolve().name} - raise-agent {shown.run.verb}"
    links = el("ul", [el("li", el("a", s.short, href=f"#{s.id}")) for s in sections])
    body = [
        el("section", el("h2", s.title, id=f"{s.id}-title"), s.parts, id=s.id, aria_labelledby=f"{s.id}-title")
        for s in sections
    ]
    return Template(_asset("report.html")).substitute(
        title=escaped(f"{title}{f' ({SIMULATED.lower()})' if shown.simulated else ''}"),
        policy=escaped(policy),
        style=style,
        script=script,
        data=as_script(data),
        tag=written(el("span", "simulated", class_="tag")) if shown.simulated else "",
        links=written(links),
        head=written(el("header", head, class_="top")),
        sections=written(*body),
    )


def _asset(name: str) -> str:
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What a content security policy knows a script or style sheet by: its text as it stands in the page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
