"""Reads scenarios from every form in which PENGUIN data is published, and from this project's own.

=========== ======================================================================================
form        what the file holds
=========== ======================================================================================
``queries`` released generator: array of ``{"Scenario", "User_Profile": {...}, "Queries": [...]}``
``profiles`` released generator: array of profiles beside a ``Scenario``; no query (``load_profiles``)
``hub``     ``wick1d/Personalized_Safety_Data``: arrays of flat records, or its id on the hub
``jsonl``   one ``{"id", "domain", "query", "source", "profile": {key: value or null}}`` a line
=========== ======================================================================================

What all forms share:

- Attributes may be spelled in any way that the table knows. One that is missing, null, NaN, blank or spelled
  as unknown in the table is None; every other value, and every query, is kept exactly as recorded.
- The domain of a hub record is its own ``domain`` if it has one, else the nearest of file and folders that is
  named as one of the seven domains, else its ``scenario``, else its folder. Records taken from the hub by id
  have no folder; for them the subreddit tells it (paper, A.2). A released query keeps its free situation
  (such as a breakup) as its domain unless its record has a ``Domain``.
- The id is the record's own ``id``, else the first 12 hex digits of the content digest.
- Two scenarios of the same content are one: the first is kept, the others are counted.
- No message ever holds a value or the text of a query.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from raise_agent.attributes import AttributeTable
from raise_agent.errors import ConfigError, DataError, MissingExtraError, did_you_mean
from raise_agent.scenario import Profile, Scenario

from .records import (
    Draft,
    Record,
    form_of,
    from_hub,
    from_jsonl,
    from_profiles,
    from_queries,
    query_text,
)

Format = Literal["auto", "profiles", "queries", "hub", "jsonl"]
OnBad = Literal["fail", "skip"]

LINES_SUFFIXES = (".jsonl", ".ndjson")
DATA_SUFFIXES = (".json", *LINES_SUFFIXES)

_PARSERS: dict[str, Callable[[Record, AttributeTable], list[Draft]]] = {
    "queries": from_queries,
    "hub": from_hub,
    "jsonl": from_jsonl,
}
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_FOLDER_METADATA = ("dataset_info.json", "dataset_infos.json")
_FORMS = (
    "valid: released queries (objects with 'User_Profile' and 'Queries'), released profiles ('Scenario' and "
    "attributes), hub records ('query' and attributes), or this project's records ('query' and 'profile')"
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class Dataset:
    """What was read; its ``repr`` gives counts only."""

    scenarios: tuple[Scenario, ...]
    """In the order of the files and records, each content and each id once."""
    skipped: tuple[str, ...]
    """One message for each record skipped (or for each query, where only that query was bad)."""
    duplicates: int = 0
    """How many further records had the content of a scenario already read."""

    def __repr__(self) -> str:
        read, skipped = len(self.scenarios), len(self.skipped)
        return f"Dataset({read} scenarios, {skipped} skipped, {self.duplicates} duplicates)"


def load_scenarios(
    path: str | Path, table: AttributeTable, *, on_bad: OnBad = "fail", format: Format = "auto"
) -> Dataset:
    """Read the scenarios of a file, of a folder (its data files at any depth, sorted), or of a hub data set.

    A name of the form ``owner/name`` that is no file or folder here is a hub id; it needs the extra ``hub``.
    With ``on_bad="skip"`` a bad record is left out and reported in ``skipped``. Faults of a whole file, and
    a data set without one good record, are errors in any case.

    ``format="auto"`` tells the form of each file from its records. A file of profiles is an error: it holds
    no query.

    Raises:
        DataError: the data cannot be used; the message names file, record and what would be valid.
        MissingExtraError: a hub id was given and ``datasets`` is not installed.
        ConfigError: ``on_bad`` or ``format`` is none of the valid ones.
    """
    _check_options(on_bad, format)
    collector = _Collector(on_bad)
    for form, records in _batches(path, table, format):
        for record in records:
            collector.take(record, _PARSERS[form], table)
    if not collector.scenarios:
        raise _nothing(path, collector.skipped, "scenario")
    return Dataset(tuple(collector.scenarios), tuple(collector.skipped), collector.duplicates)


def load_profiles(path: str | Path, table: AttributeTable, *, on_bad: OnBad = "fail") -> list[tuple[str, Profile]]:
    """Read a released profiles file: the situation and the profile of each record, in order.

    Records of the same content are all kept. With ``on_bad="skip"`` a bad record is left out and logged as a
    warning.

    Raises:
        DataError: the data cannot be used; the message names file, record and what would be valid.
        ConfigError: ``on_bad`` is none of the valid ones.
    """
    _check_options(on_bad, "profiles")
    file = Path(path)
    if not os.path.exists(path):
        raise DataError(f"{file}: no such file; give a released profiles file, a JSON array of objects")
    if file.is_dir():
        raise DataError(f"{file}: this is a folder; give the profiles file itself")
    records = _read(file, (), "profiles")
    if (form := _common_form(records, table)) not in (None, "profiles"):
        raise DataError(f"{file}: this file holds queries (form {form!r}); read it with load_scenarios")
    profiles: list[tuple[str, Profile]] = []
    skipped: list[str] = []
    for record in records:
        try:
            profiles.append(from_profiles(record, table))
        except DataError as error:
            if on_bad == "fail":
                raise
            skipped.append(str(error))
    if not profiles:
        raise _nothing(file, skipped, "profile")
    for message in skipped:
        _log.warning("skipped: %s", message)
    return profiles


class _Collector:
    """Gathers scenarios, unique by content and by id."""

    def __init__(self, on_bad: OnBad) -> None:
        self.on_bad = on_bad
        self.scenarios: list[Scenario] = []
        self.skipped: list[str] = []
        self.duplicates = 0
        self._digests: set[str] = set()
        self._ids: set[str] = set()

    def take(
        self, record: Record, parse: Callable[[Record, AttributeTable], list[Draft]], table: AttributeTable
    ) -> None:
        try:
            drafts = parse(record, table)
        except DataError as error:
            self._reject(error)
            return
        for draft in drafts:
            try:
                self._add(draft)
            except DataError as error:
                self._reject(error)

    def _reject(self, error: DataError) -> None:
        if self.on_bad == "fail":
            raise error
        self.skipped.append(str(error))

    def _add(self, draft: Draft) -> None:
        query = query_text(draft.query, draft.where)
        scenario = Scenario(id=draft.id, domain=draft.domain, query=query, profile=draft.profile, source=draft.source)
        if scenario.digest in self._digests:
            self.duplicates += 1
            return
        if not draft.id:
            short = scenario.digest[:12]
            own = scenario.digest if short in self._ids else short
            scenario = dataclasses.replace(scenario, id=own)
        if scenario.id in self._ids:
            raise DataError(
                f"{draft.where}: its id is that of an earlier scenario with other content; each id may stand once"
            )
        self._digests.add(scenario.digest)
        self._ids.add(scenario.id)
        self.scenarios.append(scenario)


def _check_options(on_bad: str, format: str) -> None:
    for name, value, valid in (("on_bad", on_bad, get_args(OnBad)), ("format", format, get_args(Format))):
        if value not in valid:
            raise ConfigError(f"{name}={value!r}: {did_you_mean(str(value), valid)}")


def _nothing(path: str | Path, skipped: list[str], what: str) -> DataError:
    if not skipped:
        return DataError(f"{path}: the data set is empty; at least one {what} is needed")
    return DataError(f"{path}: no usable {what}, {len(skipped)} skipped; the first: {skipped[0]}")


def _batches(path: str | Path, table: AttributeTable, format: Format) -> Iterator[tuple[str, list[Record]]]:
    """The records of each file with their form, which is never ``profiles``."""
    root = Path(path)
    if not os.path.exists(path):
        if format in ("auto", "hub") and _is_hub_id(root.as_posix()):
            yield "hub", _read_hub(root.as_posix())
            return
        raise DataError(
            f"{path}: no such file or folder; give a .json or .jsonl file, a folder of them, or a hub id 'owner/name'"
        )
    for file, folders in _files(root):
        records = _read(file, folders, format)
        form = format if format != "auto" else _detect(file, records, table)
        if form == "profiles":
            raise DataError(
                f"{file}: this file holds profiles without queries, and a scenario needs a query; use the "
                f"queries file of the same release, or generate scenarios with data=synthetic "
                f"(load_profiles reads the profiles alone)"
            )
        if records:
            yield form, records


def _is_hub_id(name: str) -> bool:
    return _HUB_ID.fullmatch(name) is not None and not name.lower().endswith(DATA_SUFFIXES)


def _files(root: Path) -> list[tuple[Path, tuple[str, ...]]]:
    """The data files at ``root`` in sorted order, each with the names that may tell its domain."""
    if not root.is_dir():
        return [(root, (root.stem, root.resolve().parent.name))]
    found = []
    for file in root.rglob("*"):
        inside = file.relative_to(root)
        hidden = any(part.startswith(".") for part in inside.parts)
        if hidden or file.suffix.lower() not in DATA_SUFFIXES or file.name in _FOLDER_METADATA:
            continue
        if file.is_file():
            found.append((file, (file.stem, *reversed(inside.parts[:-1]), root.resolve().name)))
    if not found:
        raise DataError(f"{root}: this folder holds no data; it needs *.json or *.jsonl files, at any depth")
    return sorted(found, key=lambda entry: entry[0].relative_to(root).as_posix())


def _detect(file: Path, records: list[Record], table: AttributeTable) -> str:
    form = _common_form(records, table)
    if form is not None:
        return form
    # Of a file by lines, and of an empty one, the form is not in doubt: let each record tell its own fault.
    if file.suffix.lower() in LINES_SUFFIXES or not records:
        return "jsonl"
    if not any(isinstance(record.value, dict) for record in records):
        raise DataError(f"{records[0].where}: the record is not a JSON object; {_FORMS}")
    raise DataError(f"{file}: format not recognised from its records; {_FORMS}")


def _common_form(records: list[Record], table: AttributeTable) -> str | None:
    forms = Counter(form_of(record.value, table) for record in records)
    # A flat record that lost its query looks like a profile; it is one only where no record has a query.
    ranked = [form for form, _ in forms.most_common() if form not in (None, "profiles")]
    if ranked:
        return ranked[0]
    return "profiles" if forms["profiles"] else None


def _read(file: Path, folders: tuple[str, ...], format: Format) -> list[Record]:
    text = _read_text(file)
    by_lines = file.suffix.lower() in LINES_SUFFIXES
    if by_lines or (format == "jsonl" and not text.lstrip().startswith("[")):
        return _read_lines(file, text, folders)
    return _read_array(file, text, folders)


def _read_text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Not chained: that error carries the whole file.
        raise DataError(f"{file}: not UTF-8, byte {error.start}; save the file as UTF-8") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({type(error).__name__})") from error


def _read_lines(file: Path, text: str, folders: tuple[str, ...]) -> list[Record]:
    # Not str.splitlines: that also splits at U+2028 and others, which may stand inside a JSON string.
    records = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        value, fault = _parse(line)
        place = f"not valid JSON, column {fault.column}: {fault.why}" if fault else ""
        records.append(Record(f"{file}: line {number}", value, folders, place))
    return records


def _read_array(file: Path, text: str, folders: tuple[str, ...]) -> list[Record]:
    if not text.strip():
        raise DataError(f"{file}: the file is empty; it must hold a JSON array of records")
    value, fault = _parse(text)
    by_lines = "; if it holds one object a line, name it *.jsonl or set format='jsonl'"
    hint = by_lines if text.lstrip().startswith("{") else ""
    if fault:
        raise DataError(f"{file}: not valid JSON, line {fault.line}, column {fault.column}: {fault.why}{hint}")
    if not isinstance(value, list):
        raise DataError(f"{file}: the top level is not an array; it must be a JSON array of records{hint}")
    return [Record(f"{file}: record {number}", item, folders) for number, item in enumerate(value, 1)]


@dataclass(frozen=True, slots=True)
class _Fault:
    line: int
    column: int
    why: str


def _parse(text: str) -> tuple[Any, _Fault | None]:
    try:
        return json.loads(text), None
    except json.JSONDecodeError as error:
        return None, _Fault(error.lineno, error.colno, error.msg)
    except RecursionError:
        return None, _Fault(1, 1, "nested too deeply")
    except ValueError:
        return None, _Fault(1, 1, "a number has too many digits")


def _read_hub(name: str) -> list[Record]:
    try:
        import datasets
    except ImportError as error:
        what = f"{name}: no such file or folder here, and loading it from the hub"
        raise MissingExtraError(what, "hub") from error
    try:
        rows = list(datasets.load_dataset(name, split="train"))
    except Exception as error:
        # Not chained: what this library raises about a cell may quote it.
        raise DataError(
            f"{name}: no such file or folder here, and as a hub data set it cannot be loaded "
            f"({type(error).__name__}); give the folder of a downloaded copy, or an id within reach"
        ) from None
    return [Record(f"{name}: record {number}", row) for number, row in enumerate(rows, 1)]
