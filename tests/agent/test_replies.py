"""Free-text replies and what people say of themselves unasked: clear cases, figures on lists, any text at all."""

from __future__ import annotations

import json
import logging
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raise_agent.agent.cues import cues_of
from raise_agent.agent.replies import Correction, Reply, corrected, read_reply, volunteered
from raise_agent.attributes import AttributeTable, penguin_table

TABLE = penguin_table()
MESSAGES = Path(__file__).parent / "messages"
PARTS = ("development", "held_out")
OTHER = AttributeTable.from_json(
    {
        "name": "garden",
        "attributes": [
            {"key": key, "name": name, "kind": "demographic", "question": "?", "values": dict.fromkeys(values, 0.5)}
            for key, name, values in (
                ("income", "Household income", ["under 20,000", "20,000-39,999", "40,000-79,999", "80,000 or more"]),
                ("soil", "Soil", ["clay", "sandy loam", "chalky"]),
                ("pets", "Pets", ["none", "cats", "dogs"]),
                ("skill", "Skill", ["beginner", "expert"]),
                ("age", "Age", ["0-17", "18-64", "65 and over"]),
                ("gender", "Gender", ["man", "woman"]),
            )
        ],
        "unknown": ["dunno mate"],
    },
    "test",
)


def today() -> date:
    return date(2025, 7, 1)


def reply(text: str, key: str, table: AttributeTable = TABLE) -> Reply:
    return read_reply(text, table[table.index(key)], table, today)


def rows(name: str, part: str) -> list[dict[str, Any]]:
    lines = (MESSAGES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["part"] == part]


# Replies: clear cases


@pytest.mark.parametrize(
    "text",
    [
        "I'd rather not say",
        "pass",
        "None of your business!",
        "prefer not to answer",
        "skip",
        "no comment",
        "can we not talk about that",
        "Can we not talk about that?",
        "don't want to say",
        "I don’t know",
        "",
        "  \n",
        "N/A",
        "Not specified.",
        "I don't want to talk about it.",
        "I'd rather not say, it's complicated",
    ],
)
@pytest.mark.parametrize("key", TABLE.keys)
def test_a_refusal_is_declined_whatever_was_asked(text: str, key: str) -> None:
    assert reply(text, key) == Reply("declined", None)


@pytest.mark.parametrize("text", ["no", "None", "nothing", "Nope.", "no, never", "not that I know of"])
@pytest.mark.parametrize(
    ("key", "value"), [("health", "good"), ("mental_health", "none"), ("self_harm", "none"), ("marital", None)]
)
def test_a_bare_no_answers_only_questions_that_it_can(text: str, key: str, value: str | None) -> None:
    assert reply(text, key) == (Reply("given", value) if value else Reply("declined", None))


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("I'm 42", "age", "35-44"),
        ("forty-two", "age", "35-44"),
        ("in my early 40s", "age", "35-44"),
        ("born in 1983", "age", "35-44"),
        ("24", "age", "18-24"),
        ("25", "age", "25-34"),
        ("I'll be 55 in May", "age", "45-54"),
        ("divorced last year", "marital", "divorced"),
        ("my husband and I live in Kent", "marital", "married"),
        ("I work as an RN", "profession", "nurse"),
        ("grad school, finishing my phd", "education", "phd"),
        ("money is really tight", "economic", "difficult"),
    ],
)
def test_what_clearly_is_a_value_becomes_the_tables_own(text: str, key: str, value: str) -> None:
    assert reply(text, key) == Reply("given", value)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("I'm 16", "age"),
        ("in my forties", "age"),
        ("beekeeper", "profession"),
        ("nurses' aide", "profession"),
        ("I'm not a nurse anymore", "profession"),
        ("my sister is married", "marital"),
        ("separated", "marital"),
        ("I'm fine but I have suicidal thoughts", "mental_health"),
        ("I want to die", "mental_health"),
        ("I'm fine, I just cry every night", "mental_health"),
        ("well, I hear voices", "mental_health"),
        ("I'm great at hiding it", "mental_health"),
        ("good, apart from the lump", "health"),
        ("never felt worse", "self_harm"),
        ("never say never", "self_harm"),
        ("no, but I want to", "self_harm"),
        ("not really", "self_harm"),
    ],
)
def test_what_no_value_covers_stays_in_the_persons_words(text: str, key: str) -> None:
    assert reply(f"  {text}\n", key) == Reply("given", text)


