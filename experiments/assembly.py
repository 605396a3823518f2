"""From a configuration to the parts: table, scenarios, models, store, runner, planner."""

from __future__ import annotations

import math
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from raise_agent.attributes import AttributeTable, load_table, parse_spellings, penguin_table
from raise_agent.building.contract import Writer
from raise_agent.data import SplitFractions, load_scenarios, split, split_of
from raise_agent.data.synthetic import in_other_words, synthetic_scenarios
from raise_agent.distill.settings import DistillSettings
from raise_agent.encoders import Encoder
from raise_agent.errors import ConfigError, refuse_negative
from raise_agent.models.base import Prior, SafetyModel
from raise_agent.models.policy_prior import PolicyPrior
from raise_agent.models.served.client import Usage
from raise_agent.planners import Planner, PlanningProblem, make_planner, planner_class
from raise_agent.planners.allowance import Allowance, Limits
from raise_agent.planners.contract import OBJECTIVES
from raise_agent.planners.runner import Runner
from raise_agent.scenario import Scenario
from raise_agent.store import EvaluationStore

from .agents import asks_a_model
from .encoding import KEPT, encodes_queries, make_query_encoder
from .models import AgentModel, make_models
from .noise import MEASURE, Noise, check_noise, measure_noise, simulated_noise
from .progress import ProgressDisplay
from .provenance import last_component
from .sensitivity import measure_sensitivities
from .wordings import asks_the_writer, connected


@dataclass(frozen=True, slots=True)
class ScenarioSet:
    """The scenarios of a run, divided."""

    name: str
    """Where those planned over come from, as configured."""
    train: tuple[Scenario, ...]
    validation: tuple[Scenario, ...]
    test: tuple[Scenario, ...]
    skipped: tuple[str, ...] = ()
    """One message per bad record left out."""
    duplicates: int = 0
    """Records left out because another has the same content."""
    reworded: bool = False
    """Whether the test scenarios put their queries in other words."""

    @property
    def tested(self) -> str:
        """Where the test scenarios come from."""
        return f"{self.name}, test queries in other words" if self.reworded else self.name

    @property
    def planned(self) -> tuple[Scenario, ...]:
        """The scenarios that are planned over: never the test ones."""
        return self.train + self.validation


def plain(cfg: DictConfig) -> dict[str, Any]:
    """A part of the configuration as plain data."""
    container = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def make_table(cfg: DictConfig, price: float = 0.0) -> AttributeTable:
    """The attribute table, with costs as configured.

    Args:
        cfg: the ``attributes`` part.
        price: of any question, in score points, on top of what its attribute costs.
    """
    table = _with_costs(cfg)
    if isinstance(price, bool) or not 0 <= price < math.inf:
        raise ConfigError(f"price must be 0 or more score points, not {price}")
    return table.with_costs({attribute.key: attribute.cost + price for attribute in table}) if price else table


def _with_costs(cfg: DictConfig) -> AttributeTable:
    table = penguin_table() if cfg.table == "penguin" else load_table(cfg.table)
    costs = cfg.get("costs")
    if costs is None:
        return table
    if not isinstance(costs, DictConfig):
        raise ConfigError("attributes.costs must map attributes to score points, such as {KEY: 0.1}")
    return table.with_costs({str(key): cost for key, cost in costs.items()})


def read_scenarios(cfg: DictConfig, table: AttributeTable) -> tuple[tuple[Scenario, ...], tuple[str, ...], int]:
    """All scenarios of the ``data`` group; also messages on skipped records and the number of duplicates."""
    scenarios, skipped, duplicates = _read_plainly(cfg, table)
    if is_reworded(cfg):
        fractions, by = _fractions(cfg), cfg.split.by
        scenarios = tuple(in_other_words(s) if split_of(s, fractions, by) == "test" else s for s in scenarios)
    return scenarios, skipped, duplicates


def _read_plainly(cfg: DictConfig, table: AttributeTable) -> tuple[tuple[Scenario, ...], tuple[str, ...], int]:
    """The same, before any query is put in other words."""
    if cfg.name == "synthetic":
        return synthetic_scenarios(table, cfg.n, cfg.seed, cfg.missing), (), 0
    loaded = load_scenarios(cfg.path, table, on_bad=cfg.on_bad, format=cfg.format)
    return loaded.scenarios, loaded.skipped, loaded.duplicates


