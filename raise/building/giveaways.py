"""Whether a query gives its user's background away, as far as words tell; ``people.py`` asks a model beside."""

from __future__ import annotations

import re
from functools import cache

from raise_agent.agent.statements import volunteered
from raise_agent.agent.wording import plain
from raise_agent.attributes import AttributeTable
from raise_agent.data.synthetic import query_stock
from raise_agent.scenario import Profile

COMMON = 0.002
"""Share of neutral queries from which on a word is too common to tell anything: "good", "other", "yes"."""


def given_away(query: str, table: AttributeTable, profile: Profile) -> tuple[str, ...]:
    """Keys of the attributes that a query tells of, in table order.

    It does where the writer states a value of theirs, be it the profile's or not, and where the words of one of the
    profile's values stand in it, unless neutral queries use them too.

    Args:
        query: any text.
        table: whose attributes and values are looked for.
        profile: of the user who asks.
    """
    stated = volunteered(query, table)
    words = plain(query)
    held = {
        key
        for key, value in zip(profile.keys, profile.values, strict=True)
        if value is not None and telling(value) and _said(value).search(words)
    }
    return tuple(key for key in table.keys if key in stated or key in held)


@cache
def telling(value: str) -> bool:
    """Whether a value's words would be noticed in a query: the stock of neutral queries hardly ever uses them.

    >>> telling("divorced"), telling("good")
    (True, False)
    """
    stock = _neutral()
    return bool(plain(value)) and sum(bool(_said(value).search(query)) for query in stock) < COMMON * len(stock)


@cache
def _neutral() -> tuple[str, ...]:
    return tuple(plain(stocked.query) for stocked in query_stock())


@cache
def _said(value: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(plain(value))}(?!\w)")