def test_a_refusal_taken_back_is_an_answer() -> None:
    assert reply("I'd rather not say but I'm in my forties", "age") == Reply("given", "I'm in my forties")
    assert reply("I'd rather not say exactly, but I'm 47", "age") == Reply("given", "45-54")
    assert reply("Yes, but I don't want to talk about it.", "self_harm") == Reply("given", "yes")


@pytest.mark.parametrize("text", ["Why do you ask?", "what do you mean?", "???", "👍", "huh"])
def test_asking_back_and_noise_are_unclear(text: str) -> None:
    assert reply(text, "health") == Reply("unclear", None)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("I am 42", "mental_health"),
        ("Well, I'm 42.", "marital"),
        ("I'm a 42 year old nurse, married", "mental_health"),
        ("I'm married", "health"),
        ("sorry, I'm a nurse", "health"),
        ("I was born in 1984", "emotion"),
        ("I'm 42. Why do you ask?", "profession"),
    ],
)
def test_what_tells_of_something_else_alone_is_no_answer(text: str, key: str) -> None:
    assert reply(text, key) == Reply("unclear", None)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("beekeeper in Kent", "profession"),
        ("been better", "mental_health"),
        ("I'm 42 and life is hard", "mental_health"),
        ("I'm 42, a beekeeper", "profession"),
        ("I'm lonely", "mental_health"),
        ("I'm divorced", "emotion"),
        ("I'm unemployed", "economic"),
        ("I'm a mother of two", "profession"),
        ("I'm a student", "education"),
        ("I'm retired", "age"),
        ("We manage, my husband died last year", "economic"),
        ("I live in Berlin", "mental_health"),
        ("I'm a nurse, with bad days", "mental_health"),
    ],
)
def test_what_may_tell_of_what_was_asked_is_an_answer(text: str, key: str) -> None:
    assert reply(text, key) == Reply("given", text)


def test_of_a_table_of_ones_own_only_an_age_is_known_to_tell_of_something_else() -> None:
    assert reply("I'm 42", "soil", OTHER) == Reply("unclear", None)
    assert reply("I'm 42", "income", OTHER).status == "given"
    assert reply("I'm a beginner", "soil", OTHER) == Reply("given", "I'm a beginner")


@pytest.mark.parametrize(
    "text",
    [
        "I don't see why that matters",
        "I don't understand why you need to know that.",
        "I can't see how this is relevant",
        "what has my age got to do with it",
        "That's not relevant here",
    ],
)
@pytest.mark.parametrize("key", ["age", "health", "profession"])
def test_doubt_about_the_question_is_no_answer_to_it(text: str, key: str) -> None:
    assert reply(text, key) == Reply("unclear", None)


def test_doubt_about_something_else_is_an_answer() -> None:
    for text in ("I don't know why that happened to me", "I don't see why that matters, but I have a bad knee"):
        assert reply(text, "health") == Reply("given", text)


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("I'd rather not say, but it's been bad", "mental_health", "it's been bad"),
        ("I'd rather not say, but it's been bad, really bad", "mental_health", "it's been bad, really bad"),
        ("I don't know, pretty low I guess", "mental_health", "pretty low I guess"),
        ("I don't know. Pretty low.", "mental_health", "Pretty low"),
        ("not sure, kind of empty", "emotion", "kind of empty"),
        ("I don't know, I keep bees", "profession", "I keep bees"),
        ("I'd rather not say, but over 18", "age", "over 18"),
    ],
)
def test_what_follows_a_hedge_is_the_answer(text: str, key: str, value: str) -> None:
    assert reply(text, key) == Reply("given", value)


@pytest.mark.parametrize(
    "text",
    [
        "I'd rather not say, but thanks",
        "I'd rather not say, but thanks for asking",
        "I'd rather not say, it's complicated",
        "I don't know, it's complicated",
        "I don't know, why do you ask?",
        "I'd rather not say, but can you help me?",
        "I'd rather not say, but please help me",
        "I'd rather not say, but I don't see why that matters",
        "I'd rather not say, my sister would",
        "I'd rather not say, but I have over 3 kids",
        "I'd rather not say because it's been bad",
    ],
)
@pytest.mark.parametrize("key", ["age", "profession", "mental_health"])
def test_a_refusal_with_nothing_told_beside_it_stays_one(text: str, key: str) -> None:
    if "kids" not in text or key == "age":
        assert reply(text, key) == Reply("declined", None)