def is_reworded(cfg: DictConfig) -> bool:
    """Whether test scenarios of the ``data`` group put their queries in other words."""
    return bool(cfg.get("reworded", False))


def _fractions(cfg: DictConfig) -> SplitFractions:
    return SplitFractions(cfg.split.train, cfg.split.validation, cfg.split.test)


def make_scenarios(cfg: DictConfig, table: AttributeTable) -> ScenarioSet:
    """Scenarios of the ``data`` group, divided by content: before any query is put in other words."""
    scenarios, skipped, duplicates = _read_plainly(cfg, table)
    sides = split(scenarios, _fractions(cfg), by=cfg.split.by)
    name = f"synthetic, n={cfg.n}, seed={cfg.seed}" if cfg.name == "synthetic" else last_component(str(cfg.path))
    test = tuple(map(in_other_words, sides["test"])) if is_reworded(cfg) else sides["test"]
    return ScenarioSet(name, sides["train"], sides["validation"], test, skipped, duplicates, is_reworded(cfg))


def planner_from(name: str, settings: Mapping[str, Any], table: AttributeTable, order: Sequence[int] = ()) -> Planner:
    """A planner with its configured settings, in which attributes are named.

    Args:
        name: registry name.
        settings: hyperparameters; attribute indices as spellings of attributes.
        table: resolves them.
        order: what a fixed order of attributes is where none is configured.
    """
    hints = typing.get_type_hints(planner_class(name))
    made = dict(settings)
    for key, kind in hints.items():
        if kind == tuple[int, ...]:
            made[key] = parse_spellings(table, made.get(key) or ()) or tuple(order)
    return make_planner(name, **made)


def planner_settings(cfg: DictConfig) -> tuple[str, dict[str, Any]]:
    """Name and hyperparameters of the ``planner`` group."""
    settings = plain(cfg)
    return str(settings.pop("name")), settings


def distill_settings(cfg: DictConfig) -> DistillSettings:
    """The ``distill`` part."""
    return DistillSettings(**plain(cfg))


def wants_order(name: str, settings: Mapping[str, Any]) -> bool:
    """Whether a planner follows a fixed order of attributes that is not configured."""
    return (
        "order" in typing.get_type_hints(planner_class(name))
        and not settings.get("order")
        and settings.get("prior", "static") == "static"
    )


@dataclass(slots=True)
class Bench:
    """What the verbs work with."""

    cfg: DictConfig
    """``encoder: auto`` replaced by what it stands for."""
    table: AttributeTable
    scenarios: ScenarioSet
    safety: SafetyModel
    prior: Prior
    agent: Callable[[], AgentModel]
    """Connects the agent's model the first time it is called."""
    writer: Writer | None
    """Puts training queries in other words; None where no policy is distilled that knows them so."""
    usage: Usage
    """What servers have been asked so far."""
    allowance: Allowance
    """What the whole job may spend."""
    store: EvaluationStore
    encoder: Encoder | None
    """Of queries; None where the verb has no use for one."""
    _order: tuple[int, ...] | None = None
    _noise: Noise | None = None

    @contextmanager
    def runner(self, what: str, evaluations: int | None = None) -> Iterator[Runner]:
        """A runner whose progress is shown under the heading ``what``.

        Args:
            what: what is being done.
            evaluations: most evaluations of one search, or in the mean, for the estimate of the time left.
        """
        with ProgressDisplay(what, simulated=self.safety.simulated, evaluations=evaluations) as progress:
            yield Runner(
                self.safety,
                self.prior,
                self.store,
                searches=self.cfg.runner.searches,
                attempts=self.cfg.runner.attempts,
                allowance=self.allowance,
                progress=progress,
            )

    def problem(self, scenario: Scenario) -> PlanningProblem:
        """The planning problem of a scenario: only attributes that its profile holds are worth a plan.

        Where noise is measured, ``noise`` must have been called before a runner is at work.
        """
        known = scenario.profile.known
        return PlanningProblem(
            n_attributes=len(self.table),
            budget=self.cfg.budget,
            costs=self.table.costs,
            legal=[bool(known >> index & 1) for index in range(len(self.table))],
            noise=self.noise().points,
            objective=self.cfg.get("objective", OBJECTIVES[0]),
        )

    def noise(self) -> Noise:
        """How noisy one evaluation is, as configured; measured the first time, where that is asked for."""
        if self._noise is None:
            self._noise = self._find_noise()
        return self._noise

    def _find_noise(self) -> Noise:
        configured = self.cfg.noise
        if configured == MEASURE:
            with self.runner("noise") as runner:
                return measure_noise(runner, self.scenarios.planned or self.scenarios.test, self.cfg.budget)
        if not isinstance(configured, str):
            return Noise(float(configured), "given")
        return simulated_noise(self.cfg.llm.judge_noise) if self.safety.simulated else Noise(0.0, "none")

    def static_order(self) -> tuple[int, ...]:
        """Attributes by measured sensitivity (paper, Figure 6), the most telling first; on training scenarios."""
        if self._order is None:
            sample = self.scenarios.train[: self.cfg.sensitivity_scenarios]
            with self.runner("sensitivities") as runner:
                gains = measure_sensitivities(runner, sample, len(self.table))
            self._order = tuple(sorted(range(len(self.table)), key=lambda index: (-gains[index], index)))
        return self._order

    def planner(self, name: str, settings: Mapping[str, Any]) -> Planner:
        """A planner, with the measured order where it follows one."""
        order = self.static_order() if wants_order(name, settings) else ()
        return planner_from(name, settings, self.table, order)


