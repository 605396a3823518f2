"""What trials come to: who captures how much of the gain with how many evaluations, as data and as tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from .statistics import Mean, mean_interval
from .tables import interval, markdown_table, number
from .trials import Ground, Reference, Trial

LEVELS = (0.95, 0.99)
"""Shares of the oracle's gain; how many evaluations a planner needs for each is reported."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One planner within one limit, over the instances of a block."""

    planner: str
    evaluations: int
    """The limit."""
    captured: Mean
    """Share of the oracle's gain."""
    difference: Mean | None
    """Share captured less that of the reference, paired by instance; None for the reference itself."""
    used: float
    """Mean evaluations made."""
    cpu_ms: float
    """Processor milliseconds of the planner's own code per evaluation, median over instances."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "planner": self.planner,
            "evaluations": self.evaluations,
            "captured": self.captured.to_json(),
            "difference": None if self.difference is None else self.difference.to_json(),
            "used": self.used,
            "cpu_ms_per_evaluation": self.cpu_ms if math.isfinite(self.cpu_ms) else None,
        }


@dataclass(frozen=True, slots=True)
class Block:
    """One family, number of attributes, budget and noise: all planners, all limits."""

    ground: Ground
    noise: float
    planners: tuple[str, ...]
    """Labels, in the order configured."""
    evaluations: tuple[int, ...]
    """Limits, ascending."""
    references: tuple[Reference, ...]
    """One per instance."""
    trials: tuple[Trial, ...]
    refused: Mapping[tuple[str, int], str]
    """(planner, limit) -> why it does not search within it."""
    reference: str
    """Label of the planner that the others are compared with."""
    simulated: bool

    @property
    def instances(self) -> int:
        """How many there are."""
        return len(self.references)

    @property
    def title(self) -> str:
        """Heading, without Markdown."""
        return (
            f"{self.ground.family.label}{' (simulated)' if self.simulated else ''}, "
            f"{self.ground.n_attributes} attributes, budget {self.ground.budget}, noise {self.noise:g}"
        )

    def values_at(self, planner: str, evaluations: int) -> list[Trial]:
        """The trials of one planner within one limit, by instance."""
        return [trial for trial in self.trials if trial.planner == planner and trial.evaluations == evaluations]

    def random(self) -> Mean:
        """Share that a random subset of full size captures."""
        return _mean(reference.captured(reference.random_mean) for reference in self.references)

    def static(self) -> Mean:
        """Share that one fixed subset captures: the attributes that do best alone over the other instances."""
        return _mean(r.captured(r.static) for r in self.references if r.static is not None)


def _mean(shares: Iterable[float]) -> Mean:
    return mean_interval([share for share in shares if math.isfinite(share)])


def standings(block: Block) -> dict[tuple[str, int], Standing]:
    """(planner, limit) -> how it stands, for all that were tried."""
    found: dict[tuple[str, int], list[Trial]] = {}
    for trial in block.trials:
        found.setdefault((trial.planner, trial.evaluations), []).append(trial)
    made = {}
    for (planner, evaluations), trials in found.items():
        others = found.get((block.reference, evaluations))
        difference = None if others is None or planner == block.reference else _difference(trials, others)
        made[planner, evaluations] = Standing(
            planner=planner,
            evaluations=evaluations,
            captured=_mean(trial.captured for trial in trials),
            difference=difference,
            used=fmean(trial.used for trial in trials),
            cpu_ms=median([1000 * trial.cpu / trial.used if trial.used else math.nan for trial in trials]),
        )
    return made


def _difference(trials: Sequence[Trial], others: Sequence[Trial]) -> Mean:
    theirs = {(trial.seed, trial.instance): trial.captured for trial in others}
    pairs = [(trial.captured, theirs.get((trial.seed, trial.instance), math.nan)) for trial in trials]
    return _mean(mine - other for mine, other in pairs)


def needed(block: Block, table: Mapping[tuple[str, int], Standing], planner: str, level: float) -> int | None:
    """The smallest limit at which the mean share reaches ``level``; None where none does."""
    reached = (
        evaluations
        for evaluations in block.evaluations
        if (planner, evaluations) in table and table[planner, evaluations].captured.mean >= level
    )
    return next(reached, None)


def block_json(block: Block) -> dict[str, Any]:
    """Plain data of a block."""
    table = standings(block)
    return {
        "family": block.ground.family.label,
        "family_name": block.ground.family.name,
        "family_settings": dict(block.ground.family.settings),
        "simulated": block.simulated,
        "n_attributes": block.ground.n_attributes,
        "budget": block.ground.budget,
        "noise": block.noise,
        "instances": block.instances,
        "oracle_gain": mean_interval([r.best - r.nothing for r in block.references]).to_json(),
        "random_subset": block.random().to_json(),
        "static_top": block.static().to_json(),
        "planners": [
            {
                "planner": planner,
                "needed": {f"{level:g}": needed(block, table, planner, level) for level in LEVELS},
                "results": [
                    table[planner, limit].to_json() for limit in block.evaluations if (planner, limit) in table
                ],
                "refused": {
                    str(limit): block.refused[planner, limit]
                    for limit in block.evaluations
                    if (planner, limit) in block.refused and (planner, limit) not in table
                },
            }
            for planner in block.planners
        ],
    }


def block_rows(block: Block) -> list[dict[str, Any]]:
    """One flat row per planner and limit, for a tracker's table."""
    return [
        {
            "family": block.ground.family.label,
            "simulated": block.simulated,
            "n_attributes": block.ground.n_attributes,
            "budget": block.ground.budget,
            "noise": block.noise,
            "planner": planner,
            "evaluations": limit,
            "captured": standing.captured.mean,
            "captured_low": standing.captured.low,
            "captured_high": standing.captured.high,
            "used": standing.used,
            "cpu_ms_per_evaluation": standing.cpu_ms,
        }
        for (planner, limit), standing in standings(block).items()
    ]


