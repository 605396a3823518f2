"""Agents to compare, from configuration: a policy that says what to ask, and an abstention that says when to stop.

A method is written as its name, where that is an agent with its defaults (``retrieval``), or as a label with what it is
made of: ``{eager: {policy: distilled, abstention: value, min_gain: 0.05}}``. Settings are those of both. The paper's
agent is ``{paper: {policy: llm, abstention: scale}}``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, get_type_hints

from omegaconf import OmegaConf

from raise_agent.attributes import AttributeTable
from raise_agent.errors import ConfigError, did_you_mean
from raise_agent.policies import AcquisitionPolicy
from raise_agent.policies.abstention import BudgetAbstention, NeverAbstention, ValueAbstention
from raise_agent.policies.assessment import BasicAbstention, BinaryAbstention, ScaleAbstention
from raise_agent.policies.contract import Abstention, Policy
from raise_agent.policies.distilled import DistilledPolicy
from raise_agent.policies.llm import LLMPolicy
from raise_agent.policies.orders import RandomPolicy, StaticPolicy
from raise_agent.policies.retrieval import PlannedPaths, RetrievalPolicy

from .models import AgentModel

POLICIES: Mapping[str, type[Any]] = {
    "random": RandomPolicy,
    "static": StaticPolicy,
    "retrieval": RetrievalPolicy,
    "llm": LLMPolicy,
    "distilled": DistilledPolicy,
}
ABSTENTIONS: Mapping[str, type[Any]] = {
    "never": NeverAbstention,
    "budget": BudgetAbstention,
    "value": ValueAbstention,
    "basic": BasicAbstention,
    "binary": BinaryAbstention,
    "scale": ScaleAbstention,
}
GIVEN = {"table", "planned", "policy", "by", "chooser", "assessor"}
"""What policies and abstentions are made of that is not a setting."""


@dataclass(frozen=True, slots=True)
class AgentMethod:
    """A policy and an abstention, by name, with their settings."""

    label: str
    policy: str
    abstention: str
    policy_settings: Mapping[str, Any] = field(default_factory=dict)
    abstention_settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def policies(self) -> set[str]:
        """The policies it goes by: ``value`` stops by ``distilled``, whichever asks."""
        return {self.policy} | ({"distilled"} if self.abstention == "value" else set())

    @property
    def needs(self) -> set[str]:
        """What it is made of: names of ``Given``'s parts, or the model's as ``chooser`` and ``assessor``."""
        parts = POLICIES[self.policy], ABSTENTIONS[self.abstention]
        needed = {entry.name for part in parts for entry in fields(part)} & GIVEN - {"by"}
        return needed | ({"policy"} if "distilled" in self.policies else set())

    @property
    def asks_a_model(self) -> bool:
        """Whether it decides by a language model."""
        return not self.needs.isdisjoint({"chooser", "assessor"})


@dataclass(frozen=True, slots=True)
class Given:
    """What agents are made of beside their settings; what a method does not need may be None."""

    table: AttributeTable
    seed: int
    """Of ``random``, where its settings have none."""
    order: Sequence[str] = ()
    """Of ``static``, likewise: attribute keys, best first."""
    policy: AcquisitionPolicy | None = None
    planned: PlannedPaths | None = None
    model: AgentModel | None = None


def pair_of(method: AgentMethod, given: Given) -> tuple[Policy, Abstention]:
    """The policy and the abstention that a method describes.

    Raises:
        ConfigError: a setting is out of range.
    """
    parts: dict[str, Any] = {
        "table": given.table,
        "planned": given.planned,
        "policy": given.policy,
        "chooser": given.model,
        "assessor": given.model,
    }
    missing = [name for name in method.needs if parts[name] is None]
    assert not missing, f"{method.label} needs {missing}"
    # One that asks knows it already.
    parts["by"] = None if given.policy is None or method.policy == "distilled" else DistilledPolicy(given.policy)

    def made(kind: type[Any], settings: Mapping[str, Any]) -> Any:
        return kind(**{entry.name: parts[entry.name] for entry in fields(kind) if entry.name in GIVEN}, **settings)

    defaults: Mapping[str, Mapping[str, Any]] = {"random": {"seed": given.seed}, "static": {"order": given.order}}
    policy = made(POLICIES[method.policy], {**defaults.get(method.policy, {}), **method.policy_settings})
    return policy, made(ABSTENTIONS[method.abstention], method.abstention_settings)


def method_of(entry: Any, where: str = "evaluate.methods") -> str | AgentMethod:
    """What one entry of ``evaluate.methods`` stands for: an agent, or the name of something else.

    The name ``distilled`` alone is the policy as it was exported, stopping where it says.

    Args:
        entry: as configured.
        where: what error messages call its place.

    Raises:
        ConfigError: a label without one policy and abstention, or a setting that neither has.
    """
    if isinstance(entry, str):
        return AgentMethod(entry, entry, "never") if entry in POLICIES and entry != "distilled" else entry
    plain: Any = OmegaConf.to_container(entry, resolve=True) if OmegaConf.is_config(entry) else entry
    if not (isinstance(plain, Mapping) and len(plain) == 1):
        raise ConfigError(f"{where}: an entry is a name, or one label with what it is made of")
    ((label, made),) = plain.items()
    where = f"{where}: {label!s}"
    if not isinstance(made, Mapping):
        raise ConfigError(f"{where}: give its policy and abstention, {{policy: distilled, abstention: value}}")
    settings = dict(made)
    policy, abstention = settings.pop("policy", None), settings.pop("abstention", "never")
    for kind, name, known in (("policy", policy, POLICIES), ("abstention", abstention, ABSTENTIONS)):
        if name not in known:
            raise ConfigError(f"{where}: unknown {kind} {name!r}: {did_you_mean(str(name), known)}")
    of_policy = {entry.name for entry in fields(POLICIES[policy])} - GIVEN
    of_abstention = {entry.name for entry in fields(ABSTENTIONS[abstention])} - GIVEN
    for key in settings:
        if key not in of_policy | of_abstention:
            valid = did_you_mean(str(key), of_policy | of_abstention)
            raise ConfigError(f"{where}: neither {policy!r} nor {abstention!r} has a setting {key!r}: {valid}")
    for part in (POLICIES[policy], ABSTENTIONS[abstention]):
        _check_types(where, settings, get_type_hints(part))
    return AgentMethod(
        str(label),
        policy,
        abstention,
        {key: value for key, value in settings.items() if key in of_policy},
        {key: value for key, value in settings.items() if key in of_abstention},
    )


def _check_types(where: str, settings: Mapping[str, Any], hints: Mapping[str, Any]) -> None:
    for key, value in settings.items():
        kind = hints.get(key)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if kind is bool and not isinstance(value, bool):
            raise ConfigError(f"{where}: {key} must be true or false, not {value!r}")
        if kind is int and not (whole and value >= 0):
            raise ConfigError(f"{where}: {key} must be a whole number, 0 or more, not {value!r}")
        if kind is float and not (whole or (isinstance(value, float) and math.isfinite(value))):
            raise ConfigError(f"{where}: {key} must be a finite number, not {value!r}")


def asks_a_model(entry: Any) -> bool:
    """Whether an entry of ``evaluate.methods`` decides by a language model."""
    method = method_of(entry)
    return isinstance(method, AgentMethod) and method.asks_a_model


def labels_of(entries: Sequence[Any]) -> list[str]:
    """What each entry is called in results."""
    return [method if isinstance(method, str) else method.label for method in map(method_of, entries)]
