"""One record of each published form, read into the parts of a scenario.

Every fault is a ``DataError`` that names the record and the key, never a value or the text of a query.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from raise_agent.attributes import AttributeTable
from raise_agent.errors import DataError, did_you_mean
from raise_agent.scenario import Profile

DOMAINS = ("Life", "Education", "Relationship", "Health", "Social", "Financial", "Career")
"""The seven domains of PENGUIN (paper, section 3)."""

_DOMAIN_OF = {domain.casefold(): domain for domain in DOMAINS}

# Paper, A.2: each group of subreddits was read for one domain.
_SUBREDDITS = {
    "Life": ("adulting", "selfimprovement"),
    "Education": ("college", "gradschool", "applyingtocollege", "gradadmissions"),
    "Relationship": ("relationships", "relationship_advice"),
    "Health": ("mentalhealth", "suicidewatch"),
    "Social": ("socialskills", "socialanxiety"),
    "Financial": ("personalfinance", "povertyfinance"),
    "Career": ("careerguidance", "jobs"),
}
SUBREDDIT_DOMAINS: Mapping[str, str] = {name: domain for domain, names in _SUBREDDITS.items() for name in names}
"""Subreddit in lower case -> its domain."""

_NOT_ATTRIBUTES = frozenset({"scenario", "domain", "id", "source"})
"""Keys that may stand beside the attributes in a record of the profiles file."""


@dataclass(frozen=True, slots=True, repr=False)
class Record:
    """One parsed record, not yet checked."""

    where: str
    """File and record, as errors name them."""
    value: Any
    """What the JSON held."""
    folders: tuple[str, ...] = ()
    """Names that may tell the domain, nearest first: the file's stem, then its folders outwards."""
    fault: str = ""
    """Why the record could not even be parsed; empty if it could."""


@dataclass(frozen=True, slots=True, repr=False)
class Draft:
    """A scenario to be: everything checked but the query and the id."""

    where: str
    id: str
    """The record's own id; empty where it has none."""
    domain: str
    query: Any
    profile: Profile
    source: str


def text_fault(text: str) -> str | None:
    """What makes a text unusable for storage and servers; None if nothing does.

    >>> text_fault("a plain question?") is None
    True
    """
    if "\0" in text:
        return "holds a null byte"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "holds a lone surrogate, so it is not valid Unicode"
    return None


def query_text(value: Any, where: str) -> str:
    """The query exactly as recorded.

    Raises:
        DataError: it is missing, not a string, blank, or not usable as text.
    """
    if value is None:
        raise DataError(f"{where}: no query; a scenario needs a non-blank text as its query")
    if not isinstance(value, str):
        raise DataError(f"{where}: the query is {_kind(value)}; it must be a string")
    if not value.strip():
        raise DataError(f"{where}: the query is blank; a scenario needs a non-blank text as its query")
    if fault := text_fault(value):
        raise DataError(f"{where}: the query {fault}")
    return value


def form_of(value: Any, table: AttributeTable) -> str | None:
    """The form a record is in: ``queries``, ``jsonl``, ``hub`` or ``profiles``; None if in none of them."""
    if not isinstance(value, dict):
        return None
    fields = {_plain(key): item for key, item in value.items()}
    if "user_profile" in fields or "queries" in fields:
        return "queries"
    if isinstance(fields.get("profile"), dict):
        return "jsonl"
    if any(table.find(key) is not None for key in value):
        return "hub" if "query" in fields else "profiles" if "scenario" in fields else None
    return None


def from_queries(record: Record, table: AttributeTable) -> list[Draft]:
    """The drafts of one record of the released queries file, one for each query.

    The domain is ``Domain`` where there is one, else the situation under ``Scenario``.
    An own id gets the number of the query as its tail.

    Raises:
        DataError: the record or its profile is unusable; one bad query is found later, by ``query_text``.
    """
    data, where = _object(record), record.where
    nested = _nested(data, where, "user_profile", "User_Profile")
    queries = _field(data, where, "queries")
    if queries is None:
        raise DataError(f"{where}: no 'Queries'; it must be a list with at least one query")
    if not isinstance(queries, list):
        raise DataError(f"{where}: 'Queries' is {_kind(queries)}; it must be a list of strings")
    if not queries:
        raise DataError(f"{where}: 'Queries' is empty; it must be a list with at least one query")
    names = [attribute.name for attribute in table]
    profile = _profile(nested, where, table, valid=names, beside={"scenario"})
    domain = _text(data, where, "domain") or _text(data, where, "scenario") or _text(nested, where, "scenario")
    own = _own_id(data, where)
    return [
        Draft(
            where=f"{where}, query {number}",
            id=f"{own}-{number}" if own else "",
            domain=_canonical(domain) or domain,
            query=query,
            profile=profile,
            source="released",
        )
        for number, query in enumerate(queries, 1)
    ]


def from_hub(record: Record, table: AttributeTable) -> list[Draft]:
    """The draft of one flat record of the hub data set; columns that are no attribute are ignored.

    Raises:
        DataError: the record is unusable, or none of its columns is an attribute.
    """
    data, where = _object(record), record.where
    _require_an_attribute(data, where, table)
    return [
        Draft(
            where=where,
            id=_own_id(data, where),
            domain=_hub_domain(data, where, record.folders),
            query=_field(data, where, "query"),
            profile=_profile(data, where, table),
            source=_text(data, where, "subreddit", "source") or "hub",
        )
    ]


