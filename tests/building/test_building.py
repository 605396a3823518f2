"""Synthetic scenarios: balanced, checked, the same whatever happens on the way."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from raise_agent.building.constraints import Constraints
from raise_agent.building.contract import Unwritten, Writer
from raise_agent.building.duplicates import near_duplicates
from raise_agent.building.giveaways import given_away
from raise_agent.building.journal import Journal, KeptWriter
from raise_agent.building.people import HARMLESS, HINTED, NO_REMARKS, NOT_NEUTRAL, STATED
from raise_agent.building.settings import SyntheticSettings
from raise_agent.building.steps import Built
from raise_agent.building.synthetic import apportioned, build_synthetic, shares
from raise_agent.data.records import DOMAINS
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.errors import ConfigError, ModelError

from .support import TABLE, Scripted

ENCODER = HashingEncoder(256)
SMALL = SyntheticSettings(n=56, queries=4)


def build(writer: Writer, settings: SyntheticSettings = SMALL, seed: int = 0) -> Built:
    return build_synthetic(
        settings, TABLE, writer, ENCODER, seed=seed, similarity=0.9, on_progress=lambda done, wanted: None
    )


@pytest.fixture(scope="module")
def built() -> Built:
    return build(Scripted())


def profiles(made: Built) -> list[dict[str, str | None]]:
    found = {one.profile.values: one.profile for one in made.scenarios}
    return [dict(zip(one.keys, one.values, strict=True)) for one in found.values()]


# --- what is built ----------------------------------------------------------------------------------------------------


def test_domains_and_circumstances_have_their_shares(built: Built) -> None:
    assert Counter(one.domain for one in built.scenarios) == dict.fromkeys(DOMAINS, 8)
    assert Counter(built.details.values()) == {"crisis": 49, "good": 7}
    assert built.shortfall == {}
    assert {one.source for one in built.scenarios} == {"simulated"}
    assert len({one.id for one in built.scenarios}) == 56


def test_every_scenario_keeps_the_rules_gives_nothing_away_and_differs(built: Built) -> None:
    constraints = Constraints.of(TABLE)
    every = frozenset(rule.name for rule in constraints.rules if rule.exceptions)
    for one in built.scenarios:
        situation = {"domain": one.domain, "circumstance": built.details[one.id]}
        assert constraints.violations(situation, one.profile, every) == []
        assert given_away(one.query, TABLE, one.profile) == ()
    texts, domains = [one.query for one in built.scenarios], [one.domain for one in built.scenarios]
    assert near_duplicates(texts, domains, ENCODER, 0.9) == {}


def test_every_step_had_something_to_do_and_nothing_is_lost_between_steps(built: Built) -> None:
    people, queries, distinct = built.steps
    assert people.redone
    assert {STATED, HINTED, NOT_NEUTRAL, HARMLESS} & set(queries.redone)
    assert distinct.dropped
    assert queries.kept == distinct.entered
    assert distinct.kept == len(built.scenarios)


def test_a_seed_is_a_build_of_its_own(built: Built) -> None:
    assert build(Scripted()) == built
    other = build(Scripted(), seed=1)
    assert not {one.digest for one in other.scenarios} & {one.digest for one in built.scenarios}
    assert not {one.id for one in other.scenarios} & {one.id for one in built.scenarios}


def test_whole_numbers_in_proportion() -> None:
    for total in (0, 1, 7, 60, 1001):
        for weights in ([1.0] * 7, [0.85, 0.15], [0.0, 2.0], [1 / 3, 1 / 3, 1 / 3]):
            parts = apportioned(total, weights)
            assert sum(parts) == total
            assert all(abs(part - total * w / sum(weights)) < 1 for part, w in zip(parts, weights, strict=True))


def test_circumstances_can_be_set() -> None:
    constraints = Constraints.of(TABLE)
    wanted = shares(dataclasses.replace(SMALL, circumstances={"good": 3, "crisis": 1}), constraints)
    assert {wanted[domain, "good"] for domain in DOMAINS} == {6}
    for wrong, said in (
        ({"goood": 1.0}, "did you mean 'good'"),
        ({"good": -1.0}, "0 or more"),
        ({"good": 0.0}, "0 or"),
    ):
        with pytest.raises(ConfigError, match=said):
            shares(dataclasses.replace(SMALL, circumstances=wrong), constraints)
    with pytest.raises(ConfigError, match=r"build\.queries must be 1 or more"):
        SyntheticSettings(queries=0)


# --- whatever happens on the way --------------------------------------------------------------------------------------


def test_the_result_does_not_depend_on_how_many_calls_are_under_way(built: Built) -> None:
    assert build(Scripted(in_flight=8, seconds=0.002)) == built


@pytest.mark.parametrize("in_flight", [1, 4])
def test_killed_at_any_moment_it_goes_on_without_repeating_a_finished_call(
    in_flight: int, built: Built, tmp_path: Path
) -> None:
    alone = Scripted()
    assert build(alone) == built
    kills, finished, runs = iter((3, 40, 90)), Counter[Any](), 0
    while True:
        runs += 1
        until = next(kills, 10**9)

        def dies(number: int, part: str, values: Mapping[str, str], until: int = until) -> Any:
            if number >= until:
                raise ModelError("the server is gone")

        writer = Scripted(dies, in_flight=in_flight)
        with Journal(tmp_path / "journal.sqlite") as journal:
            try:
                made = build(KeptWriter(writer, journal))
                break
            except ModelError:
                # Threads that are still at work are disconnected before the journal is closed; here they are done.
                continue
            finally:
                finished.update(writer.seen[:until])
    assert made == built
    assert runs == 4
    if in_flight == 1:
        assert max(finished.values()) == 1
        assert set(finished) == set(alone.seen)


def test_a_model_that_never_keeps_the_rules_has_its_people_dropped_but_for_the_share_of_exceptions() -> None:
    def despairs(number: int, part: str, values: Mapping[str, str]) -> Any:
        if part != "profile":
            return None
        fixed = dict(line[2:].split(": ") for line in values["given"].splitlines())
        usual = ("35-44", "male", "married", "teacher", "moderate", "bachelor's", "good", "anxiety", "none", "despair")
        return {a.key: fixed.get(a.name, value) for a, value in zip(TABLE, usual, strict=True)}

    writer = Scripted(despairs)
    made = build(writer, SyntheticSettings(n=280, queries=1, attempts=3, rounds=1, circumstances={"crisis": 1}))
    people = made.steps[0]
    assert set(people.dropped) == {"despair without severe depression"}
    assert people.redone == {why: 2 * count for why, count in people.dropped.items()}
    # 280 draws of 0.1: 28 of them, give or take three standard deviations.
    assert 13 <= people.kept <= 43
    assert writer.calls["profile"] == 280 + 2 * people.dropped["despair without severe depression"]
    # A request that was made before would bring the same draft again.
    assert max(Counter(call for call in writer.seen if call[0] == "profile").values()) == 1
    assert sum(made.shortfall.values()) == 280 - len(made.scenarios)
    remarks = dict(next(values for part, _, values in writer.seen[1:] if part == "profile"))["remarks"]
    assert remarks == NO_REMARKS or "'despair'" in remarks


def test_a_model_that_always_tells_has_its_queries_dropped_for_that() -> None:
    def tells(number: int, part: str, values: Mapping[str, str]) -> Any:
        if part == "queries":
            return {"queries": [f"As a nurse, should I do thing {number} {i}?" for i in range(int(values["count"]))]}
        return None

    writer = Scripted(tells)
    made = build(writer, SyntheticSettings(n=14, queries=2, rounds=1))
    assert made.scenarios == ()
    queries = made.steps[1]
    assert queries.dropped == {STATED: queries.entered}
    assert queries.redone == {STATED: 2 * queries.entered}
    assert not writer.calls["alone"]
    assert not writer.calls["beside"]


@pytest.mark.parametrize(
    ("part", "step", "reason"),
    [
        ("profile", 0, "broken structure"),
        ("queries", 1, "broken structure"),
        ("alone", 1, "not checked: broken structure"),
        ("beside", 1, "not checked: broken structure"),
    ],
)
def test_broken_structure_for_ever_is_counted_and_ends(part: str, step: int, reason: str) -> None:
    def breaks(number: int, asked: str, values: Mapping[str, str]) -> Any:
        if asked == part:
            raise Unwritten("broken structure")

    writer = Scripted(breaks)
    made = build(writer, SyntheticSettings(n=14, queries=2))
    assert made.scenarios == ()
    # Some profiles and queries fail for other reasons before they come to this part.
    assert made.steps[step].dropped[reason] > made.steps[step].entered / 2
    assert made.steps[step].kept == 0
    assert len(writer.seen) < 200
    assert sum(made.shortfall.values()) == 14
