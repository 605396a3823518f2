"""Which scenarios to train on and which to test on, decided by content alone.

Each scenario is hashed to a point in [0, 1), and the fractions cut that line in three. There is no seed and
no state: the side of a scenario does not depend on the others, so data that is added later moves none of
those already there. The sizes come near the fractions asked for, but are not exact.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from raise_agent.errors import ConfigError, did_you_mean
from raise_agent.scenario import Scenario

SPLITS = ("train", "validation", "test")
SplitBy = Literal["scenario", "query", "profile"]


@dataclass(frozen=True, slots=True)
class SplitFractions:
    """The share of each split: 0 or more each, 1 together.

    Raises:
        ConfigError: a share is negative or no number, or they do not sum to 1 (within 1e-9).
    """

    train: float = 0.7
    validation: float = 0.1
    test: float = 0.2

    def __post_init__(self) -> None:
        shares = {name: getattr(self, name) for name in SPLITS}
        for name, share in shares.items():
            if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share < math.inf:
                raise ConfigError(f"split fraction {name!r} must be a number, 0 or more")
        total = math.fsum(shares.values())
        if abs(total - 1) > 1e-9:
            raise ConfigError(f"the split fractions {', '.join(SPLITS)} must sum to 1, not {total:.6g}")


DEFAULT_FRACTIONS = SplitFractions()


def split_of(scenario: Scenario, fractions: SplitFractions = DEFAULT_FRACTIONS, by: SplitBy = "scenario") -> str:
    """The split that a scenario belongs to, one of ``SPLITS``.

    ``by`` says what must never stand on two sides: ``scenario``, the same domain, query and profile;
    ``query``, the same wording (case and spaces do not matter), for judging a policy on queries it has not
    seen; ``profile``, the same known values, for judging it on people it has not seen (all scenarios without
    any known value are then one person).

    Raises:
        ConfigError: ``by`` is none of these.
    """
    return _side(_position(_content(scenario, by), by), fractions)


def split(
    scenarios: Iterable[Scenario], fractions: SplitFractions = DEFAULT_FRACTIONS, by: SplitBy = "scenario"
) -> dict[str, tuple[Scenario, ...]]:
    """The scenarios of each split, in the order given; every split is there, though it may be empty.

    Raises:
        ConfigError: as ``split_of``.
    """
    sides: dict[str, list[Scenario]] = {name: [] for name in SPLITS}
    for scenario in scenarios:
        sides[split_of(scenario, fractions, by)].append(scenario)
    return {name: tuple(members) for name, members in sides.items()}


def _content(scenario: Scenario, by: str) -> str:
    if by == "scenario":
        return scenario.digest
    if by == "query":
        return " ".join(scenario.query.casefold().split())
    if by == "profile":
        profile = scenario.profile
        known = {k: v for k, v in zip(profile.keys, profile.values, strict=True) if v is not None}
        return json.dumps(known, sort_keys=True)
    raise ConfigError(f"split by {by!r}: {did_you_mean(str(by), get_args(SplitBy))}")


def _position(content: str, by: str) -> float:
    # The kind enters the hash: the cuts by scenario, query and profile are then independent of each other.
    key = f"split by {by}\0{content}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") / 2**64


def _side(position: float, fractions: SplitFractions) -> str:
    """The split at a position in [0, 1]; never one whose share is 0."""
    chosen, end = "", 0.0
    for name in SPLITS:
        share = getattr(fractions, name)
        if share > 0:
            chosen, end = name, end + share
            if position < end:
                break
    # Past the last end only by rounding; that sliver belongs to the last split that has a share.
    return chosen
