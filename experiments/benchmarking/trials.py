"""One planner, one instance, one limit of evaluations: a trial. What the benchmark's processes do.

Whatever is compared is compared on the same ground: the same instances, the same random draws for searches, and the
same noise. The k-th evaluation of a subset of an instance has the same noise whoever asks for it, whenever.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import NormalDist, fmean
from typing import Any

import numpy as np
import numpy.typing as npt

from raise_agent.errors import ConfigError, RaiseError
from raise_agent.planners import Evaluate, Plan, Planner, PlanningProblem, Search, make_planner
from raise_agent.planners.beliefs import Belief, Experience, prior_context
from raise_agent.planners.drive import drive
from raise_agent.planners.families import Instance, is_simulated, make_family
from raise_agent.planners.families.scaling import full_subsets
from raise_agent.subsets import mask_of, members

BEST_OF_RANDOM = "best_of_random"
QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
"""Of the values of all subsets of full size, kept to show how far random ones are spread."""
_LEAST_GAIN = 1e-6
"""Of a smaller oracle's gain, in score points, no share is taken."""
_MASK = (1 << 64) - 1
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class BestOfRandom:
    """As many random subsets of full size as may be evaluated, none twice; of these the best by score seen.

    What any search must beat at equal evaluations. Not among the registered planners: it needs a list of all
    subsets, and takes every question to be legal and free.
    """

    evaluations: int
    """Most evaluations."""

    def search(self, problem: PlanningProblem, rng: np.random.Generator) -> Search[Plan]:
        """Draw, score, take the best; the first of equals."""
        drawn = rng.permutation(full_subsets(problem.n_attributes, problem.budget))[: self.evaluations].tolist()
        scores: list[float | None] = yield Evaluate(drawn)
        heard = [-math.inf if score is None else score for score in scores]
        best = heard.index(max(heard))
        return Plan(members(drawn[best]), scores[best], len(drawn), tuple(zip(drawn, scores, strict=True)))


@dataclass(frozen=True, slots=True)
class Named:
    """A planner or a family with its settings, under the name that it is shown by."""

    label: str
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    warm: bool = False
    """Whether a planner's searches start from what searches of other instances taught."""

    def planner(self, evaluations: int) -> Planner:
        """The planner with this limit.

        Raises:
            ConfigError: a setting is wrong.
        """
        if self.name == BEST_OF_RANDOM:
            return BestOfRandom(evaluations)
        return make_planner(self.name, evaluations=evaluations, **self.settings)

    @property
    def simulated(self) -> bool:
        """Whether what comes of this family must be marked as simulated."""
        return is_simulated(make_family(self.name, **self.settings))


@dataclass(frozen=True, slots=True)
class Ground:
    """What is planned over."""

    family: Named
    n_attributes: int
    budget: int

    def instances(self, count: int, seed: int) -> list[Instance]:
        """The instances of one seed."""
        key = json.dumps([self.family.name, dict(self.family.settings)], sort_keys=True)
        return _instances(key, self.n_attributes, self.budget, count, seed)

    def key(self, *parts: int | str) -> int:
        """128 bits that depend on the ground, not on its label, and on these parts."""
        said = [self.family.name, dict(self.family.settings), self.n_attributes, self.budget, *parts]
        text = json.dumps(said, sort_keys=True)
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


@lru_cache(maxsize=4)
def _instances(family: str, n_attributes: int, budget: int, count: int, seed: int) -> list[Instance]:
    name, settings = json.loads(family)
    return make_family(name, **settings).instances(n_attributes, budget, count, seed)


