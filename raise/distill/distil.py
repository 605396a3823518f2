"""The steps of distillation in their order: what evaluations say, weighed, remembered query by query, and learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raise_agent.policies.memory import Memory

from .dataset import Examples
from .memory import recall, remember
from .settings import DistillSettings
from .train import Epoch, Trained, train
from .weighing import Uncertainty, measure_uncertainty


@dataclass(frozen=True, slots=True)
class Distilled:
    """What a policy is made of, but for its table, encoder and provenance."""

    trained: Trained
    memory: Memory | None
    """None where ``settings.memory`` is 0: the network then reads the query's vector."""
    uncertainty: Uncertainty | None
    """None where all evaluations count alike."""


def distil(
    training: Examples,
    requests: npt.NDArray[np.float32],
    validation: Examples | None,
    settings: DistillSettings,
    seed: int,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Distilled:
    """Learn what asking is worth; the same seed gives the same on one machine.

    Args:
        training: evaluations to learn from, unweighed.
        requests: (distinct training queries, d), where what each asks for lies (``dataset.requests_of``).
        validation: evaluations of other scenarios, unweighed, as for ``train``.
        settings: how to learn.
        seed: of all that is drawn.
        on_epoch: told of each pass.

    Raises:
        ConfigError: training diverged.
    """
    uncertainty = measure_uncertainty(training, seed) if settings.uncertainty else None
    if uncertainty is not None:
        training = uncertainty.weigh(training)
        validation = None if validation is None else uncertainty.weigh(validation)
    memory = None
    if settings.memory:
        memory, training = remember(training, requests, settings.memory, settings.recurrence)
        validation = None if validation is None else recall(memory, validation)
    return Distilled(train(training, validation, settings, seed, on_epoch), memory, uncertainty)
