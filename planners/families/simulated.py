"""The embedded simulated model as a set function per synthetic scenario."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from raise_agent.attributes import KINDS, Attribute, AttributeTable, penguin_table
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.encoders import HashingEncoder
from raise_agent.errors import ConfigError
from raise_agent.models.base import Evaluation, EvaluationRequest, RankRequest
from raise_agent.models.simulated import SimulatedPrior, SimulatedSafetyModel
from raise_agent.scenario import Scenario
from raise_agent.subsets import full_mask

from .contract import Instance, Subsets
from .registry import register_family
from .scaling import check_size

SEVERITIES = {"light": 0.1, "moderate": 0.4, "marked": 0.7, "grave": 1.0}
"""The values of a made-up attribute, all equally likely, with their severities."""


@dataclass(frozen=True, slots=True, eq=False)
class _World:
    """One simulated world: its table, models and encoder."""

    table: AttributeTable
    model: SimulatedSafetyModel
    prior: SimulatedPrior
    encoder: HashingEncoder


@dataclass(frozen=True, slots=True, eq=False)
class _Scores:
    world: _World
    scenario: Scenario

    def __call__(self, subsets: Subsets) -> npt.NDArray[np.float64]:
        requests = [EvaluationRequest(self.scenario, subset) for subset in subsets.tolist()]
        outcomes = self.world.model.evaluate(requests)
        return np.asarray([o.score if isinstance(o, Evaluation) else math.nan for o in outcomes], dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Weights:
    world: _World
    scenario: Scenario

    def __call__(self, subset: int) -> Sequence[float] | None:
        unasked = full_mask(len(self.world.table)) & ~subset
        if not unasked:
            return None
        request = RankRequest(self.scenario.inquiry, self.scenario.profile.disclose(subset), unasked)
        return self.world.prior.rank(request).weights


@register_family("simulated")
@dataclass(frozen=True, slots=True)
class SimulatedFamily:
    """Synthetic scenarios, scored by the embedded model: *simulated*.

        v(S) = mean over dimensions d of floor_d + room_d * (1 - exp(-z_d(S)))

    with z_d the evidence of the attributes in S and of pairs among them (``raise_agent.models.simulated``). The means
    are those published for PENGUIN, so it is on the common scale as it stands. Returns diminish, pairs interplay,
    and the same few attributes matter in most scenarios: a fixed order does well, and so does forward selection; what
    differs by scenario is told by the query, which is the context.

    With ten attributes the table is PENGUIN's. With another number it is made up: the kinds in turn, four
    values each, an account by kind, and every fourth attribute interplays with the next, in turn for the better and
    for the worse.
    """

    simulated: ClassVar[bool] = True

    doubt: float = 0.4
    """How far the prior's guess lies from the mean user, in log units, 0 or more."""
    dimension: int = 64
    """Length of the context, the query's hashed embedding: a power of two, 16 or more."""

    def __post_init__(self) -> None:
        if not 0 <= self.doubt < math.inf:
            raise ConfigError(f"doubt must be 0 or more, not {self.doubt}")
        HashingEncoder(self.dimension)

    def instances(self, n_attributes: int, budget: int, count: int, seed: int) -> list[Instance]:
        """Draw scenarios; any number of attributes."""
        check_size("simulated", n_attributes, budget, count, seed)
        world = _world(n_attributes, self.doubt, self.dimension)
        scenarios = synthetic_scenarios(world.table, count, seed) if count else ()
        contexts = world.encoder.encode([scenario.query for scenario in scenarios]).astype(np.float64)
        return [
            Instance(n_attributes, _Scores(world, scenario), _Weights(world, scenario), context)
            for scenario, context in zip(scenarios, contexts, strict=True)
        ]


@lru_cache(maxsize=8)
def _world(n_attributes: int, doubt: float, dimension: int) -> _World:
    table = penguin_table() if n_attributes == len(penguin_table()) else made_up_table(n_attributes)
    return _World(table, SimulatedSafetyModel(table), SimulatedPrior(table, doubt=doubt), HashingEncoder(dimension))


def made_up_table(n_attributes: int) -> AttributeTable:
    """A table of any length that profiles can be drawn from."""
    attributes = tuple(
        Attribute(
            key=f"attribute_{index:02d}",
            name=f"Attribute {index:02d}",
            kind=KINDS[index % len(KINDS)],
            question=f"What of attribute {index:02d}?",
            values=SEVERITIES,
        )
        for index in range(n_attributes)
    )
    nodes = [{"attribute": attribute.key, "base": dict.fromkeys(SEVERITIES, 1.0)} for attribute in attributes]
    interplay = [
        {"between": [attributes[index].key, attributes[index + 1].key], "factor": -0.5 if index % 8 else 0.5}
        for index in range(0, n_attributes - 1, 4)
    ]
    sections = {"synthesis": {"circumstances": {"any": 1.0}, "nodes": nodes}, "simulation": {"interplay": interplay}}
    return AttributeTable(f"made up, {n_attributes}", attributes, sections=sections)
