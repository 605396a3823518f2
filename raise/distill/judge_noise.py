"""How noisy a judge is, as what it says of questions in a row shows, without asking it anything twice.

A score that came out too high makes the question that led to it look better than it is, and the question after it worse
by as much. So what two questions in a row bring beyond their forecasts has a covariance of minus the variance of the
noise in the score between them, as successive changes of a price have one of minus that of a quotation's noise (Roll,
Journal of Finance 39, 1984).

The paper takes scores as they are.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

_TWO_SIDED_95 = 1.959964
_USERS_OWN = 0.1
"""So strong may the correlation be, below 0, of what two questions in a row bring to a user beyond their forecasts."""


def judge_noise(
    rows: npt.NDArray[np.int64],
    before: npt.NDArray[np.int64],
    after: npt.NDArray[np.int64],
    residuals: npt.NDArray[np.float64],
    doubts: npt.NDArray[np.float64],
) -> float:
    """Standard deviation of the noise in one score of the usual doubt, in points, as far as it is beyond doubt.

    That is, of the variance, the lower end of a 95 % interval, less what users may account for: what a question brings
    to one of them beyond its forecast may tell a little of what the next one does. Noise that is the same whatever is
    known is no noise here.

    Args:
        rows: (steps,), scenarios, each independent of the others.
        before: (steps,), subsets without an answer, as bitmasks.
        after: (steps,), subsets with it.
        residuals: (steps,), what it brought less what it was forecast to bring, in points.
        doubts: (steps,), variance of the noise of the score of ``before``, over the usual one.
    """
    ends = np.concatenate([np.stack([rows, after]), np.stack([rows, before])], axis=1)
    nodes, at = np.unique(ends, axis=1, return_inverse=True)
    led_to, led_on = np.split(at.reshape(-1), 2)

    def mean(places: npt.NDArray[np.int64], of: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        counts = np.bincount(places, minlength=nodes.shape[1])
        return np.asarray(np.bincount(places, of, nodes.shape[1])[between] / counts[between])

    between = np.isin(np.arange(nodes.shape[1]), led_to) & np.isin(np.arange(nodes.shape[1]), led_on)
    products, doubt = mean(led_to, residuals) * mean(led_on, residuals), mean(led_on, doubts)
    if not doubt.any():
        return 0.0
    variance = float(-products.sum() / doubt.sum())
    _, scenario = np.unique(nodes[0, between], return_inverse=True)
    errors = np.bincount(scenario.reshape(-1), products + variance * doubt)
    least = variance - _TWO_SIDED_95 * float(np.sqrt(np.square(errors).sum()) / doubt.sum())
    own = max(0.0, float(np.square(residuals).mean()) - 2 * max(0.0, least) * float(doubts.mean()))
    return math.sqrt(max(0.0, least - _USERS_OWN * own))
