"""The models of the ``llm`` group: simulated, or served."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from omegaconf import DictConfig, OmegaConf

from raise_agent.agent.conversation import Responder, Watch
from raise_agent.attributes import AttributeTable
from raise_agent.building.contract import Writer
from raise_agent.errors import ConfigError
from raise_agent.models.base import Prior, SafetyModel
from raise_agent.models.served.client import ClientSettings, Usage
from raise_agent.models.served.connect import ServedSettings, connect
from raise_agent.models.served.launch import LaunchSettings, launched
from raise_agent.models.served.live import connect_agent, live
from raise_agent.models.served.pool import prior_pool, safety_pool
from raise_agent.models.served.settings import (
    AgentSettings,
    JudgeSettings,
    PriorSettings,
    ResponderSettings,
    WriterSettings,
)
from raise_agent.models.served.writer import connect_writer
from raise_agent.models.simulated import SimulatedPrior, SimulatedSafetyModel
from raise_agent.models.simulated_agent import SimulatedAgent
from raise_agent.models.simulated_writer import SimulatedWriter
from raise_agent.policies.model import Assessor, Chooser
from raise_agent.store import EvaluationStore

_log = logging.getLogger(__name__)

Settings = TypeVar(
    "Settings", ClientSettings, ResponderSettings, JudgeSettings, PriorSettings, AgentSettings, WriterSettings
)


class AgentModel(Chooser, Assessor, Protocol):
    """What policy ``llm`` and the abstentions ``basic``, ``binary`` and ``scale`` ask; from any thread."""

    @property
    def identity(self) -> Mapping[str, object]:
        """Everything that can change a decision, as plain data."""

    @property
    def simulated(self) -> bool:
        """Whether decisions are simulated and must be marked so."""

    @property
    def in_flight(self) -> int:
        """How many conversations may call it side by side."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know before relying on it."""


@dataclass(frozen=True, slots=True)
class Models:
    """What scores and what ranks."""

    safety: SafetyModel
    prior: Prior
    agent: Callable[[], AgentModel]
    """Connects the agent's model the first time it is called."""
    writer: Callable[[], Writer]
    """Connects the writer the first time it is called."""
    usage: Usage = field(default_factory=Usage)
    """What servers have been asked; stays empty where there are none."""


@contextmanager
def make_models(cfg: DictConfig, table: AttributeTable, store: EvaluationStore, folder: Path) -> Iterator[Models]:
    """Safety model and prior of the ``llm`` group; a server that was started for them is stopped at the end.

    Args:
        cfg: the ``llm`` group.
        table: the attributes.
        store: keeps the responder's answers.
        folder: where the log of a server goes that is started.

    Raises:
        ConfigError: a setting is wrong.
        ModelError: a server does not answer, or cannot do what a role needs.
    """
    if cfg.name == "simulated":
        safety = SimulatedSafetyModel(
            table,
            seed=cfg.seed,
            judge_noise=cfg.judge_noise,
            judge_noise_spread=cfg.judge_noise_spread,
            failure_rate=cfg.failure_rate,
        )
        prior, agent = SimulatedPrior(table, seed=cfg.seed, doubt=cfg.prior_doubt), _simulated_agent(cfg, table)
        writer = SimulatedWriter(table, seed=cfg.seed)
        yield Models(safety, prior, lambda: agent, lambda: writer)
        return
    settings = served_settings(cfg)
    settings.check()
    with server(cfg, folder), ExitStack() as connected:
        roles = connect(settings, table)
        _warn(roles.warnings)

        @cache
        def served_agent() -> AgentModel:
            made = connected.enter_context(connect_agent(settings, table, roles.client.usage))
            _warn(made.warnings)
            return made

        @cache
        def served_writer() -> Writer:
            made = connected.enter_context(connect_writer(settings, table, roles.client.usage))
            _warn(made.warnings)
            return made

        yield Models(
            safety_pool(roles.client, roles.responder, roles.judge, store),
            prior_pool(roles.client, roles.prior),
            served_agent,
            served_writer,
            roles.client.usage,
        )


