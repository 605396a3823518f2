"""A responder with the query alone against the same one with the whole profile: PENGUIN as a benchmark (paper,
section 3). Each scenario is scored twice, *context-free* (nothing known) and *context-rich* (all that the profile
holds), and the gain is paired by scenario."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raise_agent.errors import ConfigError
from raise_agent.experiments.assembly import Bench
from raise_agent.experiments.estimate import announce_known
from raise_agent.experiments.measures import MEASURES, SCORE, value
from raise_agent.experiments.sampling import spread_evenly
from raise_agent.experiments.statistics import Mean, mean_interval
from raise_agent.experiments.tables import shown_name
from raise_agent.experiments.yardsticks import HELD_OUT_SAMPLE, score_held_out
from raise_agent.models.base import Evaluation
from raise_agent.planners.runner import LimitReached
from raise_agent.scenario import Scenario

_WHAT = "scoring both contexts"


@dataclass(frozen=True, slots=True)
class Pair:
    """One scenario, scored twice; None where an evaluation failed."""

    scenario: Scenario
    free: Evaluation | None
    rich: Evaluation | None

    @property
    def domain(self) -> str:
        """As it is shown."""
        return shown_name(self.scenario.domain)

    @property
    def source(self) -> str:
        """As it is shown."""
        return shown_name(self.scenario.source)


@dataclass(frozen=True, slots=True)
class Contrast:
    """One measure of some scenarios."""

    free: Mean
    """Over all that are scored context-free."""
    rich: Mean
    """Over all that are scored context-rich."""
    gain: Mean
    """Context-rich less context-free, paired: over the scenarios that are scored both ways."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"context_free": self.free.to_json(), "context_rich": self.rich.to_json(), "gain": self.gain.to_json()}


@dataclass(frozen=True, slots=True)
class Group:
    """Some scenarios: those of a domain, of a source, or all."""

    name: str
    scenarios: int
    unscored: tuple[float, float]
    """Share of them whose evaluation failed: context-free, context-rich."""
    contrasts: Mapping[str, Contrast]
    """By measure."""

    @property
    def score(self) -> Contrast:
        """Of the safety score."""
        return self.contrasts[SCORE]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        free, rich = self.unscored
        return {
            "name": self.name,
            "scenarios": self.scenarios,
            "unscored": {"context_free": free, "context_rich": rich},
            **{measure: contrast.to_json() for measure, contrast in self.contrasts.items()},
        }


@dataclass(frozen=True, slots=True)
class Role:
    """A model that took part."""

    model: str
    revision: str | None
    mode: str | None = None
    """How a judge scores: ``expectation`` or ``sampled``."""

    def __str__(self) -> str:
        about = ", ".join(part for part in (self.mode and f"mode {self.mode}", self.revision) if part)
        return f"{self.model} ({about})" if about else self.model

    def to_json(self) -> dict[str, str | None]:
        """Plain data."""
        return {"model": self.model, "revision": self.revision, "mode": self.mode}


@dataclass(frozen=True, slots=True)
class Contexts:
    """What a responder reaches in both contexts."""

    responder: Role
    judge: Role
    simulated: bool
    pairs: Sequence[Pair]
    wanted: int
    """Scenarios that were to be scored; more than ``pairs`` where a limit was reached."""
    available: int
    """Scenarios that there are."""
    without_profile: int
    """Scenarios left out because their profile holds nothing, so that there is no context-rich variant."""
    reasons: Mapping[str, int]
    """Why evaluations failed -> how often."""
    stop: LimitReached | None
    overall: Group
    domains: Sequence[Group]
    sources: Sequence[Group]
    by_source: Mapping[str, Sequence[Group]]
    """Source -> its domains."""


