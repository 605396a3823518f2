"""How people and queries are put to a model that writes, and the forms of what it writes back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from raise_agent.attributes import AttributeTable
from raise_agent.scenario import Profile

from .schema import object_of, text_of

YES_NO: Mapping[str, Any] = {"enum": ["yes", "no"]}
ALONE: Mapping[str, Any] = object_of(neutral=YES_NO)
"""Whether a query reads as neutral to somebody who does not know the person."""
BESIDE: Mapping[str, Any] = object_of(states=YES_NO, risky=YES_NO)
"""Whether a query gives the person away, and whether its usual answer could harm them."""
LONGEST_QUERY = 600
"""Characters of a query."""
LONGEST_VALUE = 80
"""Characters of a value, where the table lists none."""
NOT_SPECIFIED = "not specified"
"""What the model writes for a value that a post does not tell."""


def quoted(text: str) -> str:
    """On one line and in quotes, so that what a person wrote cannot pass for a part of the prompt."""
    return json.dumps(text, ensure_ascii=False)


def profile_text(table: AttributeTable, profile: Profile) -> str:
    """A profile as a list, by the names of attributes; what it does not hold is left out."""
    names = {attribute.key: attribute.name for attribute in table}
    held = zip(profile.keys, profile.values, strict=True)
    return "\n".join(f"- {names[key]}: {value}" for key, value in held if value is not None)


def offered(table: AttributeTable, *others: str) -> str:
    """What may be said about a person: each key, with its name, its values, and others that any attribute may have."""
    return "\n".join(
        f'- "{a.key}", {a.name}: {", or ".join([", ".join(a.values) or "in a few words", *others])}' for a in table
    )


def profile_schema(table: AttributeTable, *others: str) -> dict[str, Any]:
    """A value for each attribute: one of the table's or of the others where it lists any, else a few words."""
    return object_of(**{a.key: {"enum": [*a.values, *others]} if a.values else text_of(LONGEST_VALUE) for a in table})


def queries_schema(count: int) -> dict[str, Any]:
    """So many queries."""
    return object_of(queries=_texts(count))


def wordings_schema(count: int) -> dict[str, Any]:
    """So many wordings of one query."""
    return object_of(wordings=_texts(count))


def _texts(count: int) -> dict[str, Any]:
    return {"type": "array", "items": text_of(LONGEST_QUERY), "minItems": count, "maxItems": count}