@dataclass(frozen=True, slots=True)
class TalkingModels:
    """What a conversation with a person needs."""

    responder: Responder | None
    """None where no model is there to answer."""
    watch: Watch | None
    """Looks out for danger; None where no model is there to."""
    agent: AgentModel

    @property
    def simulated(self) -> bool:
        """Whether there is no language model, and decisions are simulated."""
        return self.agent.simulated

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know before relying on them."""
        return self.agent.warnings


@contextmanager
def talking_models(cfg: DictConfig, table: AttributeTable, folder: Path) -> Iterator[TalkingModels]:
    """The models of the ``llm`` group for one conversation; neither judge nor prior is connected.

    Args:
        cfg: the ``llm`` group.
        table: the attributes.
        folder: where the log of a server goes that is started.

    Raises:
        ConfigError: a setting is wrong.
        ModelError: a server does not answer, or cannot do what a role needs.
    """
    if cfg.name == "simulated":
        yield TalkingModels(None, None, _simulated_agent(cfg, table))
        return
    settings = served_settings(cfg)
    settings.check()
    with server(cfg, folder), live(settings, table) as models:
        yield TalkingModels(models.responder, models.agent.watch, models.agent)


@contextmanager
def writing_model(cfg: DictConfig, table: AttributeTable, folder: Path, usage: Usage) -> Iterator[Writer]:
    """The model of the ``llm`` group that writes data; no other role is connected.

    Args:
        cfg: the ``llm`` group.
        table: the attributes.
        folder: where the log of a server goes that is started.
        usage: what servers are asked is added to this.

    Raises:
        ConfigError: a setting is wrong.
        ModelError: a server does not answer, or cannot do what the role needs.
    """
    if cfg.name == "simulated":
        yield SimulatedWriter(table, seed=cfg.seed)
        return
    settings = served_settings(cfg)
    settings.check()
    with server(cfg, folder), connect_writer(settings, table, usage) as writer:
        _warn(writer.warnings)
        yield writer


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        _log.warning("warning: %s", warning)


def _simulated_agent(cfg: DictConfig, table: AttributeTable) -> SimulatedAgent:
    return SimulatedAgent(table, seed=cfg.seed, doubt=cfg.prior_doubt)


def served_settings(cfg: DictConfig) -> ServedSettings:
    """Client and roles, as configured."""
    return ServedSettings(
        client=_settings(ClientSettings, cfg.client),
        responder=_settings(ResponderSettings, cfg.responder),
        judge=_settings(JudgeSettings, cfg.judge),
        prior=_settings(PriorSettings, cfg.prior),
        agent=_settings(AgentSettings, cfg.agent),
        writer=_settings(WriterSettings, cfg.writer),
    )


def _settings(kind: type[Settings], cfg: DictConfig) -> Settings:
    values = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(values, dict)
    given: dict[str, Any] = {str(key): value for key, value in values.items()}
    if "base_url" in given:
        given["base_url"] = addresses(given["base_url"])
    if "extra" in given:
        given["extra"] = _mapping("extra", given["extra"], "{top_k: 20}")
    return kind(**given)


def _mapping(name: str, value: object, example: str) -> dict[str, Any]:
    """A mapping of names that nobody knows before, as configured; empty for null."""
    if value is not None and not isinstance(value, Mapping):
        raise ConfigError(f"{name} must be a mapping, such as {example}, or null")
    return {str(key): one for key, one in (value or {}).items()}


def addresses(base_url: object) -> tuple[str, ...]:
    """One address, or several, as configured."""
    many = [base_url] if isinstance(base_url, str) else base_url
    if not isinstance(many, list) or not many or not all(isinstance(one, str) for one in many):
        raise ConfigError("llm.base_url must be an address such as http://localhost:8000/v1, or a list of them")
    return tuple(many)


@contextmanager
def server(cfg: DictConfig, folder: Path) -> Iterator[None]:
    """The server that ``llm.launch`` asks for, if it does and none answers yet."""
    if not cfg.launch:
        yield
        return
    where = addresses(OmegaConf.to_container(cfg, resolve=True)["base_url"])  # type: ignore[index, call-overload]
    if len(where) > 1:
        raise ConfigError("llm.launch=true starts one server; give one llm.base_url")
    if cfg.server.model is None:
        raise ConfigError("llm.launch=true needs llm.server.model: the folder or hub id of the model to serve")
    plain = OmegaConf.to_container(cfg.server, resolve=True)
    assert isinstance(plain, dict)
    settings = LaunchSettings(
        model=cfg.server.model,
        base_url=where[0],
        served_name=cfg.model,
        vllm=cfg.server.vllm,
        arguments=_mapping("llm.server.arguments", plain["arguments"], "{max_model_len: 8192}"),
        environment={
            key: str(value)
            for key, value in _mapping("llm.server.environment", plain["environment"], "{HF_HUB_OFFLINE: 1}").items()
        },
        ready_seconds=cfg.server.ready_seconds,
        log=folder / "vllm.log",
    )
    key = (os.environ.get(cfg.api_key_env, "").strip() or None) if cfg.api_key_env else None
    with launched(settings, key, on_wait=lambda seconds: _log.warning("starting vLLM: %.0f s", seconds)) as started:
        if not started:
            _log.warning("a server already answers at %s; it is used, and left running at the end", where[0])
        yield
