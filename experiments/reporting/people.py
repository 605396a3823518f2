"""The scenarios of a run, made again: its files hold no query and no profile, so that nothing lies about.

What the configuration describes is read anew and held against the digest that the run wrote down, so that a report
never shows somebody else's words beside its scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omegaconf.errors import OmegaConfBaseException

from raise_agent.errors import RaiseError
from raise_agent.experiments.assembly import ScenarioSet, make_scenarios
from raise_agent.experiments.provenance import content_digest, last_component
from raise_agent.scenario import Scenario

from .folder import HeldOut, Planned, RunFolder

SYNTHETIC = "synthetic"


@dataclass(frozen=True, slots=True)
class People:
    """The scenarios behind the records of a run, in their order."""

    held_out: tuple[Scenario, ...] | None
    """None where they are not the ones of the run, or are not to be had."""
    planned: tuple[Scenario, ...] | None
    missing: str | None
    """Why some are not there."""


def people_of(run: RunFolder) -> People:
    """Read the scenarios that a run's configuration describes, and keep those that are the run's."""
    try:
        made = make_scenarios(run.cfg.data, run.table)
    except (RaiseError, OmegaConfBaseException, OSError) as error:
        # A message of the data's readers names the file and the record, never a value.
        path = str(run.cfg.data.get("path", ""))
        reason = str(error).replace(path, last_component(path)) if path else str(error)
        return People(None, None, f"the data cannot be read again ({reason})")
    except (AttributeError, TypeError, ValueError, LookupError):
        return People(None, None, "the data cannot be read again: the folder's configuration was changed")
    return matched(run, made)


def matched(run: RunFolder, made: ScenarioSet) -> People:
    """Of these scenarios those of a run's records, by position or id, and by digest."""
    held_out = planned = None
    if run.results is not None:
        test = made.test[: len(run.held_out)]
        same = _same_ids(run.held_out, test) and content_digest(test) == run.results["data"]["digest"]
        held_out = test if same else None
    if run.plan is not None:
        over = _in_order(run.planned, made.planned)
        same = _same_ids(run.planned, over) and content_digest(over) == run.plan["data"]["digest"]
        planned = over if same else None
    changed = (run.results is not None and held_out is None) or (run.plan is not None and planned is None)
    return People(held_out, planned, "the data changed since the run" if changed else None)


def _same_ids(records: Sequence[HeldOut | Planned], scenarios: Sequence[Scenario]) -> bool:
    return [record.id for record in records] == [scenario.id for scenario in scenarios]


def _in_order(records: Sequence[Planned], scenarios: Sequence[Scenario]) -> tuple[Scenario, ...]:
    """The scenarios of these records, which may be fewer where a run came to a limit."""
    found, left = list[Scenario](), iter(scenarios)
    for record in records:
        found += next(([scenario] for scenario in left if scenario.id == record.id), [])
    return tuple(found)
