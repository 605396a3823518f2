"""Scenarios: what each view shows, what none may show, and a digest of content alone."""

from __future__ import annotations

import copy
import dataclasses
import gc
import logging
import pickle
import traceback
import types
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from raise_agent.attributes import penguin_table
from raise_agent.models.base import EvaluationRequest, RankRequest
from raise_agent.scenario import Disclosure, Inquiry, Profile, Scenario
from raise_agent.subsets import full_mask, mask_of

KEYS = ("age", "diet", "mood", "pets")
SECRETS = ("zebra-age", "zebra-diet", "zebra-mood", "zebra-pets")
QUERY = "Quokka question, what now?"

texts = st.text(max_size=6)
values = st.lists(st.none() | texts, min_size=4, max_size=4).map(tuple)


def profile(*given_values: str | None) -> Profile:
    return Profile(KEYS, given_values)


def scenario(**changes: Any) -> Scenario:
    parts: dict[str, Any] = {"id": "s1", "domain": "Life", "query": QUERY, "profile": profile(*SECRETS), "source": "x"}
    return Scenario(**parts | changes)


def reachable(start: object) -> list[object]:
    """Everything that can be reached from an object by references, code and types aside."""
    passed: dict[int, object] = {}
    waiting = [start]
    while waiting:
        item = waiting.pop()
        if id(item) not in passed and not isinstance(item, (type, types.ModuleType, types.FunctionType)):
            passed[id(item)] = item
            waiting += gc.get_referents(item)
    return list(passed.values())


# What is shown


