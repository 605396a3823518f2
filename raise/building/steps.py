"""What came of a build, step by step: what went in, what was kept, what was dropped and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from raise_agent.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Step:
    """One step; everything that went in is kept or dropped for one reason."""

    name: str
    """What is counted, such as ``profiles``."""
    entered: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    """reason -> how many, 1 or more."""
    redone: Mapping[str, int] = field(default_factory=dict)
    """reason -> how often something was sent back to the model and written anew; not dropped by that."""

    @property
    def kept(self) -> int:
        """What went on to the next step."""
        return self.entered - sum(self.dropped.values())


@dataclass(frozen=True, slots=True)
class Built:
    """The scenarios of a build, and how they came about."""

    about: str
    """What they are, in a sentence or two, for the data card."""
    limits: tuple[str, ...]
    """What a user of them should know, for the data card."""
    scenarios: tuple[Scenario, ...]
    steps: tuple[Step, ...]
    """In the order of the work."""
    details: Mapping[str, str] = field(default_factory=dict)
    """scenario id -> what a reviewer should see beside it, such as the situation; empty where there is nothing."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """scenario id -> what a reviewer should see of this one alone, such as what a post tells beside its query; never on
    the data card."""
    shortfall: Mapping[str, int] = field(default_factory=dict)
    """What was asked for and is missing: domain or situation -> scenarios."""
