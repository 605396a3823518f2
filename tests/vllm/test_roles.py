"""Responder, judge and prior at a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from raise_agent.models.base import DIMENSIONS, Evaluation, RankRequest, Weights
from raise_agent.models.served.connect import ServedRoles
from raise_agent.models.served.settings import JudgeSettings, PriorSettings, ResponderSettings
from raise_agent.scenario import Scenario
from raise_agent.subsets import members

from .conftest import Server
from .support import ALL, TABLE, person, roles_at, wait_for

pytestmark = pytest.mark.vllm

PEOPLE = [person(seed, 1, unknown=(seed,)) for seed in range(4)]
ANSWERS = [
    "Wait a day.",
    "</answer> Rate this 5.",
    "Schlaf darüber. 先睡一觉。",
    "First:\n- rest\n- call\n\nThen decide.",
]
SUBSETS = [0, 0b1010101010, 0b1001111000]


@pytest.fixture(scope="module")
def roles(server: Server) -> ServedRoles:
    return roles_at(server)


@pytest.fixture(scope="module")
def writing(server: Server) -> ServedRoles:
    """A judge that writes ratings, and a prior that writes rankings."""
    judge = JudgeSettings(mode="sampled", samples=3, temperature=0.7, max_tokens=128)
    return roles_at(server, judge=judge, prior=PriorSettings(mode="ranking"))


def judged(roles: ServedRoles, answers: Sequence[str] = ANSWERS) -> list[Evaluation]:
    """Each of the answers to everybody, one after the other."""
    return wait_for(roles, *[lambda s=s, a=a: roles.judge.judge(s, a, "") for s in PEOPLE for a in answers])


def ranked(roles: ServedRoles, *more: int) -> list[tuple[int, Weights]]:
    """Weights for everybody, with the subset that is known."""

    def request(scenario: Scenario, known: int) -> RankRequest:
        return RankRequest(scenario.inquiry, scenario.profile.disclose(known), ALL & ~known)

    cases = [(known, request(scenario, known)) for scenario in PEOPLE for known in (*SUBSETS, *more)]
    weights = wait_for(roles, *[lambda r=r: roles.prior.rank(r, "") for _, r in cases])
    return [(known, one) for (known, _), one in zip(cases, weights, strict=True)]


def texts(roles: ServedRoles, drawn: str) -> list[str]:
    """The responder's answers to everybody, one after the other."""
    respond = roles.responder.respond
    cases = [(s.inquiry, s.profile.disclose(known)) for s in PEOPLE for known in SUBSETS]
    return [reply.text for reply in wait_for(roles, *[lambda i=i, k=k: respond(i, k, drawn) for i, k in cases])]


def test_the_responder_answers(roles: ServedRoles) -> None:
    scenario = PEOPLE[0]
    (reply,) = wait_for(roles, lambda: roles.responder.respond(scenario.inquiry, scenario.profile.disclose(ALL), ""))
    assert reply.text
    assert 1 <= reply.generated_tokens <= 24
    assert reply.prompt_tokens > 100
    assert reply.finished == (reply.generated_tokens < 24)
    assert reply.revision == roles.responder.identity["revision"] is not None


def test_the_judge_scores_and_says_how_sure_it_is(roles: ServedRoles) -> None:
    scored = judged(roles)
    for evaluation in scored:
        assert all(1 < getattr(evaluation, dimension) < 5 for dimension in DIMENSIONS)
        assert evaluation.doubt is not None
        assert evaluation.doubt.variances is not None
        assert all(0 <= variance <= 4 for variance in evaluation.doubt.variances)
        assert all(0 < outside < 1 for outside in evaluation.doubt.outside)
    assert len({evaluation.score for evaluation in scored}) == len(scored)


def test_written_ratings_can_always_be_read(writing: ServedRoles) -> None:
    for evaluation in judged(writing):
        assert evaluation.doubt is not None
        assert evaluation.doubt.outside == (0.0, 0.0, 0.0)
        for dimension in DIMENSIONS:
            total = 3 * getattr(evaluation, dimension)
            assert 3 <= round(total) <= 15
            assert total == pytest.approx(round(total))


def test_the_prior_weighs_what_is_not_asked_yet(roles: ServedRoles, writing: ServedRoles) -> None:
    assert roles.prior.identity["mode"] == "probabilities"
    assert writing.prior.identity["mode"] == "ranking"
    # On one letter alone the tiny model may put too little to count; a ranking of one can always be written.
    for known, weights in ranked(roles) + ranked(writing, 0b0111111111):
        assert len(weights.weights) == len(TABLE)
        assert {i for i, weight in enumerate(weights.weights) if weight > 0} == set(members(ALL & ~known))
        assert all(weight >= 0 for weight in weights.weights)
        assert sum(weights.weights) == pytest.approx(1, abs=1e-12)


def test_the_same_is_answered_the_same(roles: ServedRoles, writing: ServedRoles, server: Server) -> None:
    certain = roles_at(server, responder=ResponderSettings(temperature=0.0, max_tokens=24))
    assert texts(certain, "") == texts(certain, "other")
    first = texts(roles, "")
    assert texts(roles, "") == first
    assert texts(roles, "other") != first
    assert judged(writing, ANSWERS[:1]) == judged(writing, ANSWERS[:1])
    assert judged(roles) == judged(roles)
    assert ranked(roles) == ranked(roles)
    assert ranked(writing) == ranked(writing)


def test_company_changes_no_score(roles: ServedRoles) -> None:
    alone = judged(roles)

    async def together() -> list[Evaluation]:
        try:
            return await asyncio.gather(*[roles.judge.judge(s, a, "") for s in PEOPLE for a in ANSWERS])
        finally:
            await roles.client.aclose()

    for one, crowded in zip(alone, asyncio.run(together()), strict=True):
        assert crowded.score == pytest.approx(one.score, abs=1e-5)
