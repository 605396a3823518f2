"""What a policy decides, on networks whose forecasts are known."""

from __future__ import annotations

import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import permutations
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raise_agent.attributes import Attribute, AttributeTable
from raise_agent.data.records import Record, from_hub
from raise_agent.errors import PolicyError, TableError
from raise_agent.policies import AcquisitionPolicy, Answer, Ask, Decision
from raise_agent.policies.memory import Memory
from raise_agent.policies.network import NetworkShape, PolicyNetwork

from .support import KEYS, MEMORY, QUERY, SHAPE, TABLE, constant_policy, make_parts, make_policy, random_weights

RANDOM = make_policy(random_weights(1))
EAGER = constant_policy(3.0, (0.1, 0.4, 0.3, 0.2))
"""Wants job, sleep, fear, mood, in this order."""


def asked(decision: Decision) -> str:
    assert isinstance(decision, Ask), decision
    return decision.attribute.key


def answered(decision: Decision) -> Answer:
    assert isinstance(decision, Answer), decision
    return decision


# Which question


def test_asks_what_is_expected_to_bring_most() -> None:
    decision = EAGER.decide(QUERY)
    assert asked(decision) == "job"
    assert isinstance(decision, Ask)
    assert decision.attribute == TABLE[1]
    assert decision.question == "What do you do?"
    assert decision.scores == pytest.approx({"answer": 3.0, "mood": 3.1, "job": 3.4, "sleep": 3.3, "fear": 3.2})


@pytest.mark.parametrize("memory", [None, MEMORY], ids=["vector", "memory"])
def test_scores_are_the_forecast_of_the_whole_network(memory: Memory | None) -> None:
    policy = make_policy(random_weights(3), memory=memory)
    for known in ({}, {"mood": "low"}, {"mood": None}, {"job": "nurse", "mood": "low"}, {"mood": "low", "job": None}):
        forecast = policy.network.forward(**policy.inputs(QUERY, known))
        scores = dict(policy.decide(QUERY, known).scores)
        now = float(forecast.now[0])
        assert scores.pop("answer") == pytest.approx(now, abs=1e-6)
        assert scores.keys() == set(KEYS) - known.keys()
        for key, score in scores.items():
            assert score == pytest.approx(now + forecast.gains[0, KEYS.index(key)], abs=1e-6)


def test_ties_go_to_the_first_attribute_of_the_table() -> None:
    assert asked(constant_policy(3.0, (0.1, 0.4, 0.4, 0.4)).decide(QUERY)) == "job"
    assert asked(constant_policy(3.0, (0.1, 0.4, 0.4, 0.4)).decide(QUERY, {"job": "x"})) == "sleep"


def test_scores_that_differ_by_less_than_a_millionth_tie() -> None:
    assert asked(constant_policy(3.0, (0.4, 0.4000002, 0.4, 0.4)).decide(QUERY)) == "mood"
    assert asked(constant_policy(3.0, (0.4, 0.400003, 0.4, 0.4)).decide(QUERY)) == "job"


def test_costs_shift_the_choice() -> None:
    def decide(**costs: float) -> Decision:
        return constant_policy(3.0, (0.1, 0.4, 0.3, 0.2), table=TABLE.with_costs(costs)).decide(QUERY)

    assert asked(decide(job=0.05)) == "job"
    assert asked(decide(job=0.15)) == "sleep"
    assert decide(job=0.15).scores["job"] == pytest.approx(3.25)
    assert answered(decide(mood=1, job=1, sleep=1, fear=1)).scores["job"] == pytest.approx(2.4)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 5),
    query=st.text(max_size=40),
    known=st.dictionaries(st.sampled_from(KEYS), st.none() | st.text(max_size=20), max_size=len(KEYS)),
)
def test_never_asks_again_and_keeps_within_budget(seed: int, query: str, known: dict[str, str | None]) -> None:
    policy = make_policy(random_weights(seed), min_gain=-100.0)
    decision = policy.decide(query, known)
    assert set(decision.scores) == {"answer"} | (set(KEYS) - set(known))
    assert list(decision.scores) == ["answer", *(key for key in KEYS if key not in known)]
    if len(known) >= policy.budget:
        assert answered(decision).confidence == 1.0
    else:
        assert asked(decision) not in known


