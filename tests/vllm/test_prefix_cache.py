"""The order of the prompts' parts lets vLLM's prefix cache do what it can: whole blocks in common are read once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from raise_agent.models.base import Evaluation
from raise_agent.models.served.connect import ServedRoles
from raise_agent.models.served.wire import RoleRequest
from raise_agent.scenario import Scenario

from .conftest import Server
from .support import block_size, counters, forget_prefixes, person, roles_at, sentences, wait_for

pytestmark = pytest.mark.vllm

PEOPLE = [person(seed, 3) for seed in range(4)]
SUBSETS = [0, 0b1, 0b11, 0b101]


@pytest.fixture(scope="module")
def roles(server: Server) -> ServedRoles:
    return roles_at(server)


def share_hit(roles: ServedRoles, server: Server, *work: Callable[[], Awaitable[Any]]) -> float:
    """Share of the prompts' tokens that was found in the cache, which was empty before."""
    forget_prefixes(server)
    before = counters(server)
    wait_for(roles, *work)
    done = counters(server).since(before)
    return done.hit / done.queried


def evaluate(roles: ServedRoles, scenario: Scenario, subset: int) -> Callable[[], Awaitable[Evaluation]]:
    """As the safety pool does."""

    async def evaluated() -> Evaluation:
        reply = await roles.responder.respond(scenario.inquiry, scenario.profile.disclose(subset), str(subset))
        return await roles.judge.judge(scenario, reply.text, str(subset))

    return evaluated


def whole_blocks_in_common(folder: Path, requests: Sequence[RoleRequest], block: int) -> tuple[int, int]:
    """Tokens of the later prompts in whole blocks that they have in common with the first; tokens of all prompts."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompts = [
        tokenizer(
            tokenizer.apply_chat_template(r.messages, tokenize=False, add_generation_prompt=True),
            add_special_tokens=False,
        ).input_ids
        for r in requests
    ]
    found = 0
    for prompt in prompts[1:]:
        same = next(i for i, (mine, first) in enumerate(zip(prompt, prompts[0], strict=False)) if mine != first)
        found += same // block * block
    return found, sum(map(len, prompts))


def test_person_and_answer_are_read_once_for_three_dimensions(
    roles: ServedRoles, server: Server, tiny_folder: Path
) -> None:
    scenario, answer = PEOPLE[0], sentences(5, 40)
    block = block_size(server)
    found, tokens = whole_blocks_in_common(tiny_folder, roles.judge.requests(scenario, answer, ""), block)
    assert tokens / 3 > 8 * block
    share = share_hit(roles, server, lambda: roles.judge.judge(scenario, answer, ""))
    print(f"three dimensions of one answer: {share:.0%} of tokens")
    assert share * tokens == pytest.approx(found)
    assert share > 0.6


def test_subsets_of_one_scenario_have_more_in_common_than_scenarios(roles: ServedRoles, server: Server) -> None:
    one = share_hit(roles, server, *[evaluate(roles, PEOPLE[0], subset) for subset in SUBSETS])
    many = share_hit(roles, server, *[evaluate(roles, scenario, 0b11) for scenario in PEOPLE])
    print(f"evaluations of one scenario: {one:.0%} of tokens, of as many scenarios: {many:.0%}")
    assert one > many + 0.05
