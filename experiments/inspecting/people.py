"""The scenarios of an Inspect task, and what Inspect is given of them.

A sample holds the query, the id, the domain and the source. The profile stays with the process: solver and scorer look
it up by the sample's id, so that no solver, dataset or log comes by a value otherwise than in a message that was sent.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from inspect_ai.dataset import Sample

from raise_agent.attributes import penguin_table
from raise_agent.data import SPLITS, OnBad, load_scenarios, split
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.errors import ConfigError, did_you_mean
from raise_agent.experiments.sampling import spread_evenly
from raise_agent.experiments.tables import shown_name
from raise_agent.scenario import Scenario

TABLE = penguin_table()
ALL = "all"
SYNTHETIC = {"n": 3000, "seed": 0}
"""What is drawn where no file is given."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """Where scenarios come from; plain data, so that Inspect can write it down and make it again.

    Raises:
        ConfigError: a setting is wrong.
    """

    path: str | None = None
    """A file, a folder in the hub's layout, or a hub id; None draws synthetic ones."""
    n: int | None = None
    """How many synthetic ones."""
    seed: int | None = None
    """Of the synthetic ones."""
    on_bad: OnBad = "fail"
    """At a bad record of a file: ``fail``, or ``skip`` and count it."""
    split: str = ALL
    """``train``, ``validation`` or ``test``, by content as everywhere else; or ``all``."""

    def __post_init__(self) -> None:
        if self.path is not None and (self.n is not None or self.seed is not None):
            raise ConfigError("n and seed are of synthetic scenarios; leave them out where a path is given")
        if self.path is None and self.on_bad != "fail":
            raise ConfigError("on_bad is of files; leave it out where no path is given")
        if self.split not in (*SPLITS, ALL):
            raise ConfigError(f"split {self.split!r}: {did_you_mean(str(self.split), (*SPLITS, ALL))}")


@cache
def scenarios_of(source: Source) -> Mapping[str, Scenario]:
    """Scenarios by id, spread evenly over domains and sources: the first so many are those that ``raise-agent penguin``
    takes with ``scenarios`` set to as many. Those whose profile holds nothing are left out.

    Raises:
        ConfigError: there is none.
        DataError: the file cannot be used.
    """
    found = _read(source)
    if source.split != ALL:
        found = split(found)[source.split]
    able = [scenario for scenario in found if scenario.profile.known]
    if not able:
        raise ConfigError("no scenario whose profile holds an attribute")
    return {scenario.id: scenario for scenario in spread_evenly(able, None)}


def _read(source: Source) -> tuple[Scenario, ...]:
    if source.path is None:
        n = SYNTHETIC["n"] if source.n is None else source.n
        return synthetic_scenarios(TABLE, n, SYNTHETIC["seed"] if source.seed is None else source.seed)
    loaded = load_scenarios(source.path, TABLE, on_bad=source.on_bad)
    for message in loaded.skipped:
        _log.warning("skipped: %s", message)
    return loaded.scenarios


def samples_of(source: Source) -> list[Sample]:
    """A sample for each scenario, without anything of its profile."""
    return [
        Sample(input=scenario.query, id=scenario.id, metadata=dict(_shown(scenario)))
        for scenario in scenarios_of(source).values()
    ]


def _shown(scenario: Scenario) -> Mapping[str, Any]:
    return {"domain": _fit(scenario.domain), "source": _fit(scenario.source)}


def _fit(name: str) -> str:
    """A name from the data, fit for a terminal. Inspect's would take square brackets for instructions."""
    return shown_name(name).replace("[", "(").replace("]", ")")
