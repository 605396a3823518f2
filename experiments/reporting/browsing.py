"""The scenarios of a report as compact data: a column for each fact, drawn by the page's script when one is looked at.

Text in it comes from data and is never markup: the script only ever sets it as text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raise_agent.attributes import AttributeTable
from raise_agent.experiments.searches import SearchRecord
from raise_agent.experiments.tables import shown_name
from raise_agent.scenario import Scenario
from raise_agent.subsets import mask_of
from raise_agent.text import well_formed

from .answers import Answers
from .folder import HeldOut, Planned, RunFolder, Talk
from .people import People
from .shown import DIMENSION_NAMES, Shown
from .summaries import PLANNING

_DIGITS = 3
"""After the point of a score: what a table of scores shows, and one more."""


@dataclass(frozen=True, slots=True)
class Browsed:
    """Which scenarios are there to be browsed."""

    held_out: int
    """The first so many of the test scenarios."""
    planned: int
    """And of those planned over."""
    left: int
    """How many are left out."""

    @classmethod
    def of(cls, run: RunFolder, most: int | None) -> Browsed:
        """At most so many, test scenarios first; None takes all."""
        held_out, planned = len(run.held_out), len(run.planned)
        room = held_out + planned if most is None else most
        first = min(held_out, room)
        then = min(planned, room - first)
        return cls(first, then, held_out + planned - first - then)


def browser_data(shown: Shown, people: People, answers: Answers, browsed: Browsed, *, profiles: bool) -> dict[str, Any]:
    """Everything that the page's browser shows, as plain data.

    Args:
        shown: the run.
        people: its scenarios.
        answers: of the responder.
        browsed: which scenarios.
        profiles: whether queries, profiles and answers are shown: all that users said.
    """
    run = shown.run
    held_out, planned = run.held_out[: browsed.held_out], run.planned[: browsed.planned]
    scenarios: list[Scenario | None] = [
        *_found(people.held_out, held_out),
        *_found(people.planned, planned),
    ]
    recorded: Sequence[str | None] = [None] * len(held_out) if shown.domains is None else shown.domains
    others = (None if s is None else shown_name(s.domain) for s in scenarios[len(held_out) :])
    domains = [*recorded[: len(held_out)], *others]
    names = sorted({domain for domain in domains if domain is not None})
    return {
        "attributes": [{"name": attribute.name, "kind": attribute.kind} for attribute in run.table],
        "dimensions": list(DIMENSION_NAMES.values()),
        "budget": shown.budget,
        "heldOut": len(held_out),
        "domains": names,
        "ids": [*(record.id for record in held_out), *(record.id for record in planned)],
        "domain": [-1 if domain is None else names.index(domain) for domain in domains],
        "sources": None if None in scenarios else [s.source for s in scenarios if s is not None],
        "people": _said(run.table, scenarios) if profiles else None,
        "methods": [_method(shown, name, [record.talks[name] for record in held_out]) for name in run.methods]
        + ([_plans(shown, planned)] if planned else []),
        "answers": {row: texts for row, texts in answers.items() if row < len(held_out)} if profiles else {},
    }


def _found(scenarios: Sequence[Scenario] | None, records: Sequence[HeldOut | Planned]) -> list[Scenario | None]:
    return [None] * len(records) if scenarios is None else list(scenarios[: len(records)])


def _said(table: AttributeTable, scenarios: Sequence[Scenario | None]) -> dict[str, Any]:
    """Queries, and profiles as places in a list of values of each attribute; null for who is not to be had."""
    values: list[dict[str, int]] = [{} for _ in table]

    def place(attribute: int, value: str | None) -> int:
        return -1 if value is None else values[attribute].setdefault(value, len(values[attribute]))

    return {
        "queries": [None if s is None else s.query for s in scenarios],
        "profiles": [None if s is None else [place(i, v) for i, v in enumerate(s.profile.values)] for s in scenarios],
        "values": [list(found) for found in values],
    }


def _method(shown: Shown, name: str, talks: Sequence[Talk]) -> dict[str, Any]:
    style = shown.styles[name]
    return {
        "name": name,
        "look": style.class_ + (" hollow" if style.hollow else ""),
        "from": 0,
        "asked": [talk.asked if name != "full" else [] for talk in talks],
        "everything": name == "full",
        "known": [_mask(talk.known) for talk in talks],
        "score": _rounded(talk.score for talk in talks),
        "steps": [None if talk.steps is None else _rounded(talk.steps) for talk in talks],
        "dimensions": [None if talk.dimensions is None else _rounded(talk.dimensions) for talk in talks],
        "searches": _searches([talk.search for talk in talks]),
    }


def _plans(shown: Shown, planned: Sequence[Planned]) -> dict[str, Any]:
    """The plans, as if they were one more method, on scenarios of their own."""
    style = shown.styles[PLANNING]
    return {
        "name": style.label,
        "look": f"{style.class_} hollow",
        "from": len(shown.run.held_out),
        "asked": [record.path for record in planned],
        "everything": False,
        "known": [_mask(mask_of(record.path)) for record in planned],
        "score": _rounded(record.steps[-1] if record.steps else None for record in planned),
        "steps": [_rounded(record.steps) for record in planned],
        "dimensions": [None] * len(planned),
        "searches": _searches([record.search for record in planned]),
    }


def _searches(searches: Sequence[SearchRecord | None]) -> list[Any] | None:
    """Subsets and scores in the order asked, and the nodes of a tree of its own."""
    if not any(searches):
        return None
    return [
        None
        if search is None
        else [
            [*map(_mask, search.subsets)],
            _rounded(search.scores),
            [[n.path, n.visits, round(n.value, _DIGITS)] for n in search.tree],
        ]
        for search in searches
    ]


def _mask(subset: int) -> int | str:
    """A subset as the script can read it: its numbers are exact below this."""
    return subset if subset < 1 << 53 else str(subset)


def _rounded(scores: Iterable[float | None]) -> list[float | None]:
    return [None if score is None else round(score, _DIGITS) for score in scores]


def as_script(data: Mapping[str, Any]) -> str:
    """Plain data as JSON that is safe inside a ``script`` element: no text in it can end the element.

    >>> as_script({"query": "</script>"})
    '{"query":"\\\\u003c/script>"}'
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return well_formed(text).replace("<", "\\u003c")