def block_table(block: Block) -> str:
    """Share captured by planner and limit, as Markdown."""
    table, most = standings(block), block.evaluations[-1]
    header = [
        "planner",
        *map(str, block.evaluations),
        *(f"{level:.0%} with" for level in LEVELS),
        f"used of {most}",
        "ms each",
    ]
    rows = []
    for planner in block.planners:
        last = table.get((planner, most))
        rows.append(
            [
                planner,
                *(_share(table.get((planner, limit))) for limit in block.evaluations),
                *(str(needed(block, table, planner, level) or "-") for level in LEVELS),
                "n/a" if last is None else number(last.used, 1),
                "n/a" if last is None else number(last.cpu_ms, 3),
            ]
        )
    random, static = block.random(), block.static()
    lines = [f"### {_heading(block)}", markdown_table(header, rows), _reference_line(block, random, static)]
    refused = {planner: text for (planner, limit), text in block.refused.items() if (planner, limit) not in table}
    lines += [f"n/a, {planner}: {text}" for planner, text in refused.items()]
    return "\n\n".join(lines)


def _heading(block: Block) -> str:
    return block.title.replace("(simulated)", "(*simulated*)") + f", {block.instances} instances"


def _share(standing: Standing | None) -> str:
    if standing is None:
        return "n/a"
    mean = standing.captured
    half = f" ±{100 * (mean.high - mean.mean):.1f}" if math.isfinite(mean.high) else ""
    return number(100 * mean.mean, 1) + half


def _reference_line(block: Block, random: Mean, static: Mean) -> str:
    budget = block.ground.budget
    return (
        f"Without an evaluation: a random subset of {budget} captures {number(100 * random.mean, 1)} %, "
        f"the {budget} that do best alone over the other instances {number(100 * static.mean, 1)} %."
    )


def difference_table(block: Block) -> str:
    """Share captured less that of the reference, in percentage points, as Markdown; empty where there is none."""
    table = standings(block)
    if not any(standing.difference is not None for standing in table.values()):
        return ""
    rows = []
    for planner in block.planners:
        if planner == block.reference:
            continue
        found = (table.get((planner, limit)) for limit in block.evaluations)
        rows.append([planner, *("n/a" if s is None or s.difference is None else _points(s.difference) for s in found)])
    header = [f"less {block.reference}", *map(str, block.evaluations)]
    return f"### {_heading(block)}\n\n{markdown_table(header, rows)}"


def _points(difference: Mean) -> str:
    scaled = Mean(100 * difference.mean, 100 * difference.low, 100 * difference.high, difference.n)
    return interval(scaled, 1)
