"""One made-up person and their queries: proposed by a model, checked, sent back, dropped (paper, section 2 and A.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from raise_agent.attributes import AttributeTable
from raise_agent.data.records import text_fault
from raise_agent.scenario import Profile

from .constraints import Constraints
from .contract import Unwritten, Writer
from .forms import ALONE, BESIDE, offered, profile_schema, profile_text, queries_schema, quoted
from .giveaways import given_away

NO_REMARKS = "- none so far"
UNUSABLE = "unusable text"
STATED = "gives the background away"
HINTED = "gives the background away, as the model reads it"
NOT_NEUTRAL = "not neutral by itself"
HARMLESS = "no risk for this person"
_EXPLAINED: Mapping[str, str] = {
    UNUSABLE: "cannot be read as a text",
    STATED: "states something about the person",
    HINTED: "hints at something about the person",
    NOT_NEUTRAL: "does not read as neutral to somebody who knows nothing of the person",
    HARMLESS: "holds no particular risk for this person",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A person to make up, and how many queries of theirs are needed."""

    domain: str
    circumstance: str
    number: int
    """Among those of this domain and circumstance, 0 first."""
    queries: int


@dataclass(frozen=True, slots=True)
class Person:
    """What came of it."""

    wanted: Wanted
    profile: Profile | None
    """None where it was dropped."""
    queries: tuple[str, ...] = ()
    """Those that passed every check, in the order they were written."""
    why_dropped: str = ""
    """Of the profile."""
    profile_redone: Mapping[str, int] = field(default_factory=dict)
    """rule -> how often a draft was sent back for it."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """reason -> queries dropped."""
    redone: Mapping[str, int] = field(default_factory=dict)
    """reason -> how often a query was written anew for it."""


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes people up. Safe to call from many threads where its writer is."""

    writer: Writer
    constraints: Constraints
    attempts: int
    """How often a profile, or a query, is written in all before it is dropped; 1 or more."""
    seed: int
    """0 or more; another one makes up other people."""

    @property
    def _table(self) -> AttributeTable:
        return self.constraints.table

    def make(self, wanted: Wanted) -> Person:
        """One person; the same whoever else is made up beside.

        Raises:
            ModelError: the model is gone.
        """
        names, _ = self.constraints.network.circumstances
        place = [ord(sign) for sign in wanted.domain] + [names.index(wanted.circumstance), wanted.number]
        rng = np.random.default_rng([self.seed, *place])
        redone: Counter[str] = Counter()
        profile = self._profile(wanted, rng, redone)
        if isinstance(profile, str):
            return Person(wanted, None, why_dropped=profile, profile_redone=redone)
        queries, again, dropped = list[str](), Counter[str](), Counter[str]()
        for number, query in enumerate(self._queries(wanted, profile, wanted.queries, NO_REMARKS, 0, dropped), 1):
            kept = self._checked(wanted, profile, query, number, again, dropped)
            if kept is not None:
                queries.append(kept)
        return Person(wanted, profile, tuple(queries), "", redone, dropped, again)

    # --- the profile --------------------------------------------------------------------------------------------------

    def _profile(self, wanted: Wanted, rng: np.random.Generator, redone: Counter[str]) -> Profile | str:
        """A profile that keeps the rules, or why there is none.

        What depends on the situation alone is drawn from the network and not left to the model, which would else make
        up the same few people again and again.
        """
        network, table = self.constraints.network, self._table
        drawn = network.sample([wanted.domain], rng, {"circumstance": wanted.circumstance})[0]
        given = {key: value for key, value in zip(table.keys, drawn, strict=True) if key in network.roots}
        excused = self.constraints.excused(rng)
        schema = profile_schema(table)
        for key, value in given.items():
            schema["properties"][key] = {"enum": [value]}
        situation = {"domain": wanted.domain, "circumstance": wanted.circumstance}
        remarks = list[str]()
        why = ""
        for _ in range(self.attempts):
            try:
                made = self.writer.write(
                    "profile",
                    schema,
                    draw=self._draw(wanted.number),
                    domain=wanted.domain,
                    situation=self._situation(wanted),
                    attributes=offered(table),
                    given=profile_text(table, Profile(tuple(given), tuple(given.values()))) or "- nothing",
                    rules=self.constraints.told(),
                    remarks="\n".join(remarks) or NO_REMARKS,
                )
            except Unwritten as failed:
                return failed.reason
            profile = Profile(table.keys, tuple(table.text_of(made[key]) for key in table.keys))
            found = self.constraints.violations(situation, profile, excused)
            if not found:
                return profile
            why = found[0].rule
            redone.update(violation.rule for violation in found)
            # Said again where it is still so: the same words would bring the same draft.
            remarks += [f"- {violation.remark}" for violation in found]
        # The last draft was not sent back, but dropped.
        redone.subtract(violation.rule for violation in found)
        return why

    # --- the queries --------------------------------------------------------------------------------------------------

    def _queries(
        self, wanted: Wanted, profile: Profile, count: int, remarks: str, number: int, dropped: Counter[str]
    ) -> Sequence[str]:
        """So many queries; none where the model fails, which is counted."""
        try:
            made = self.writer.write(
                "queries",
                queries_schema(count),
                draw=self._draw(number),
                domain=wanted.domain,
                situation=self._situation(wanted),
                profile=profile_text(self._table, profile),
                count=str(count),
                remarks=remarks,
            )
        except Unwritten as failed:
            dropped[failed.reason] += count
            return ()
        queries: Sequence[str] = made["queries"]
        return queries

    def _checked(
        self,
        wanted: Wanted,
        profile: Profile,
        query: str,
        number: int,
        redone: Counter[str],
        dropped: Counter[str],
    ) -> str | None:
        """The query, or one in its place that passes the checks; None where there is none, which is counted."""
        remarks = list[str]()
        for attempt in range(self.attempts):
            try:
                fault = self._fault(profile, query)
            except Unwritten as failed:
                dropped[f"not checked: {failed.reason}"] += 1
                return None
            if fault is None:
                return query.strip()
            if attempt == self.attempts - 1:
                dropped[fault] += 1
                return None
            redone[fault] += 1
            remarks.append(f"- the question {quoted(query)} {_EXPLAINED[fault]}: write another")
            again = self._queries(wanted, profile, 1, "\n".join(remarks), number, dropped)
            if not again:
                return None
            query = again[0]
        return None

    def _fault(self, profile: Profile, query: str) -> str | None:
        """What is wrong with a query; None where nothing is.

        Words first, as they cost nothing; then the model is asked, first without the person, then beside them.

        Raises:
            Unwritten: the model does not say.
        """
        if not query.strip() or text_fault(query):
            return UNUSABLE
        if given_away(query, self._table, profile):
            return STATED
        if self.writer.write("alone", ALONE, query=quoted(query))["neutral"] == "no":
            return NOT_NEUTRAL
        about = profile_text(self._table, profile)
        beside = self.writer.write("beside", BESIDE, profile=about, query=quoted(query))
        if beside["states"] == "yes":
            return HINTED
        return HARMLESS if beside["risky"] == "no" else None

    def _situation(self, wanted: Wanted) -> str:
        return f"{wanted.circumstance}: {self.constraints.descriptions[wanted.circumstance]}"

    def _draw(self, number: int) -> int:
        return (self.seed << 24) + number
