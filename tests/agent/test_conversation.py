"""Conversations: what is asked, what is taken in, what is never asked, what is kept."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raise_agent.agent.conversation import STAY_SAFE, Agent, Conversation, Question, Ready
from raise_agent.agent.urgent import HELP, Urgent
from raise_agent.attributes import penguin_table
from raise_agent.errors import ConfigError, ModelError, PolicyError
from raise_agent.policies.abstention import BudgetAbstention, LimitedAbstention, NeverAbstention, ValueAbstention
from raise_agent.policies.contract import Known, Ranking
from raise_agent.policies.orders import StaticPolicy

TABLE = penguin_table()
ORDER = StaticPolicy(TABLE, ["age", "marital", "emotion"])


class Echo:
    """Answers with what it was told."""

    def respond(self, query: str, known: Known) -> Iterator[str]:
        yield query
        yield json.dumps(dict(known))


def agent(questions: int = 2) -> Agent:
    return Agent(ORDER, BudgetAbstention(questions), Echo(), today=lambda: date(2026, 6, 1))


def asked_of(talk: Conversation) -> str | None:
    return talk.turn.attribute.key if isinstance(talk.turn, Question) else None


def test_a_conversation_from_query_to_answer() -> None:
    talk = agent().start("Should I move abroad?")
    assert isinstance(talk.turn, Question)
    assert talk.turn.text == TABLE[0].question
    assert talk.turn.why.scores["age"] == 1.0
    talk.reply("I'm 42")
    assert asked_of(talk) == "marital"
    turn = talk.reply("I'd rather not say")
    assert isinstance(turn, Ready)
    assert turn.why.stop == "2 of at most 2 questions asked"
    assert talk.known == {"age": "35-44", "marital": None}
    assert talk.asked == ("age", "marital")
    assert list(talk.answer()) == ["Should I move abroad?", '{"age": "35-44", "marital": null}']


def test_what_is_volunteered_is_taken_in_and_not_asked() -> None:
    talk = agent(3).start("As a single mother of two, should I move abroad?")
    assert talk.known["marital"] == "single"
    assert asked_of(talk) == "age"
    talk.reply("I'm 42, and I feel so lonely these days")
    assert talk.known["age"] == "35-44"
    while asked_of(talk) is not None:
        assert asked_of(talk) not in ("marital", "age")
        talk.reply("pass")
    assert len(talk.asked) == 3


def test_a_later_word_replaces_a_refusal() -> None:
    talk = agent(3).start("Should I go?")
    talk.reply("no comment")
    assert talk.known == {"age": None}
    talk.reply("I am divorced. I'm a 42 year old nurse, by the way")
    assert talk.known["age"] == "35-44"
    assert talk.asked == ("age", "marital")


def test_a_reply_that_says_nothing_has_the_question_put_once_more() -> None:
    talk = agent().start("Should I go?")
    talk.reply("why do you ask?")
    assert asked_of(talk) == "age"
    assert talk.known == {}
    talk.reply("what?")
    assert talk.known == {"age": None}
    assert asked_of(talk) == "marital"


def test_a_reply_about_something_else_is_taken_in_as_that_and_the_question_put_once_more() -> None:
    talk = Agent(StaticPolicy(TABLE, ["mental_health", "emotion"]), BudgetAbstention(2)).start("Should I go?")
    talk.reply("I am 42")
    assert talk.known == {"age": "35-44"}
    assert asked_of(talk) == "mental_health"
    talk.reply("I'm married")
    assert talk.known == {"age": "35-44", "marital": "married", "mental_health": None}
    assert asked_of(talk) == "emotion"


def test_a_question_that_takes_the_place_of_an_unclear_one_is_put_twice_too() -> None:
    class ByAge(StaticPolicy):
        def rank(self, query: str, known: Known) -> Ranking:
            return Ranking({"emotion": 1.0} if "age" in known else {"mental_health": 1.0})

    talk = Agent(ByAge(TABLE), BudgetAbstention(1)).start("Should I go?")
    talk.reply("I am 42")
    assert asked_of(talk) == "emotion"
    talk.reply("why do you ask?")
    assert asked_of(talk) == "emotion"
    assert "emotion" not in talk.known


@pytest.mark.parametrize("text", ["sorry, I am actually 52", "actually I'm 52", "I meant 52"])
@pytest.mark.parametrize("given", ["volunteered", "asked"])
def test_a_correction_replaces_what_was_known_and_spends_no_question(text: str, given: str) -> None:
    talk = agent(3).start("I'm 42. Should I quit?" if given == "volunteered" else "Should I quit?")
    if given == "asked":
        talk.reply("42")
    assert asked_of(talk) == "marital"
    asked = talk.asked
    talk.reply("what?")
    talk.reply(text)
    assert talk.known == {"age": "45-54"}
    assert asked_of(talk) == "marital"
    assert talk.asked == asked
    talk.reply("divorced")
    assert talk.known == {"age": "45-54", "marital": "divorced"}


def test_what_contradicts_without_saying_so_replaces_nothing() -> None:
    talk = agent(3).start("I'm 42. Should I quit?")
    talk.reply("I'm 52 and divorced")
    assert talk.known == {"age": "35-44", "marital": "divorced"}


@pytest.mark.parametrize(
    ("query", "asked", "text", "known"),
    [
        (
            "I'm 42, should I move?",
            "profession",
            "sorry, I'm actually 52 and a nurse",
            {"age": "45-54", "profession": "nurse"},
        ),
        (
            "I'm 42. Should I?",
            "marital",
            "Sorry, I'm actually 52. I'm married.",
            {"age": "45-54", "marital": "married"},
        ),
        ("Should I move?", "self_harm", "no, I'm a nurse", {"self_harm": "none", "profession": "nurse"}),
        (
            "I'm happy, should I move?",
            "mental_health",
            "I'm actually depressed",
            {"emotion": "happiness", "mental_health": "I'm actually depressed"},
        ),
    ],
)
def test_an_answer_is_heard_whatever_stands_beside_it(query: str, asked: str, text: str, known: dict[str, str]) -> None:
    talk = Agent(StaticPolicy(TABLE, [asked]), NeverAbstention()).start(query)
    talk.reply(text)
    assert talk.to_json()["known"] == known


def test_a_correction_beside_an_answer_leaves_the_answer() -> None:
    talk = agent(3).start("I'm 42. Should I quit?")
    talk.reply("divorced. Actually I'm 52")
    assert talk.known == {"age": "45-54", "marital": "divorced"}


@pytest.mark.parametrize("when", ["query", "reply"])
def test_an_urgent_message_is_met_with_help_and_never_with_a_question(when: str) -> None:
    words = "I am going to kill myself tonight"
    talk = Agent(ORDER, NeverAbstention(), Echo()).start(words if when == "query" else "Should I go?")
    if when == "reply":
        talk.reply(words)
    turn = talk.turn
    assert isinstance(turn, Ready)
    assert turn.urgent is not None
    assert turn.urgent.kind == "harm_to_self"
    assert turn.why.scores == {}
    assert "".join(talk.answer()) == HELP["harm_to_self"]
    with pytest.raises(PolicyError, match="nothing was asked"):
        talk.reply("fine")


def test_after_an_urgent_message_nothing_is_asked_any_more() -> None:
    for earlier in ("I am going to kill myself tonight", "Should I go?"):
        talk = agent().start(earlier)
        if isinstance(talk.turn, Question):
            talk.reply("I am going to kill myself tonight")
        for words in ("I do not know what to do", "it all hurts"):
            talk = agent().start(words, after=talk)
            assert isinstance(talk.turn, Ready)
            assert talk.turn.urgent is None
            assert agent().resume(json.loads(json.dumps(talk.to_json()))).turn == talk.turn
        first, written, _ = talk.answer()
        assert written.split("\n\n") == [
            *dict.fromkeys([earlier, "I am going to kill myself tonight"]),
            "I do not know what to do",
            "it all hurts",
        ]
        assert first.strip() == STAY_SAFE
        assert isinstance(agent().start("Should I go?").turn, Question)


def test_what_a_person_said_before_is_known_in_their_next_conversation() -> None:
    first = agent(2).start("Should I go?")
    first.reply("I'm 42")
    first.decline()
    second = agent(2).start("As a widow, should I stay?", after=first)
    # A refusal gives way to what is volunteered later.
    assert second.known == {"age": "35-44", "marital": "widowed", "gender": "female"}
    assert second.asked == ()
    assert asked_of(second) == "emotion"
    assert first.known == {"age": "35-44", "marital": None}


def test_a_model_may_watch_beside_the_rule_and_cannot_silence_it() -> None:
    heard = list[tuple[str, str | None]]()

    def watch(text: str, question: str | None) -> Urgent | None:
        heard.append((text, question))
        return Urgent("harm_to_others", "others") if "xyzzy" in text else None

    watched = Agent(ORDER, BudgetAbstention(2), Echo(), watch=watch)
    assert isinstance(watched.start("xyzzy").turn, Ready)
    assert isinstance(watched.start("I am going to kill myself tonight").turn, Ready)
    talk = watched.start("Should I go?")
    assert isinstance(talk.turn, Question)
    question = talk.turn.text
    assert isinstance(talk.reply("xyzzy, yes"), Ready)
    assert heard == [("xyzzy", None), ("Should I go?", None), ("xyzzy, yes", question)]


@pytest.mark.parametrize(
    "reply",
    [
        "Yes, right now",
        "yes, tonight",
        "Yes. I'm about to.",
        "yes, an hour ago",
        "Yes, I can't stop",
        "I'm bleeding",
        "yes, I cut again last night",
    ],
)
def test_what_is_urgent_as_a_reply_only_is_met_with_help(reply: str) -> None:
    talk = Agent(StaticPolicy(TABLE, ["self_harm", "age"]), BudgetAbstention(2), Echo()).start("Should I go?")
    assert asked_of(talk) == "self_harm"
    turn = talk.reply(reply)
    assert isinstance(turn, Ready)
    assert turn.urgent is not None
    assert turn.urgent.kind == "harm_to_self"


def test_no_name_of_a_question_in_a_policy_or_a_table_takes_the_look_out_away() -> None:
    place = TABLE.index("self_harm")
    harm = replace(TABLE[place], key="past_harm", name="Past", aliases=())
    renamed = replace(TABLE, attributes=(*TABLE.attributes[:place], harm, *TABLE.attributes[place + 1 :]))
    innocent = replace(harm, question="Is there more?")
    read_as = replace(renamed, attributes=(*TABLE.attributes[:place], innocent, *TABLE.attributes[place + 1 :]))
    for table in (None, read_as):
        policy = StaticPolicy(renamed, ["past_harm", "age"])
        talk = Agent(policy, BudgetAbstention(2), Echo(), table=table).start("Should I go?")
        assert asked_of(talk) == "past_harm"
        turn = talk.reply("Yes, tonight.")
        assert isinstance(turn, Ready)
        assert turn.urgent is not None
        assert turn.urgent.kind == "harm_to_self"


@pytest.mark.parametrize("reply", ["yes", "no", "Yes, years ago", "as a teenager, never since", "I'd rather not say"])
def test_what_lies_behind_a_person_is_no_reason_to_stop_asking(reply: str) -> None:
    talk = Agent(StaticPolicy(TABLE, ["self_harm", "age"]), BudgetAbstention(2), Echo()).start("Should I go?")
    talk.reply(reply)
    assert asked_of(talk) == "age"


def test_saved_and_resumed_at_any_point_it_goes_on_the_same() -> None:
    replies = ["why do you ask?", "19", "we divorced last year", "awful", "pass"]
    whole, saved = agent(4).start("Should I go?"), list[str]()
    for reply in replies:
        saved.append(json.dumps(whole.to_json()))
        whole.reply(reply)
    for place, state in enumerate(saved):
        talk = agent(4).resume(json.loads(state))
        for reply in replies[place:]:
            talk.reply(reply)
        assert talk.to_json() == whole.to_json()
        assert talk.turn == whole.turn


def test_a_question_may_be_declined_without_words() -> None:
    talk = agent(1).start("Should I go?")
    assert isinstance(talk.decline(), Ready)
    assert talk.known == {"age": None}
    with pytest.raises(PolicyError, match="nothing was asked"):
        talk.decline()


@pytest.mark.parametrize("part", ["watch", "policy"])
def test_where_a_model_fails_the_conversation_is_as_it_was(part: str) -> None:
    working = True

    class Failing(StaticPolicy):
        def rank(self, query: str, known: Known) -> Ranking:
            if part == "policy" and not working:
                raise ModelError("the server is gone")
            return super().rank(query, known)

    def watch(text: str, question: str | None) -> Urgent | None:
        if part == "watch" and not working:
            raise ModelError("the server is gone")
        return None

    talk = Agent(Failing(TABLE, ["age"]), BudgetAbstention(2), Echo(), watch).start("Should I go?")
    talk.reply("what?")
    before, turn = talk.to_json(), talk.turn
    working = False
    with pytest.raises(ModelError):
        talk.reply("I'm 42 and divorced")
    assert (talk.to_json(), talk.turn) == (before, turn)
    working = True
    talk.reply("I'm 42")
    assert talk.known["age"] == "35-44"


def test_replies_are_read_as_the_values_of_the_agents_table() -> None:
    bare = replace(TABLE, attributes=tuple(replace(attribute, values={}) for attribute in TABLE))
    # What an exported policy holds.
    assert Agent(StaticPolicy(bare), BudgetAbstention(1)).start("I am divorced. Should I go?").known == {
        "marital": "divorced"
    }
    ages = replace(TABLE[0], values={"newcomer": 0.0, "veteran": 0.0})
    own = replace(TABLE, attributes=(ages, *TABLE.attributes[1:]))
    talk = Agent(ORDER, BudgetAbstention(1), table=own).start("Should I go?")
    talk.reply("quite a veteran")
    assert talk.known["age"] == "veteran"
    with pytest.raises(ConfigError, match="the table that the policy was distilled with"):
        Agent(ORDER, BudgetAbstention(1), table=replace(TABLE, attributes=TABLE.attributes[1:]))


def test_an_abstention_may_be_limited_to_a_number_of_questions() -> None:
    ranking = Ranking({"age": 1.0, "marital": 0.5}, now=0.9)
    limited = LimitedAbstention(ValueAbstention(), 2)
    assert [limited.judge("", {}, asked, ranking).enough for asked in (0, 1, 2, 3)] == [False, False, True, True]
    assert LimitedAbstention(ValueAbstention(min_gain=0.2), 2).judge("", {}, 0, ranking).enough
    with pytest.raises(ConfigError, match="questions must be 0 or more"):
        LimitedAbstention(NeverAbstention(), -1)


def test_danger_is_remembered_and_found_again() -> None:
    talk = agent().start("Should I go?")
    talk.reply("I am going to kill myself tonight")
    assert agent().resume(talk.to_json()).turn == talk.turn
    tampered = {**agent().start("I am going to kill myself tonight").to_json(), "urgent": None}
    assert isinstance(agent().resume(tampered).turn, Ready)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"format": 2},
        {"known": {"shoe": "x"}},
        {"known": {"age": 3}},
        {"known": []},
        {"asked": ["age", "age"]},
        {"asked": ["age"]},
        {"unclear": 7},
        {"urgent": ["other", "x"]},
        {"urgent": 3},
        {"since_urgent": "x"},
        {"since_urgent": [3]},
        {"query": 5},
    ],
)
def test_what_was_not_saved_by_it_is_refused(broken: dict[str, object]) -> None:
    state = {**agent().start("Should I go?").to_json(), **broken} if broken else {}
    with pytest.raises(PolicyError):
        agent().resume(state)


def test_mistakes_of_the_caller_are_told() -> None:
    talk = agent().start("Should I go?")
    with pytest.raises(PolicyError, match="a question is open"):
        talk.answer()
    with pytest.raises(PolicyError, match="the reply must be text"):
        talk.reply(None)  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match="the query must be text"):
        agent().start(3)  # type: ignore[arg-type]
    silent = Agent(ORDER, BudgetAbstention(0)).start("Should I go?")
    with pytest.raises(ConfigError, match="no responder"):
        silent.answer()


def test_no_word_of_the_user_is_shown_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    talk = agent(3).start("peculiar query, as a single mother")
    talk.reply("unmistakable reply")
    shown = f"{talk!r} {talk.turn!r} {talk.turn} {agent()!r}"
    assert "peculiar" not in shown
    assert "unmistakable" not in shown
    assert not caplog.records


@settings(max_examples=60)
@given(query=st.text(max_size=200), replies=st.lists(st.text(max_size=80), max_size=8))
def test_any_words_lead_to_an_answer(query: str, replies: list[str]) -> None:
    talk = agent(3).start(query)
    for reply in [*replies, *["pass"] * 6]:
        if isinstance(talk.turn, Ready):
            break
        before = talk.asked
        assert talk.turn.attribute.key not in talk.known
        talk.reply(reply)
        assert talk.asked[: len(before)] == before
    assert isinstance(talk.turn, Ready)
    assert len(talk.asked) <= 3
    assert "".join(talk.answer()) or not query


def test_an_urgent_reply_is_no_value_of_what_was_asked_and_only_the_latest_messages_go_with_an_answer() -> None:
    heard: list[str] = []

    class Noting:
        def respond(self, query: str, known: Known) -> Iterator[str]:
            heard.append(query)
            return iter(("ok",))

    agent = Agent(StaticPolicy(TABLE), NeverAbstention(), Noting())
    talk = agent.start("Should I move?")
    talk.reply("I am going to kill myself tonight")
    assert isinstance(talk.turn, Ready)
    assert talk.turn.urgent is not None
    assert talk.known == {}
    for number in range(30):
        talk = agent.start(f"message {number}", after=talk)
        assert isinstance(talk.turn, Ready)
        assert talk.turn.urgent is None
    list(talk.answer())
    assert heard == ["\n\n".join(f"message {number}" for number in range(22, 30))]


def test_lone_surrogates_reach_nobody_and_a_saved_one_is_refused() -> None:
    watched: list[str] = []

    def watch(text: str, question: str | None) -> None:
        text.encode()
        watched.append(text)

    agent = Agent(StaticPolicy(TABLE), NeverAbstention(), watch=watch)
    talk = agent.start("odd \ud800 text")
    talk.reply("again \udfff")
    assert watched == ["odd ? text", "again ?"]
    with pytest.raises(PolicyError, match="not a saved conversation"):
        agent.resume({**talk.to_json(), "query": "\ud800"})


@pytest.mark.parametrize(
    "urgent", [[["x"], "intent"], ["harm_to_self", "SECRET"], ["x", "intent"], "SECRET", ["harm_to_self"]]
)
def test_a_danger_that_cannot_be_is_refused_without_repeating_it(urgent: object) -> None:
    agent = Agent(StaticPolicy(TABLE), NeverAbstention())
    with pytest.raises(PolicyError, match="not a saved conversation") as raised:
        agent.resume({**agent.start("Should I?").to_json(), "urgent": urgent})
    assert "SECRET" not in str(raised.value)
