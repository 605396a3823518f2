"""The configuration of each verb."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from .groups import AttributesConfig, DistillConfig, EvaluationConfig, GivenEvaluationConfig, LimitsConfig, RunnerConfig


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
    evaluate: GivenEvaluationConfig = field(default_factory=GivenEvaluationConfig)


@dataclass
class RunConfig(PlanConfig):
    """``raise-agent run``"""

    encoder: Any = MISSING
    distill: Any = field(default_factory=DistillConfig)
    evaluate: EvaluationConfig = field(default_factory=EvaluationConfig)


@dataclass
class ReproduceConfig(CommonConfig):
    """``raise-agent reproduce``"""

    experiment: str | None = None
    """Which; an option of the group of that name sets it."""
    scenarios: int | None = MISSING
    """Most test scenarios; null takes all."""
    study: Any = None
    """Settings that are the experiment's own."""


@dataclass
class ReproducePlanningConfig(RunConfig, ReproduceConfig):
    """The same, of experiments that plan and distil first."""

    training: int | None = MISSING
    """Most training scenarios, validation ones in proportion; null takes all."""
    evaluate: GivenEvaluationConfig = field(default_factory=GivenEvaluationConfig)


@dataclass
class PenguinConfig(CommonConfig):
    """``raise-agent penguin``"""

    scenarios: int | None = None
    """How many of ``data``, whatever their split, spread evenly over domains and sources; null takes all."""


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
class ScenariosConfig:
    """``raise-agent scenarios``"""

    attributes: AttributesConfig = field(default_factory=AttributesConfig)
    data: Any = MISSING
    output: str = MISSING
    """JSON Lines file to write."""


@dataclass
class BuildConfig:
    """``raise-agent build``"""

    attributes: AttributesConfig = field(default_factory=AttributesConfig)
    build: Any = MISSING
    llm: Any = MISSING
    encoder: Any = MISSING
    """Tells near duplicates."""
    seed: int = MISSING
    similarity: float = MISSING
    """Cosine from which on two queries of a domain are near duplicates."""
    review: int | None = None
    """Scenarios on the sheet for reviewers; null takes all."""
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
class JudgeConfig:
    """``raise-agent judge``"""

    ratings: Any = None
    """A file of ratings, or several."""
    key: str | None = None
    """Of the sheet that was rated, or where to write it."""
    people: Any = None
    """Raters that are persons, one or several; null: with a key, all of ``ratings``."""
    on_bad: str = MISSING
    """``fail`` at the first bad row, or ``skip`` and count it."""
    store: str = MISSING
    """Whose judges are compared, and whose answers a sheet shows."""
    resamples: int = MISSING
    """Of the bootstrap."""
    seed: int = MISSING
    sheet: str | None = None
    """Sheet for people, to be written."""
    n: int = MISSING
    """Answers of the sheet."""
    twice: int = MISSING
    """How many of them it shows a second time."""
    rubric: str = MISSING
    """What people are told: ``default``, or a prompt of the judge as ``llm.judge.prompt``."""
    attributes: AttributesConfig = field(default_factory=AttributesConfig)
    data: Any = MISSING
    tracker: Any = MISSING


@dataclass
class ReportConfig:
    """``raise-agent report``"""

    run: str = MISSING
    """Folder of the run."""
    output: str | None = None
    """HTML file to write; null: ``report.html`` in that folder."""
    profiles: bool = MISSING
    """Whether it holds what users said."""
    scenarios: int | None = MISSING
    """Most scenarios to browse; null takes all."""
    answers: int | None = MISSING
    """Most test scenarios whose answers are shown; null takes all."""


@dataclass
class PromptsConfig:
    """``raise-agent prompts``"""

    attributes: AttributesConfig = field(default_factory=AttributesConfig)
    llm: Any = MISSING


VERBS: dict[str, type[Any]] = {
    "plan": PlanConfig,
    "distill": DistillVerbConfig,
    "evaluate": EvaluateConfig,
    "penguin": PenguinConfig,
    "run": RunConfig,
    "reproduce": ReproduceConfig,
    "reproduce_planning": ReproducePlanningConfig,
    "benchmark": BenchmarkConfig,
    "scenarios": ScenariosConfig,
    "build": BuildConfig,
    "doctor": DoctorConfig,
    "prompts": PromptsConfig,
    "report": ReportConfig,
    "judge": JudgeConfig,
    "agent": AgentConfig,
}