def test_a_whole_conversation_asks_each_attribute_once_and_ends_at_the_budget() -> None:
    policy = make_policy(random_weights(2), min_gain=-100.0, budget=4)
    known: dict[str, str | None] = {}
    for turn in range(4):
        known[asked(policy.decide(QUERY, known))] = "something" if turn % 2 else None
    assert set(known) == set(KEYS)
    assert answered(policy.decide(QUERY, known)).scores.keys() == {"answer"}


def test_what_is_answered_and_asked_moves_the_scores() -> None:
    start = RANDOM.decide(QUERY).scores
    for other in (
        RANDOM.decide("How do I sleep?").scores,
        RANDOM.decide(QUERY, {"mood": "low"}).scores,
        RANDOM.decide(QUERY, {"mood": "bright"}).scores,
        RANDOM.decide(QUERY, {"mood": None}).scores,
        RANDOM.decide(QUERY, {"sleep": "low"}).scores,
    ):
        assert abs(other["answer"] - start["answer"]) > 1e-3
    low, bright = RANDOM.decide(QUERY, {"mood": "low"}).scores, RANDOM.decide(QUERY, {"mood": "bright"}).scores
    assert abs(low["answer"] - bright["answer"]) > 1e-3


def test_the_order_of_the_answers_does_not_matter_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[bytes] = set()
    head = PolicyNetwork.head

    def listen(self: PolicyNetwork, mixed: Any) -> Any:
        seen.add(mixed.tobytes())
        return head(self, mixed)

    monkeypatch.setattr(PolicyNetwork, "head", listen)
    answers: tuple[tuple[str, str | None], ...] = (("mood", "low"), ("fear", None), ("job", "nurse"), ("sleep", "bad"))
    for known in permutations(answers):
        RANDOM.decide(QUERY, dict(known))
    assert len(seen) == 1


# When to answer


@pytest.mark.parametrize("declined", [None, "bad", "not specified"])
def test_a_declined_question_counts_as_asked(declined: str | None) -> None:
    assert asked(constant_policy(3.0, (0.1, 0.4, 0.3, 0.2), budget=2).decide(QUERY, {"job": declined})) == "sleep"
    assert answered(constant_policy(3.0, (0.1, 0.4, 0.3, 0.2), budget=1).decide(QUERY, {"job": declined}))


def test_answers_at_once_where_no_question_brings_anything() -> None:
    decision = answered(constant_policy(3.0, (-0.1, 0.0, -0.3, -0.2)).decide(QUERY))
    assert decision.scores == pytest.approx({"answer": 3.0, "mood": 2.9, "job": 3.0, "sleep": 2.7, "fear": 2.8})
    assert decision.confidence == 0.5, "a question that brings exactly nothing is as likely to help as to harm"


def test_min_gain_sets_how_much_a_question_must_bring() -> None:
    gains = (0.1, 0.4, 0.3, 0.2)
    assert asked(constant_policy(3.0, gains, min_gain=0.39).decide(QUERY)) == "job"
    assert answered(constant_policy(3.0, gains, min_gain=0.4).decide(QUERY))
    assert answered(constant_policy(3.0, gains, min_gain=0.41).decide(QUERY))
    assert asked(constant_policy(3.0, (-0.1, -0.4, -0.3, -0.2), min_gain=-0.2).decide(QUERY)) == "mood"


@pytest.mark.parametrize("now", [round(1 + 0.1 * step, 1) for step in range(41)])
def test_a_gain_of_exactly_min_gain_is_a_tie_and_ties_answer(now: float) -> None:
    decision = answered(constant_policy(now, (0.1, 0.1, 0.0, 0.0), min_gain=0.1).decide(QUERY))
    assert decision.confidence == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("short", [0.0, 0.05, 0.25, 1.0, 40.0])
