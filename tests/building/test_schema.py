"""Forms: what fits, and that the pattern sent to servers admits exactly the texts of what fits, and longer ones."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raise_agent.building.schema import fits, object_of, pattern_of, text_of
from tests.models.served.stand_in import Draws, _maker_of

LEAVES = st.sampled_from(
    [
        text_of(4),
        text_of(3, optional=True),
        {"type": "string", "maxLength": 2},
        {"type": "boolean"},
        {"type": "integer", "minimum": -1, "maximum": 11},
        {"type": ["integer", "null"], "minimum": 0, "maximum": 1},
        {"enum": ["yes", "no"]},
        {"enum": ["a (b) [c] {d}", "1.5+", 'a "q" \\', "é"]},
    ]
)


def _arrays(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda item, least, more: {"type": "array", "items": item, "minItems": least, "maxItems": least + more},
        items,
        st.integers(0, 2),
        st.integers(0, 2),
    )


SCHEMAS = st.recursive(
    LEAVES, lambda inner: _arrays(inner) | st.builds(lambda a, b: object_of(a=a, b=b), inner, inner), max_leaves=4
)


@given(SCHEMAS, st.binary(min_size=64, max_size=64))
@settings(max_examples=150)
def test_a_text_of_the_pattern_is_json_that_fits_but_for_its_length(schema: dict[str, Any], draws: bytes) -> None:
    text = _maker_of(pattern_of(schema))(Draws(draws))
    assert fits(json.loads(text), _of_any_length(schema))


@given(SCHEMAS, SCHEMAS, st.binary(min_size=64, max_size=64))
@settings(max_examples=300)
def test_what_fits_is_a_text_of_the_pattern_and_nothing_else_is(
    schema: dict[str, Any], other: dict[str, Any], draws: bytes
) -> None:
    value = json.loads(_maker_of(pattern_of(other))(Draws(draws)))
    matches = re.fullmatch(pattern_of(schema), json.dumps(value, ensure_ascii=False)) is not None
    assert matches == fits(value, _of_any_length(schema))


def _of_any_length(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, of texts of up to a million characters."""
    if "properties" in schema:
        return object_of(**{name: _of_any_length(part) for name, part in schema["properties"].items()})
    if "items" in schema:
        return {**schema, "items": _of_any_length(schema["items"])}
    return {**schema, "maxLength": 10**6} if "maxLength" in schema else schema


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (True, {"type": "integer", "minimum": 0, "maximum": 1}),
        (1, {"type": "boolean"}),
        (1.0, {"type": "integer", "minimum": 0, "maximum": 1}),
        (None, text_of(3)),
        ("", text_of(3)),
        ("abcd", text_of(3)),
        ({"a": "x", "b": "y"}, object_of(a=text_of(1))),
        ({}, object_of(a=text_of(1, optional=True))),
        (["a"] * 3, {"type": "array", "items": text_of(1), "maxItems": 2}),
        ([], {"type": "array", "items": text_of(1), "minItems": 1, "maxItems": 2}),
        (["a", 1], {"type": "array", "items": text_of(1), "maxItems": 2}),
        (1, {"enum": ["1", True]}),
    ],
)
def test_what_is_nearly_of_a_form_does_not_fit(value: Any, schema: dict[str, Any]) -> None:
    assert not fits(value, schema)


def test_a_pattern_leaves_no_room_for_blanks() -> None:
    schema = object_of(a={"type": "array", "items": text_of(5), "minItems": 2, "maxItems": 2})
    pattern = pattern_of(schema)
    assert re.fullmatch(pattern, '{"a": ["x", "y z"]}')
    for padded in (
        '{ "a": ["x", "y"]}',
        '{"a":  ["x", "y"]}',
        '{"a": ["x", "y"]} ',
        '{"a": [" x", "y"]}',
        '{"a":\n["x", "y"]}',
    ):
        assert not re.fullmatch(pattern, padded)


@pytest.mark.parametrize(
    "schema",
    [{"type": "number"}, {"type": "string", "maxLength": 3, "format": "date"}, {"type": ["string", "boolean"]}],
)
def test_words_that_are_not_known_are_refused(schema: dict[str, Any]) -> None:
    for reads in (pattern_of, lambda one: fits("x", one)):
        with pytest.raises(ValueError, match="a schema"):
            reads(schema)