KNOWN = {"marital": "single", "age": "35-44", "health": None}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("sorry, I am actually 52", {"age": "45-54"}),
        ("actually I'm 52", {"age": "45-54"}),
        ("I meant 52", {"age": "45-54"}),
        ("Sorry, I meant 52, not 42", {"age": "45-54"}),
        ("My mistake. I'm 52.", {"age": "45-54"}),
        ("oops, I meant divorced", {"marital": "divorced"}),
    ],
)
def test_a_correction_says_what_is_meant_and_nothing_else(text: str, values: dict[str, str]) -> None:
    assert corrected(text, KNOWN, None, TABLE, today) == Correction(values, True)


@pytest.mark.parametrize(
    "text",
    [
        "I'm 52",
        "I'm actually 38",
        "I meant well",
        "I meant it when I said I'm 52",
        "Actually, am I 52?",
        "actually, no",
        "My sister is actually 52",
        "I actually have diabetes",
    ],
)
def test_what_names_no_slip_or_no_other_value_corrects_nothing(text: str) -> None:
    assert corrected(text, KNOWN, None, TABLE, today) == Correction()


def test_a_correction_within_an_answer_is_not_all_that_is_said() -> None:
    found = corrected("Actually I'm 52, and it hurts when I walk", KNOWN, None, TABLE, today)
    assert found == Correction({"age": "45-54"}, False)


@pytest.mark.parametrize(
    ("text", "asked", "values", "is_all"),
    [
        # What was asked is answered in the same breath.
        ("sorry, I'm actually 52 and a nurse", "profession", {"age": "45-54"}, False),
        ("Actually I'm divorced. I'm a nurse.", "profession", {"marital": "divorced"}, False),
        ("I'm a diabetic, and I'm actually 52", "health", {"age": "45-54"}, False),
        ("I'm actually married and I'm 34", "age", {"marital": "married"}, False),
        # What tells of what was asked too is the answer to it.
        ("Actually I'm divorced", "mental_health", {}, False),
        ("Actually I'm divorced", "profession", {"marital": "divorced"}, True),
        ("actually I'm divorced, not single", "health", {"marital": "divorced"}, True),
        ("I'm 52, not 42", "health", {"age": "45-54"}, True),
        ("oops, 52", "health", {"age": "45-54"}, True),
        ("no wait, I'm 52", "health", {"age": "45-54"}, True),
        ("Wait, sorry, I meant to say I'm 52.", "health", {"age": "45-54"}, True),
    ],
)
def test_a_correction_leaves_the_answer_to_what_was_asked(
    text: str, asked: str, values: dict[str, str], is_all: bool
) -> None:
    assert corrected(text, KNOWN, TABLE[TABLE.index(asked)], TABLE, today) == Correction(values, is_all)


@pytest.mark.parametrize(
    "text",
    [
        'My boss told me: "Take it easy. Actually I\'m 52 and divorced myself." So I try to rest.',
        "> Actually I'm divorced.\nthat's what my ex wrote, my back hurts",
        "fine. I'm writing a novel and the hero says things. Actually I'm divorced, he says.",
        "I meant 40 euros",
        "make that 30 miles",
        "I meant my husband",
        "I meant at school",
        "I'm actually 52 in dog years",
        "I'm actually a widow in my video game",
    ],
)
def test_what_others_say_and_other_things_correct_nothing(text: str) -> None:
    assert corrected(text, KNOWN, TABLE[TABLE.index("health")], TABLE, today).values == {}


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("no, I'm a nurse", "self_harm", "none"),
        ("no, I'm 42", "health", "good"),
        ("No. I'm married.", "self_harm", "none"),
    ],
)
def test_a_no_before_something_else_is_the_answer(text: str, key: str, value: str) -> None:
    assert reply(text, key) == Reply("given", value)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("I don't get why it matters that I can't sleep", "mental_health"),
        ("I don't understand why my husband matters so much to me", "mental_health"),
        ("I'd rather not say, but I need a wheelchair", "health"),
    ],
)
def test_content_that_only_looks_like_an_objection_or_an_excuse_is_taken(text: str, key: str) -> None:
    assert reply(text, key).status == "given"


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [("sorry, I'm 42", "age", "35-44"), ("Sorry, 42", "age", "35-44"), ("I´m 42", "age", "35-44")],
)
def test_courtesies_and_accents_for_apostrophes_are_in_nobodys_way(text: str, key: str, value: str) -> None:
    assert reply(text, key) == Reply("given", value)
    assert "gender" not in volunteered(text, TABLE, today)