def test_confidence_is_the_probability_that_the_best_question_falls_short(short: float) -> None:
    decision = answered(constant_policy(3.0, (-short, -50, -50, -50), gain_spread=0.25).decide(QUERY))
    assert decision.confidence == pytest.approx(NormalDist(0, 0.25).cdf(short), abs=1e-5)
    assert 0 <= decision.confidence <= 1


def test_confidence_grows_as_questions_lose_and_shrinks_with_spread() -> None:
    confidences = [answered(constant_policy(3.0, (-s, -9, -9, -9)).decide(QUERY)).confidence for s in (0, 0.1, 0.2)]
    assert confidences == sorted(set(confidences))
    narrow, wide = (
        answered(constant_policy(3.0, (-0.1, -9, -9, -9), gain_spread=spread).decide(QUERY)).confidence
        for spread in (0.01, 1.0)
    )
    assert narrow > wide > 0.5
    shared = constant_policy(3.0, (0.1, -9, -9, -9), gain_spread=0.05, gain_share=1.5, min_gain=0.3)
    # 0.3 is needed, 0.1 forecast: one standard deviation, 0.05 + 1.5 * 0.1.
    assert answered(shared.decide(QUERY)).confidence == pytest.approx(NormalDist().cdf(1.0), abs=1e-5)
    tiny = constant_policy(3.0, (-0.1, -9, -9, -9), gain_spread=5e-324)
    assert answered(tiny.decide(QUERY)).confidence == 1.0


def test_no_question_left_is_certain() -> None:
    known = dict.fromkeys(KEYS)
    assert answered(constant_policy(3.0, (0.1, 0.4, 0.3, 0.2), budget=4).decide(QUERY, known)).confidence == 1.0


# How answers are given


@pytest.mark.parametrize(
    "spelling", ["job", "Line of Work", "line_of_work", "  JOB ", "LINE-OF-WORK", "Occupation", "trade", "line/of/work"]
)
def test_keys_names_and_aliases_in_any_case(spelling: str) -> None:
    assert RANDOM.decide(QUERY, {spelling: "nurse"}) == RANDOM.decide(QUERY, {"job": "nurse"})


def test_an_unknown_attribute_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(TableError, match=r"unknown attribute 'slep': did you mean 'sleep'\? Valid: fear, job, mood"):
        RANDOM.decide(QUERY, {"slep": "zq-secret"})


@pytest.mark.parametrize("other", ["Line of Work", "occupation", "JOB"])
def test_an_attribute_given_twice_through_two_spellings_is_refused(other: str) -> None:
    with pytest.raises(TableError, match="'job' is given twice"):
        RANDOM.decide(QUERY, {"job": "nurse", other: "nurse"})
    with pytest.raises(TableError, match="'job' is given twice"):
        RANDOM.decide(QUERY, {other: None, "job": None})


@pytest.mark.parametrize(
    "unknown", ["not specified", "Not Specified", " NOT_SPECIFIED ", "n/a", "N-A", "", "  \t\n", float("nan"), None]
)
def test_spelled_out_unknowns_are_declined(unknown: str | float | None) -> None:
    assert RANDOM.decide(QUERY, {"sleep": unknown}) == RANDOM.decide(QUERY, {"sleep": None})
    assert RANDOM.decide(QUERY, {"sleep": unknown}) != RANDOM.decide(QUERY, {"sleep": "badly"})


def test_blank_answers_are_declined_whatever_the_table_says() -> None:
    policy = make_policy(random_weights(1), table=replace(TABLE, unknown=()))
    assert policy.decide(QUERY, {"sleep": " "}) == policy.decide(QUERY, {"sleep": None})


