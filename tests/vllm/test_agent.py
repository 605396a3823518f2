"""The online agent's model, and an answer as it is written, at a real server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from raise_agent.models.served.client import ClientSettings
from raise_agent.models.served.connect import ServedSettings, connect
from raise_agent.models.served.live import Live, live
from raise_agent.models.served.settings import AgentSettings, ResponderSettings
from raise_agent.policies.contract import Known
from raise_agent.policies.model import OPTIONS, Form

from .conftest import Server
from .support import TABLE, person, served_settings, wait_for

pytestmark = pytest.mark.vllm

PEOPLE = [person(seed, 1) for seed in range(3)]
FORMS: tuple[Form, ...] = ("basic", "binary", "scale")


@pytest.fixture(scope="module")
def models(server: Server) -> Iterator[Live]:
    with live(at(server), TABLE) as made:
        yield made


def at(server: Server, temperature: float = 0.0) -> ServedSettings:
    own = AgentSettings(base_url=(server.base_url,), temperature=temperature)
    talking = ResponderSettings(max_tokens=48, temperature=0.0)
    return replace(served_settings(server, responder=talking), agent=own, client=ClientSettings(concurrency=4))


def cases() -> list[tuple[str, Known, list[str]]]:
    """Query, answers so far, what is left; the fewer the answers the more is left."""
    return [
        (one.query, dict(one.profile.disclose((1 << asked) - 1).items()), list(TABLE.keys[asked:]))
        for one in PEOPLE
        for asked in (0, 4, 8)
    ]


def test_its_choice_lies_among_what_is_not_asked_and_its_probabilities_are_whole(models: Live) -> None:
    chosen = [models.agent.choose(query, known, unasked, [unasked[:3]]) for query, known, unasked in cases()]
    for weights, (_, _, unasked) in zip(chosen, cases(), strict=True):
        assert list(weights) == unasked
        assert sum(weights.values()) == pytest.approx(1.0)
        assert min(weights.values()) > 0.0
    assert chosen == [models.agent.choose(query, known, unasked, [unasked[:3]]) for query, known, unasked in cases()]
    for form in FORMS:
        for query, known, unasked in cases():
            said = models.agent.assess(form, query, known, unasked)
            assert tuple(said) == OPTIONS[form]
            assert sum(said.values()) == pytest.approx(1.0)
    models.agent.watch("I am tired of all this.")
    assert models.warnings == ()


def test_a_draw_is_one_of_what_was_offered(server: Server) -> None:
    with live(at(server, temperature=0.7), TABLE) as models:
        for query, known, unasked in cases():
            weights = models.agent.choose(query, known, unasked, [])
            assert sorted(weights.values()) == [0.0] * (len(unasked) - 1) + [1.0]


def test_an_answer_comes_in_pieces_and_is_the_one_that_would_have_come_whole(server: Server) -> None:
    scenario = PEOPLE[0]
    known = scenario.profile.disclose(0b1111)
    with live(at(server), TABLE) as models:
        pieces = list(models.responder.respond(scenario.query, dict(known.items())))
    roles = connect(at(server), TABLE)
    (whole,) = wait_for(roles, lambda: roles.responder.respond(scenario.inquiry, known, "live"))
    assert len(pieces) > 3
    assert all(pieces)
    assert "".join(pieces).strip() == whole.text
