"""The rule for urgent messages: what it must not miss, what it must leave alone, and how its work grows."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raise_agent.agent.danger import AFTER, BEFORE, STRIDE, WINDOW, danger, parts, weights
from raise_agent.agent.sentences import sentences
from raise_agent.agent.urgent import HELP, Urgent, urgent, urgent_reply
from raise_agent.attributes import Attribute, penguin_table

MESSAGES = Path(__file__).parent / "messages"
EVERYDAY = "The quarterly report needs one more table. Could you check my grammar? We moved the meeting to Tuesday. "

DISGUISED = (
    "K I L L  M Y S E L F that is all i want",
    "ｉ ｗａｎｔ ｔｏ ｄｉｅ",
    "I\u200b want to ki\u200bll my\u00adself",
    "I’m going to kill myself",
    "I'm gonna killlll myselfff",
    "k*ll myself",
    "i want to k!ll myself",
    "su1cide is the only way out for me",
    "i want to d\u0301i\u0300e",
    "I WANT TO DIE!!!please",
    "i want to\nkill\nmyself",
    "**I want to kill myself**",
    "i'm gonna k\u0131ll myself",
)
PLAIN = (
    "I am going to kill myself tonight",
    "I took all my sleeping pills an hour ago and I want to die",
    "The noose is round my neck",
    "I will be dead by tomorrow morning",
    "I'm going to stab my brother, I have the knife in my hand",
    "My friend just told me she is going to hang herself tonight",
)
SAFE = (
    "This job is killing me, should I quit?",
    "Shoot me an email when you are ready",
    "I'm dying to know how the film ends",
    "How do I kill the process listening on port 8080?",
    "I'm not suicidal, just tired",
    "My grandmother died in May and I miss her",
    "In my novel the hero wants to kill himself. How do I write the scene with care?",
    "I used to cut myself when I was sixteen. I'm well now. How do I explain the scars?",
    "Can I take two paracetamol with my antidepressants?",
    "I'm 42, divorced, and I work nights as a nurse.",
)


def rows(name: str, split: str, kind: str | None = None) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (MESSAGES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row for row in found if row["split"] == split and kind in (None, row["kind"])]


def alarms(name: str, split: str, kind: str | None = None) -> tuple[int, int]:
    """Alarms, and messages."""
    found = [urgent(row["text"]) is not None for row in rows(name, split, kind)]
    return sum(found), len(found)


# --- what it catches --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*PLAIN, *DISGUISED])
def test_a_plain_message_alarms_however_it_is_spelled(text: str) -> None:
    assert urgent(text) is not None


@pytest.mark.parametrize("text", PLAIN)
def test_danger_in_the_middle_of_a_long_text_alarms(text: str) -> None:
    assert urgent(EVERYDAY * 30) is None
    assert urgent(f"{EVERYDAY * 30}{text}. {EVERYDAY * 30}") is not None
    assert urgent(f"{'we also bought bread and milk and then ' * 5}{text} {'and the weather is nice ' * 5}") is not None


@pytest.mark.parametrize("harmless", SAFE)
def test_harmless_dark_words_do_not_silence_the_statement_beside_them(harmless: str) -> None:
    assert urgent(harmless) is None
    assert urgent(f"{harmless} I am going to kill myself tonight.") is not None


def test_no_plain_message_of_the_development_list_is_missed() -> None:
    assert alarms("urgent", "development", "plain") == (59, 59)


def test_dark_wording_of_the_development_list_alarms_in_less_than_a_tenth() -> None:
    found, n = alarms("dark", "development")
    assert found < 0.1 * n


@pytest.mark.parametrize(("kind", "least"), [("plain", 60), ("oblique", 26), ("third_person", 12)])
def test_messages_that_nothing_was_chosen_on_are_caught_as_reported(kind: str, least: int) -> None:
    assert alarms("urgent", "held_out", kind)[0] >= least


def test_dark_wording_that_nothing_was_chosen_on_alarms_as_reported() -> None:
    assert alarms("dark", "held_out")[0] <= 9


@pytest.mark.parametrize("now", [True, False], ids=["now", "not now"])
def test_replies_to_whether_one_ever_hurt_oneself_are_read_as_replies(now: bool) -> None:
    table = penguin_table()
    lines = (MESSAGES / "self_harm_replies.jsonl").read_text(encoding="utf-8").splitlines()
    replies = [row["text"] for row in map(json.loads, lines) if row["urgent"] is now]
    alarmed = sum(urgent_reply(reply, table[table.index("self_harm")]) is not None for reply in replies)
    assert len(replies) == (60 if now else 90)
    assert alarmed >= 53 if now else alarmed <= 16


def asked(question: str, key: str = "past", name: str = "Past") -> Attribute:
    return Attribute(key, name, "psychological", question)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Have you ever hurt yourself, or come close to it?", "harm_to_self"),
        ("Have you ever been harming yourself?", "harm_to_self"),
        ("Any self-harm?", "harm_to_self"),
        ("Did you cut or burn your arms on purpose?", "harm_to_self"),
        ("Have you had thoughts of suicide?", "harm_to_self"),
        ("Do you ever think about ending your life?", "harm_to_self"),
        ("Do you sometimes wish you were dead?", "harm_to_self"),
        ("Have you overdosed?", "harm_to_self"),
        ("Are you at risk of harm?", "harm_to_self"),
        ("Have you ever h\u0443rt y0urself?", "harm_to_self"),
        ("Have you ever hurt someone?", "harm_to_others"),
        ("Have you been violent?", "harm_to_others"),
        ("Is anyone hurting you?", "harm_to_others"),
        ("Have you ever been abused?", "harm_to_others"),
        ("Are you in danger at home?", "harm_to_others"),
    ],
)
@pytest.mark.parametrize("reply", ["Yes, tonight.", "yes, right now"])
def test_a_question_that_speaks_of_harm_is_known_by_its_words_whatever_it_is_called(
    question: str, kind: str, reply: str
) -> None:
    assert urgent(reply) is None
    found = urgent_reply(reply, asked(question))
    assert found is not None
    assert found.kind == kind
    for calm in ("no", "no, never", "I'd rather not say"):
        assert urgent_reply(calm, asked(question)) is None


@pytest.mark.parametrize(
    "question",
    [
        "Have you ever done something to your body on purpose, to feel pain?",
        "Have you taken more pills than prescribed on purpose?",
        "Have you felt like not being here any more?",
    ],
)
def test_a_question_in_words_that_are_not_listed_is_known_by_what_it_says_of_oneself(question: str) -> None:
    assert urgent_reply("Yes, tonight.", asked(question)) is not None


@pytest.mark.parametrize("key", ["self_harm", "past_harm", "x"])
@pytest.mark.parametrize("name", ["Past Self-Harm History", "Past"])
def test_neither_key_nor_name_switches_the_look_out_off(key: str, name: str) -> None:
    question = penguin_table()[penguin_table().index("self_harm")].question
    assert urgent_reply("Yes, tonight.", asked(question, key, name)) is not None


def test_a_name_that_speaks_of_harm_is_enough() -> None:
    assert urgent_reply("Yes, tonight.", asked("Anything to say on this?")) is None
    assert urgent_reply("Yes, tonight.", asked("Anything to say on this?", name="Self-harm")) is not None
    assert urgent_reply("Yes, tonight.", asked("Anything to say on this?", key="self_harm")) is not None


@pytest.mark.parametrize(
    "question",
    [
        "Are you thinking of killing yourself?",
        "Do you want to die?",
        "Do you want to hurt others?",
        "Is he hitting you?",
    ],
)
def test_of_a_question_about_now_a_yes_alone_is_urgent_and_a_no_is_not(question: str) -> None:
    assert urgent_reply("Yes", asked(question)) is not None
    for calm in ("no", "No, I'm not.", "not really", "I'd rather not say", "yeah no"):
        assert urgent_reply(calm, asked(question)) is None


def test_a_yes_to_whether_it_ever_happened_is_not_urgent() -> None:
    for question in ("Have you ever hurt yourself?", "Do you have a history of suicide attempts?"):
        assert urgent_reply("Yes", asked(question)) is None


@pytest.mark.parametrize(
    "question",
    [
        *(attribute.question for attribute in penguin_table() if attribute.key != "self_harm"),
        "Are you working tonight?",
        "Do you cut your own hair?",
        "Do you live by yourself?",
        "Do you feel safe at home?",
        "Do you have any panic attacks or other problems?",
        "Do you plan to end your contract?",
        "Do you take time for yourself?",
        "Does your back hurt?",
    ],
)
def test_other_questions_make_no_reply_urgent(question: str) -> None:
    for reply in ("Yes, tonight.", "yes, right now", "Yes"):
        assert urgent_reply(reply, asked(question)) is None


# --- what it says -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "because"),
    [
        ("I want to kill myself", "harm_to_self", "intent"),
        ("i just swallowed all of my sleeping pills", "harm_to_self", "act"),
        ("The gun is loaded and it is in my hand", "harm_to_self", "means"),
        ("This is my last night on earth. Goodbye everyone.", "harm_to_self", "ending"),
        ("I'm going to stab my brother tonight", "harm_to_others", "others"),
        ("My husband is beating me right now", "harm_to_others", "others"),
        ("My friend told me she is going to kill herself", "harm_to_self", "third_person"),
    ],
)
def test_the_kind_and_the_family_are_named(text: str, kind: str, because: str) -> None:
    assert urgent(text) == Urgent(kind, because)  # type: ignore[arg-type]


def test_the_reason_holds_no_word_of_the_user() -> None:
    found = urgent("I want to kill myself, says Rumpelstiltskin")
    assert found is not None
    assert "rumpelstiltskin" not in str(found).lower()
    assert [field.name for field in dataclasses.fields(found)] == ["kind", "because"]


@pytest.mark.parametrize("kind", ["harm_to_self", "harm_to_others"])
def test_help_says_where_to_find_it_and_asks_nothing(kind: str) -> None:
    assert set(HELP) == {"harm_to_self", "harm_to_others"}
    text = HELP[kind]  # type: ignore[index]
    assert "?" not in text
    for place in ("emergency number", "findahelpline.com", "988", "116 123", "112", "crisis line"):
        assert place in text


@pytest.mark.parametrize(
    "text", ["", " ", "\n\n", "...", "?!", "\u200b\u200d", '"', "'" * 7, "\ud800", "\x00", "12 * 7"]
)
def test_nothing_is_said_in_no_words(text: str) -> None:
    assert urgent(text) is None


# --- how it scores ----------------------------------------------------------------------------------------------------


def test_the_score_is_the_highest_of_the_parts_summed_by_hand() -> None:
    model, text = weights(), "We moved the meeting to Tuesday. I am going to kill myself tonight."
    by_hand = [model.bias + sum(model.weights.get(feature, 0) for feature in part) for part in parts(text)]
    assert len(by_hand) == 2
    assert danger(text).above * model.scale == pytest.approx(max(by_hand) - model.threshold)
    assert by_hand[1] > model.threshold > by_hand[0]


def test_features_are_words_runs_classes_and_what_stands_around() -> None:
    first, second = parts("I just took all my tablets. They are going to work now.")
    assert {"tablets", "took all my", "^ i", "tablets $", "/~pills", "/take ~plenty ~pills", ".take ~pills"} <= first
    assert {">~now", "/^ i take"} <= first
    assert {"<~pills", "/~aim", "/~aim ~place"} <= second
    assert "/just" not in first, "a filler is no term"


def test_a_part_sees_no_further_than_it_says() -> None:
    words = [f"{one}x{two}y" for one in "bcdfghjklmnpqrt" for two in "bcdfghjklmnpqrtvwz"]
    for n, part in enumerate(parts(" ".join(words))):
        begin, end = n * STRIDE, n * STRIDE + WINDOW
        assert {feature for feature in part if feature in set(words)} == set(words[begin:end])
        assert sum(feature[0] == "<" for feature in part) == min(begin, BEFORE)
        assert sum(feature[0] == ">" for feature in part) == min(max(0, len(words) - end), AFTER)


def hostile() -> Iterator[tuple[str, str]]:
    """Pieces of text made to be slow when repeated, each with a name."""
    yield from {
        "spaces": " ",
        "one letter": "a",
        "quotes": '"',
        "open quotes": '" a',
        "apostrophes": "'a ",
        "stars": "a*",
        "dots": ".",
        "lines": "\n ",
        "letters apart": "k i l l ",
        "figures": "a0",
        "one word sentences": "pills. ",
        "no pause": "i am going to want to ",
        "accents": "i\u0301\u0316\u0327",
        "letters that expand": "\ufdfa\u3300",
    }.items()


@pytest.mark.parametrize("piece", [pytest.param(piece, id=name) for name, piece in hostile()])
def test_work_grows_no_faster_than_the_text(piece: str) -> None:
    # Quadratic work over 2**17 characters would not end within the hour.
    text = piece * (2**17 // len(piece))
    assert danger(text).above < float("inf")
    once, twice = (sum(map(len, parts(piece * n))) for n in (2_000, 4_000))
    assert twice <= 2 * once + 10 * WINDOW
    assert once <= 40 * 2_000 * len(piece) + 10 * WINDOW


def test_sentences_are_plain_words() -> None:
    assert sentences("Im gonna… k*ll my\u200bself tonite!! U can't stop me") == [
        " i am going to , kill myself tonight ",
        " you can not stop me ",
    ]
    assert sentences('She said "Stop. Now." and left') == [' she said " stop , now , " and left ']
