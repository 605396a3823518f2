"""Settings of both ways to build data; importing them needs no part of the building itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from raise_agent.data.records import DOMAINS
from raise_agent.errors import ConfigError, did_you_mean, refuse_below_one


@dataclass(frozen=True, slots=True)
class SyntheticSettings:
    """What is to be made up."""

    n: int = 700
    """Scenarios, split evenly over the domains; 1 or more."""
    queries: int = 10
    """Of one profile, 1 or more (paper: 10)."""
    attempts: int = 3
    """How often a profile or a query is written in all before it is dropped, 1 or more."""
    rounds: int = 8
    """How often people are made up, 1 or more: what is dropped in one round is made up for in the next."""
    circumstances: Mapping[str, float] = field(default_factory=dict)
    """Shares of the situations; empty takes the attribute table's."""

    def __post_init__(self) -> None:
        refuse_below_one(self, "build.", "n", "queries", "attempts", "rounds")


@dataclass(frozen=True, slots=True)
class PostSettings:
    """Which posts are read, and which are kept."""

    keep: int = 7
    """Least number of attributes that a post must hold, 1 or more (paper: 7 of 10)."""
    attempts: int = 2
    """How often a query is written in all where it states a value of the writer's, 1 or more."""
    shortest: int = 200
    """Characters of a post, title included, 1 or more."""
    longest: int = 20_000
    """Characters of a post; what is longer is left out, not cut."""
    domains: Mapping[str, str] = field(default_factory=dict)
    """Subreddit -> its domain, beside the paper's 16 or in their place."""

    def __post_init__(self) -> None:
        refuse_below_one(self, "build.", "keep", "attempts", "shortest")
        if self.longest < self.shortest:
            raise ConfigError(f"build.longest must be build.shortest={self.shortest} or more, not {self.longest}")
        for subreddit, domain in self.domains.items():
            if domain not in DOMAINS:
                raise ConfigError(f"build.domains: {subreddit}={domain!r}: {did_you_mean(str(domain), DOMAINS)}")
