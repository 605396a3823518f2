"""Types of the configuration: what a key is called and what it may hold. The values are in ``conf/``.

A verb's configuration is one of the ``...Config`` classes below. Groups (data, llm, planner, encoder, tracker) have
one class per option; a planner's options are its own hyperparameters, so a new planner needs no file here.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from raise_agent.distill.settings import DistillSettings
from raise_agent.models.served.client import ClientSettings
from raise_agent.models.served.settings import AgentSettings, JudgeSettings, PriorSettings, ResponderSettings
from raise_agent.planners import available_planners, planner_class
from raise_agent.planners.allowance import Limits

CONF = "pkg://raise_agent.conf"


def _thawed(cls: type[Any], name: str, extra: list[tuple[str, Any, Any]]) -> type[Any]:
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


DistillConfig = _thawed(DistillSettings, "DistillConfig", [])
LimitsConfig = _thawed(Limits, "LimitsConfig", [])
ClientConfig = _thawed(ClientSettings, "ClientConfig", [])
_ROLES = {"responder": ResponderSettings, "judge": JudgeSettings, "prior": PriorSettings, "agent": AgentSettings}


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


@dataclass
class AutoEncoderConfig:
    """``static``, or ``hashing`` where nothing can be distilled."""

    name: str = "auto"
    model: str = MISSING
    dimension: int = MISSING
    """Of ``static``."""


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
    policy: str | None = None
    """Folder of the policy to evaluate."""
    plans: str | None = None
    """``plans.jsonl`` that ``retrieval`` and ``llm`` look similar queries up in."""


@dataclass
class CommonConfig:
    """What every verb needs."""

    seed: int = MISSING
    budget: int = MISSING
    """Most questions."""
    attributes: AttributesConfig = field(default_factory=AttributesConfig)
    price: float = MISSING
    """What any question costs, in score points, on top of what its attribute costs."""
    noise: Any = MISSING
    """Standard deviation of one evaluation's score, in points; or ``auto``, or ``measure``."""
    data: Any = MISSING
    llm: Any = MISSING
    runner: RunnerConfig = field(default_factory=RunnerConfig)
    limits: Any = field(default_factory=LimitsConfig)
    """The most that one run may spend."""
    store: str = MISSING
    """SQLite file of all evaluations."""
    tracker: Any = MISSING
    sensitivity_scenarios: int = MISSING
    """How many training scenarios the static order is measured on, where none is given."""


@dataclass
class PlanConfig(CommonConfig):
    """``raise-agent plan``"""

    planner: Any = MISSING
    explore: int = MISSING
    """Random subsets scored per scenario beside the search, 0 or more, for distillation."""
    learn: bool = MISSING
    """Whether searches start from what those before them taught; for planners that can."""
    learned: str | None = None
    """File of what an earlier run taught, ``experience.safetensors`` of its folder."""
    prior_policy: str | None = None
    """Folder of a policy that takes the place of the prior."""
    objective: str = MISSING
    """What makes a path good: ``budget``, the worth of the whole path, or ``prefixes``, the mean worth of its
    prefixes."""
    spend: int | None = None
    """Most evaluations of all searches together, whether the store holds them or not; null lets each search make up
    to its planner's."""
    spend_evenly: float | None = None
    """Share of them, 0 to 1, that is split evenly among the searches; the rest, and what a search leaves of its share,
    goes to those that expect most of another evaluation. null: 1 for searches that start cold, else 0.75."""


@dataclass
class DistillVerbConfig(CommonConfig):
    """``raise-agent distill``"""

    encoder: Any = MISSING
    distill: Any = field(default_factory=DistillConfig)


@dataclass
class EvaluateConfig(CommonConfig):
    """``raise-agent evaluate``"""

    planner: Any = MISSING
    encoder: Any = MISSING
    """Of ``retrieval``."""
    evaluate: EvaluationConfig = field(default_factory=EvaluationConfig)


@dataclass
class RunConfig(PlanConfig):
    """``raise-agent run``"""

    encoder: Any = MISSING
    distill: Any = field(default_factory=DistillConfig)
    evaluate: EvaluationConfig = field(default_factory=EvaluationConfig)


@dataclass
class BenchmarkLearningConfig:
    """What planners that start warm are taught before the trials."""

    instances: int = MISSING
    """How many are searched, per family, number of attributes, budget and noise."""
    evaluations: int = MISSING
    """Most evaluations of each of these searches."""
    planner: Any = MISSING
    """Searches, cold: a name, or settings with one."""
    family: Any = None
    """Whose instances are searched, a name, or settings with one; null takes those of the family that is tested."""
    seed: int = MISSING
    """Draws these instances; not among those tested."""