@pytest.mark.parametrize(
    "shown",
    [
        scenario(),
        scenario().profile,
        scenario().inquiry,
        scenario().profile.disclose(0b1111),
        Disclosure.of(dict(zip(KEYS, SECRETS, strict=True))),
        EvaluationRequest(scenario(), 0b11),
        RankRequest(scenario().inquiry, scenario().profile.disclose(0b11), 0b1100),
    ],
    ids=lambda shown: type(shown).__name__,
)
def test_no_way_of_printing_shows_a_value_or_the_query(shown: object, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("any").error("%s %r", shown, [shown])
    try:
        raise KeyError(shown)
    except KeyError as error:
        trace = "".join(traceback.format_exception(error))
    for text in (repr(shown), str(shown), f"{shown}", repr({"x": (shown,)}), caplog.text, trace):
        assert "zebra" not in text
        assert "Quokka" not in text
        assert type(shown).__name__ in text


def test_a_repr_still_says_what_helps() -> None:
    assert repr(profile("a", None, "", None)) == "Profile(2 of 4 values, hidden)"
    assert repr(scenario().profile.disclose(0b101)) == "Disclosure(age, mood; answers hidden)"
    assert repr(scenario().inquiry) == "Inquiry(id='s1', domain='Life')"
    assert "id='s1', domain='Life'" in repr(scenario())


# What cannot be reached


@pytest.mark.parametrize("subset", range(16))
def test_a_disclosure_reaches_exactly_the_values_asked_for(subset: int) -> None:
    reached = reachable(scenario().profile.disclose(subset))
    for index, secret in enumerate(SECRETS):
        assert (secret in [item for item in reached if isinstance(item, str)]) == bool(subset >> index & 1)
    assert not [item for item in reached if isinstance(item, (Profile, Scenario))]


def test_an_inquiry_reaches_no_value_at_all() -> None:
    reached = reachable(scenario().inquiry)
    assert [item for item in reached if isinstance(item, str)] != []
    assert not [item for item in reached if isinstance(item, (Profile, Scenario, Disclosure)) or item in SECRETS]


def test_a_request_to_rank_reaches_only_what_was_acquired() -> None:
    asked = scenario()
    reached = reachable(RankRequest(asked.inquiry, asked.profile.disclose(0b1), 0b1110))
    assert {item for item in reached if isinstance(item, str) and item.startswith("zebra")} == {SECRETS[0]}
    assert not [item for item in reached if isinstance(item, (Profile, Scenario))]


def test_the_walk_does_find_values_where_they_are() -> None:
    strings = [item for item in reachable([scenario()]) if isinstance(item, str)]
    assert set(SECRETS) <= set(strings)


@pytest.mark.parametrize("view", [Inquiry, Disclosure, Profile, Scenario])
def test_no_view_has_room_for_another_field(view: type) -> None:
    allowed = {
        Inquiry: {"id", "domain", "query"},
        Disclosure: {"keys", "answers"},
        Profile: {"keys", "values"},
        Scenario: {"id", "domain", "query", "profile", "source", "digest"},
    }[view]
    assert {field.name for field in dataclasses.fields(view)} == allowed
    assert set(getattr(view, "__slots__", ())) == allowed
    made = {Inquiry: scenario().inquiry, Disclosure: Disclosure(), Profile: scenario().profile, Scenario: scenario()}
    assert not hasattr(made[view], "__dict__")
    with pytest.raises((AttributeError, TypeError)):
        setattr(made[view], next(iter(allowed)), "zebra")
    with pytest.raises((AttributeError, TypeError)):
        made[view].hidden = "zebra"  # type: ignore[attr-defined]


# Disclosure


@given(values, st.integers(0, 15))
def test_disclosing_gives_each_asked_attribute_its_answer_in_table_order(
    given_values: tuple[str | None, ...], subset: int
) -> None:
    disclosed = profile(*given_values).disclose(subset)
    expected = {key: given_values[i] for i, key in enumerate(KEYS) if subset >> i & 1}
    assert list(disclosed.items()) == list(expected.items())
    assert disclosed == Disclosure.of(expected)


def test_known_is_the_subset_with_a_value_and_an_empty_text_is_one() -> None:
    assert profile(None, "", "x", None).known == 0b0110
    assert profile(*SECRETS).known == full_mask(4)
    assert profile(None, None, None, None).known == 0
    table = penguin_table()
    only_last = Profile(table.keys, (None,) * 9 + ("calm",))
    assert only_last.known == mask_of([9])


def test_a_subset_beyond_the_profile_cannot_be_disclosed() -> None:
    with pytest.raises(IndexError):
        scenario().profile.disclose(1 << 4)
    with pytest.raises(ValueError, match="0 or more"):
        scenario().profile.disclose(-1)


def test_keys_and_values_must_go_together() -> None:
    with pytest.raises(ValueError, match="4 keys but 3 values"):
        Profile(KEYS, ("a", "b", "c"))
    with pytest.raises(ValueError, match="1 keys but 2 answers"):
        Disclosure(("a",), ("x", "zebra"))
    assert list(Disclosure().items()) == []


def test_the_inquiry_is_the_scenario_without_its_user() -> None:
    assert scenario().inquiry == Inquiry("s1", "Life", QUERY)


# Digest


def test_the_digest_is_of_content_alone() -> None:
    digest = scenario().digest
    assert scenario(id="other", source="elsewhere").digest == digest
    assert dataclasses.replace(scenario(), id="other").digest == digest
    assert len(digest) == 32
    assert int(digest, 16) >= 0


def test_the_digest_stays_what_stores_were_written_with() -> None:
    assert scenario().digest == "3b841662d0d3fc5af0a3a331766d06a9"


@given(values, st.permutations(range(4)), st.lists(st.sampled_from(["x1", "x2", "x3"]), unique=True))
def test_neither_the_order_of_keys_nor_values_unknown_change_the_digest(
    given_values: tuple[str | None, ...], order: list[int], unknown: list[str]
) -> None:
    keys = [KEYS[i] for i in order] + unknown
    moved = Profile(tuple(keys), tuple([given_values[i] for i in order] + [None] * len(unknown)))
    assert scenario(profile=moved).digest == scenario(profile=profile(*given_values)).digest


@given(values, values)
def test_any_other_value_gives_another_digest(one: tuple[str | None, ...], other: tuple[str | None, ...]) -> None:
    assume(one != other)
    assert scenario(profile=profile(*one)).digest != scenario(profile=profile(*other)).digest


@given(texts, texts, texts, texts)
def test_any_other_domain_or_query_gives_another_digest(domain: str, query: str, domain2: str, query2: str) -> None:
    assume((domain, query) != (domain2, query2))
    assert scenario(domain=domain, query=query).digest != scenario(domain=domain2, query=query2).digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (profile("a", "b", None, None), profile("a", None, "b", None)),
        (profile("a", None, None, None), profile("a", "", None, None)),
        (profile("none", None, None, None), profile(None, None, None, None)),
        (profile('a", "diet": "b', None, None, None), profile("a", "b", None, None)),
        (profile("é", None, None, None), profile("e\u0301", None, None, None)),
        (profile("\ud800", None, None, None), profile("\ud801", None, None, None)),
        (profile("A", None, None, None), profile("a", None, None, None)),
    ],
)
def test_values_that_look_alike_are_told_apart(one: Profile, other: Profile) -> None:
    assert scenario(profile=one).digest != scenario(profile=other).digest


def test_equality_sees_the_id_and_copies_are_equal() -> None:
    assert scenario() == scenario()
    assert hash(scenario()) == hash(scenario())
    assert scenario() != scenario(id="s2")
    for same in (copy.deepcopy(scenario()), pickle.loads(pickle.dumps(scenario()))):  # noqa: S301
        assert same == scenario()
        assert same.digest == scenario().digest