def from_jsonl(record: Record, table: AttributeTable) -> list[Draft]:
    """The draft of one record of this project's own form, domain and source as recorded.

    Raises:
        DataError: the record or its profile is unusable.
    """
    data, where = _object(record), record.where
    nested = _nested(data, where, "profile", "profile")
    return [
        Draft(
            where=where,
            id=_own_id(data, where),
            domain=_text(data, where, "domain"),
            query=_field(data, where, "query"),
            profile=_profile(nested, where, table, valid=table.keys),
            source=_text(data, where, "source"),
        )
    ]


def from_profiles(record: Record, table: AttributeTable) -> tuple[str, Profile]:
    """The situation and the profile of one record of the released profiles file.

    Raises:
        DataError: the record is unusable, has no situation, or has a key that is no attribute.
    """
    data, where = _object(record), record.where
    situation = _text(data, where, "scenario")
    if not situation.strip():
        raise DataError(f"{where}: no 'Scenario'; a profile needs the situation it belongs to, as a string")
    _require_an_attribute(data, where, table)
    names = [attribute.name for attribute in table]
    return situation, _profile(data, where, table, valid=names, beside=_NOT_ATTRIBUTES)


def _object(record: Record) -> dict[str, Any]:
    if record.fault:
        raise DataError(f"{record.where}: {record.fault}")
    if not isinstance(record.value, dict):
        raise DataError(f"{record.where}: the record is {_kind(record.value)}; it must be a JSON object")
    return record.value


def _nested(data: Mapping[str, Any], where: str, name: str, shown: str) -> dict[str, Any]:
    nested = _field(data, where, name)
    if nested is None:
        raise DataError(f"{where}: no {shown!r}; it must be an object of attributes and their values")
    if not isinstance(nested, dict):
        raise DataError(f"{where}: {shown!r} is {_kind(nested)}; it must be an object of attributes and their values")
    return nested


def _require_an_attribute(data: Mapping[str, Any], where: str, table: AttributeTable) -> None:
    if not any(table.find(key) is not None for key in data):
        raise DataError(f"{where}: the record has no attribute; valid: {', '.join(table.keys)}")


def _profile(
    data: Mapping[str, Any],
    where: str,
    table: AttributeTable,
    *,
    valid: Collection[str] | None = None,
    beside: Collection[str] = (),
) -> Profile:
    """The profile in ``data``; given ``valid``, a key neither attribute nor ``beside`` is an error."""
    values: list[str | None] = [None] * len(table)
    named: dict[int, str] = {}
    for key, value in data.items():
        index = table.find(key)
        if index is None:
            if valid is not None and _plain(key) not in beside:
                raise DataError(f"{where}: unknown attribute {_shown(key)}: {did_you_mean(key, valid)}")
            continue
        if index in named:
            raise DataError(
                f"{where}: attribute {table[index].key!r} is given twice, as {_shown(named[index])} and {_shown(key)}"
            )
        named[index] = key
        values[index] = _value(value, f"{where}: the value of {_shown(key)}", table)
    return Profile(keys=table.keys, values=tuple(values))


def _value(value: Any, what: str, table: AttributeTable) -> str | None:
    if value is None or _is_nan(value):
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise DataError(f"{what} is {_kind(value)}; it must be text, a number or null")
    if isinstance(value, float) and math.isinf(value):
        raise DataError(f"{what} is not a finite number; it must be text, a number or null")
    text = table.text_of(value)
    if text is not None and (fault := text_fault(text)):
        raise DataError(f"{what} {fault}")
    return text


def _hub_domain(data: Mapping[str, Any], where: str, folders: tuple[str, ...]) -> str:
    recorded = _text(data, where, "domain")
    if recorded:
        return _canonical(recorded) or recorded
    for folder in folders:
        if domain := _canonical(folder):
            return domain
    if not folders:  # a data set taken from the hub has lost its folders
        subreddit = _text(data, where, "subreddit", "source").casefold().removeprefix("r/")
        if subreddit in SUBREDDIT_DOMAINS:
            return SUBREDDIT_DOMAINS[subreddit]
    situation = _text(data, where, "scenario")
    if situation:
        return _canonical(situation) or situation
    return folders[1] if len(folders) > 1 else ""


def _own_id(data: Mapping[str, Any], where: str) -> str:
    value = _field(data, where, "id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        return ""
    if fault := text_fault(value):
        raise DataError(f"{where}: 'id' {fault}")
    return value


def _text(data: Mapping[str, Any], where: str, *names: str) -> str:
    """The text under the first of these names that has one; empty if none has."""
    for name in names:
        value = _field(data, where, name)
        if value is None:
            continue
        if not isinstance(value, str):
            raise DataError(f"{where}: {name!r} is {_kind(value)}; it must be a string")
        if fault := text_fault(value):
            raise DataError(f"{where}: {name!r} {fault}")
        if value:
            return value
    return ""


def _field(data: Mapping[str, Any], where: str, name: str) -> Any:
    """The value under ``name``, in any case and with any separators; None where there is none."""
    keys = [key for key in data if _plain(key) == name]
    if len(keys) > 1:
        raise DataError(f"{where}: {name!r} is given twice, as {' and '.join(_shown(key) for key in keys)}")
    value = data[keys[0]] if keys else None
    return None if _is_nan(value) else value


def _is_nan(value: Any) -> bool:
    """Whether this is how data frames write a missing value."""
    return isinstance(value, float) and math.isnan(value)


def _canonical(text: str) -> str | None:
    return _DOMAIN_OF.get(text.strip().casefold())


def _plain(key: str) -> str:
    return key.strip().casefold().replace(" ", "_").replace("-", "_")


def _shown(key: str) -> str:
    return repr(key if len(key) <= 60 else key[:57] + "...")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names = {str: "a string", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), f"of type {type(value).__name__}")
