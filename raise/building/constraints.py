"""What must hold of a profile that somebody made up: the table's rules, and its network's dependencies (paper, A.3.1).

A rule says which values are unlikely beside others, and which share of people may be an exception: 0 where the paper
calls it about impossible. Whether a profile is one of the exceptions is decided by a draw before it is made up, so that
the share holds whatever a model proposes. The network says what is about impossible beside that: a value that it gives
next to no probability.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from raise_agent.attributes import AttributeTable, check_names
from raise_agent.data.synthetic import SITUATION, ProfileNetwork
from raise_agent.errors import TableError
from raise_agent.scenario import Profile

IMPOSSIBLE = 0.002
"""Probability under the network, given its parents, below which a value is about impossible."""

Values = Mapping[str, tuple[str, ...]]
"""Attribute key, or part of the situation, -> values."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Values that are unlikely beside others."""

    name: str
    when: Values
    """One of the values each; what the rule speaks of."""
    unlikely: Values
    """One of the values each, all together: what is then unlikely."""
    exceptions: float
    """Largest share of profiles that may be so all the same, 0 to 1."""

    def broken_by(self, state: Mapping[str, str | None]) -> bool:
        """Whether a person in a situation is what this rule calls unlikely."""
        return all(state.get(key) in values for key, values in (*self.when.items(), *self.unlikely.items()))


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that does not hold."""

    rule: str
    """Name of the rule, or of the attribute whose value the network calls about impossible."""
    remark: str
    """What is wrong, to be told to who made the profile up."""


@dataclass(frozen=True, slots=True)
class Constraints:
    """The rules of one table, and its network."""

    network: ProfileNetwork
    rules: tuple[Rule, ...]
    descriptions: Mapping[str, str]
    """Circumstance -> what it means, in words for a model; its name where the table has none."""

    @classmethod
    def of(cls, table: AttributeTable) -> Constraints:
        """Read the table's ``constraints``, which may be missing, and its network, which may not.

        Raises:
            TableError: there is no network, or a part does not fit the table.
        """
        network = ProfileNetwork.of(table)
        section = table.sections.get("constraints", {})
        where = f"attribute table {table.name!r}: constraints"
        names = network.circumstances[0]
        try:
            check_names(section, ("source", "circumstances", "rules"), where, "part")
            described = section.get("circumstances", {})
            check_names(described, names, where, "circumstance")
            if not all(isinstance(text, str) for text in described.values()):
                raise TypeError("a circumstance is described by a text")
            rules = tuple(_rule(entry, table, where) for entry in section.get("rules", []))
        except (KeyError, TypeError, AttributeError) as error:
            raise TableError(f"{where}: {type(error).__name__}: {error}; see penguin.json for the form") from error
        return cls(network, rules, {name: described.get(name, name) for name in names})

    @property
    def table(self) -> AttributeTable:
        """The attributes."""
        return self.network.table

    def excused(self, rng: np.random.Generator) -> frozenset[str]:
        """Names of the rules that one profile may break, drawn."""
        return frozenset(rule.name for rule in self.rules if rng.random() < rule.exceptions)

    def told(self) -> str:
        """The rules in words, for a model."""
        lines = []
        for rule in self.rules:
            how = "rarely" if rule.exceptions else "never"
            lines.append(f"- {self._named(rule.when)}: {how} {self._named(rule.unlikely)}")
        return "\n".join(lines) or "- nothing beyond what is usual"

    def violations(
        self, situation: Mapping[str, str], profile: Profile, excused: frozenset[str] = frozenset()
    ) -> list[Violation]:
        """What does not hold of a profile; the network is asked only where no rule is broken.

        Args:
            situation: ``domain`` and ``circumstance``.
            profile: to check; what it does not hold breaks nothing.
            excused: names of the rules that it may break.
        """
        state = {**situation, **dict(zip(profile.keys, profile.values, strict=True))}
        broken = [rule for rule in self.rules if rule.broken_by(state)]
        found = [
            Violation(
                rule.name,
                f"{self._named({key: (str(state[key]),) for key in rule.when})} hardly ever goes with "
                f"{self._named({key: (str(state[key]),) for key in rule.unlikely})}: change one of them",
            )
            for rule in broken
            if rule.name not in excused
        ]
        if broken or not all(state.get(key) is not None for key in profile.keys):
            return found
        chances = self.network.chances({key: str(value) for key, value in state.items()})
        return [
            Violation(
                f"{self._name(key)} given the rest",
                f"{self._named({key: (str(state[key]),)})} hardly ever goes with the rest: change it",
            )
            for key, chance in chances.items()
            if chance < IMPOSSIBLE
        ]

    def _named(self, values: Values) -> str:
        return " and ".join(f"{self._name(key)} {' or '.join(map(repr, some))}" for key, some in values.items())

    def _name(self, key: str) -> str:
        index = None if key in SITUATION else self.table.find(key)
        return key if index is None else self.table[index].name


def _rule(entry: Mapping[str, Any], table: AttributeTable, where: str) -> Rule:
    check_names(entry, ("name", "when", "unlikely", "exceptions"), where, "field of a rule")
    share = entry["exceptions"]
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share < 1:
        raise TableError(f"{where}: {entry['name']!r}: exceptions is a share, 0 or more and below 1")
    when, unlikely = (_values(entry[part], table, f"{where}: {entry['name']!r}") for part in ("when", "unlikely"))
    if not unlikely:
        raise TableError(f"{where}: {entry['name']!r}: 'unlikely' names nothing")
    return Rule(str(entry["name"]), when, unlikely, float(share))


def _values(given: Mapping[str, list[str]], table: AttributeTable, where: str) -> Values:
    found = {}
    for name, values in given.items():
        if name in SITUATION:
            found[name] = tuple(values)
            continue
        attribute = table[table.index(name)]
        if attribute.values:
            check_names(values, attribute.values, where, f"value of {attribute.key!r}:")
        found[attribute.key] = tuple(values)
    return found
