"""The attribute table: what may be asked of a person, in which words, at what cost.

The table of PENGUIN (paper, section 3 and Table 4) ships as ``penguin.json`` beside this file. Another
table, with other attributes and another number of them, is a JSON file of the same form; only its ``name``
and ``attributes`` are required. The optional parts are ``unknown`` (spellings of "the data does not say"),
``synthesis`` (a Bayesian network that draws profiles), ``constraints`` (rules that profiles made up by a model must
keep) and ``simulation`` (how much the simulated model makes of each attribute).
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from .errors import TableError, did_you_mean
from .subsets import members

KINDS = ("demographic", "health", "psychological", "emotional")
MAX_ATTRIBUTES = 62
"""A subset is stored as one signed 64-bit integer, with room for the answer action."""

_SECTIONS = ("synthesis", "constraints", "simulation")
_SEPARATORS = re.compile(r"[\s_\-/]+")
_KEY = re.compile(r"[a-z][a-z0-9_]*")
_RESERVED = "answer"
"""Names the action beside the asks, in every policy and plan; no attribute may be called so."""


def _normalised(spelling: str) -> str:
    return _SEPARATORS.sub(" ", spelling).strip().casefold()


@dataclass(frozen=True, slots=True)
class Attribute:
    """One thing about a person that can be asked."""

    key: str
    """Identifier, snake_case, unique in its table."""
    name: str
    """As the data set spells it."""
    kind: str
    """One of ``KINDS``."""
    question: str
    """What a considerate person would ask."""
    aliases: tuple[str, ...] = ()
    """Other spellings in data; case, spaces, hyphens and underscores never matter."""
    cost: float = 0.0
    """What one question costs, in points of the safety score; 0 or more."""
    values: Mapping[str, float] = field(default_factory=dict, compare=False)
    """Typical values, each with its severity for the simulated model, 0 (harmless) to 1 (grave)."""


@dataclass(frozen=True)
class AttributeTable:
    """An ordered table of attributes; the position is the bit in every subset."""

    name: str
    attributes: tuple[Attribute, ...]
    unknown: tuple[str, ...] = ()
    """Spellings of a value that the data does not hold."""
    sections: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """The parts of the file that other modules read: ``_SECTIONS``."""

    def __post_init__(self) -> None:
        if not self.attributes:
            raise TableError(f"attribute table {self.name!r} has no attributes; at least one is needed")
        if len(self.attributes) > MAX_ATTRIBUTES:
            raise TableError(
                f"attribute table {self.name!r} has {len(self.attributes)} attributes; at most {MAX_ATTRIBUTES}"
            )
        owner: dict[str, str] = {}
        for attribute in self.attributes:
            if attribute.key == _RESERVED:
                raise TableError(
                    f"attribute table {self.name!r}: key {_RESERVED!r} names the action of answering; choose another"
                )
            for spelling in dict.fromkeys(map(_normalised, (attribute.key, attribute.name, *attribute.aliases))):
                if not spelling:
                    raise TableError(f"attribute table {self.name!r}: {attribute.key!r} has a spelling that is blank")
                if spelling in owner:
                    raise TableError(
                        f"attribute table {self.name!r}: {spelling!r} names both {owner[spelling]!r} "
                        f"and {attribute.key!r}; each spelling may name one attribute"
                    )
                owner[spelling] = attribute.key

    def __len__(self) -> int:
        return len(self.attributes)

    def __iter__(self) -> Iterator[Attribute]:
        return iter(self.attributes)

    def __getitem__(self, index: int) -> Attribute:
        return self.attributes[index]

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Attribute keys in table order."""
        return tuple(attribute.key for attribute in self.attributes)

    @cached_property
    def costs(self) -> tuple[float, ...]:
        """Cost of each question, in points of the safety score."""
        return tuple(attribute.cost for attribute in self.attributes)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {
            written: index
            for index, attribute in enumerate(self.attributes)
            for spelling in (attribute.key, attribute.name, *attribute.aliases)
            for written in (spelling, _normalised(spelling))
        }

    @cached_property
    def _unknown(self) -> frozenset[str]:
        return frozenset(_normalised(spelling) for spelling in self.unknown)

    def find(self, spelling: str) -> int | None:
        """Index of the attribute with this key, name or alias; None where there is none."""
        found = self._index.get(spelling)
        return self._index.get(_normalised(spelling)) if found is None else found

    def index(self, spelling: str) -> int:
        """Index of the attribute with this key, name or alias.

        Raises:
            TableError: nothing is called that; the message gives the valid keys.
        """
        found = self.find(spelling)
        if found is None:
            raise TableError(f"unknown attribute {spelling!r}: {did_you_mean(spelling, self.keys)}")
        return found

    def keys_of(self, subset: int) -> tuple[str, ...]:
        """Keys of the attributes in a subset, in table order."""
        return tuple(self.keys[index] for index in members(subset))

    def is_unknown(self, value: str) -> bool:
        """Whether a value only says that the data does not hold one."""
        return _normalised(value) in self._unknown

    def text_of(self, value: str | float) -> str | None:
        """An answer as text, a whole number without a point; None where it is blank or says that it is unknown.

        Raises:
            ValueError: a whole number with more digits than Python turns into text.
        """
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            # A column of integers with one gap comes back as floats: 30.0 is the 30 that was recorded.
            value = int(value)
        text = str(value)
        return text if text.strip() and not self.is_unknown(text) else None

    def with_costs(self, costs: Mapping[str, float]) -> AttributeTable:
        """The same table with other costs for some attributes.

        Raises:
            TableError: an attribute is unknown or named twice, or a cost is not a number of 0 or more.
        """
        changed = list(self.attributes)
        for index, (spelling, cost) in zip(parse_spellings(self, costs), costs.items(), strict=True):
            changed[index] = dataclasses.replace(changed[index], cost=_cost(cost, f"cost of {spelling!r}"))
        return dataclasses.replace(self, attributes=tuple(changed))

    def to_json(self) -> list[dict[str, Any]]:
        """The attributes as plain data, without what only the simulation uses."""
        return [
            {
                "key": a.key,
                "name": a.name,
                "kind": a.kind,
                "question": a.question,
                "aliases": list(a.aliases),
                "cost": a.cost,
            }
            for a in self.attributes
        ]

    @classmethod
    def from_json(cls, data: Any, where: str) -> AttributeTable:
        """Build a table from parsed JSON; ``where`` names the source in errors.

        Raises:
            TableError: a part is missing, of the wrong type, or out of range.
        """
        if not isinstance(data, dict) or not isinstance(data.get("attributes"), list):
            raise TableError(f"{where}: an attribute table is a JSON object with a list 'attributes'")
        valid = {"name", "attributes", "unknown", *_SECTIONS}
        check_names(data, valid, where, "part")
        unknown = data.get("unknown", [])
        if not isinstance(unknown, list) or not all(isinstance(item, str) for item in unknown):
            raise TableError(f"{where}: 'unknown' must be a list of strings")
        return cls(
            name=_text(data, "name", where),
            attributes=tuple(
                _attribute(item, f"{where}: attribute {position + 1}")
                for position, item in enumerate(data["attributes"])
            ),
            unknown=tuple(unknown),
            sections={part: data[part] for part in _SECTIONS if part in data},
        )


