"""Writes scenarios as JSON Lines, the form in which this project keeps them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from raise_agent.errors import DataError
from raise_agent.files import atomic_write_text
from raise_agent.scenario import Scenario

from .records import query_text, text_fault

# Legal inside a JSON string, but many tools take them for the end of a line.
_LINE_ENDS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\x85\u2028\u2029"}


def write_jsonl(path: str | Path, scenarios: Iterable[Scenario]) -> None:
    """Write the scenarios, one line each, replacing the file as a whole or not at all.

    The same scenarios give the same bytes. What ``load_scenarios`` returned reads back equal, ids and sources
    included, with the table that it was read with. (Of scenarios built by hand, the loader keeps the first of
    each content, and takes blank values and those that its table calls unknown for None.)

    Raises:
        DataError: a scenario could not be read back (no id, an id used twice, an unusable text), or the file
            cannot be written; the message gives the scenario's position and nothing of its content.
    """
    lines = []
    seen: set[str] = set()
    for number, scenario in enumerate(scenarios, 1):
        where = f"{path}: scenario {number}"
        if not scenario.id.strip():
            raise DataError(f"{where}: its id is empty; the file needs one for each scenario")
        if scenario.id in seen:
            raise DataError(f"{where}: its id is that of an earlier scenario; each id may stand once")
        seen.add(scenario.id)
        lines.append(_line(scenario, where))
    try:
        atomic_write_text(path, "".join(lines))
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({type(error).__name__})") from error


def _line(scenario: Scenario, where: str) -> str:
    query_text(scenario.query, where)
    profile = dict(zip(scenario.profile.keys, scenario.profile.values, strict=True))
    record = {
        "id": scenario.id,
        "domain": scenario.domain,
        "query": scenario.query,
        "source": scenario.source,
        "profile": profile,
    }
    named = {"id": scenario.id, "domain": scenario.domain, "source": scenario.source, **profile}
    for name, text in named.items():
        if text is not None and (fault := text_fault(text)):
            raise DataError(f"{where}: {name!r} {fault}")
    return json.dumps(record, ensure_ascii=False).translate(_LINE_ENDS) + "\n"