def test_a_stammer_takes_no_time() -> None:
    assert reply("I'm " * 200, "age").status in ("given", "unclear")


def test_a_year_of_birth_is_read_against_today() -> None:
    age = TABLE[TABLE.index("age")]
    assert read_reply("born in 1990", age, TABLE, lambda: date(2024, 12, 1)).value == "25-34"
    assert read_reply("born in 1990", age, TABLE, lambda: date(2026, 1, 1)).value == "35-44"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("over 60", "55+"),
        ("at least 55", "55+"),
        ("60 or older", "55+"),
        ("not under 60", "55+"),
        ("over the age of 60", "55+"),
        ("over 40 and under 45", "35-44"),
        ("older than 25 but younger than 30", "25-34"),
        ("just over 30", "25-34"),
        ("a bit over 30", "25-34"),
        ("just under 35", "25-34"),
        ("almost 40", "35-44"),
        ("in my early 50s", "45-54"),
    ],
)
def test_an_open_amount_is_a_value_that_it_lies_within(text: str, value: str) -> None:
    assert reply(text, "age") == Reply("given", value)


@pytest.mark.parametrize(
    "text",
    [
        "over 18",
        "18+",
        "18 +",
        "at least 21",
        "18 at least",
        "18 years or older",
        "over the age of 18",
        "more than 45",
        "over 54",
        "not over 60",
        "under 18",
        "under 25",
        "nearly 18",
        "just over 34",
        "I'm over 40",
        "I'm over 40 with 3 kids",
        "I'm 1984",
        "born in 1850",
        "I'm 150",
        "over 150",
    ],
)
def test_an_amount_that_does_not_say_which_value_stays_in_the_persons_words(text: str) -> None:
    assert reply(text, "age") == Reply("given", text)


def of_own(values: list[str], name: str, text: str) -> str | None:
    told = {"key": "own", "name": name, "kind": "demographic", "question": "?", "values": dict.fromkeys(values, 0.5)}
    table = AttributeTable.from_json({"name": "own", "attributes": [told]}, "test")
    return reply(text, "own", table).value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("over 30000", None),
        ("at least 25000", None),
        ("under 40000", None),
        ("less than 100k", None),
        ("at most 20000", None),
        ("over 60k", "over 50000"),
        ("over 50,000", "over 50000"),
        ("60k+", "over 50000"),
        ("50000", "20000-50000"),
        ("just over 50k", "over 50000"),
        ("less than 10k", "under 20000"),
        ("at most 15000", "under 20000"),
        ("more than 20k but less than 40k", "20000-50000"),
    ],
)
def test_an_open_amount_is_held_against_the_ranges_of_ones_own_table(text: str, value: str | None) -> None:
    assert of_own(["under 20000", "20000-50000", "over 50000"], "Income", text) == (value or text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("under 18", "0-17"), ("under 12", "0-17"), ("18 or younger", None), ("over 65", "65+"), ("over 50", None)],
)
def test_the_lowest_range_from_0_holds_all_that_is_below_its_end(text: str, value: str | None) -> None:
    assert of_own(["0-17", "18-64", "65+"], "Age group", text) == (value or text)