@pytest.mark.parametrize("number", [34, 34.0, 34.5, -1, 0, 10**30, np.float64(34.0), 1e300])
def test_numbers_are_read_as_the_data_loaders_read_them(number: float) -> None:
    (draft,) = from_hub(Record("here", {"query": QUERY, "mood": number}), TABLE)
    loaded = draft.profile.values[0]
    assert loaded is not None
    assert RANDOM.decide(QUERY, {"mood": number}) == RANDOM.decide(QUERY, {"mood": loaded})
    assert RANDOM.decide(QUERY, {"mood": number}) != RANDOM.decide(QUERY, {"mood": None})


SECRET = "zq-secret"


@pytest.mark.parametrize(
    "value",
    [True, False, [SECRET], (SECRET,), {SECRET: 1}, {SECRET}, SECRET.encode(), float("inf"), -float("inf"), 10**5000],
    ids=lambda value: type(value).__name__,
)
def test_other_values_are_refused_without_showing_them(value: Any) -> None:
    with pytest.raises(PolicyError, match="the answer for 'mood' must be text, a finite number or None") as caught:
        RANDOM.decide(QUERY, {"feeling": value})
    shown = "".join(traceback.format_exception_only(caught.value))
    assert SECRET not in shown
    assert "True" not in shown
    assert "False" not in shown
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("query", [None, 3, b"text", ["text"]])
def test_a_query_that_is_no_text_is_refused(query: Any) -> None:
    with pytest.raises(PolicyError, match=f"the query must be text, not {type(query).__name__}"):
        RANDOM.decide(query)


@pytest.mark.parametrize("known", [["mood"], "mood", 3, [("mood", SECRET)], {"mood"}])
def test_known_must_be_a_mapping(known: Any) -> None:
    with pytest.raises(PolicyError, match="known must map attributes to answers") as caught:
        RANDOM.decide(QUERY, known)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("key", [0, None, b"mood", ("mood",)])
def test_an_attribute_is_named_by_text(key: Any) -> None:
    with pytest.raises(PolicyError, match="named by text"):
        RANDOM.decide(QUERY, {key: "low"})


def test_nothing_known_may_be_left_out() -> None:
    assert RANDOM.decide(QUERY) == RANDOM.decide(QUERY, {}) == RANDOM.decide(QUERY, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?",
        "word " * 200_000,
        "x" * 1_000_000,
        "Was soll ich tun? 何をすべき \N{CRYING FACE}",
        "a\0b",
        "\ud800",
        "lost \udfff half",
    ],
    ids=["empty", "mark", "many words", "long word", "unicode", "null", "surrogate", "half"],
)
def test_any_text_is_a_query_and_an_answer(text: str) -> None:
    for decision in (RANDOM.decide(text), RANDOM.decide(QUERY, {"mood": text})):
        assert all(np.isfinite(score) for score in decision.scores.values())


class _Picky:
    """An encoder that, as those built on tokenizers, takes valid Unicode only."""

    name = "picky"
    dimension = SHAPE.query_dimension

    def encode(self, texts: list[str]) -> Any:
        assert all(text.encode("utf-8") is not None for text in texts)
        return np.ones((len(texts), self.dimension), np.float32)


def test_lone_surrogates_never_reach_an_encoder() -> None:
    policy = make_policy(encoder=_Picky())
    assert policy.decide("lost \udfff half") == policy.decide("lost ? half")


