"""What an experiment is: it says what it will ask for, measures, and hands back what it came to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any, Protocol

from matplotlib.figure import Figure

from raise_agent.experiments.assembly import Bench, planner_from
from raise_agent.experiments.sensitivity import at_most_one
from raise_agent.experiments.tracking import Tracker
from raise_agent.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Part:
    """Evaluations that an experiment will ask for."""

    what: str
    """As it is called when its cost is told."""
    scenarios: Sequence[Scenario]
    each: int
    """At most, of each scenario; those that the store holds are among them."""
    wanted: Callable[[Scenario], Iterable[int]] | None = None
    """Which subsets; None where only asking will tell."""
    sample: int = 0
    """Index of their draw."""
    tells: bool = False
    """Whether it says by itself what it takes, once it begins."""
    decisions: int = 0
    """Requests of the agent's model on top, at most, of all scenarios; the store does not keep them."""
    wordings: int = 0
    """Queries that the writer puts in other words on top, one request each, at most."""

    @property
    def evaluations(self) -> int:
        """At most, of all scenarios."""
        return self.each * len(self.scenarios)


@dataclass(frozen=True, slots=True)
class Findings:
    """What an experiment came to."""

    about: str
    """What the figures depend on beside the scenarios, such as ``budget 3``."""
    sections: Mapping[str, str]
    """Heading -> Markdown, in order; the first is without a heading of its own."""
    data: Mapping[str, Any]
    """The same as plain data, the same bytes for the same configuration."""
    rows: Sequence[Mapping[str, Any]]
    """One flat row per line of the main table, for trackers; ``what`` names it."""
    figure: Figure | None = None
    """Where the paper has one."""


class Study(Protocol):
    """One experiment; a frozen dataclass of the settings that are its own."""

    def parts(self, bench: Bench) -> Sequence[Part]:
        """What it will ask for, told before anything is spent."""

    def measure(self, bench: Bench, tracker: Tracker, folder: Path) -> Findings:
        """Run it.

        Args:
            bench: what the configuration describes; its scenarios are those of the experiment.
            tracker: is told what is found on the way.
            folder: of the job's output.
        """


def most_evaluations(bench: Bench, name: str, settings: Mapping[str, Any]) -> int:
    """The most evaluations that one search by a planner can take of a model: none twice, unless scores are noisy."""
    # Which order it will be changes which subsets are asked for, not how many.
    planner: Any = planner_from(name, settings, bench.table, range(len(bench.table)))
    limit = int(planner.evaluations)
    return limit if bench.noise().points else min(limit, count_subsets(bench))


def order_part(bench: Bench) -> Part:
    """What measuring the fixed order of attributes asks for."""
    sample = bench.scenarios.train[: bench.cfg.sensitivity_scenarios]
    return Part("the fixed order", sample, 1 + len(bench.table), at_most_one)


def count_subsets(bench: Bench) -> int:
    """How many subsets there are within the budget, that of nothing included."""
    return sum(comb(len(bench.table), size) for size in range(bench.cfg.budget + 1))
