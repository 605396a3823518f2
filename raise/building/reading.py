"""One post read by a model: which attributes it holds, their values, the query in it (paper, section 2 and A.2).

The rules of ``redaction.py`` come before anything is sent. The first call, which says what the post holds, also lists
the names that the rules left; they are taken out before any other call, and all rules are applied again to what the
model writes. A post whose names the model does not list is not read any further.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from raise_agent.attributes import AttributeTable
from raise_agent.data.records import DOMAINS, text_fault
from raise_agent.scenario import Profile, Scenario
from raise_agent.text import well_formed

from .contract import Unwritten, Writer
from .forms import LONGEST_QUERY, NOT_SPECIFIED, offered, profile_schema, quoted
from .giveaways import given_away
from .names import is_common
from .posts import Post
from .redaction import KINDS, Kind, redact
from .schema import object_of, text_of

UNUSABLE = "no usable query"
LONGEST_BACKGROUND = 800
"""Characters of what is told about the writer beside the query."""
MOST_NAMES, LONGEST_NAME = 40, 60
_QUERY = object_of(query=text_of(LONGEST_QUERY), background=text_of(LONGEST_BACKGROUND))
_DOMAIN = object_of(domain={"enum": list(DOMAINS)})


@dataclass(frozen=True, slots=True, repr=False)
class Made:
    """A post that made a scenario."""

    post: Post
    scenario: Scenario
    """Without an id."""
    background: str
    """What the model tells of the writer beside the query, redacted."""
    stated: tuple[str, ...]
    """Keys of attributes that the query still tells of."""
    redone: int
    """How often the query was written anew because it told of some."""
    taken_out: Mapping[Kind, int]
    """What was replaced in the post, by kind."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A post that made none."""

    why: str
    rich: bool = False
    """Whether enough attributes are present, as the first call says."""
    taken_out: Mapping[Kind, int] = field(default_factory=dict)
    """What was replaced in the post, by kind."""


@dataclass(frozen=True, slots=True)
class PostReader:
    """Reads posts. Safe to call from many threads where its writer is."""

    writer: Writer
    table: AttributeTable
    domains: Mapping[str, str]
    """Subreddit in lower case -> its domain; of the others the model tells."""
    keep: int
    """Least number of attributes a post must hold, 1 to that of the table (paper: 7 of 10)."""
    attempts: int
    """How often the query is written in all where it states a value of the writer's, 1 or more."""
    source: str
    """Of the scenarios."""

    def read(self, post: Post) -> Made | Dropped:
        """What comes of a post; the same whatever is read beside.

        Raises:
            ModelError: the model is gone.
        """
        try:
            text, names, taken_out, present = self._looked_through(post)
        except Unwritten as failed:
            return Dropped(f"not read: {failed.reason}")
        if present < self.keep:
            return Dropped(f"fewer than {self.keep} attributes", taken_out=taken_out)
        try:
            profile = self._profile(text, names)
            if profile.known.bit_count() < self.keep:
                return Dropped(f"fewer than {self.keep} values", True, taken_out)
            query, background, stated, redone = self._query(text, names, profile)
            if not query or text_fault(query):
                return Dropped(UNUSABLE, True, taken_out)
            domain = self.domains.get(post.subreddit) or self._domain(text)
        except Unwritten as failed:
            return Dropped(f"not read: {failed.reason}", True, taken_out)
        scenario = Scenario("", domain, query, profile, self.source)
        return Made(post, scenario, background, stated, redone, taken_out)

    def _looked_through(self, post: Post) -> tuple[str, Sequence[str], Mapping[Kind, int], int]:
        """The post without what points at somebody, the names in it, what was taken out, and attributes present.

        Raises:
            Unwritten: the model does not say.
        """
        by_rule = redact(post.text).text
        attributes = offered(self.table, NOT_SPECIFIED)
        seen = self.writer.write("post_fields", fields_schema(self.table), post=quoted(by_rule), attributes=attributes)
        names = _usable(seen["names"], by_rule, self.table)
        clean = redact(post.text, names)
        return clean.text, names, clean.counts, sum(seen["present"].values())

    def _profile(self, text: str, names: Sequence[str]) -> Profile:
        """The values that the post tells, redacted once more.

        Raises:
            Unwritten: the model does not say.
        """
        schema, attributes = profile_schema(self.table, NOT_SPECIFIED), offered(self.table, NOT_SPECIFIED)
        read = self.writer.write("post_values", schema, post=quoted(text), attributes=attributes)
        values = list[str | None]()
        for attribute in self.table:
            value = read[attribute.key]
            if value not in attribute.values:
                value = redact(value, names).text.strip()
            unknown = value == NOT_SPECIFIED or text_fault(value) is not None
            values.append(None if unknown else self.table.text_of(value))
        return Profile(self.table.keys, tuple(values))

    def _query(self, text: str, names: Sequence[str], profile: Profile) -> tuple[str, str, tuple[str, ...], int]:
        """Query and background, redacted once more, what the query still states, and how often it was written anew.

        A query may need what it states ("should I leave my husband?"): then it stays, and reviewers are told.

        Raises:
            Unwritten: the model does not write one.
        """
        wrote = self.writer.write("post_query", _QUERY, post=quoted(text))
        redone = 0
        while True:
            query = redact(wrote["query"], names).text.strip()
            background = well_formed(redact(wrote["background"], names).text).replace("\0", "").strip()
            stated = given_away(query, self.table, profile)
            if not stated or redone + 1 >= self.attempts:
                return query, background, stated, redone
            redone += 1
            told = ", ".join(self.table[self.table.index(key)].name for key in stated)
            wrote = self.writer.write(
                "post_query_again", _QUERY, draw=redone, post=quoted(text), query=quoted(query), stated=told
            )

    def _domain(self, text: str) -> str:
        found: str = self.writer.write("post_domain", _DOMAIN, post=quoted(text), domains=", ".join(DOMAINS))["domain"]
        return found


def fields_schema(table: AttributeTable) -> dict[str, Any]:
    """The names in a post, and for each attribute whether the post holds it."""
    names = {"type": "array", "items": text_of(LONGEST_NAME), "maxItems": MOST_NAMES}
    return object_of(names=names, present=object_of(**{key: {"type": "boolean"} for key in table.keys}))


def _usable(listed: Sequence[str], text: str, table: AttributeTable) -> list[str]:
    """Of the names that a model lists, those that can be one: in the text, no mark, no value, and no common words.

    Beside each name of several words these words too, where they are written as names are.
    """
    values = {value.casefold() for attribute in table for value in attribute.values}
    names = [name for name in dict.fromkeys(map(str.strip, listed)) if name.casefold() in text.casefold()]
    parts = [part for name in names for part in name.split() if len(part) > 2 and part[0].isupper()]
    return [
        name
        for name in dict.fromkeys([*names, *parts])
        if any(map(str.isalpha, name))
        and name.strip("[]").casefold() not in {*KINDS, *values}
        and not all(map(is_common, name.split()))
    ]