@dataclass(frozen=True, slots=True)
class Slice:
    """Some instances of one ground and seed, and all that is to be tried on them."""

    ground: Ground
    seed: int
    count: int
    """Instances of this seed in all."""
    first: int
    last: int
    """Those from ``first`` to before ``last`` are this slice's."""
    noises: tuple[float, ...]
    planners: tuple[Named, ...]
    evaluations: tuple[int, ...]
    prior: bool
    """Whether ``Rank`` is answered."""
    objective: str = "budget"
    """What makes a path good, as planners are told."""
    experience: Mapping[float, Experience] = field(default_factory=dict)
    """Noise -> what planners that start warm are taught; empty where none does."""
    context: bool = True
    """Whether they are told what is known of an instance beforehand."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What there is to gain in one instance, without any planner; in score points."""

    seed: int
    instance: int
    nothing: float
    """Value of the empty subset."""
    best: float
    """The oracle's: the best value of any subset of full size."""
    random_mean: float
    """Mean over all subsets of full size."""
    random_quantiles: tuple[float, ...]
    """At ``QUANTILES``, over all subsets of full size."""
    static: float | None
    """Value of the attributes that do best alone on average over the seed's other instances; None without any other."""

    def captured(self, value: float) -> float:
        """Share of the oracle's gain; not a number where there is nothing to gain."""
        gain = self.best - self.nothing
        return (value - self.nothing) / gain if gain >= _LEAST_GAIN else math.nan


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one planner on one instance."""

    noise: float
    seed: int
    instance: int
    planner: str
    """Label."""
    evaluations: int
    """The limit."""
    used: int
    """Evaluations made."""
    path: tuple[int, ...]
    value: float
    """True value of the path's subset, in score points."""
    captured: float
    """Share of the oracle's gain that the path's subset brings; not a number where there is none."""
    steps: tuple[float, ...]
    """True value after 0, 1, ..., budget questions, in score points; where the path ends before, it stays."""
    prefixes: float
    """Share of the oracle's gain, mean over the steps but the first; not a number where there is none."""
    cpu: float
    """Processor seconds of the planner's own code."""


@dataclass(slots=True)
class Played:
    """What came of a slice."""

    references: list[Reference] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    refused: dict[tuple[str, int], str] = field(default_factory=dict)
    """(planner's label, limit) -> why the planner does not search within it."""


def value_of(instance: Instance) -> Callable[[int], float]:
    """The true value of one subset."""
    return lambda subset: float(instance.values(np.asarray([subset], dtype=np.int64))[0])


def context_of(instance: Instance, prior: bool) -> npt.NDArray[np.float64] | None:
    """What is known of an instance before it is searched, with ``prior`` from the prior too; None where nothing is."""
    known = [] if instance.context is None else [instance.context]
    if prior and instance.weights is not None:
        known.append(prior_context(instance.weights(0), instance.n_attributes))
    return np.concatenate(known) if known else None


class Values:
    """True values of one instance, each computed once; those of full size at once, for the oracle."""

    def __init__(self, instance: Instance, budget: int) -> None:
        ends = full_subsets(instance.n_attributes, budget)
        self._value = value_of(instance)
        self.full = instance.values(ends)
        """Values of all subsets of full size."""
        self._known: dict[int, float] = dict(zip(ends.tolist(), self.full.tolist(), strict=True))

    def __call__(self, subset: int) -> float:
        """The value of one subset."""
        value = self._known.get(subset)
        if value is None:
            value = self._known[subset] = self._value(subset)
        return value


class Judge:
    """Scores subsets of one instance for one search, with noise, and counts.

    Args:
        values: the true values.
        noise: standard deviation of one evaluation, in score points.
        key: of the instance's noise, whoever asks.
    """

    def __init__(self, values: Callable[[int], float], noise: float, key: int) -> None:
        self._values, self._noise, self._key = values, noise, key & _MASK
        self._draws: dict[int, int] = {}
        self.evaluations = 0
        """How often it was asked."""

    def __call__(self, subset: int) -> float:
        """One evaluation; the same subset again gives another draw."""
        self.evaluations += 1
        value = self._values(subset)
        if not self._noise:
            return value
        draw = self._draws[subset] = self._draws.get(subset, 0) + 1
        return value + self._noise * standard_normal(self._key, subset, draw)


def standard_normal(key: int, subset: int, draw: int) -> float:
    """A draw from the standard normal that depends on these numbers alone.

    Far quicker than to seed a generator for each: two rounds of splitmix64 (Steele, Lea and Flood, 2014).
    """
    bits = _mixed(_mixed(key + subset) + draw)
    # 52 bits and the half fit a float exactly, so that neither end is ever reached.
    return _NORMAL.inv_cdf(((bits >> 12) + 0.5) / (1 << 52))


def _mixed(x: int) -> int:
    x = (x + 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) & _MASK
    return x ^ x >> 31