@dataclass
class BenchmarkConfig:
    """``raise-agent benchmark``"""

    planners: Any = MISSING
    """Names, or labels each with a name and settings."""
    families: Any = MISSING
    """Likewise."""
    evaluations: list[int] = MISSING
    """Most evaluations of one search; each planner is run once for each limit."""
    n_attributes: list[int] = MISSING
    budgets: list[int] = MISSING
    """Most questions."""
    noise: list[float] = MISSING
    """Standard deviations of one evaluation, in score points."""
    instances: int = MISSING
    """Per family, number of attributes, budget and seed."""
    seeds: list[int] = MISSING
    """Each draws instances of its own."""
    prior: bool = MISSING
    """Whether families that have a prior answer planners that ask for one."""
    objective: str = MISSING
    """What makes a path good: ``budget``, the worth of the whole path, or ``prefixes``, the mean worth of its
    prefixes."""
    learning: BenchmarkLearningConfig = field(default_factory=BenchmarkLearningConfig)
    reference: str | None = None
    """The planner that the others are compared with; null takes the first."""
    strategies_at: int = MISSING
    """Evaluations at which the plots of subsets show a planner."""
    workers: int = MISSING
    """Processes; results do not depend on it."""
    tracker: Any = MISSING


@dataclass
class PenguinConfig:
    """``raise-agent penguin``"""

    attributes: AttributesConfig = field(default_factory=AttributesConfig)
    data: Any = MISSING
    output: str = MISSING
    """JSON Lines file to write."""


@dataclass
class DoctorConfig:
    """``raise-agent doctor``"""

    attributes: AttributesConfig = field(default_factory=AttributesConfig)
    llm: Any = MISSING
    seconds: float = MISSING
    """For measuring the throughput, in all; 0 leaves it out."""


@dataclass
class AgentConfig:
    """``raise-agent agent``"""

    method: Any = MISSING
    """As one of ``evaluate.methods``; or the policy and the abstention with their settings, without a label."""
    policy: str | None = None
    """Folder of the distilled policy."""
    plans: str | None = None
    """``plans.jsonl`` whose paths are retrieved."""
    budget: int | None = None
    """Most questions about one query; null: as the policy was distilled for, else 3."""
    seed: int = MISSING
    profile: str | None = None
    """The scenario whose user is played: its id or index in ``data``, or a file with one scenario."""
    transcript: str | None = None
    """File that the conversation is saved in."""
    resume: str | None = None
    """Transcript to go on from."""
    attributes: AttributesConfig = field(default_factory=AttributesConfig)
    data: Any = MISSING
    llm: Any = MISSING
    encoder: Any = MISSING
    """Of ``retrieval`` and ``llm``."""


@dataclass
class PromptsConfig:
    """``raise-agent prompts``"""

    attributes: AttributesConfig = field(default_factory=AttributesConfig)
    llm: Any = MISSING


_OPTIONS: dict[str, dict[str, type[Any]]] = {
    "data": {"synthetic": SyntheticData, "files": FileData},
    "llm": {"simulated": SimulatedLLM, "vllm": VLLMConfig},
    **{f"llm/{role}": {role: _thawed(kind, f"{role}_config", [])} for role, kind in _ROLES.items()},
    "encoder": {
        "auto": AutoEncoderConfig,
        "hashing": HashingEncoderConfig,
        "sentence_transformer": SentenceTransformerConfig,
        "static": StaticEncoderConfig,
    },
    "tracker": {"none": NoTracker, "wandb": WandbTracker},
}


def register_schemas() -> None:
    """Make the types known to Hydra, and every planner an option of the group ``planner``."""
    store = ConfigStore.instance()
    for verb, schema in {
        "plan": PlanConfig,
        "distill": DistillVerbConfig,
        "evaluate": EvaluateConfig,
        "run": RunConfig,
        "benchmark": BenchmarkConfig,
        "penguin": PenguinConfig,
        "doctor": DoctorConfig,
        "prompts": PromptsConfig,
        "agent": AgentConfig,
    }.items():
        store.store(name=f"{verb}_schema", node=schema)
    for group, options in _OPTIONS.items():
        for option, schema in options.items():
            store.store(group=group, name=f"{option}_schema", node=schema)
    for name in available_planners():
        schema = _thawed(planner_class(name), f"{name}_planner", [("name", str, field(default=name))])
        store.store(group="planner", name=name, node=schema)
