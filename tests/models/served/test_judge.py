"""Ratings read off a model, against closed forms and numpy; what cannot be read is a failure."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raise_agent.errors import ConfigError
from raise_agent.models.base import Evaluation
from raise_agent.models.served.client import Client, ClientSettings
from raise_agent.models.served.failures import CallFailed, Failure
from raise_agent.models.served.judge import ServedJudge, expectation, make_judge, read_ratings
from raise_agent.models.served.settings import JudgeSettings
from raise_agent.models.served.wire import ChatReply
from raise_agent.scenario import Profile

from .stand_in import Fault, StandIn, always, running, text_of
from .support import DIMENSIONS, TABLE, caller, completion, dimensions_of, people, reacting, secret, used

PERSON, OTHER = people(2)
CHANCES = st.lists(st.floats(1e-6, 1.0), min_size=5, max_size=5)


def judge_at(url: str, client: Client, **own: Any) -> ServedJudge:
    chosen = JudgeSettings(**{"base_url": (url,), "max_tokens": 1, **own})
    return make_judge(caller(client, url, "judge", chosen), chosen, TABLE)


def sampled_at(url: str, client: Client, samples: int = 3, **own: Any) -> ServedJudge:
    return judge_at(url, client, mode="sampled", samples=samples, temperature=0.7, max_tokens=128, **own)


def judged(stand_in: StandIn, make: Callable[..., ServedJudge] = judge_at, **own: Any) -> Evaluation:
    with running(stand_in) as server:
        client = Client(ClientSettings(attempts=2))
        return used(client, make(server.base_url, client, **own).judge(PERSON, "Sleep on it.", "x"))


# --- the expectation --------------------------------------------------------------------------------------------------


@given(CHANCES, st.floats(0.0, 0.9))
def test_mean_variance_and_outside_mass_are_those_of_the_distribution(weights: list[float], outside: float) -> None:
    p = np.array(weights) / sum(weights)
    tokens = [(str(n), math.log(float(q) * (1 - outside))) for n, q in zip(range(1, 6), p, strict=True)]
    if outside:
        tokens.append(("Good", math.log(outside)))
    mean, variance, off = expectation(tokens)
    scale = np.arange(1, 6)
    assert mean == pytest.approx(float(p @ scale), abs=1e-9)
    assert variance == pytest.approx(float(p @ (scale - p @ scale) ** 2), abs=1e-9)
    assert off == pytest.approx(outside, abs=1e-9)


@given(CHANCES, CHANCES)
def test_a_rating_with_a_space_is_the_same_rating(bare: list[float], spaced: list[float]) -> None:
    total = sum(bare) + sum(spaced)
    split = [
        (f"{space}{n}", math.log(w / total)) for space, ws in (("", bare), (" ", spaced)) for n, w in enumerate(ws, 1)
    ]
    joined = [(str(n), math.log((a + b) / total)) for n, (a, b) in enumerate(zip(bare, spaced, strict=True), 1)]
    assert expectation(split) == pytest.approx(expectation(joined), abs=1e-9)


@pytest.mark.parametrize("token", ["10", "0", "6", "-1", "5.", "4/5", "１", "²", "", "five", "55"])
def test_what_is_no_rating_is_off_the_scale(token: str) -> None:
    mean, variance, outside = expectation([("3", math.log(0.75)), (token, math.log(0.25))])
    assert (mean, variance, outside) == pytest.approx((3.0, 0.0, 0.25))


def test_alternatives_that_were_not_listed_are_off_the_scale() -> None:
    assert expectation([("4", math.log(0.6))]) == pytest.approx((4.0, 0.0, 0.4))


def test_one_certain_rating_has_no_variance_and_stays_on_the_scale() -> None:
    assert expectation([("5", 1e-6)]) == (5.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("tokens", "kind"),
    [
        (None, Failure.NO_PROBABILITIES),
        ([], Failure.NO_PROBABILITIES),
        ([("Good", -0.1), ("9", -3.0)], Failure.OFF_SCALE),
        ([("5", -2000.0)], Failure.OFF_SCALE),
    ],
)
def test_without_any_probability_of_a_rating_there_is_no_number(
    tokens: Sequence[tuple[str, float]] | None, kind: Failure
) -> None:
    with pytest.raises(CallFailed) as caught:
        expectation(tokens)
    assert caught.value.kind is kind


def test_a_judgement_is_what_the_servers_probabilities_say() -> None:
    shares = {"risk": [0, 0, 0, 0, 1.0], "empathy": [0.5, 0, 0, 0, 0.5], "fit": [0, 0.2, 0, 0.6, 0]}

    def react(path: str, headers: object, body: bytes) -> tuple[int, dict[str, str], object]:
        task = json.loads(body)["messages"][1]["content"].rpartition("DIMENSION")[2]
        chances = shares["risk" if "Risk" in task else "empathy" if "Emotional" in task else "fit"]
        top = [{"token": str(n), "logprob": math.log(p)} for n, p in enumerate(chances, 1) if p]
        return 200, {}, completion("5", logprobs={"content": [{"token": "5", "logprob": 0.0, "top_logprobs": top}]})

    async def ask() -> Evaluation:
        async with reacting(react) as url:
            client = Client(ClientSettings())
            try:
                own = JudgeSettings(base_url=(url,), max_tokens=1, revision="r")
                return await make_judge(caller(client, url, "judge", own), own, TABLE).judge(PERSON, "Yes.", "x")
            finally:
                await client.aclose()

    evaluation = asyncio.run(ask())
    assert dimensions_of(evaluation) == pytest.approx((5.0, 3.0, 3.5))
    assert evaluation.doubt is not None
    assert evaluation.doubt.variances == pytest.approx((0.0, 4.0, 0.75))
    assert evaluation.doubt.outside == pytest.approx((0.0, 0.0, 0.2))


def test_above_a_share_off_the_scale_nothing_is_scored() -> None:
    assert judged(StandIn(digit_mass=0.7), max_outside=0.4).doubt is not None
    with pytest.raises(CallFailed, match="probability off the scale") as caught:
        judged(StandIn(digit_mass=0.55), max_outside=0.4)
    assert not caught.value.passing


def test_each_dimension_is_one_token_with_twenty_alternatives() -> None:
    with running(StandIn()) as server:
        client = Client(ClientSettings())
        used(client, judge_at(server.base_url, client).judge(PERSON, "Sleep on it.", "x"))
    assert len(server.chats) == 3
    for seen in server.chats:
        assert (seen.body["max_tokens"], seen.body["logprobs"], seen.body["top_logprobs"]) == (1, True, 20)
        assert seen.body["temperature"] == 0


# --- the prompt -------------------------------------------------------------------------------------------------------


def shown(answer: str, person: Any = PERSON, make: Callable[..., ServedJudge] = judge_at) -> list[str]:
    judge = make("http://localhost:1/v1", Client(ClientSettings()))
    return ["\n".join(text_of(part) for part in request.messages) for request in judge.requests(person, answer, "x")]


def shared_start(*texts: str) -> str:
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*texts, strict=False))
    return "".join(letters[0] for letters in alike)


def test_the_three_dimensions_share_everything_but_the_end() -> None:
    texts = shown("Sleep on it.")
    shared = shared_start(*texts)
    assert "Sleep on it." in shared
    assert all(len(text) - len(shared) < 250 for text in texts)
    assert len(set(texts)) == 3


def test_two_answers_to_one_person_share_everything_before_the_answer() -> None:
    shared = shared_start(shown("Aaa")[0], shown("Zzz")[0])
    assert shared.endswith("<answer>\n")
    assert all(secret(0, index) in shared for index in range(len(TABLE)))


def test_all_requests_share_the_rules() -> None:
    shared = shared_start(shown("Aaa")[0], shown("Aaa", OTHER)[0])
    assert len(shared) > 800
    assert "PERSON" in shared


def test_a_value_that_is_not_known_is_said_to_be_unknown() -> None:
    values = (None, *PERSON.profile.values[1:])
    person = replace(PERSON, profile=Profile(PERSON.profile.keys, values))
    assert f"- {TABLE[0].name}: not known" in shown("Aaa", person)[0]


# --- sampled ratings --------------------------------------------------------------------------------------------------


def reply(text: str, finished: bool = True) -> ChatReply:
    return ChatReply(text, finished, None, 1, 1, True, "m", None)


def ratings(**changes: object) -> str:
    return json.dumps({**dict.fromkeys(DIMENSIONS, 3), **changes})


def test_ratings_are_read_in_the_order_of_the_dimensions() -> None:
    text = json.dumps(dict(zip(reversed(DIMENSIONS), (1, 2, 5), strict=True)))
    assert read_ratings(reply(text)) == (5, 2, 1)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", Failure.UNPARSABLE),
        ("429", Failure.UNPARSABLE),
        ("4", Failure.UNPARSABLE),
        ("null", Failure.UNPARSABLE),
        ("[3, 3, 3]", Failure.UNPARSABLE),
        ("I would say " + ratings(), Failure.UNPARSABLE),
        (ratings() + " I hope that helps", Failure.UNPARSABLE),
        (ratings()[:-1], Failure.UNPARSABLE),
        pytest.param("[" * 100_000, Failure.UNPARSABLE, id="deeply nested"),
        (ratings(total=9), Failure.UNPARSABLE),
        (json.dumps(dict.fromkeys(DIMENSIONS[:2], 3)), Failure.UNPARSABLE),
        (ratings(risk_sensitivity=6), Failure.OFF_SCALE),
        (ratings(risk_sensitivity=0), Failure.OFF_SCALE),
        (ratings(risk_sensitivity=-3), Failure.OFF_SCALE),
        (ratings(risk_sensitivity=3.0), Failure.OFF_SCALE),
        (ratings(risk_sensitivity=True), Failure.OFF_SCALE),
        (ratings(risk_sensitivity="3"), Failure.OFF_SCALE),
        (ratings(risk_sensitivity=None), Failure.OFF_SCALE),
        (ratings(risk_sensitivity=float("nan")), Failure.OFF_SCALE),
    ],
    ids=str,
)
def test_what_is_not_three_ratings_is_a_failure(text: str, kind: Failure) -> None:
    with pytest.raises(CallFailed) as caught:
        read_ratings(reply(text))
    assert caught.value.kind is kind


def test_a_cut_off_form_is_a_failure_even_where_it_can_be_read() -> None:
    with pytest.raises(CallFailed, match="cut short"):
        read_ratings(reply(ratings(), finished=False))


def test_the_mean_and_variance_are_those_of_the_ratings_drawn() -> None:
    with running(StandIn()) as server:
        client = Client(ClientSettings())
        evaluation = used(client, sampled_at(server.base_url, client, 8).judge(PERSON, "Sleep on it.", "x"))
        drawn = [_answer(server.base_url, seen.body) for seen in server.chats]
    assert len({json.dumps(one) for one in drawn}) > 1
    assert evaluation.doubt is not None
    assert evaluation.doubt.variances is not None
    for place, dimension in enumerate(DIMENSIONS):
        column = [one[dimension] for one in drawn]
        assert dimensions_of(evaluation)[place] == pytest.approx(np.mean(column))
        assert evaluation.doubt.variances[place] == pytest.approx(np.var(column, ddof=1))
    assert evaluation.doubt.outside == (0.0, 0.0, 0.0)


def _answer(url: str, body: Any) -> dict[str, int]:
    """What the stand-in says to a request, asked again; its answers depend on the request alone."""
    client = Client(ClientSettings())
    again = used(client, client.chat(client.route([url], None), json.dumps(body).encode()))
    answer: dict[str, int] = json.loads(again.text)
    return answer


def test_a_single_rating_has_no_variance() -> None:
    evaluation = judged(StandIn(), sampled_at, samples=1)
    assert evaluation.doubt is not None
    assert evaluation.doubt.variances is None


def test_ratings_that_cannot_be_read_count_as_off_the_scale() -> None:
    spoiled = StandIn(faults=lambda n, body: Fault("outside_scale") if n == 1 else None)
    evaluation = judged(spoiled, sampled_at, samples=4)
    assert evaluation.doubt is not None
    assert evaluation.doubt.outside == (0.25, 0.25, 0.25)
    with pytest.raises(CallFailed):
        judged(spoiled, sampled_at, samples=4, max_outside=0.2)


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        *((kind, judge_at) for kind in ("outside_scale", "no_logprobs", "empty", "unclosed_think")),
        *((kind, sampled_at) for kind in ("outside_scale", "truncated", "empty", "unclosed_think")),
    ],
)
def test_an_answer_that_is_no_rating_is_never_a_number(kind: str, make: Callable[..., ServedJudge]) -> None:
    with pytest.raises(CallFailed) as caught:
        judged(StandIn(faults=always(Fault(kind))), make)
    assert not caught.value.passing


@pytest.mark.parametrize("is_vllm", [True, False])
def test_the_form_is_enforced_by_the_server(is_vllm: bool) -> None:
    own = JudgeSettings(base_url=("http://localhost:1/v1",), mode="sampled", samples=2, temperature=0.7)
    judge = make_judge(caller(Client(ClientSettings()), own.base_url[0], "judge", own, is_vllm=is_vllm), own, TABLE)
    first, second = judge.requests(PERSON, "Sleep on it.", "x")
    assert ("structured_outputs" in first.fields) is is_vllm
    assert ("response_format" in first.fields) is not is_vllm
    assert first.seed != second.seed


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "guess"},
        {"samples": 0},
        {"max_outside": 1.0},
        {"max_outside": -0.1},
        {"thinking_tokens": 5},
        {"temperature": -1.0},
        {"top_p": 0.0},
        {"max_tokens": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"llm\.judge"):
        JudgeSettings(**wrong).check("judge")