def play(part: Slice) -> Played:
    """Try every planner within every limit, under every noise, on every instance of the slice."""
    ground, played = part.ground, Played()
    instances = ground.instances(part.count, part.seed)
    tops = static_tops(instances, ground.budget)
    for index in range(part.first, part.last):
        values = Values(instances[index], ground.budget)
        top = tops[index]
        reference = Reference(
            seed=part.seed,
            instance=index,
            nothing=values(0),
            best=float(values.full.max()),
            random_mean=float(values.full.mean()),
            random_quantiles=tuple(np.quantile(values.full, QUANTILES).tolist()),
            static=None if top is None else values(top),
        )
        played.references.append(reference)
        for noise in part.noises:
            belief = _belief(part, instances[index], noise)
            for planner in part.planners:
                problem = PlanningProblem(
                    ground.n_attributes,
                    ground.budget,
                    noise=noise,
                    objective=part.objective,
                    belief=belief if planner.warm else None,
                )
                for evaluations in part.evaluations:
                    try:
                        trial = _trial(part, planner, evaluations, problem, instances[index], values, reference)
                    except ConfigError as refusal:
                        played.refused[planner.label, evaluations] = str(refusal)
                    else:
                        played.trials.append(trial)
    return played


def _belief(part: Slice, instance: Instance, noise: float) -> Belief | None:
    """What planners that start warm believe of an instance."""
    experience = part.experience.get(noise)
    if experience is None:
        return None
    return experience.belief(context_of(instance, part.prior) if part.context else None)


def _trial(
    part: Slice,
    planner: Named,
    evaluations: int,
    problem: PlanningProblem,
    instance: Instance,
    values: Values,
    reference: Reference,
) -> Trial:
    ground = part.ground
    judge = Judge(values, problem.noise, ground.key("noise", reference.seed, reference.instance))
    rng = np.random.default_rng(ground.key("search", reference.seed, reference.instance))
    spent = [0.0]
    search = _timed(planner.planner(evaluations).search(problem, rng), spent)
    plan = drive(search, judge, instance.weights if part.prior else None)
    _check(planner.label, evaluations, judge, plan, ground)
    steps = tuple(values(mask_of(plan.path[:length])) for length in range(problem.budget + 1))
    return Trial(
        noise=problem.noise,
        seed=reference.seed,
        instance=reference.instance,
        planner=planner.label,
        evaluations=evaluations,
        used=judge.evaluations,
        path=plan.path,
        value=steps[-1],
        captured=reference.captured(steps[-1]),
        steps=steps,
        prefixes=fmean(map(reference.captured, steps[1:])),
        cpu=spent[0],
    )


def _timed(search: Search[Plan], spent: list[float]) -> Search[Plan]:
    """The same search; the processor seconds it takes between questions are added to ``spent[0]``."""
    reply: Any = None
    while True:
        began = time.process_time()
        try:
            question = search.send(reply)
        except StopIteration as end:
            plan: Plan = end.value
            return plan
        finally:
            spent[0] += time.process_time() - began
        reply = yield question


def _check(label: str, evaluations: int, judge: Judge, plan: Plan, ground: Ground) -> None:
    """Refuse to rank a planner that breaks the rules of the comparison."""
    if judge.evaluations > evaluations:
        raise RaiseError(f"planner {label!r} made {judge.evaluations} evaluations; its limit is {evaluations}")
    if len(set(plan.path)) != len(plan.path) or len(plan.path) > ground.budget:
        raise RaiseError(f"planner {label!r} returned {plan.path}; the budget is {ground.budget}, each asked once")


def static_tops(instances: list[Instance], budget: int) -> list[int | None]:
    """For each instance, the attributes that do best alone on average over the others (paper, Figures 6 and 13)."""
    if len(instances) < 2:
        return [None] * len(instances)
    n = instances[0].n_attributes
    singles = np.asarray([0, *(1 << index for index in range(n))], dtype=np.int64)
    values = np.stack([instance.values(singles) for instance in instances])
    gains = values[:, 1:] - values[:, :1]
    others = gains.sum(axis=0) - gains
    return [mask_of(np.argsort(-row, kind="stable")[:budget].tolist()) for row in others]
