"""The model that reads posts, simulated: it reads what writers state of themselves in so many words.

It goes by the rules that read replies (``raise_agent.agent.statements``) and takes a question of the post as the query,
the most neutral last: so there is a query to be written anew. It lists no names. Whatever comes of it is simulated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from raise_agent.agent.statements import volunteered
from raise_agent.attributes import AttributeTable
from raise_agent.building.forms import NOT_SPECIFIED
from raise_agent.data.records import DOMAINS
from raise_agent.data.synthetic import query_stock

READING = 1
"""Raised whenever it reads in another way."""
Part = Callable[[Mapping[str, Any], np.random.Generator, Mapping[str, str]], Any]
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")


def reading_parts(table: AttributeTable) -> dict[str, Part]:
    """How each part of the writer's prompt that is about a post is written."""

    def fields(schema: Mapping[str, Any], rng: np.random.Generator, values: Mapping[str, str]) -> Any:
        stated = volunteered(_post(values), table)
        return {"names": [], "present": {key: key in stated for key in table.keys}}

    def told(schema: Mapping[str, Any], rng: np.random.Generator, values: Mapping[str, str]) -> Any:
        stated = volunteered(_post(values), table)
        return {key: stated.get(key, NOT_SPECIFIED) for key in table.keys}

    def query(schema: Mapping[str, Any], rng: np.random.Generator, values: Mapping[str, str]) -> Any:
        # The question that tells most, which a careless reader would take.
        return _written(values, schema, lambda asked: max(asked, key=lambda one: len(volunteered(one, table))))

    def again(schema: Mapping[str, Any], rng: np.random.Generator, values: Mapping[str, str]) -> Any:
        return _written(values, schema, lambda asked: min(asked, key=lambda one: len(volunteered(one, table))))

    return {
        "post_fields": fields,
        "post_values": told,
        "post_query": query,
        "post_query_again": again,
        "post_domain": lambda schema, rng, values: {"domain": _domain(_post(values))},
    }


def _post(values: Mapping[str, str]) -> str:
    return str(json.loads(values["post"]))


def _written(values: Mapping[str, str], schema: Mapping[str, Any], choose: Callable[[list[str]], str]) -> Any:
    sentences = [one.strip() for one in _SENTENCE.findall(_post(values)) if one.strip()]
    query = choose([one for one in sentences if one.endswith("?")] or sentences or ["What should I do?"])
    rest = " ".join(one for one in sentences if one != query) or query
    return {
        "query": query[: schema["properties"]["query"]["maxLength"]].strip(),
        "background": rest[: schema["properties"]["background"]["maxLength"]].strip(),
    }


def _domain(post: str) -> str:
    """The domain whose queries in the stock share most words with the post."""
    words = set(re.findall(r"[a-z]{4,}", post.casefold()))
    shared = dict.fromkeys(DOMAINS, 0.0)
    for stocked in query_stock():
        asked = set(re.findall(r"[a-z]{4,}", stocked.query.casefold()))
        shared[stocked.domain] = max(shared[stocked.domain], len(words & asked) / (1 + len(asked)))
    return max(DOMAINS, key=shared.__getitem__)
