"""Weights from a model's probabilities or from a ranking it writes: positive for all, whatever it says."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raise_agent.attributes import AttributeTable
from raise_agent.models.base import RankRequest, Weights
from raise_agent.models.served.client import Client, ClientSettings
from raise_agent.models.served.failures import CallFailed, Failure
from raise_agent.models.served.prior import LABELS, ServedPrior, label_shares, read_ranking, reciprocal_ranks
from raise_agent.models.served.settings import PriorSettings
from raise_agent.models.served.wire import ChatReply
from raise_agent.scenario import Disclosure
from raise_agent.subsets import full_mask, members

from .stand_in import Fault, StandIn, always, running, text_of
from .support import TABLE, caller, people, secret, used, wide_table

PERSON = people(1)[0]
MODES = ("probabilities", "ranking")
TOKENS = st.lists(
    st.tuples(st.sampled_from([*LABELS[:12], " A", " B", "The", "Q"]), st.floats(-12.0, -1.0)), max_size=20
)
UNASKED = st.sets(st.integers(0, 9), min_size=1).map(sorted)


def prior_at(url: str, client: Client, mode: str, table: AttributeTable = TABLE, **own: Any) -> ServedPrior:
    chosen = PriorSettings(**{"base_url": (url,), "max_tokens": 384, "revision": "r", **own})
    return ServedPrior(caller(client, url, "prior", chosen), chosen, mode, table)


def request_of(known: int = 0, unasked: int | None = None) -> RankRequest:
    left = full_mask(len(TABLE)) & ~known if unasked is None else unasked
    return RankRequest(PERSON.inquiry, PERSON.profile.disclose(known), left)


def ranked(stand_in: StandIn, mode: str, request: RankRequest, table: AttributeTable = TABLE, **own: Any) -> Weights:
    with running(stand_in) as server:
        client = Client(ClientSettings(attempts=2))
        return used(client, prior_at(server.base_url, client, mode, table, **own).rank(request, "x"))


def reply(text: str, finished: bool = True) -> ChatReply:
    return ChatReply(text, finished, None, 1, 1, True, "m", None)


# --- probabilities ----------------------------------------------------------------------------------------------------


def test_shares_are_the_probabilities_of_the_letters_asked_about() -> None:
    tokens = [("A", math.log(0.4)), (" A", math.log(0.1)), ("C", math.log(0.2)), ("B", math.log(0.2)), ("The", -2.5)]
    assert label_shares(tokens, [0, 2, 3]) == pytest.approx([0.5 / 0.7, 0.2 / 0.7, 0.0])


@given(TOKENS, UNASKED)
def test_shares_sum_to_one_or_there_are_none(tokens: list[tuple[str, float]], unasked: list[int]) -> None:
    mass = sum(math.exp(logprob) for token, logprob in tokens if token.strip() in {LABELS[i] for i in unasked})
    try:
        shares = label_shares(tokens, unasked)
    except CallFailed:
        assert mass < 0.05 + 1e-12
        return
    assert len(shares) == len(unasked)
    assert min(shares) >= 0.0
    assert sum(shares) == pytest.approx(1.0)


@pytest.mark.parametrize("tokens", [None, []])
def test_without_probabilities_there_are_no_shares(tokens: list[tuple[str, float]] | None) -> None:
    with pytest.raises(CallFailed) as caught:
        label_shares(tokens, [0, 1])
    assert caught.value.kind is Failure.NO_PROBABILITIES


def test_next_to_no_probability_on_the_letters_is_no_answer() -> None:
    with pytest.raises(CallFailed) as caught:
        label_shares([("The", math.log(0.97)), ("A", math.log(0.03))], [0, 1])
    assert caught.value.kind is Failure.OFF_SCALE


# --- rankings ---------------------------------------------------------------------------------------------------------


def test_a_full_ranking_gives_weights_by_the_reciprocal_of_the_rank() -> None:
    total = 1 + 1 / 2 + 1 / 3
    assert reciprocal_ranks([4, 0, 2], [0, 2, 4]) == pytest.approx([0.5 / total, (1 / 3) / total, 1 / total])


@given(st.permutations(range(10)), st.integers(1, 10), UNASKED)
def test_any_ranking_leaves_every_attribute_a_share(order: list[int], length: int, unasked: list[int]) -> None:
    ranking = [index for index in order if index in unasked][:length]
    shares = dict(zip(unasked, reciprocal_ranks(ranking, unasked), strict=True))
    assert sum(shares.values()) == pytest.approx(1.0)
    assert min(shares.values()) > 0.0
    in_order = [shares[index] for index in ranking]
    assert in_order == sorted(in_order, reverse=True)
    behind = [share for index, share in shares.items() if index not in ranking]
    assert not behind or not in_order or max(behind) < min(in_order)


def test_a_ranking_counts_each_letter_once_and_only_those_asked_about() -> None:
    assert read_ranking(reply('{"ranking": ["C", "Q", "C", "A", "B", 3, "A"]}'), [0, 2]) == [2, 0]


@pytest.mark.parametrize(
    "text",
    ["", "A, B", "[]", "3", "null", '{"ranking": 3}', '{"ranking": null}', '{"ranking": []}', '{"ranking": ["Z"]}',
     '{"order": ["A"]}', '{"ranking": [["A"]]}', '{"ranking": ["A"'],
)  # fmt: skip
def test_what_is_no_ranking_is_a_failure(text: str) -> None:
    with pytest.raises(CallFailed) as caught:
        read_ranking(reply(text), [0, 1])
    assert caught.value.kind is Failure.UNPARSABLE


def test_a_cut_off_ranking_is_a_failure() -> None:
    with pytest.raises(CallFailed, match="cut short"):
        read_ranking(reply('{"ranking": ["A", "B"]}', finished=False), [0, 1])


# --- against a server -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("known", [0, 0b11, 0b1111111100])
def test_weights_have_full_support_over_what_is_unasked_and_sum_to_one(mode: str, known: int) -> None:
    weights = ranked(StandIn(letter_mass=0.99), mode, request_of(known), uniform_share=0.1).weights
    unasked = members(full_mask(len(TABLE)) & ~known)
    assert len(weights) == len(TABLE)
    assert sum(weights) == pytest.approx(1.0)
    assert all(weights[index] >= 0.1 / len(unasked) for index in unasked)
    assert all(weight == 0.0 for index, weight in enumerate(weights) if index not in unasked)


def test_the_even_part_is_added_to_the_models_own() -> None:
    raw = ranked(StandIn(letter_mass=0.99), "probabilities", request_of(), uniform_share=1e-9).weights
    mixed = ranked(StandIn(letter_mass=0.99), "probabilities", request_of(), uniform_share=0.4).weights
    assert mixed == pytest.approx([0.04 + 0.6 * weight for weight in raw], abs=1e-6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [27, 40, 62])
def test_tables_of_more_attributes_than_letters_work(mode: str, size: int) -> None:
    table = wide_table(size)
    request = RankRequest(PERSON.inquiry, Disclosure(), full_mask(size))
    weights = ranked(StandIn(letter_mass=0.99), mode, request, table, max_tokens=1000).weights
    assert len(weights) == size
    assert min(weights) > 0.0
    assert sum(weights) == pytest.approx(1.0)


def test_each_attribute_has_a_label_of_its_own() -> None:
    table = wide_table(62)
    system = prior_at("http://localhost:1/v1", Client(ClientSettings()), "ranking", table).messages(
        RankRequest(PERSON.inquiry, Disclosure(), 1)
    )[0]
    labels = [line[0] for line in text_of(system).splitlines() if " - Thing " in line]
    assert len(labels) == len(set(labels)) == 62


@pytest.mark.parametrize("mode", MODES)
def test_the_request_shows_what_was_said_and_no_hidden_value(mode: str) -> None:
    with running(StandIn(letter_mass=0.99)) as server:
        client = Client(ClientSettings())
        used(client, prior_at(server.base_url, client, mode).rank(request_of(0b101), "x"))
    (seen,) = server.chats
    text = json.dumps(seen.body)
    assert {index for index in range(len(TABLE)) if secret(0, index) in text} == {0, 2}
    assert PERSON.query in text
    assert PERSON.id not in text


def test_the_first_message_is_the_same_for_everyone() -> None:
    prior = prior_at("http://localhost:1/v1", Client(ClientSettings()), "probabilities")
    other = RankRequest(people(2)[1].inquiry, Disclosure(), 0b1)
    assert prior.messages(request_of())[0] == prior.messages(other)[0]
    assert prior.messages(request_of())[1] != prior.messages(other)[1]


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("probabilities", "outside_scale"),
        ("probabilities", "no_logprobs"),
        ("probabilities", "empty"),
        ("probabilities", "unclosed_think"),
        ("ranking", "outside_scale"),
        ("ranking", "truncated"),
        ("ranking", "empty"),
        ("ranking", "unclosed_think"),
    ],
)
def test_an_answer_that_is_no_ranking_is_a_failure(mode: str, kind: str) -> None:
    with pytest.raises(CallFailed) as caught:
        ranked(StandIn(faults=always(Fault(kind))), mode, request_of())
    assert not caught.value.passing


def test_another_server_than_vllm_is_given_a_schema() -> None:
    chosen = PriorSettings(base_url=("http://localhost:1/v1",), mode="ranking")
    client = Client(ClientSettings())
    prior = ServedPrior(caller(client, chosen.base_url[0], "prior", chosen, is_vllm=False), chosen, "ranking", TABLE)
    fields = prior.request(request_of(), "x").fields
    assert fields["response_format"]["json_schema"]["schema"]["required"] == ["ranking"]  # type: ignore[index]
    assert "structured_outputs" not in fields


def test_a_reply_does_not_show_what_the_model_said() -> None:
    assert "zanzibar" not in repr(reply("zanzibar"))