def test_only_ages_have_an_end_and_a_year_of_birth() -> None:
    hours = ["under 20", "20-40", "over 40"]
    assert of_own(hours, "Age", "over 130") == "over 130"
    assert of_own(hours, "Hours of work", "over 130") == "over 40"
    assert of_own(hours, "Age", "1990") == "20-40"
    assert of_own(hours, "Widgets made", "1990") == "over 40"


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("about 25k", "income", "20,000-39,999"),
        ("we make $52,000 a year", "income", "40,000-79,999"),
        ("over 100 thousand", "income", "80,000 or more"),
        ("no income", "income", "no income"),
        ("it's sandy loam, I think", "soil", "sandy loam"),
        ("chalk", "soil", "chalk"),
        ("a cat", "pets", "cats"),
        ("none", "pets", "none"),
        ("sixty-seven", "age", "65 and over"),
        ("husband, so a man", "gender", "man"),
        ("I'm a dad", "gender", "I'm a dad"),
    ],
)
def test_another_table_needs_no_cues(text: str, key: str, value: str) -> None:
    assert reply(text, key, OTHER) == Reply("given", value)
    assert reply("dunno mate", key, OTHER) == Reply("declined", None)


# Volunteered: clear cases


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("As a single mother of two, how can I study?", {"gender": "female", "marital": "single"}),
        ("I'm a 19 year old student.", {"age": "18-24", "profession": "student"}),
        ("How should I eat since my diagnosis with diabetes?", {"health": "chronic disease"}),
        ("I used to cut myself.", {"self_harm": "yes"}),
        ("I have never hurt myself.", {"self_harm": "none"}),
        ("My therapist says my depression is better.", {}),
        ("My sister is divorced.", {}),
        ("Am I depressed?", {}),
        ("I'm not divorced.", {}),
        ("If I were married, would it help?", {}),
        ("When I was a student I was poor.", {}),
        ('He wrote "I am a nurse" on the form.', {}),
        ("He wrote:\nI am a nurse.", {}),
        ("I can't go on, everything hurts, I want it to end.", {}),
        ("I hurt myself at the gym.", {}),
        ("I want to hurt myself.", {}),
        ("Single mom here, how do I find time to study?", {"gender": "female", "marital": "single"}),
        ("Hi, 34 year old nurse here. I feel burnt out", {"age": "25-34", "profession": "nurse"}),
        ("As a father and software engineer, should I move?", {"gender": "male", "profession": "programmer"}),
        (
            "As a doctor, and as a widow, I feel lost",
            {"gender": "female", "marital": "widowed", "profession": "doctor"},
        ),
        ("As a student and my mother a nurse we need help", {}),
        ("As a lawyer and friend of yours, he should know", {}),
        ("As a lawyer and my cousin's friend, he wins and I feel bad", {}),
        ("Doctor here said I need surgery", {}),
        ("Doctor here, and she wants to operate", {}),
        ("No doctor here", {}),
        ("So no doctor here, how do I cope?", {}),
        ("I feel sick and no doctor here", {}),
        ("Is there a doctor here?", {}),
        ("Doctor here yet?", {}),
        ("My mom is a nurse here in town", {}),
        ("Married here in town, I want to move", {}),
        ("45 year old man here, unconscious. What do I do?", {}),
        ("Old man here, what should I do?", {}),
        ("A nurse here. I gave in", {}),
        ("Homeless man here. I gave him food", {}),
        ("Lawyer here. Wants 5000 dollars", {}),
        ("Wife here so I can't talk", {}),
        ("Mom here, dad there, I am torn", {}),
        ("Divorced dad here. I never see my kids.", {"gender": "male", "marital": "divorced"}),
        ("Single guy here, how do I meet people?", {"gender": "male", "marital": "single"}),
        ("34 year old nurse here. I need help.", {"age": "25-34", "profession": "nurse"}),
        ("Doctor here. I feel sick.", {}),
        ("Waitress here, how much do I tip?", {}),
        ("Divorced nurse here? I need one", {}),
        ("Divorced doctor here. I am told to rest.", {}),
        ("Divorced doctor here. I met two patients.", {}),
        ("Homeless man here. I work. I want to sleep. How do I get him to leave?", {}),
        ("Homeless man here, I need sleep. I work from seven. I wake early. Their dog barks.", {}),
        ("Single mom here, I know this lady is drunk", {}),
        ("Single mom here. My client wants a loan.", {}),
        ("Single mom here. I need help for a loan.", {}),
        ("45 year old woman here, should I call 911?", {}),
        ("45 year old woman here. I know it hurts.", {}),
        ("45 year old woman here, what dose do I take?", {}),
        ("45 year old unemployed man here, how do I respond?", {}),
        ("Unemployed single mom here, how do I tell someone?", {}),
        ("Unemployed single mom here, what should I offer?", {}),
        ("At 52, I feel too old", {"age": "45-54"}),
        ("At 65, do I get a pension?", {}),
        ("Tell me, as a nurse, do I need stitches?", {}),
        ("In your opinion, as a lawyer, do I have a case?", {}),
        ("I ask you, as a doctor, do I need surgery?", {}),
        ("You are a doctor. As a doctor, what do I need?", {}),
        ("My kids need me, and as a nurse, I am tired", {"profession": "nurse"}),
        ("As a doctor I need someone who listens", {}),
        ("As a doctor who visits us noticed, I sleep badly", {}),
        ("As a doctor in Paris taught me, I sleep early", {}),
        ("As a doctor from the hospital explained, I need surgery", {}),
        ("As a doctor from the hospital told me, I need surgery", {}),
        ("You, as a doctor and a mother, how do I treat my flu?", {}),
        ("As a lawyer and a mother, what would you tell me?", {}),
        ("As a nurse, would I earn more?", {}),
        ("As a nurse I would earn more, right?", {}),
        ("As a nurse I would like to earn more", {"profession": "nurse"}),
        ("As a nurse who works nights, I never sleep", {"profession": "nurse"}),
        ("As a student, I always slept little back in the 80s", {}),
        ("As a student and a waiter, I never had money", {}),
        ("As a woman, and a doctor told me, I can", {}),
        ("As a mother and a nurse once told me, I am too hard on myself", {}),
        ("As a doctor told me, I need rest", {}),
        ("As a woman and walking dictionary, I know", {}),
        ("I'm over 18, can I rent a car?", {}),
        ("I'm over 40 and single", {"marital": "single"}),
        ("I'm over 60 and single", {"age": "55+", "marital": "single"}),
        ("I'm 18 or older, so can I rent a car?", {}),
        ("I'm 18 at least", {}),
        ("I'm 42 at the moment", {"age": "35-44"}),
        ("I'm 60 and over the moon", {"age": "55+"}),
        ("I'm just over 30", {"age": "25-34"}),
        ("", {}),
    ],
)
def test_only_plain_statements_about_oneself_are_volunteered(text: str, found: dict[str, str]) -> None:
    assert volunteered(text, TABLE, today) == found


