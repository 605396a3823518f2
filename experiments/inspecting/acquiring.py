"""The solver: what is asked of the user, and the responder's prompt with the query and what they said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from inspect_ai.model import get_model
from inspect_ai.solver import Generate, Solver, TaskState, solver

from raise_agent.envs.dynamics import Rules
from raise_agent.errors import ConfigError
from raise_agent.experiments.agents import AgentMethod, Given, method_of, pair_of
from raise_agent.experiments.methods import Conversation, converse, obey, talk_with
from raise_agent.experiments.yardsticks import HELD_OUT_SAMPLE
from raise_agent.models.served.responder import Responder
from raise_agent.policies import AcquisitionPolicy
from raise_agent.scenario import Scenario

from .asking import SAMPLING, caller_of, chat
from .people import TABLE, Source, scenarios_of
from .settings import responder_settings

FREE, RICH = "free", "rich"
ASKED, KNOWN = "asked", "known"
"""What the sample's store holds: keys of the attributes asked, in order, and the subset answered. No value."""

Acquire = Callable[[Scenario], Conversation]
"""Plays a user, and says what was asked and answered."""


@solver
def answer(
    data: Mapping[str, Any],
    context: str = FREE,
    abstention: str | None = None,
    min_gain: float | None = None,
    budget: int | None = None,
) -> Solver:
    """Ask the user, or do not; then let the model answer with the responder's prompt.

    Args:
        data: fields of ``Source``.
        context: ``free`` (nothing is known), ``rich`` (all that the profile holds), or a policy's folder.
        abstention: of a policy, ``never`` or ``value``; None stops where the policy itself says.
        min_gain: of ``value``, in score points.
        budget: most questions of a policy; None takes its own.

    Raises:
        ConfigError: a setting is wrong.
        PolicyError: the policy cannot be loaded.
    """
    scenarios = scenarios_of(Source(**data))
    acquire = acquisition(context, abstention, min_gain, budget)
    settings = responder_settings()

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        scenario = scenarios[str(state.sample_id)]
        talk = acquire(scenario)
        state.store.set(ASKED, [TABLE.keys[index] for index in talk.asked])
        state.store.set(KNOWN, talk.known)
        caller = caller_of(get_model(), settings, "responder")
        # From here on there is only what a responder may see.
        inquiry, said = scenario.inquiry, scenario.profile.disclose(talk.known)
        request = Responder(caller, TABLE).request(inquiry, said, drawn(scenario, talk.known, state.epoch))
        state.messages = chat(request.messages)
        config = caller.config(*request, leave=SAMPLING)
        return await generate(state, tool_calls="none", **config.model_dump(exclude_none=True))

    return solve


def sample_of(epoch: int) -> int:
    """The independent draw that an epoch is; the first is that of ``raise-agent penguin`` and ``evaluate``."""
    return HELD_OUT_SAMPLE + epoch - 1


def drawn(scenario: Scenario, known: int | None, epoch: int) -> str:
    """What seeds are drawn from, as for the verbs."""
    return f"{scenario.digest}|{known}|{sample_of(epoch)}"


def acquisition(context: str, abstention: str | None, min_gain: float | None, budget: int | None) -> Acquire:
    """How it is found out what a user tells.

    Raises:
        ConfigError: a setting is wrong.
        PolicyError: the policy cannot be loaded.
    """
    if context in (FREE, RICH):
        if (abstention, min_gain, budget) != (None, None, None):
            raise ConfigError("abstention, min_gain and budget are of policies; give a policy's folder as context")
        if context == FREE:
            return lambda scenario: Conversation((), 0)
        return lambda scenario: Conversation(tuple(range(len(TABLE))), scenario.profile.known)
    if not Path(context).is_dir():
        raise ConfigError(f"context must be {FREE!r}, {RICH!r} or a policy's folder; there is no folder {context!r}")
    policy = AcquisitionPolicy.load(context)
    if policy.table.keys != TABLE.keys:
        raise ConfigError(f"{context}: the policy asks for other attributes than those of PENGUIN")
    rules = Rules(len(TABLE), policy.budget if budget is None else budget)
    if not 1 <= rules.budget <= policy.budget:
        raise ConfigError(f"budget must be between 1 and the policy's own, {policy.budget}, not {budget}")
    if abstention is None and min_gain is None:
        choose = obey(policy)
    else:
        choose = talk_with(*pair_of(_pair(abstention, min_gain), Given(TABLE, 0, policy=policy)))
    return lambda scenario: converse(rules, scenario, choose, declines=0)


def _pair(abstention: str | None, min_gain: float | None) -> AgentMethod:
    settings = {} if min_gain is None else {"min_gain": min_gain}
    made = {"policy": "distilled", "abstention": abstention or "never", **settings}
    method = method_of({"policy": made}, "penguin")
    assert isinstance(method, AgentMethod)
    if method.asks_a_model:
        raise ConfigError(f"abstention {abstention!r} asks a model of its own; `raise-agent evaluate` offers it")
    return method
