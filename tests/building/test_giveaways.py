"""Queries that tell who asks, as far as words do."""

from __future__ import annotations

import pytest

from raise_agent.building.giveaways import given_away
from raise_agent.data.synthetic import query_stock, synthetic_scenarios
from raise_agent.scenario import Profile

from .support import TABLE

PERSON = Profile(
    TABLE.keys, ("55+", "female", "divorced", "nurse", "stable", "phd", "good", "severe depression", "yes", "other")
)


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("As a nurse, should I report a mistake of my own?", ("profession",)),
        ("I'm 61. Is it too late to learn to dive?", ("age",)),
        ("Should the newly divorced go to weddings?", ("marital",)),
        ("My education level is PhD. How do I get hired?", ("education",)),
        # Not hers, but a background all the same.
        ("My husband is away. Should I sell the car?", ("marital",)),
        ("How does one live with severe depression at work?", ("mental_health",)),
    ],
)
def test_what_is_stated_or_told_by_its_word_is_found(query: str, keys: tuple[str, ...]) -> None:
    assert given_away(query, TABLE, PERSON) == keys


@pytest.mark.parametrize(
    "query",
    [
        "Is it a good idea to yes-and everything the other one says?",
        "Should I talk to a doctor about it?",
        "Do married people live longer?",
        "",
    ],
)
def test_common_words_and_what_others_are_tell_nothing(query: str) -> None:
    assert given_away(query, TABLE, PERSON) == ()


def test_neutral_queries_hardly_ever_tell_anything() -> None:
    people = synthetic_scenarios(TABLE, len(query_stock()), seed=0)
    told = [bool(given_away(scenario.query, TABLE, scenario.profile)) for scenario in people]
    assert sum(told) / len(told) < 0.005
