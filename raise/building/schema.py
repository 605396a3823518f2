"""The form of what a model writes: a small, strict part of JSON Schema.

A schema here is an ``object`` (every property required, no other allowed), an ``array`` with ``maxItems``, a ``string``
with ``maxLength``, a ``boolean``, an ``integer`` from ``minimum`` to ``maximum``, or an ``enum`` of strings; a type
``[..., "null"]`` also admits null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_WORDS = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"minLength", "maxLength"},
    "boolean": set[str](),
    "integer": {"minimum", "maximum"},
}
# Control characters stand for themselves: not every server reads their escapes.
_CHARACTER = '(?:[^"\\\\\x01-\x1f\x7f]|\\\\["\\\\n])'
_FIRST = '(?:[^"\\\\ \x01-\x1f\x7f]|\\\\["\\\\])'
_SIGNS = {ord(sign): f"\\{sign}" for sign in "\\.^$*+?()[]{}|"}


def object_of(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object with these properties, all of them, in this order.

    >>> fits({"yes": True}, object_of(yes={"type": "boolean"})), fits({}, object_of(yes={"type": "boolean"}))
    (True, False)
    """
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def text_of(most: int, *, optional: bool = False) -> dict[str, Any]:
    """The schema of a text of 1 to ``most`` characters; null too where it is optional."""
    return {"type": ["string", "null"] if optional else "string", "minLength": 1, "maxLength": most}


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value is of this schema.

    Raises:
        ValueError: the schema uses a word that is not known here.
    """
    if "enum" in schema:
        return any(type(value) is type(one) and value == one for one in schema["enum"])
    kind, optional = _kind(schema)
    if value is None:
        return optional
    match kind:
        case "object":
            parts = schema["properties"]
            return (
                isinstance(value, dict)
                and set(value) == set(parts)
                and all(fits(value[name], part) for name, part in parts.items())
            )
        case "array":
            return (
                isinstance(value, list)
                and schema.get("minItems", 0) <= len(value) <= schema["maxItems"]
                and all(fits(one, schema["items"]) for one in value)
            )
        case "string":
            return isinstance(value, str) and schema.get("minLength", 0) <= len(value) <= schema["maxLength"]
        case "boolean":
            return isinstance(value, bool)
    return type(value) is int and schema["minimum"] <= value <= schema["maximum"]


def pattern_of(schema: Mapping[str, Any]) -> str:
    """A regular expression of the JSON texts of this schema, without a blank between them that is not fixed.

    Servers that are held to a JSON schema leave room for blanks, with which a weak model pads without end.

    It does not count the characters of a text, beyond whether it may be empty; ``fits`` does. Where some may be
    escaped, xgrammar takes 60 ms and more a token to count them (100,000 tokens in the vocabulary, one request), and a
    text cut at the last character ends within a word. ``max_tokens`` bounds the reply.

    >>> pattern_of(object_of(yes={"type": "boolean"}))
    '\\\\{"yes": (?:true|false)\\\\}'

    Raises:
        ValueError: the schema uses a word that is not known here.
    """
    if "enum" in schema:
        return _either([json.dumps(one, ensure_ascii=False).translate(_SIGNS) for one in schema["enum"]])
    kind, optional = _kind(schema)
    match kind:
        case "object":
            parts = [f'"{name.translate(_SIGNS)}": {pattern_of(part)}' for name, part in schema["properties"].items()]
            pattern = r"\{" + ", ".join(parts) + r"\}"
        case "array":
            pattern = _array(pattern_of(schema["items"]), schema.get("minItems", 0), schema["maxItems"])
        case "string":
            text = f"{_FIRST}{_CHARACTER}*"
            pattern = f'"{text}"' if schema.get("minLength", 0) else f'"(?:{text})?"'
        case "boolean":
            pattern = "(?:true|false)"
        case _:
            pattern = _either([str(number) for number in range(schema["minimum"], schema["maximum"] + 1)])
    return _either([pattern, "null"]) if optional else pattern


def _kind(schema: Mapping[str, Any]) -> tuple[str, bool]:
    """The type, and whether null is admitted too."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    kinds = [one for one in types if one != "null"]
    if len(kinds) != 1 or kinds[0] not in _WORDS:
        raise ValueError(f"a schema here has one type of {', '.join(_WORDS)}, not {schema['type']!r}")
    unknown = set(schema) - _WORDS[kinds[0]] - {"type"}
    if unknown:
        raise ValueError(f"a schema of type {kinds[0]!r} has no {', '.join(sorted(unknown))} here")
    return kinds[0], "null" in types


def _array(item: str, least: int, most: int) -> str:
    if most == 0:
        return r"\[\]"
    more = f"(?:, {item}){{{max(least - 1, 0)},{most - 1}}}" if most > 1 else ""
    filled = item + more
    return rf"\[{filled}\]" if least else _either([rf"\[{filled}\]", r"\[\]"])


def _either(patterns: list[str]) -> str:
    return f"(?:{'|'.join(patterns)})"
