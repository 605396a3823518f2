"""A distilled policy as the prior: its weights are what its own decisions say."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from raise_agent.errors import ConfigError
from raise_agent.models.base import RankRequest, Weights
from raise_agent.models.policy_prior import TEMPERATURE, UNIFORM_SHARE, PolicyPrior
from raise_agent.scenario import Profile, Scenario
from tests.policies.support import GOLDEN, KEYS, QUERY, TABLE, constant_policy, make_policy

PERSON = Scenario("x", "Career", QUERY, Profile(KEYS, ("low", "nurse", "badly", "dogs")))


def request(known: int, unasked: int) -> RankRequest:
    return RankRequest(PERSON.inquiry, PERSON.profile.disclose(known), unasked)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_policy().save(tmp_path / "policy", GOLDEN)
    return tmp_path / "policy"


@pytest.mark.parametrize("known", [0b0000, 0b0001, 0b0110])
def test_the_weights_follow_the_policys_own_forecasts(folder: Path, known: int) -> None:
    unasked = 0b1111 & ~known
    (weights,) = [PolicyPrior(folder, TABLE).rank(request(known, unasked)).weights]
    said = {KEYS[i]: PERSON.profile.values[i] for i in range(4) if known >> i & 1}
    scores = make_policy().decide(QUERY, said).scores
    best = max(scores[KEYS[i]] for i in range(4) if unasked >> i & 1)
    raw = {i: math.exp((scores[KEYS[i]] - best) / TEMPERATURE) for i in range(4) if unasked >> i & 1}
    for i in range(4):
        even = UNIFORM_SHARE / len(raw)
        expected = even + (1 - UNIFORM_SHARE) * raw[i] / sum(raw.values()) if i in raw else 0.0
        assert weights[i] == pytest.approx(expected)
    assert sum(weights) == pytest.approx(1.0)


def test_every_unasked_attribute_keeps_a_chance(tmp_path: Path) -> None:
    constant_policy(3.0, [9.0, 0.0, 0.0, -9.0]).save(tmp_path / "policy", GOLDEN)
    weights = PolicyPrior(tmp_path / "policy", TABLE).rank(request(0, 0b1111)).weights
    assert min(weights) == pytest.approx(UNIFORM_SHARE / 4)
    assert np.argmax(weights) == 0


def test_requests_come_back_by_ticket(folder: Path) -> None:
    prior = PolicyPrior(folder, TABLE)

    async def work() -> list[tuple[int, object]]:
        prior.submit(5, request(0, 0b1111))
        prior.submit(3, request(1, 0b0110))
        return [*(await prior.completed()), *(await prior.completed())]

    done = dict(asyncio.run(work()))
    assert set(done) == {3, 5}
    assert isinstance(done[3], Weights)
    assert done[3].weights[0] == done[3].weights[3] == 0.0


def test_another_policy_has_another_identity(folder: Path, tmp_path: Path) -> None:
    constant_policy(3.0, [1.0, 0.0, 0.0, 0.0]).save(tmp_path / "other", GOLDEN)
    one, same = PolicyPrior(folder, TABLE), PolicyPrior(folder, TABLE)
    assert one.identity == same.identity
    assert one.identity != PolicyPrior(tmp_path / "other", TABLE).identity


def test_nothing_to_rank_is_an_error(folder: Path) -> None:
    with pytest.raises(ValueError, match="no attribute is left"):
        PolicyPrior(folder, TABLE).rank(request(0b1111, 0))


def test_a_policy_about_other_attributes_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="other attributes than table 'small'"):
        PolicyPrior(folder, replace(TABLE, attributes=tuple(reversed(TABLE.attributes))))