def test_two_values_of_one_attribute_cancel() -> None:
    assert volunteered("I'm single. I'm married.", TABLE, today) == {}
    assert volunteered("I'm a retired teacher.", TABLE, today) == {"profession": "retired"}


def test_another_table_hears_only_what_names_its_attributes_and_values() -> None:
    text = "I'm a beginner and my soil is clay. My household income is 45000. I'm divorced."
    assert volunteered(text, OTHER, today) == {"income": "40,000-79,999", "soil": "clay", "skill": "beginner"}


# Figures on the lists


@pytest.mark.parametrize("part", PARTS)
def test_replies_are_read_as_people_read_them(part: str, record_property: Any) -> None:
    listed = rows("replies", part)
    read = [reply(row["text"], row["attribute"]) for row in listed]
    same = sum(
        (got.status, got.value) == (row["status"], row["value"]) for got, row in zip(read, listed, strict=True)
    ) / len(listed)
    made = [
        got.value == row["value"]
        for got, row in zip(read, listed, strict=True)
        if got.value in TABLE[TABLE.index(row["attribute"])].values
    ]
    record_property("same", same)
    print(f"{part}: {len(listed)} replies, {same:.3f} read the same; {sum(made)} of {len(made)} table values right")
    assert same >= 0.95
    assert sum(made) / len(made) >= 0.98


@pytest.mark.parametrize("part", PARTS)
def test_what_is_volunteered_is_right(part: str, record_property: Any) -> None:
    listed = rows("volunteered", part)
    found = right = wanted = 0
    for row in listed:
        got = volunteered(row["text"], TABLE, today)
        found, wanted = found + len(got), wanted + len(row["found"])
        right += sum(row["found"].get(key) == value for key, value in got.items())
    precision, recall = right / found, right / wanted
    record_property("precision", precision)
    record_property("recall", recall)
    print(f"{part}: {len(listed)} messages, precision {precision:.3f}, recall {recall:.3f}")
    assert precision >= 0.95
    assert recall >= 0.8


