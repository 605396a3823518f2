"""What is compared on held-out scenarios: each method decides what is asked of a user, and no more.

``none`` and ``full`` are the two ends. ``random``, ``static``, ``retrieval``, ``distilled`` and any pair of a policy
and an abstention (``agents``) decide as an agent must, from the query and the answers so far. Planners (``greedy``,
``mcts``, ...; ``oracle`` is ``exhaustive``) search over the very scenario with the safety model at hand: what planning
would reach there, not what an agent can.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, cast

import numpy as np
from omegaconf import DictConfig

from raise_agent.attributes import parse_spellings
from raise_agent.envs.dynamics import Rules, State, is_truncated, start, step
from raise_agent.errors import ConfigError, did_you_mean
from raise_agent.planners import Plan, Planner, Search, available_planners
from raise_agent.planners.beliefs import Belief
from raise_agent.planners.runner import Runner, Task, search_rng
from raise_agent.planners.static import whole_order
from raise_agent.policies import AcquisitionPolicy, Ask
from raise_agent.policies.contract import Abstention, Policy
from raise_agent.policies.distilled import DistilledPolicy
from raise_agent.policies.orders import RandomPolicy, StaticPolicy
from raise_agent.policies.retrieval import PlannedPaths, RetrievalPolicy
from raise_agent.scenario import Disclosure, Inquiry, Scenario
from raise_agent.subsets import mask_of

from .agents import ABSTENTIONS, AgentMethod, labels_of, method_of
from .assembly import Bench

AGENTS = ("none", "random", "static", "retrieval", "distilled", "full")
ALIASES = {"oracle": "exhaustive"}

EVENLY_COLD, EVENLY_TAUGHT = 1.0, 0.75
"""Share of ``spend`` that is split evenly, where ``spend_evenly`` does not say. Searches that start cold know of no
scale but that of their own few scores, so that what one expects cannot be compared with what another does."""

Chooser = Callable[[Inquiry, Disclosure, State], int]
"""What an agent does next, from what it may see: an attribute index, or the answer action."""


def check_evaluation(cfg: DictConfig) -> None:
    """Refuse settings of the ``evaluate`` part that cannot work, before anything is run.

    Raises:
        ConfigError: a method is unknown or repeated, or a number out of range.
    """
    methods = [method_of(entry) for entry in cfg.methods]
    valid = {*AGENTS, *ALIASES, *available_planners()}
    for name in methods:
        if isinstance(name, str) and name not in valid:
            raise ConfigError(f"evaluate.methods: unknown method {name!r}: {did_you_mean(name, valid)}")
    names = labels_of(cfg.methods)
    if len(set(names)) != len(names) or not names:
        raise ConfigError("evaluate.methods must name at least one method, each once")
    if not 0 <= cfg.decline <= 1:
        raise ConfigError(f"evaluate.decline must be a probability between 0 and 1, not {cfg.decline}")
    if cfg.scenarios is not None and cfg.scenarios < 1:
        raise ConfigError(f"evaluate.scenarios must be 1 or more, or null for all, not {cfg.scenarios}")


@dataclass(frozen=True, slots=True)
class Conversation:
    """What came of one scenario under one method."""

    asked: tuple[int, ...]
    """Attributes asked, in order."""
    known: int
    """The subset that was answered."""
    evaluations: int = 0
    """Evaluations spent on this very scenario to decide what to ask."""


def converse(rules: Rules, scenario: Scenario, choose: Chooser, declines: int) -> Conversation:
    """Play a user with this profile against an agent.

    Args:
        rules: number of attributes and budget.
        scenario: whose profile answers.
        choose: the agent.
        declines: the subset of attributes that this user will not answer; unknown ones are never answered.
    """
    state = start()
    asked: list[int] = []
    answerable = scenario.profile.known & ~declines
    while not is_truncated(rules, state):
        answers = scenario.profile.disclose(state.known)
        refused = Disclosure.of({scenario.profile.keys[i]: None for i in asked if not state.known >> i & 1})
        seen = Disclosure(answers.keys + refused.keys, answers.answers + refused.answers)
        action = choose(scenario.inquiry, seen, state)
        if action == rules.answer:
            break
        asked.append(action)
        state = step(rules, state, action, declined=not answerable >> action & 1)
    return Conversation(tuple(asked), state.known)


def declined_by(scenario: Scenario, probability: float, seed: int) -> int:
    """The subset this user declines; the same for every method."""
    n = len(scenario.profile.keys)
    drawn = np.random.default_rng([seed, 1, int(scenario.digest, 16)]).random(n) < probability
    return mask_of(np.flatnonzero(drawn).tolist())


def follow(order: Sequence[int], rules: Rules) -> Chooser:
    """Ask in a fixed order."""

    def choose(inquiry: Inquiry, seen: Disclosure, state: State) -> int:
        return next((index for index in order if not state.asked >> index & 1), rules.answer)

    return choose


def obey(policy: AcquisitionPolicy) -> Chooser:
    """Ask what the policy says."""

    def choose(inquiry: Inquiry, seen: Disclosure, state: State) -> int:
        decision = policy.decide(inquiry.query, dict(seen.items()))
        return policy.table.index(decision.attribute.key) if isinstance(decision, Ask) else len(policy.table)

    return choose


def talk_with(policy: Policy, abstention: Abstention) -> Chooser:
    """Ask what a policy ranks first, until the abstention says that it is enough."""

    def choose(inquiry: Inquiry, seen: Disclosure, state: State) -> int:
        known = dict(seen.items())
        ranking = policy.rank(inquiry.query, known)
        best = ranking.best
        if best is None or abstention.judge(inquiry.query, known, state.asked.bit_count(), ranking).enough:
            return len(policy.table)
        return policy.table.index(best)

    return choose


@dataclass(frozen=True, slots=True)
class Material:
    """What methods are made of, beside the configuration."""

    policy: AcquisitionPolicy | None
    """Needed for ``distilled``."""
    planned: PlannedPaths | None
    """Needed for ``retrieval``."""
    planner: tuple[str, Mapping[str, Any]]
    """Name and settings of the configured planner, used where it is the method; others run as they come."""


def agent_of(method: AgentMethod, bench: Bench, material: Material) -> Chooser:
    """The agent that a method describes.

    Raises:
        ConfigError: a setting is out of range.
    """
    settings = dict(method.policy_settings)
    policy: Policy
    if method.policy == "random":
        policy = RandomPolicy(bench.table, **{"seed": bench.cfg.seed, **settings})
    elif method.policy == "static":
        measured = [bench.table.keys[index] for index in _static_order(bench, material.planner)]
        policy = StaticPolicy(bench.table, **{"order": measured, **settings})
    elif method.policy == "retrieval":
        assert material.planned is not None
        policy = RetrievalPolicy(material.planned, **settings)
    else:
        assert material.policy is not None
        policy = DistilledPolicy(material.policy)
    return talk_with(policy, ABSTENTIONS[method.abstention](**method.abstention_settings))


def conversations(
    method: str | AgentMethod, bench: Bench, runner: Runner, scenarios: Sequence[Scenario], material: Material
) -> list[Conversation]:
    """One conversation per scenario under a method.

    Args:
        method: one that ``check_evaluation`` lets pass.
        bench: table, budget, configuration.
        runner: for planners.
        scenarios: held-out scenarios.
        material: what the method is made of.
    """
    cfg, n = bench.cfg, len(bench.table)
    if method == "full":
        return [Conversation(tuple(range(n)), scenario.profile.known) for scenario in scenarios]
    if method == "none":
        return [Conversation((), 0) for _ in scenarios]
    rules = Rules(n, cfg.budget)
    choosers: list[Chooser]
    spent = [0] * len(scenarios)
    if isinstance(method, AgentMethod):
        choosers = [agent_of(method, bench, material)] * len(scenarios)
    elif method == "distilled":
        assert material.policy is not None
        choosers = [obey(material.policy)] * len(scenarios)
    else:
        plans = plan_all(bench, runner, scenarios, ALIASES.get(method, method), material.planner)
        choosers = [follow(plan.path, rules) for plan in plans]
        spent = [plan.evaluations for plan in plans]
    talks = []
    for scenario, choose, evaluations in zip(scenarios, choosers, spent, strict=True):
        talk = converse(rules, scenario, choose, declined_by(scenario, cfg.evaluate.decline, cfg.seed))
        talks.append(Conversation(talk.asked, talk.known, evaluations))
    return talks


def _static_order(bench: Bench, configured: tuple[str, Mapping[str, Any]]) -> tuple[int, ...]:
    """The configured order, if the static planner is configured with one; else the measured one."""
    name, settings = configured
    order = parse_spellings(bench.table, settings.get("order") or ()) if name == "static" else ()
    return whole_order(order, len(bench.table)) if order else bench.static_order()


def plan_all(
    bench: Bench,
    runner: Runner,
    scenarios: Sequence[Scenario],
    name: str,
    configured: tuple[str, Mapping[str, Any]],
    beliefs: Sequence[Belief | None] | None = None,
    spend: int | None = None,
) -> list[Plan]:
    """A plan per scenario; by the configured planner if it has that name, else by one with its own defaults.

    Args:
        bench: table, budget, noise, configuration.
        runner: runs the searches.
        scenarios: to plan over.
        name: of the planner.
        configured: name and settings of the configured planner.
        beliefs: what earlier searches taught about each scenario; None lets all start cold.
        spend: most evaluations of all searches together; None lets each make up to its planner's.
    """
    settings = configured[1] if configured[0] == name else {}
    planner = bench.planner(name, settings)
    noisy = bench.noise().points > 0

    horizon = None if spend is None else spend // max(len(scenarios), 1)

    def begin(scenario: Scenario, belief: Belief | None) -> Search[Plan]:
        problem = replace(bench.problem(scenario), belief=belief, horizon=horizon)
        return planner.search(problem, search_rng(bench.cfg.seed, scenario))

    believed = beliefs or [None] * len(scenarios)
    tasks = [Task(s, partial(begin, s, belief), noisy) for s, belief in zip(scenarios, believed, strict=True)]
    evenly = bench.cfg.get("spend_evenly")
    if evenly is None:
        evenly = EVENLY_COLD if None in believed else EVENLY_TAUGHT
    return runner.run(tasks, origin=origin_of(name, planner), evaluations=spend, evenly=evenly)


def origin_of(name: str, planner: Planner) -> str:
    """What the store calls evaluations that a planner asked for."""
    used = {entry.name: getattr(planner, entry.name) for entry in fields(cast(Any, planner))}
    return f"{name} {json.dumps(used, sort_keys=True)}"
