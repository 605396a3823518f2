"""What trials come to: who captures how much of the gain with how many evaluations, as data and as tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from textwrap import fill
from typing import Any

from raise_agent.experiments.statistics import Mean, mean_interval
from raise_agent.experiments.tables import interval, markdown_table, number, with_half

from .lessons import Learned, Lesson
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
    prefixes: Mean
    """Share of the oracle's gain, mean over all prefixes of the path but the empty one."""
    steps: tuple[Mean, ...]
    """True value after 0, 1, ..., budget questions, in score points."""
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
            "prefixes": self.prefixes.to_json(),
            "steps": [mean.to_json() for mean in self.steps],
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
    objective: str = "budget"
    """What planners were told makes a path good."""
    taught: tuple[Lesson, Learned] | None = None
    """What planners that start warm were taught; None where none does."""

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
            prefixes=_mean(trial.prefixes for trial in trials),
            steps=tuple(map(mean_interval, zip(*(trial.steps for trial in trials), strict=True))),
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
        "objective": block.objective,
        "instances": block.instances,
        "oracle_gain": mean_interval([r.best - r.nothing for r in block.references]).to_json(),
        "random_subset": block.random().to_json(),
        "static_top": block.static().to_json(),
        "learning": None if block.taught is None else _taught_json(*block.taught),
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


def _taught_json(lesson: Lesson, learned: Learned) -> dict[str, Any]:
    learning = lesson.learning
    return {
        "family": lesson.ground.family.label,
        "family_name": lesson.ground.family.name,
        "family_settings": dict(lesson.ground.family.settings),
        "simulated": lesson.ground.family.simulated,
        "context": lesson.context,
        "instances": learning.instances,
        "seed": learning.seed,
        "planner": learning.planner.name,
        "planner_settings": dict(learning.planner.settings),
        "evaluations": learned.evaluations,
        "cpu_seconds": learned.seconds,
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
            "prefixes": standing.prefixes.mean,
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
                *(_share(table, planner, limit, "captured") for limit in block.evaluations),
                *(str(needed(block, table, planner, level) or "-") for level in LEVELS),
                "n/a" if last is None else number(last.used, 1),
                "n/a" if last is None else number(last.cpu_ms, 3),
            ]
        )
    random, static = block.random(), block.static()
    lines = [f"### {_heading(block)}", markdown_table(header, rows)]
    if block.objective == "prefixes":
        lines.append(prefix_table(block))
    lines.append(paragraph(_reference_line(block, random, static)))
    if block.taught is not None:
        lines.append(paragraph(_taught_line(*block.taught)))
    refused = {planner: text for (planner, limit), text in block.refused.items() if (planner, limit) not in table}
    lines += [paragraph(f"n/a, {planner}: {text}") for planner, text in refused.items()]
    return "\n\n".join(lines)


def prefix_table(block: Block) -> str:
    """Share captured, mean over all prefixes of the path but the empty one, by planner and limit, as Markdown."""
    table = standings(block)
    rows = [
        [planner, *(_share(table, planner, limit, "prefixes") for limit in block.evaluations)]
        for planner in block.planners
    ]
    return markdown_table(["mean over prefixes", *map(str, block.evaluations)], rows)


def last_of(block: Block, table: Mapping[tuple[str, int], Standing], planner: str) -> Standing | None:
    """How a planner stands within the largest limit that it searches within; None where there is none."""
    found = [table[planner, limit] for limit in block.evaluations if (planner, limit) in table]
    return found[-1] if found else None


def steps_table(block: Block) -> str:
    """True value after 0, 1, ..., budget questions, each planner within its largest limit, as Markdown."""
    table = standings(block)
    rows = []
    for planner in block.planners:
        last = last_of(block, table, planner)
        empty = ["n/a"] * (block.ground.budget + 1)
        rows.append([planner, *([with_half(mean, 2) for mean in last.steps] if last else empty)])
    header = ["after ... questions", *map(str, range(block.ground.budget + 1))]
    return markdown_table(header, rows)


def path_tables(block: Block) -> str:
    """How good a path is on the way to its end, as Markdown."""
    return f"### {_heading(block)}\n\n{steps_table(block)}\n\n{prefix_table(block)}"


def paragraph(text: str) -> str:
    """Text in lines that a terminal of 120 columns shows whole."""
    return fill(text, 118, break_long_words=False, break_on_hyphens=False)


def _heading(block: Block) -> str:
    return block.title.replace("(simulated)", "(*simulated*)") + f", {block.instances} instances"


def _share(table: Mapping[tuple[str, int], Standing], planner: str, limit: int, which: str) -> str:
    standing = table.get((planner, limit))
    if standing is None:
        return "n/a"
    return with_half(_in_percent(standing.captured if which == "captured" else standing.prefixes), 1)


def _in_percent(share: Mean) -> Mean:
    return Mean(100 * share.mean, 100 * share.low, 100 * share.high, share.n)


def _taught_line(lesson: Lesson, learned: Learned) -> str:
    learning, family = lesson.learning, lesson.ground.family
    whose = (
        f"{'other ' if lesson.context else ''}instances of {family.label}{' (*simulated*)' if family.simulated else ''}"
    )
    known = "with" if lesson.context else "without"
    return (
        f"Warm: taught by {learning.planner.label} on {learning.instances} {whose}, {learned.evaluations:,} "
        f"evaluations in all, {known} what is known beforehand; {learned.seconds:.1f} s."
    )


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
    return interval(_in_percent(difference), 1)