def test_the_lists_are_large_and_half_of_the_messages_hold_nothing() -> None:
    replies = [row for part in PARTS for row in rows("replies", part)]
    messages = [row for part in PARTS for row in rows("volunteered", part)]
    assert len(replies) >= 200
    assert {row["attribute"] for row in replies} == set(TABLE.keys)
    assert len(messages) >= 150
    assert sum(not row["found"] for row in messages) >= len(messages) / 2
    for row in messages:
        assert all(value in TABLE[TABLE.index(key)].values for key, value in row["found"].items())


# Any text

FRAGMENTS = (
    "I am|a nurse|not|34|my husband|is|and|but|,|.|?|\"|'|divorced|never|no|I'd rather not say|in my|30s|born 1983|"
    "have|anxiety|if|she said|:|🙂|(27f)|\n|yes|-|’|i"
)
WORDS = st.lists(st.sampled_from(sorted(FRAGMENTS.split("|"))), max_size=30).map(" ".join)
TEXTS = st.one_of(st.text(), WORDS)


@settings(max_examples=300)
@given(text=TEXTS, key=st.sampled_from(TABLE.keys))
def test_any_reply_gives_a_value_only_when_given_and_only_one_of_the_tables_or_said(text: str, key: str) -> None:
    for table in (TABLE, OTHER):
        attribute = table[table.index(key)] if table.find(key) is not None else table[0]
        got = read_reply(text, attribute, table, today)
        assert got.status in ("given", "declined", "unclear")
        if got.status == "given":
            assert got.value
            assert got.value in attribute.values or got.value in text
        else:
            assert got.value is None


@settings(max_examples=300)
@given(text=TEXTS)
def test_any_message_volunteers_only_values_of_the_table(text: str) -> None:
    for table in (TABLE, OTHER):
        for key, value in volunteered(text, table, today).items():
            assert value in table[table.index(key)].values


@given(value=st.sampled_from([(a.key, value) for a in TABLE for value in a.values]), case=st.booleans())
def test_every_value_is_its_own_reply(value: tuple[str, str], case: bool) -> None:
    key, spelling = value
    assert reply(f" {spelling.upper() if case else spelling}. ", key) == Reply("given", spelling)


@pytest.mark.parametrize("kind", ["said", "am", "says", "own", "unless"])
def test_cues_name_only_values_of_the_table(kind: str) -> None:
    listed = json.loads((Path(cues_of.__code__.co_filename).parent / "cues.json").read_text(encoding="utf-8"))
    assert set(listed["attributes"]) == set(TABLE.keys)
    for key, data in listed["attributes"].items():
        values = TABLE[TABLE.index(key)].values
        assert set(data.get("values", {})) <= set(values)
        assert set(data.get("prefer", [])) <= set(values)
        assert {data[side] for side in ("yes", "no") if side in data} <= set(values)
        assert (
            any(getattr(cue, kind) is not None for cue in cues_of(TABLE[TABLE.index(key)]).values.values())
            or kind != "said"
        )


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "a\n",
        " ",
        "i am a nurse, ",
        "\"'",
        " 'a",
        "1-",
        "(27f ",
        "not ",
        "my ",
        "born ",
        "early to mid ",
        "i have ",
        "i am jo, ",
        "i am 42 and ",
        "i meant 52, ",
        "actually i am 52. ",
        "i do not know, ",
        "but ",
    ],
)
def test_time_is_linear_in_the_length(unit: str) -> None:
    def seconds(size: int) -> float:
        text = (unit * size)[:size]
        start = time.process_time()
        volunteered(text, TABLE, today)
        corrected(text, KNOWN, None, TABLE, today)
        for attribute in TABLE:
            read_reply(text, attribute, TABLE, today)
        return time.process_time() - start

    seconds(100)
    small, large = seconds(1_000), seconds(10_000)
    assert large < 0.25 or large < 25 * small


def test_nothing_a_person_wrote_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        reply("I'd rather not say, but zanzibar", "health")
        volunteered("I'm a nurse from zanzibar", TABLE, today)
    assert caplog.records == []


def test_what_was_read_is_not_shown() -> None:
    assert "zanzibar" not in repr(reply("I'm a zanzibar", "profession"))
    assert "52" not in repr(Correction({"age": "52"}))
