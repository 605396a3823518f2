"""Groups of the configuration (data, llm, encoder, tracker, ...): one class per option, and the parts verbs share."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from raise_agent.building.settings import PostSettings, SyntheticSettings
from raise_agent.distill.settings import DistillSettings
from raise_agent.models.served.client import ClientSettings
from raise_agent.models.served.settings import (
    AgentSettings,
    JudgeSettings,
    PriorSettings,
    ResponderSettings,
    WriterSettings,
)
from raise_agent.planners.allowance import Limits


def thawed(cls: type[Any], name: str, extra: list[tuple[str, Any, Any]]) -> type[Any]:
    """A mutable twin of a frozen settings class: OmegaConf makes frozen classes read-only.

    A tuple of ints holds attribute indices; in a configuration attributes are named, so it becomes strings. Addresses
    may be one or several, and mappings have keys that nobody knows before, so neither is typed.
    """
    hints = typing.get_type_hints(cls)
    fields: list[tuple[str, Any, Any]] = list(extra)
    for entry in dataclasses.fields(cls):
        kind, default = hints[entry.name], entry.default
        if kind == tuple[int, ...]:
            fields.append((entry.name, list[str], field(default_factory=list)))
        elif kind == tuple[str, ...] or typing.get_origin(kind) is Mapping:
            fields.append((entry.name, Any, field(default=None)))
        else:
            fields.append((entry.name, kind, field(default=default)))
    return dataclasses.make_dataclass(name, fields)


DistillConfig = thawed(DistillSettings, "DistillConfig", [])
LimitsConfig = thawed(Limits, "LimitsConfig", [])
ClientConfig = thawed(ClientSettings, "ClientConfig", [])
SyntheticBuildConfig = thawed(SyntheticSettings, "SyntheticBuildConfig", [("name", str, field(default="synthetic"))])
PostsBuildConfig = thawed(
    PostSettings,
    "PostsBuildConfig",
    [("name", str, field(default="posts")), ("posts", str, field(default=MISSING))],
)
ROLES = {
    "responder": ResponderSettings,
    "judge": JudgeSettings,
    "prior": PriorSettings,
    "agent": AgentSettings,
    "writer": WriterSettings,
}


@dataclass
class AttributesConfig:
    """Which attribute table, and what its questions cost."""

    table: str = MISSING
    """``penguin``, or the path of a JSON file of the same form."""
    costs: Any = None
    """Cost in score points by attribute key, such as ``{KEY: 0.1}``; the others keep the table's. Not typed
    as a mapping, since Hydra would then refuse keys that the default does not hold."""


@dataclass
class SplitConfig:
    """Shares of the scenarios; which one a scenario falls into depends on its content alone."""

    train: float = MISSING
    validation: float = MISSING
    test: float = MISSING
    by: str = MISSING
    """``scenario``; or ``query`` or ``profile``, to keep all scenarios that share one on the same side."""


@dataclass
class SyntheticData:
    """Scenarios drawn from the attribute table's network."""

    name: str = "synthetic"
    n: int = MISSING
    seed: int = MISSING
    missing: float = MISSING
    """Share of values, 0 to 1, that profiles do not hold."""
    reworded: bool = MISSING
    """Whether test scenarios put their queries in other words, which training and planning never see."""
    split: SplitConfig = field(default_factory=SplitConfig)


@dataclass
class FileData:
    """Scenarios from files."""

    name: str = "files"
    path: str = MISSING
    """A file, a folder in the hub's layout, or a hub id."""
    format: str = MISSING
    """``auto``, or ``queries``, ``hub``, ``jsonl``."""
    on_bad: str = MISSING
    """``fail`` at the first bad record, or ``skip`` and count it."""
    split: SplitConfig = field(default_factory=SplitConfig)


@dataclass
class SimulatedLLM:
    """The embedded model: responder, judge and prior simulated."""

    name: str = "simulated"
    seed: int = MISSING
    judge_noise: float = MISSING
    """Standard deviation of one judgement, per dimension, in score points."""
    judge_noise_spread: float = MISSING
    """How unlike answers are in it; where both are above 0 the judge tells how noisy each judgement is."""
    failure_rate: float = MISSING
    """Share of evaluations that come back unscored."""
    prior_doubt: float = MISSING
    """How far the prior's guess lies from the truth, in log units."""