# The parts


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": 0}, "'budget' must be a whole number from 1 to 4"),
        ({"budget": 5}, "'budget' must be a whole number from 1 to 4"),
        ({"budget": True}, "'budget'"),
        ({"budget": 2.0}, "'budget'"),
        ({"budget": np.int64(2)}, "'budget'"),
        ({"min_gain": float("nan")}, "'min_gain' must be a finite number"),
        ({"min_gain": float("inf")}, "'min_gain'"),
        ({"min_gain": 10**400}, "'min_gain'"),
        ({"gain_spread": 0.0}, "'gain_spread' must be a finite number above 0"),
        ({"gain_spread": -1.0}, "'gain_spread'"),
        ({"gain_share": -0.1}, "'gain_share' must be a finite number, 0 or more"),
        ({"gain_share": float("inf")}, "'gain_share'"),
        ({"gain_spread": float("nan")}, "'gain_spread'"),
        ({"provenance": {}}, "'simulated' is true or false"),
        ({"provenance": {"simulated": None}}, "'simulated' is true or false"),
        ({"provenance": {"simulated": 1}}, "'simulated' is true or false"),
        ({"weights": {}}, r"weights.safetensors: holds \[\]"),
        ({"shape": replace(SHAPE, hidden=9)}, r"weights.safetensors: query.weight is float32\(32, 8\)"),
        ({"shape": replace(SHAPE, n_attributes=3)}, "made for 3 attributes, the table has 4"),
        ({"shape": replace(SHAPE, value_dimension=24)}, "'value_dimension': .*power of two"),
        ({"shape": replace(SHAPE, query_dimension=64)}, "the encoder gives 32 numbers, the network takes 64"),
        ({"shape": replace(SHAPE, hidden=65537)}, "'hidden' must be a whole number from 1 to 65536"),
        ({"weights": {k: a.astype(np.float64) for k, a in random_weights(0).items()}}, "query.weight is float64"),
        ({"weights": {k: a * np.float32("nan") for k, a in random_weights(0).items()}}, "query.weight holds numbers"),
    ],
)
def test_unsound_parts_make_no_policy(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        AcquisitionPolicy(replace(make_parts(), **changes))


def test_an_attribute_may_not_be_called_like_the_answer_action() -> None:
    with pytest.raises(TableError, match="'answer'"):
        AttributeTable("clash", (Attribute("answer", "Answer", "health", "Which?"), *TABLE.attributes[1:]))


@pytest.mark.parametrize(
    "attribute",
    [
        Attribute("Mood Today", "Mood", "emotional", "How?"),
        Attribute("mood", "Mood", "mental", "How?"),
        Attribute("mood", "Mood", "emotional", ""),
        Attribute("mood", "Mood", "emotional", "How?", cost=float("nan")),
        Attribute("mood", "Mood", "emotional", "How?", cost=-1.0),
    ],
)
def test_a_table_that_could_not_be_loaded_again_is_refused(attribute: Attribute) -> None:
    with pytest.raises(PolicyError, match=r"not a sound policy: policy\.json: the attribute table"):
        make_policy(table=AttributeTable("odd", (attribute, *TABLE.attributes[1:])))


def test_the_largest_weights_still_give_finite_scores() -> None:
    largest = float(np.finfo(np.float32).max)
    weights = {name: np.full(sizes, largest, np.float32) for name, sizes in SHAPE.weights().items()}
    scores = make_policy(weights).decide(QUERY, {"mood": "low"}).scores
    assert all(np.isfinite(score) for score in scores.values())


def test_a_table_of_another_size() -> None:
    table = AttributeTable("one", (Attribute("mood", "Mood", "emotional", "How?"),))
    shape = NetworkShape(1, 32, 16, 3)
    policy = make_policy(random_weights(0, shape), table=table, shape=shape, budget=1, min_gain=-100.0)
    assert asked(policy.decide(QUERY)) == "mood"
    assert answered(policy.decide(QUERY, {"mood": "low"})).scores.keys() == {"answer"}


# Threads


def test_sixteen_threads_decide_as_one() -> None:
    cases = [
        (f"How do I get through week {number}?", dict.fromkeys(KEYS[: number % 4], f"value {number}"))
        for number in range(300)
    ]
    policy = make_policy(random_weights(4))
    expected = [make_policy(random_weights(4)).decide(query, known) for query, known in cases]
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda case: policy.decide(*case), cases * 4))
    assert made == expected * 4
    assert len({asked(decision) for decision in expected if isinstance(decision, Ask)}) > 1
