"""Expected improvement (Jones, Schonlau and Welch, 1998)."""

from __future__ import annotations

import math

import numpy as np

from .additive import TINY, Array


def expected_excess(mean: Array, deviation: Array) -> Array:
    """Expected positive part of normal variables, of any shape."""
    # Not above: the base install has no scipy, and imports every planner to know its name.
    from scipy.special import ndtr

    deviation = np.maximum(deviation, TINY)
    # Beyond this many deviations the sign is certain.
    z = np.clip(mean / deviation, -40.0, 40.0)
    excess = mean * ndtr(z) + deviation * np.exp(-0.5 * np.square(z)) / math.sqrt(2 * math.pi)
    return np.asarray(np.maximum(excess, 0.0))