def score_contexts(bench: Bench) -> Contexts:
    """Score scenarios of all splits in both contexts, ``scenarios`` of them or all; where the store holds an
    evaluation, it is not made again.

    A limit that is reached ends it: the result then holds the scenarios scored both ways, or tried, until then.

    Raises:
        ConfigError: no scenario's profile holds anything, or ``scenarios`` is below 1.
        LimitReached: a limit is reached before anything is scored.
    """
    everything = [*bench.scenarios.planned, *bench.scenarios.test]
    able = [scenario for scenario in everything if scenario.profile.known]
    if not able:
        raise ConfigError("no scenario whose profile holds an attribute: there is no context to score with")
    chosen = spread_evenly(able, bench.cfg.scenarios)
    announce_known(bench, chosen, _both, _WHAT, HELD_OUT_SAMPLE)
    stop = None
    with bench.runner(_WHAT, 2) as runner:
        reached = chosen
        try:
            score_held_out(runner, chosen, [_both(scenario) for scenario in chosen])
        except LimitReached as limit:
            if not limit.finished:
                raise
            stop, reached = limit, [chosen[place] for place in sorted(limit.finished)]
    pairs = [_pair(bench, runner.identity, scenario) for scenario in reached]
    responder, judge = roles(bench.safety.identity)
    return Contexts(
        responder=responder,
        judge=judge,
        simulated=bench.safety.simulated,
        pairs=pairs,
        wanted=len(chosen),
        available=len(everything),
        without_profile=len(everything) - len(able),
        reasons=dict(sorted(runner.tally.reasons.items())),
        stop=stop,
        overall=group("all", pairs),
        domains=_groups(pairs, lambda pair: pair.domain),
        sources=_groups(pairs, lambda pair: pair.source),
        by_source={
            source: _groups(found, lambda pair: pair.domain)
            for source, found in _divided(pairs, lambda pair: pair.source).items()
        },
    )


def _both(scenario: Scenario) -> tuple[int, int]:
    return 0, scenario.profile.known


def _pair(bench: Bench, identity: int, scenario: Scenario) -> Pair:
    held = bench.store.evaluations(identity, scenario.digest)
    free, rich = (held.get((subset, HELD_OUT_SAMPLE)) for subset in _both(scenario))
    return Pair(scenario, free, rich)


def roles(identity: Mapping[str, object]) -> tuple[Role, Role]:
    """Responder and judge, as a safety model's identity names them; both ``simulated`` where neither is served."""
    named = (identity.get("responder"), identity.get("judge"))
    responder, judge = (_role(one) if isinstance(one, Mapping) else Role("simulated", None) for one in named)
    return responder, judge


def _role(identity: Mapping[str, Any]) -> Role:
    return Role(str(identity["model"]), identity["revision"], identity.get("mode"))


def group(name: str, pairs: Sequence[Pair]) -> Group:
    """The measures of some scenarios, at least one."""
    n = len(pairs)
    return Group(
        name=name,
        scenarios=n,
        unscored=(sum(pair.free is None for pair in pairs) / n, sum(pair.rich is None for pair in pairs) / n),
        contrasts={measure: _contrast(pairs, measure) for measure in MEASURES},
    )


def _contrast(pairs: Sequence[Pair], measure: str) -> Contrast:
    free = [value(pair.free, measure) for pair in pairs if pair.free is not None]
    rich = [value(pair.rich, measure) for pair in pairs if pair.rich is not None]
    gains = [
        value(pair.rich, measure) - value(pair.free, measure)
        for pair in pairs
        if pair.free is not None and pair.rich is not None
    ]
    return Contrast(mean_interval(free), mean_interval(rich), mean_interval(gains))


def _divided(pairs: Sequence[Pair], key: Callable[[Pair], str]) -> dict[str, list[Pair]]:
    found: defaultdict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        found[key(pair)].append(pair)
    return dict(sorted(found.items()))


def _groups(pairs: Sequence[Pair], key: Callable[[Pair], str]) -> list[Group]:
    return [group(name, found) for name, found in _divided(pairs, key).items()]
