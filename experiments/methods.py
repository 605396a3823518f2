"""What is compared on held-out scenarios: each method decides what is asked of a user, and no more.

``none`` and ``full`` are the two ends. ``random``, ``static``, ``fixed`` (the best order for all, found on training
scenarios), ``retrieval``, ``llm``, ``distilled`` and any pair of a policy and an abstention (``agents``) decide as an
agent must, from the query and the answers so far. Planners (``greedy``, ``mcts``, ...; ``oracle`` is ``exhaustive``)
search over the very scenario with the safety model at hand: what planning would reach there, not what an agent can.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, cast

import numpy as np
from omegaconf import DictConfig

from raise_agent.attributes import parse_spellings
from raise_agent.envs.dynamics import Rules, State, is_truncated, start, step
from raise_agent.errors import ConfigError, LimitReachedError, did_you_mean
from raise_agent.planners import Plan, Planner, Search, available_planners
from raise_agent.planners.beliefs import Belief
from raise_agent.planners.runner import Runner, Task, search_rng
from raise_agent.planners.static import whole_order
from raise_agent.policies import AcquisitionPolicy, Ask
from raise_agent.policies.contract import Abstention, Policy
from raise_agent.policies.retrieval import PlannedPaths
from raise_agent.scenario import Disclosure, Inquiry, Scenario
from raise_agent.subsets import mask_of

from .agents import AgentMethod, Given, labels_of, method_of, pair_of
from .assembly import Bench
from .models import AgentModel
from .sensitivity import best_fixed_order

AGENTS = ("none", "random", "static", "fixed", "retrieval", "llm", "distilled", "full")
EXHAUSTIVE = "exhaustive"
"""The planner that scores every subset."""
ALIASES = {"oracle": EXHAUSTIVE}

EVENLY_COLD, EVENLY_TAUGHT = 1.0, 0.75
"""Share of ``spend`` that is split evenly, where ``spend_evenly`` does not say. Searches that start cold know of no
scale but that of their own few scores, so that what one expects cannot be compared with what another does."""

Chooser = Callable[[Inquiry, Disclosure, State], int]
"""What an agent does next, from what it may see: an attribute index, or the answer action."""


Pair = tuple[Policy, Abstention]
"""An agent made elsewhere."""


def reserved_names() -> set[str]:
    """What no agent of one's own may be called: results are held against some of them."""
    return {*AGENTS, *ALIASES, *available_planners()}


def check_evaluation(cfg: DictConfig) -> None:
    """Refuse settings of the ``evaluate`` part that cannot work, before anything is run.

    Raises:
        ConfigError: a method is unknown or repeated, or a number out of range.
    """
    methods = [method_of(entry) for entry in cfg.methods]
    valid = reserved_names()
    names = labels_of(cfg.methods)
    for entry, method, name in zip(cfg.methods, methods, names, strict=True):
        if not isinstance(entry, str) and name in valid:
            raise ConfigError(f"evaluate.methods: {name!r} is the name of a method of its own; give another label")
        if isinstance(method, str) and name not in valid:
            raise ConfigError(f"evaluate.methods: unknown method {name!r}: {did_you_mean(name, valid)}")
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
    failures: int = 0
    """Decisions that a model did not make, so that what takes its place did."""
    plan: Plan | None = None
    """What the search over this very scenario found; None where an agent decided."""

    @property
    def evaluations(self) -> int:
        """Evaluations spent on this very scenario to decide what to ask."""
        return 0 if self.plan is None else self.plan.evaluations


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
        action = choose(scenario.inquiry, seen_by_agent(scenario, asked, state.known), state)
        if action == rules.answer:
            break
        asked.append(action)
        state = step(rules, state, action, declined=not answerable >> action & 1)
    return Conversation(tuple(asked), state.known)