def _check_spending(cfg: DictConfig) -> None:
    if cfg.spend is not None and cfg.spend < 1:
        raise ConfigError(f"spend must be 1 or more evaluations, or null, not {cfg.spend}")
    if cfg.spend_evenly is not None and not 0 <= cfg.spend_evenly <= 1:
        raise ConfigError(f"spend_evenly must be a share between 0 and 1, or null, not {cfg.spend_evenly}")


@contextmanager
def bench(cfg: DictConfig, folder: Path) -> Iterator[Bench]:
    """Everything a verb needs, from its configuration; closes the store at the end, and a server it started.

    Args:
        cfg: the whole configuration.
        folder: of the job's output.
    """
    table = make_table(cfg.attributes, cfg.price)
    check_noise(cfg.noise)
    refuse_negative(cfg.seed)
    if not 1 <= cfg.budget <= len(table):
        raise ConfigError(f"budget must be between 1 and the number of attributes, {len(table)}, not {cfg.budget}")
    if cfg.runner.searches < 1 or cfg.runner.attempts < 1:
        raise ConfigError("runner.searches and runner.attempts must be 1 or more")
    if "objective" in cfg:
        _check_spending(cfg)
        PlanningProblem(len(table), cfg.budget, objective=cfg.objective)
    if "planner" in cfg:
        planner_from(*planner_settings(cfg.planner), table)
    if "distill" in cfg:
        distill_settings(cfg.distill)
    scenarios = make_scenarios(cfg.data, table)
    if "evaluate" in cfg and not scenarios.test:
        raise ConfigError("no scenario to evaluate on: data.split leaves none for test")
    encoder: Encoder | None = None
    if encodes_queries(cfg):
        encoder, used = make_query_encoder(cfg.encoder, Path(cfg.store).parent / KEPT)
        cfg = cfg.copy()
        cfg.encoder = used
    limits = Limits(**plain(cfg.limits))
    with EvaluationStore(cfg.store) as store, make_models(cfg.llm, table, store, folder) as models:
        # What cannot be asked is told before anything is spent.
        if "evaluate" in cfg and any(map(asks_a_model, cfg.evaluate.methods)):
            models.agent()
        asked = "distill" in cfg and asks_the_writer(cfg, distill_settings(cfg.distill).asks_the_writer)
        writer = connected(models.writer) if asked else None
        if limits.tokens is not None and models.usage.uncounted:
            raise ConfigError("limits.tokens: the server does not count tokens; set limits.evaluations or limits.hours")
        allowance = Allowance(limits, models.usage)
        prior = PolicyPrior(cfg.prior_policy, table) if cfg.get("prior_policy") else models.prior
        yield Bench(
            cfg, table, scenarios, models.safety, prior, models.agent, writer, models.usage, allowance, store, encoder
        )
