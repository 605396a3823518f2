"""What a policy is made of, and what would keep it from being one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from raise_agent.attributes import AttributeTable
from raise_agent.encoders import Encoder
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.errors import ConfigError, TableError

from .memory import STEEPEST, Memory
from .network import LARGEST, Array, NetworkShape

MANIFEST, WEIGHTS, GOLDEN, ENCODER = "policy.json", "weights.safetensors", "golden.json", "encoder"
ENCODER_SETTINGS = f"{ENCODER}/encoder.json"
"""The files of a policy folder (see ``folder``)."""
MAX_GOLDEN = 1000
"""Most golden decisions: each is decided whenever the policy is loaded."""


@dataclass(frozen=True, slots=True)
class PolicyParts:
    """What a policy is made of."""

    table: AttributeTable
    budget: int
    """Most questions, 1 to the number of attributes."""
    min_gain: float
    """Answer when no question is expected to add more than this, in score points, beyond its cost."""
    gain_spread: float
    """Standard deviation, in score points, of what a question brings that is forecast to bring nothing, above 0."""
    shape: NetworkShape
    weights: Mapping[str, Array]
    encoder: Encoder
    provenance: Mapping[str, Any]
    """Which models, planner, data and commit, as plain data; ``simulated`` says whether the scores were."""
    gain_share: float = 0.0
    """How much that standard deviation grows for each point that a question is forecast to bring, 0 or more."""
    memory: Memory | None = None
    """What the network reads of a query; None gives it the encoder's vector."""

    @property
    def value_encoder(self) -> HashingEncoder:
        """Codes of answers."""
        return HashingEncoder(self.shape.value_dimension)

    def faults(self) -> Iterator[tuple[str, str]]:
        """What keeps these parts from being a policy, each with the file it belongs in; none if they are sound."""
        settings = [(MANIFEST, fault) for fault in self._setting_faults()]
        if settings:
            yield from settings
            return
        taken = self.shape.query_dimension
        if self.memory is not None:
            yield from ((WEIGHTS, fault) for fault in self.memory.faults(self.encoder.dimension, taken))
        elif self.encoder.dimension != taken:
            yield ENCODER_SETTINGS, f"the encoder gives {self.encoder.dimension} numbers, the network takes {taken}"
        yield from ((WEIGHTS, fault) for fault in self._weight_faults())

    def _setting_faults(self) -> Iterator[str]:
        n, shape = len(self.table), self.shape
        try:
            AttributeTable.from_json(table_json(self.table), "the attribute table")
        except TableError as error:
            yield str(error)
        if not _is_whole(self.budget, n):
            yield f"'budget' must be a whole number from 1 to {n}, the number of attributes"
        if not _is_finite(self.min_gain):
            yield "'min_gain' must be a finite number"
        if not _is_finite(self.gain_spread) or self.gain_spread <= 0:
            yield "'gain_spread' must be a finite number above 0"
        if not _is_finite(self.gain_share) or self.gain_share < 0:
            yield "'gain_share' must be a finite number, 0 or more"
        if self.memory is not None:
            for name, setting in self.memory.settings().items():
                if name == "recurrence":
                    if not _is_finite(setting) or not 0 <= setting <= 1:
                        yield f"the memory's {name!r} must be a number from 0 to 1"
                elif not _is_finite(setting) or not 0 < setting <= STEEPEST:
                    yield f"the memory's {name!r} must be a number above 0, {STEEPEST:g} at most"
        for name in ("query_dimension", "value_dimension", "hidden"):
            if not _is_whole(getattr(shape, name), LARGEST):
                yield f"'{name}' must be a whole number from 1 to {LARGEST}"
                return
        try:
            HashingEncoder(shape.value_dimension)
        except ConfigError as error:
            yield f"'value_dimension': {error}"
        if shape.n_attributes != n:
            yield f"the network is made for {shape.n_attributes} attributes, the table has {n}"
        if not isinstance(self.provenance.get("simulated"), bool):
            yield "'provenance' must say whether the scores were simulated: 'simulated' is true or false"

    def _weight_faults(self) -> Iterator[str]:
        expected = self.shape.weights()
        if set(self.weights) != set(expected):
            yield f"holds {sorted(self.weights)}, expected {sorted(expected)}"
            return
        for name, sizes in expected.items():
            array = self.weights[name]
            if array.shape != sizes or array.dtype != np.float32:
                yield f"{name} is {array.dtype}{array.shape}, expected float32{sizes}"
            elif not np.isfinite(array).all():
                yield f"{name} holds numbers that are not finite"


def table_json(table: AttributeTable) -> dict[str, Any]:
    """The table as a policy holds it."""
    return {"name": table.name, "attributes": table.to_json(), "unknown": list(table.unknown)}


def _is_whole(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _is_finite(value: object) -> bool:
    """Whether it is a number that a float can hold."""
    return not isinstance(value, bool) and isinstance(value, (int, float)) and abs(value) <= sys.float_info.max
