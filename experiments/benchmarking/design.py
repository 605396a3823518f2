"""What a benchmark compares on what: planners, grounds, limits, noises, as configured and checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import comb
from typing import Any

from omegaconf import DictConfig, OmegaConf

from raise_agent.errors import ConfigError, did_you_mean, refuse_below_one
from raise_agent.planners import available_planners
from raise_agent.planners.contract import OBJECTIVES
from raise_agent.planners.families import make_family
from raise_agent.planners.families.scaling import MOST_SUBSETS

from .lessons import Learned, Learning, Lesson, LessonKey
from .trials import BEST_OF_RANDOM, Ground, Named, Slice

SLICE = 10
"""Instances that one process takes at a time."""


@dataclass(frozen=True, slots=True)
class Design:
    """What is compared on what."""

    planners: tuple[Named, ...]
    grounds: tuple[Ground, ...]
    noises: tuple[float, ...]
    evaluations: tuple[int, ...]
    seeds: tuple[int, ...]
    instances: int
    """Per ground and seed."""
    prior: bool
    objective: str
    learning: Learning
    reference: str
    """Label of the planner that the others are compared with."""
    strategies_at: int
    workers: int

    @property
    def simulated(self) -> bool:
        """Whether any family is."""
        return any(ground.family.simulated for ground in self.grounds)

    @property
    def warm(self) -> bool:
        """Whether any planner starts warm."""
        return any(planner.warm for planner in self.planners)

    def lessons(self, ground: Ground) -> dict[float, Lesson]:
        """Noise -> what planners that start warm are taught before they are tested on a ground; empty without any."""
        if not self.warm:
            return {}
        searched, context = self.learning.ground(ground), self.learning.knows_context(ground)
        return {
            noise: Lesson(self.learning, searched, noise, self.objective, self.prior, context) for noise in self.noises
        }

    def slices(self) -> list[Slice]:
        """The work, in pieces that do not depend on the number of processes; not taught anything yet."""
        return [
            Slice(
                ground=ground,
                seed=seed,
                count=self.instances,
                first=first,
                last=min(first + SLICE, self.instances),
                noises=self.noises,
                planners=self.planners,
                evaluations=self.evaluations,
                prior=self.prior,
                objective=self.objective,
                context=self.learning.knows_context(ground),
            )
            for ground in self.grounds
            for seed in self.seeds
            for first in range(0, self.instances, SLICE)
        ]

    def taught(self, part: Slice, learned: Mapping[LessonKey, Learned]) -> Slice:
        """The slice with what its planners are taught."""
        lessons = self.lessons(part.ground)
        return replace(part, experience={noise: learned[lessons[noise].key].experience for noise in lessons})


def design_from(cfg: DictConfig) -> Design:
    """The design that is configured, checked as far as can be without running it.

    Raises:
        ConfigError: a name is unknown, a number out of range, or a family cannot have such a size.
    """
    planners, families = named_entries(cfg.planners, "planners", _warmed), named_entries(cfg.families, "families")
    evaluations = whole_numbers(cfg.evaluations, "evaluations", 1)
    design = Design(
        planners=planners,
        grounds=tuple(
            Ground(*ground)
            for ground in product(
                families, whole_numbers(cfg.n_attributes, "n_attributes", 1), whole_numbers(cfg.budgets, "budgets", 1)
            )
        ),
        noises=tuple(float(noise) for noise in cfg.noise),
        evaluations=tuple(sorted(evaluations)),
        seeds=whole_numbers(cfg.seeds, "seeds", 0),
        instances=cfg.instances,
        prior=cfg.prior,
        objective=cfg.objective,
        learning=_learning(cfg.learning),
        reference=planners[0].label if cfg.reference is None else cfg.reference,
        strategies_at=cfg.strategies_at,
        workers=cfg.workers,
    )
    for noise in design.noises:
        if not 0 <= noise < math.inf:
            raise ConfigError(f"noise must be standard deviations in score points, 0 or more, not {noise}")
    if not design.noises or len(set(design.noises)) != len(design.noises):
        raise ConfigError("noise must name one standard deviation or more, each once")
    refuse_below_one(design, "", "instances", "workers", "strategies_at")
    if design.objective not in OBJECTIVES:
        raise ConfigError(f"unknown objective {design.objective!r}: {did_you_mean(design.objective, OBJECTIVES)}")
    for planner in planners:
        _check_planner(planner, design.evaluations[-1])
    labels = [planner.label for planner in planners]
    if design.reference not in labels:
        raise ConfigError(
            f"reference {design.reference!r} is not among planners: {did_you_mean(design.reference, labels)}"
        )
    for ground in design.grounds:
        _check_ground(ground)
    if design.warm:
        _check_learning(design)
    return design


def named_entries(given: Any, what: str, made: Callable[[Named], Named] = lambda named: named) -> tuple[Named, ...]:
    """Names, or labels with a name and settings: ``[mcts, {wide: {name: mcts, c: 2.0}}]`` or a mapping of such."""
    plain = OmegaConf.to_container(given, resolve=True) if OmegaConf.is_config(given) else given
    listed = plain if isinstance(plain, list) else [plain]
    found: list[Named] = []
    for entry in listed:
        if isinstance(entry, str):
            found.append(Named(entry, entry))
        elif isinstance(entry, Mapping):
            for label, body in entry.items():
                if body is not None and not isinstance(body, Mapping):
                    raise ConfigError(f"{what}: {label!r} must map to settings, such as {{name: mcts, c: 1.0}}")
                settings = {str(key): value for key, value in (body or {}).items()}
                found.append(Named(str(label), str(settings.pop("name", label)), settings))
        else:
            raise ConfigError(f"{what} must hold names, or labels with a name and settings, not {entry!r}")
    found = [made(entry) for entry in found]
    labels = [entry.label for entry in found]
    if not found or len(set(labels)) != len(labels):
        raise ConfigError(f"{what} must hold at least one, each under a name of its own: {', '.join(labels)}")
    return tuple(found)


def _warmed(planner: Named) -> Named:
    """The key ``warm`` is the benchmark's, not the planner's; who starts warm is shown as such."""
    settings = dict(planner.settings)
    warm = settings.pop("warm", False)
    if not isinstance(warm, bool):
        raise ConfigError(f"planners: {planner.label!r}: warm must be true or false, not {warm!r}")
    return (
        Named(f"{planner.label}, warm", planner.name, settings, warm=True)
        if warm
        else replace(planner, settings=settings)
    )


def _learning(cfg: DictConfig) -> Learning:
    return Learning(
        family=None if cfg.family is None else _one(cfg.family, "learning.family"),
        planner=_one(cfg.planner, "learning.planner"),
        evaluations=cfg.evaluations,
        instances=cfg.instances,
        seed=cfg.seed,
    )


def _one(given: Any, what: str) -> Named:
    """A name, or a name with settings: ``{name: mcts, c: 2.0}``."""
    plain = OmegaConf.to_container(given, resolve=True) if OmegaConf.is_config(given) else given
    if isinstance(plain, str):
        return Named(plain, plain)
    if not isinstance(plain, Mapping) or not isinstance(plain.get("name"), str):
        raise ConfigError(f"{what} must be a name, or settings with one, such as {{name: mcts, c: 1.0}}, not {plain!r}")
    settings = {str(key): value for key, value in plain.items()}
    name = str(settings.pop("name"))
    return Named(name, name, settings)


def whole_numbers(given: Any, what: str, least: int) -> tuple[int, ...]:
    """Distinct whole numbers of ``least`` or more, one at least, as configured."""
    listed = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else []
    numbers = {number for number in listed if isinstance(number, int) and number >= least}
    if not listed or len(numbers) != len(listed):
        raise ConfigError(f"{what} must hold at least one whole number, {least} or more, each once, not {given}")
    return tuple(listed)


def _check_planner(planner: Named, evaluations: int, what: str = "planners", limit: str = "evaluations") -> None:
    valid = {BEST_OF_RANDOM, *available_planners()}
    if planner.name not in valid:
        raise ConfigError(f"{what}: unknown planner {planner.name!r}: {did_you_mean(planner.name, valid)}")
    if "evaluations" in planner.settings:
        raise ConfigError(f"{what}: {planner.label!r}: the limit is set by {limit!r} of the benchmark, for all alike")
    if planner.name == BEST_OF_RANDOM and planner.warm:
        raise ConfigError(f"{what}: {BEST_OF_RANDOM!r} learns nothing and cannot start warm")
    if planner.name == BEST_OF_RANDOM and planner.settings:
        raise ConfigError(f"{what}: {BEST_OF_RANDOM!r} has no settings, not {', '.join(planner.settings)}")
    planner.planner(evaluations)


def _check_ground(ground: Ground) -> None:
    n, budget = ground.n_attributes, ground.budget
    if budget > n:
        raise ConfigError(f"budgets must be at most n_attributes, {n}, not {budget}")
    if comb(n, budget) > MOST_SUBSETS:
        raise ConfigError(
            f"{n} attributes have {comb(n, budget):,} subsets of size {budget}; "
            f"at most {MOST_SUBSETS:,} can be scored to know the best"
        )
    make_family(ground.family.name, **ground.family.settings).instances(n, budget, 0, 0)


def _check_learning(design: Design) -> None:
    learning = design.learning
    refuse_below_one(learning, "learning.", "evaluations", "instances")
    if learning.seed < 0 or learning.seed in design.seeds:
        raise ConfigError(
            f"learning.seed must be 0 or more and not among seeds, so that other instances are searched "
            f"than those tested; not {learning.seed}"
        )
    _check_planner(learning.planner, learning.evaluations, "learning.planner", "learning.evaluations")
    for ground in design.grounds:
        _check_ground(learning.ground(ground))
