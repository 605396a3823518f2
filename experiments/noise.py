"""How noisy one evaluation is: as given, as simulated, or as measured by scoring the same twice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from raise_agent.errors import ConfigError, did_you_mean
from raise_agent.models.base import DIMENSIONS
from raise_agent.planners import Evaluate, Search
from raise_agent.planners.runner import Runner, Task
from raise_agent.scenario import Scenario
from raise_agent.subsets import mask_of, members

AUTO, MEASURE = "auto", "measure"
PAIRS = 32
"""Scenarios that noise is measured on, one subset each, scored twice."""


@dataclass(frozen=True, slots=True)
class Noise:
    """The noise that planning reckons with."""

    points: float
    """Standard deviation of one evaluation's score, in score points; 0 takes evaluations as exact."""
    source: str
    """``given``, ``simulated`` (what the simulated judge adds), ``measured``, or ``none`` (served scores are taken as
    they are first drawn)."""
    pairs: int = 0
    """How many pairs of evaluations it was measured on."""


def check_noise(noise: object) -> None:
    """Refuse a setting that is neither a word known here nor a standard deviation.

    Raises:
        ConfigError: it is not.
    """
    if noise in (AUTO, MEASURE):
        return
    if isinstance(noise, str):
        raise ConfigError(f"noise={noise}: {did_you_mean(noise, (AUTO, MEASURE))}; or a number of score points")
    if isinstance(noise, bool) or not isinstance(noise, (int, float)) or not 0 <= noise < math.inf:
        raise ConfigError(f"noise must be auto, measure or a standard deviation in score points, not {noise}")


def simulated_noise(judge_noise: float) -> Noise:
    """Of the mean of all dimensions, each with this noise of its own."""
    return Noise(judge_noise / math.sqrt(len(DIMENSIONS)), "simulated")


def measure_noise(runner: Runner, scenarios: Sequence[Scenario], budget: int) -> Noise:
    """Score one subset of each of the first scenarios twice: the differences are as noisy as two evaluations.

    Raises:
        ConfigError: no subset was scored twice.
    """
    sample = scenarios[:PAIRS]
    tasks = [Task(s, partial(_twice, mask_of(members(s.profile.known)[:budget])), noisy=True) for s in sample]
    scored = runner.run(tasks, origin="noise")
    squares = [(one - two) ** 2 for one, two in scored if one is not None and two is not None]
    if not squares:
        raise ConfigError(
            f"noise=measure: none of {len(sample)} subsets was scored twice; give noise as a number of score points"
        )
    # A draw that failed once may be there the next time: rounding keeps plans the same.
    points = float(f"{math.sqrt(sum(squares) / len(squares) / 2):.2g}")
    return Noise(points, "measured", len(squares))


def _twice(subset: int) -> Search[list[float | None]]:
    scores: list[float | None] = yield Evaluate((subset, subset))
    return scores