@dataclass
class ServerConfig:
    """The vLLM that ``llm.launch=true`` starts."""

    model: str | None = None
    """Folder or hub id."""
    vllm: str | None = None
    """Executable, or the python of the environment that has vLLM; null looks for it."""
    arguments: Any = None
    """Flags of the server, such as ``{max_model_len: 8192}``; None, as a mapping would refuse keys that it lacks."""
    environment: Any = None
    """Environment variables of the server."""
    ready_seconds: float = MISSING
    """How long starting may take."""


@dataclass
class VLLMConfig:
    """Models behind an OpenAI-compatible server, a role each; see ``raise_agent.models.served``."""

    name: str = "vllm"
    base_url: Any = MISSING
    """One address or a list."""
    model: str | None = None
    api_key_env: str | None = None
    client: Any = field(default_factory=ClientConfig)
    launch: bool = MISSING
    server: ServerConfig = field(default_factory=ServerConfig)
    responder: Any = MISSING
    judge: Any = MISSING
    prior: Any = MISSING
    agent: Any = MISSING
    writer: Any = MISSING


@dataclass
class AutoEncoderConfig:
    """``static``, or ``hashing`` where nothing can be distilled."""

    name: str = "auto"
    model: str = MISSING
    dimension: int = MISSING
    """Of ``static``, as the next."""
    texts: int = MISSING


@dataclass
class HashingEncoderConfig:
    """Hashed words; needs no download."""

    name: str = "hashing"
    dimension: int = MISSING


@dataclass
class SentenceTransformerConfig:
    """The paper's encoder."""

    name: str = "sentence_transformer"
    model: str = MISSING


@dataclass
class StaticEncoderConfig:
    """A static distillation of a sentence transformer."""

    name: str = "static"
    model: str = MISSING
    dimension: int = MISSING
    texts: int = MISSING
    """Made-up texts to learn from, beside what model2vec makes of single word pieces."""


@dataclass
class NoTracker:
    """Nothing is tracked."""

    name: str = "none"


@dataclass
class WandbTracker:
    """Weights & Biases."""

    name: str = "wandb"
    project: str = MISSING
    entity: str | None = None
    mode: str = MISSING
    """``offline`` or ``online``."""
    tags: list[str] = field(default_factory=list)


@dataclass
class RunnerConfig:
    """How searches are run."""

    searches: int = MISSING
    """Most searches under way at once."""
    attempts: int = MISSING
    """How often a failed evaluation is made in all."""
    estimate_on: int = MISSING
    """Scenarios that the cost of a served run is estimated on."""


@dataclass
class EvaluationConfig:
    """What is compared on the test scenarios."""

    methods: list[Any] = MISSING
    """``none``, ``random``, ``static``, ``retrieval``, ``llm``, ``distilled``, ``oracle``, ``full``, or any planner; or
    a label with a policy and an abstention: ``{paper: {policy: llm, abstention: scale, threshold: 4}}``."""
    scenarios: int | None = None
    """Most test scenarios; null takes all."""
    decline: float = MISSING
    """Probability, 0 to 1, that the user declines a question."""
    calibration: bool = MISSING
    """Whether what ``distilled`` says of its questions is held against what they bring."""
    steps: bool = MISSING
    """Whether every method is scored after each of its questions, not only at its end."""


@dataclass
class GivenEvaluationConfig(EvaluationConfig):
    """The same, where policy and plans are given."""

    policy: str | None = None
    """Folder of the policy to evaluate."""
    plans: str | None = None
    """``plans.jsonl`` that ``retrieval`` and ``llm`` look similar queries up in."""


OPTIONS: dict[str, dict[str, type[Any]]] = {
    "data": {"synthetic": SyntheticData, "files": FileData},
    "llm": {"simulated": SimulatedLLM, "vllm": VLLMConfig},
    **{f"llm/{role}": {role: thawed(kind, f"{role}_config", [])} for role, kind in ROLES.items()},
    "build": {"posts": PostsBuildConfig, "synthetic": SyntheticBuildConfig},
    "encoder": {
        "auto": AutoEncoderConfig,
        "hashing": HashingEncoderConfig,
        "sentence_transformer": SentenceTransformerConfig,
        "static": StaticEncoderConfig,
    },
    "tracker": {"none": NoTracker, "wandb": WandbTracker},
}
"""group -> option -> what it may hold."""