def seen_by_agent(scenario: Scenario, asked: Sequence[int], known: int) -> Disclosure:
    """The answers of a subset, and None for what was asked in vain."""
    answers = scenario.profile.disclose(known)
    refused = Disclosure.of({scenario.profile.keys[index]: None for index in asked if not known >> index & 1})
    return Disclosure(answers.keys + refused.keys, answers.answers + refused.answers)


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


def talk_with(policy: Policy, abstention: Abstention, failures: list[str] | None = None) -> Chooser:
    """Ask what a policy ranks first, until the abstention says that it is enough.

    Args:
        policy: says what to ask.
        abstention: says when to stop.
        failures: takes the part, ``policy`` or ``abstention``, of each decision that its model did not make.
    """
    failed = [] if failures is None else failures

    def choose(inquiry: Inquiry, seen: Disclosure, state: State) -> int:
        known = dict(seen.items())
        ranking = policy.rank(inquiry.query, known)
        best = ranking.best
        if "failed" in ranking.because:
            failed.append("policy")
        if best is None:
            return len(policy.table)
        verdict = abstention.judge(inquiry.query, known, state.asked.bit_count(), ranking)
        if verdict.failed:
            failed.append("abstention")
        return len(policy.table) if verdict.enough else policy.table.index(best)

    return choose


@dataclass(frozen=True, slots=True)
class Material:
    """What methods are made of, beside the configuration."""

    policy: AcquisitionPolicy | None
    """Needed for ``distilled``, and for the abstention ``value``."""
    planned: PlannedPaths | None
    """Needed for ``retrieval`` and ``llm``."""
    model: AgentModel | None
    """Needed for ``llm``, and for the abstentions ``basic``, ``binary`` and ``scale``."""
    planner: tuple[str, Mapping[str, Any]]
    """Name and settings of the configured planner, used where it is the method; others run as they come."""


def agent_of(method: AgentMethod, bench: Bench, material: Material) -> Pair:
    """The agent that a method describes.

    Raises:
        ConfigError: a setting is out of range.
    """
    measured = _static_order(bench, material.planner) if method.policy == "static" else ()
    order = [bench.table.keys[index] for index in measured]
    return pair_of(method, Given(bench.table, bench.cfg.seed, order, material.policy, material.planned, material.model))


def conversations(
    method: str | AgentMethod | Pair, bench: Bench, runner: Runner, scenarios: Sequence[Scenario], material: Material
) -> list[Conversation]:
    """One conversation per scenario under a method.

    Args:
        method: one that ``check_evaluation`` lets pass, or an agent made elsewhere.
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
    model = None
    if isinstance(method, AgentMethod):
        model = material.model if method.asks_a_model else None
        method = agent_of(method, bench, material)
    choosers: list[Chooser]
    plans: list[Plan | None] = [None] * len(scenarios)
    failures: list[list[str]] = [[] for _ in scenarios]
    if isinstance(method, tuple):
        choosers = [talk_with(*method, failed) for failed in failures]
    elif method == "distilled":
        assert material.policy is not None
        choosers = [obey(material.policy)] * len(scenarios)
    elif method == "fixed":
        sample = bench.scenarios.train[: cfg.sensitivity_scenarios]
        choosers = [follow(best_fixed_order(runner, sample, bench.table.costs, cfg.budget), rules)] * len(scenarios)
    else:
        found = plan_all(bench, runner, scenarios, ALIASES.get(method, method), material.planner)
        choosers, plans = [follow(plan.path, rules) for plan in found], list(found)

    def talk(row: int) -> Conversation:
        if model is not None and not bench.allowance.open():
            raise LimitReachedError(f"stopped at {bench.allowance.reached}, in the conversations of a method")
        scenario = scenarios[row]
        held = converse(rules, scenario, choosers[row], declined_by(scenario, cfg.evaluate.decline, cfg.seed))
        return Conversation(held.asked, held.known, len(failures[row]), plans[row])

    if model is None or model.in_flight == 1:
        return [talk(row) for row in range(len(scenarios))]
    with ThreadPoolExecutor(model.in_flight, "conversation") as threads:
        return list(threads.map(talk, range(len(scenarios))))


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
