"""Agents to compare, from configuration: a policy that says what to ask, and an abstention that says when to stop.

A method is written as its name, where that is an agent with its defaults (``retrieval``), or as a label with what it is
made of: ``{eager: {policy: distilled, abstention: value, min_gain: 0.05}}``. Settings are those of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from omegaconf import OmegaConf

from raise_agent.errors import ConfigError, did_you_mean
from raise_agent.policies.abstention import BudgetAbstention, NeverAbstention, ValueAbstention
from raise_agent.policies.distilled import DistilledPolicy
from raise_agent.policies.orders import RandomPolicy, StaticPolicy
from raise_agent.policies.retrieval import RetrievalPolicy

POLICIES: Mapping[str, type[Any]] = {
    "random": RandomPolicy,
    "static": StaticPolicy,
    "retrieval": RetrievalPolicy,
    "distilled": DistilledPolicy,
}
GIVEN = {"table", "planned", "policy"}
"""What a policy is made of that is not a setting."""
ABSTENTIONS: Mapping[str, type[Any]] = {
    "never": NeverAbstention,
    "budget": BudgetAbstention,
    "value": ValueAbstention,
}


@dataclass(frozen=True, slots=True)
class AgentMethod:
    """A policy and an abstention, by name, with their settings."""

    label: str
    policy: str
    abstention: str
    policy_settings: Mapping[str, Any] = field(default_factory=dict)
    abstention_settings: Mapping[str, Any] = field(default_factory=dict)


def method_of(entry: Any) -> str | AgentMethod:
    """What one entry of ``evaluate.methods`` stands for: an agent, or the name of something else.

    The name ``distilled`` alone is the policy as it was exported, stopping where it says.

    Raises:
        ConfigError: a label without one policy and abstention, or a setting that neither has.
    """
    if isinstance(entry, str):
        return AgentMethod(entry, entry, "never") if entry in POLICIES and entry != "distilled" else entry
    plain: Any = OmegaConf.to_container(entry, resolve=True) if OmegaConf.is_config(entry) else entry
    if not (isinstance(plain, Mapping) and len(plain) == 1):
        raise ConfigError("evaluate.methods: an entry is a name, or one label with what it is made of")
    ((label, made),) = plain.items()
    where = f"evaluate.methods: {label!s}"
    if not isinstance(made, Mapping):
        raise ConfigError(f"{where}: give its policy and abstention, {{policy: distilled, abstention: value}}")
    settings = dict(made)
    policy, abstention = settings.pop("policy", None), settings.pop("abstention", "never")
    for kind, name, known in (("policy", policy, POLICIES), ("abstention", abstention, ABSTENTIONS)):
        if name not in known:
            raise ConfigError(f"{where}: unknown {kind} {name!r}: {did_you_mean(str(name), known)}")
    if abstention == "value" and policy != "distilled":
        raise ConfigError(f"{where}: {policy!r} does not know what answering now is worth; 'value' needs 'distilled'")
    of_policy = {entry.name for entry in fields(POLICIES[policy])} - GIVEN
    of_abstention = {entry.name for entry in fields(ABSTENTIONS[abstention])}
    for key in settings:
        if key not in of_policy | of_abstention:
            valid = did_you_mean(str(key), of_policy | of_abstention)
            raise ConfigError(f"{where}: neither {policy!r} nor {abstention!r} has a setting {key!r}: {valid}")
    return AgentMethod(
        str(label),
        policy,
        abstention,
        {key: value for key, value in settings.items() if key in of_policy},
        {key: value for key, value in settings.items() if key in of_abstention},
    )


def labels_of(entries: Sequence[Any]) -> list[str]:
    """What each entry is called in results."""
    return [method if isinstance(method, str) else method.label for method in map(method_of, entries)]