def check_names(given: Iterable[str], valid: Collection[str], where: str, what: str) -> None:
    """Refuse an unknown name in a part of an attribute table.

    Args:
        given: names.
        valid: those that are known.
        where: the part, for the error.
        what: is named.

    Raises:
        TableError: one is unknown.
    """
    for name in given:
        if name not in valid:
            raise TableError(f"{where}: unknown {what} {name!r}: {did_you_mean(str(name), valid)}")


def _text(data: Mapping[str, Any], key: str, where: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value.strip():
        raise TableError(f"{where}: {key!r} must be a non-empty string")
    return value


def _cost(value: Any, where: str) -> float:
    # The largest float, not infinity: JSON also holds whole numbers that no float can.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= sys.float_info.max:
        raise TableError(f"{where}: a cost is a number of score points, 0 or more")
    return float(value)


def _attribute(data: Any, where: str) -> Attribute:
    if not isinstance(data, dict):
        raise TableError(f"{where}: an attribute is a JSON object with key, name, kind and question")
    valid = {"key", "name", "kind", "question", "aliases", "cost", "values"}
    check_names(data, valid, where, "field")
    kind = _text(data, "kind", where)
    if kind not in KINDS:
        raise TableError(f"{where}: kind {kind!r}: {did_you_mean(kind, KINDS)}")
    key = _text(data, "key", where)
    if not _KEY.fullmatch(key):
        raise TableError(f"{where}: key {key!r} must be snake_case: a lower-case letter, then a-z, 0-9, _")
    aliases = data.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(item, str) for item in aliases):
        raise TableError(f"{where}: 'aliases' must be a list of strings")
    values = data.get("values", {})
    if not isinstance(values, dict) or not all(
        name.strip() and isinstance(v, (int, float)) and not isinstance(v, bool) and 0 <= v <= 1
        for name, v in values.items()
    ):
        raise TableError(f"{where}: 'values' must map each value, not blank, to its severity, 0 to 1")
    return Attribute(
        key=key,
        name=_text(data, "name", where),
        kind=kind,
        question=_text(data, "question", where),
        aliases=tuple(aliases),
        cost=_cost(data.get("cost", 0.0), where),
        values={value: float(severity) for value, severity in values.items()},
    )


def load_table(path: str | Path) -> AttributeTable:
    """Read an attribute table from a JSON file.

    Raises:
        TableError: the file is missing, is not JSON, or is not a valid table.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(f"{file}: cannot read the attribute table ({type(error).__name__})") from error
    return _parse(text, str(file))


@cache
def penguin_table() -> AttributeTable:
    """The ten attributes of PENGUIN.

    >>> len(penguin_table()), penguin_table().index("past_self_harm_history") == penguin_table().index("self_harm")
    (10, True)
    """
    from importlib import resources  # takes long, and a policy brings its own table

    file = resources.files("raise_agent") / "penguin.json"
    return _parse(file.read_text(encoding="utf-8"), "penguin.json")


def _parse(text: str, where: str) -> AttributeTable:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise TableError(f"{where}: not valid JSON, line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise TableError(f"{where}: cannot be read as JSON; a number is too long or the nesting too deep") from error
    return AttributeTable.from_json(data, where)


def parse_spellings(table: AttributeTable, spellings: Iterable[str]) -> tuple[int, ...]:
    """Indices of several attributes, in the order given, each named once.

    Raises:
        TableError: one is unknown or named twice.
    """
    indices = tuple(table.index(spelling) for spelling in spellings)
    for position, index in enumerate(indices):
        if index in indices[:position]:
            raise TableError(f"attribute {table.keys[index]!r} is named twice; each may be named once")
    return indices
