"""How far what a question brings to users lies from its forecast: where a policy's confidence comes from.

Wherever two evaluated subsets differ by one answer, a judge says what that answer brought. What lies between that and
its forecast is of two kinds. Users differ, which a policy must own up to; and both scores are noisy (``judge_noise``),
which is nothing to a user and is taken off.

The paper has no such step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from .dataset import Examples
from .weighing import relative_doubts

_LEAST = 0.1
"""Of the mean residual: no question that is forecast to bring nothing does so more surely."""

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Steps:
    """Pairs of evaluated subsets that differ by one answer; each array but the last is (steps,)."""

    rows: Integers
    """Of the scenario in ``Examples``."""
    before: Integers
    """The smaller subset, as a bitmask."""
    added: Integers
    """Number of the attribute that the larger one also has."""
    brought: Floats
    """Its score less that of the smaller one, in points."""
    doubts: Floats
    """(steps, 2): of the score without and with it, as ``relative_doubts``."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def after(self) -> Integers:
        """The larger subset."""
        return np.asarray(self.before | np.int64(1) << self.added)


def single_steps(examples: Examples, usual_doubt: float | None) -> Steps:
    """All of them; answers that a user does not have are none.

    Args:
        examples: evaluations; those of no weight are left out.
        usual_doubt: what ``doubts`` are relative to; None takes scores as equally doubtful.
    """
    steps: list[tuple[int, int, int]] = []
    brought: list[tuple[float, float, float]] = []
    n = examples.values_of.shape[1]
    held = (examples.values_of != 0) @ (np.int64(1) << np.arange(n, dtype=np.int64))
    doubts = relative_doubts(examples, usual_doubt)
    for row in range(len(examples)):
        real = examples.weights[row] > 0
        told = zip(examples.scores[row, real].tolist(), doubts[row, real].tolist(), strict=True)
        reached = dict(zip(examples.subsets[row, real].tolist(), told, strict=True))
        for subset, (score, doubt) in reached.items():
            if subset & ~int(held[row]):
                continue
            for index in range(n):
                smaller = subset & ~(1 << index)
                if smaller != subset and smaller in reached:
                    steps.append((row, smaller, index))
                    brought.append((score - reached[smaller][0], reached[smaller][1], doubt))
    rows, before, added = np.asarray(steps, np.int64).reshape(-1, 3).T
    gained, *of = np.asarray(brought, np.float64).reshape(-1, 3).T
    return Steps(rows, before, added, gained, np.stack(of, axis=1))


def gain_spread(forecast: Floats, residuals: Floats, noise: Floats) -> tuple[float, float]:
    """Standard deviation of what a question brings, in points: of one forecast to bring nothing, and what it grows by
    for each point that the question is forecast to bring.

    Absolute residuals are regressed on the forecast, as for errors whose spread is linear in it (Glejser, Journal of
    the American Statistical Association 64, 1969), with the noise added; sqrt(pi/2) makes the mean absolute value of a
    normal error its standard deviation. Without noise that is linear regression.

    Args:
        forecast: (steps,), in points.
        residuals: (steps,), what came less the forecast.
        noise: (steps,), variance of the noise in what came.
    """
    seen = np.abs(residuals) * math.sqrt(math.pi / 2)
    above = np.maximum(forecast, 0.0)
    usual = float(seen.mean())

    def misses(of: Floats) -> Floats:
        return np.asarray(np.hypot(of[0] + of[1] * above, np.sqrt(noise)) - seen)

    found = least_squares(misses, [usual, 0.1], bounds=([_LEAST * usual, 0.0], np.inf))
    spread, share = found.x.tolist()
    return spread, share
