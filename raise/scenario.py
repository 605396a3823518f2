"""Scenarios and the views of them that each role may hold.

A ``Scenario`` carries the whole profile. What planner, policy and responder are given are ``Inquiry`` (the
query alone) and ``Disclosure`` (the answers so far): neither type has a field that could hold a value that
was not acquired.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .subsets import members


@dataclass(frozen=True, slots=True, repr=False)
class Profile:
    """The values of one user; None where the data does not hold one.

    Its ``repr`` shows no value, so that none reaches a log or a traceback.
    """

    keys: tuple[str, ...]
    """Attribute keys, in table order."""
    values: tuple[str | None, ...]
    """One value per key."""

    def __post_init__(self) -> None:
        if len(self.keys) != len(self.values):
            raise ValueError(f"{len(self.keys)} keys but {len(self.values)} values")

    @property
    def known(self) -> int:
        """The subset of attributes that have a value."""
        return sum(1 << i for i, value in enumerate(self.values) if value is not None)

    def disclose(self, subset: int) -> Disclosure:
        """The answers to the questions in ``subset``; None where this user has no value to give."""
        asked = members(subset)
        return Disclosure(keys=tuple(self.keys[i] for i in asked), answers=tuple(self.values[i] for i in asked))

    def __repr__(self) -> str:
        return f"Profile({self.known.bit_count()} of {len(self.keys)} values, hidden)"


@dataclass(frozen=True, slots=True, repr=False)
class Disclosure:
    """What a user has answered so far: the attributes asked, each with its answer or None (declined)."""

    keys: tuple[str, ...] = ()
    """Keys of the attributes asked."""
    answers: tuple[str | None, ...] = ()
    """One answer per key, None where the user declined."""

    def __post_init__(self) -> None:
        if len(self.keys) != len(self.answers):
            raise ValueError(f"{len(self.keys)} keys but {len(self.answers)} answers")

    @classmethod
    def of(cls, answers: Mapping[str, str | None]) -> Disclosure:
        """The disclosure with these answers by attribute key."""
        return cls(keys=tuple(answers), answers=tuple(answers.values()))

    def items(self) -> Iterable[tuple[str, str | None]]:
        """Pairs of attribute key and answer."""
        return zip(self.keys, self.answers, strict=True)

    def __repr__(self) -> str:
        return f"Disclosure({', '.join(self.keys)}; answers hidden)"


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A scenario without its user: all that a planner's prior, a policy or a responder may start from."""

    id: str
    domain: str
    query: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One PENGUIN scenario: a query in a domain, asked by a user with a profile (paper, section 3)."""

    id: str
    domain: str
    query: str = field(repr=False)
    profile: Profile
    source: str = ""
    """Where it came from, such as ``synthetic`` or ``reddit``."""
    digest: str = field(init=False, compare=False)
    """Content hash (32 hex digits) of domain, query and known values; id and source do not enter it."""

    def __post_init__(self) -> None:
        known = {k: v for k, v in zip(self.profile.keys, self.profile.values, strict=True) if v is not None}
        content = json.dumps([self.domain, self.query, known], sort_keys=True, ensure_ascii=False)
        digest = hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        object.__setattr__(self, "digest", digest)

    @property
    def inquiry(self) -> Inquiry:
        """The scenario without its user."""
        return Inquiry(self.id, self.domain, self.query)
