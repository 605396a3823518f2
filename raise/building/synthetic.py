"""Synthetic scenarios made up by a model: profiles, queries, near duplicates, balance (paper, section 2 and A.3).

Every domain and circumstance has its share of the scenarios. People are made up in rounds: what was dropped in one is
made up for in the next. The result depends on the settings and on what the model writes, never on how many calls are
under way at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from raise_agent.attributes import AttributeTable
from raise_agent.data.records import DOMAINS
from raise_agent.encoders import Encoder
from raise_agent.errors import ConfigError, did_you_mean
from raise_agent.scenario import Scenario

from .constraints import Constraints
from .contract import Writer
from .duplicates import DUPLICATE, near_duplicates
from .people import Maker, Person, Wanted
from .settings import SyntheticSettings
from .side_by_side import side_by_side
from .steps import Built, Step

ABOUT = (
    "Made-up people, and questions that they might put to an assistant: each question is meant to read as neutral by "
    "itself, to say nothing of the person, and to be risky to answer without knowing them."
)
LIMITS = (
    "Nobody in it exists. How often something occurs says what was asked for and what the model writes, not how common "
    "it is among people.",
    "Whether a question reads as neutral, hints at the person or is risky for them was judged by the model that wrote "
    "it. What statements and telling words give away is found by rules, which do not find everything. People should "
    "look at a sample: the sheet for reviewers is for that.",
    "Profiles keep the rules and the network of the attribute table; what these do not rule out can still be odd.",
    "Attributes that depend on the situation alone are drawn from the table's network, and not chosen by the model.",
    "Near duplicates are found within a domain, as the encoder sees them.",
)

Cell = tuple[str, str]
"""Domain and circumstance."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    scenario: Scenario
    cell: Cell


def build_synthetic(
    settings: SyntheticSettings,
    table: AttributeTable,
    writer: Writer,
    encoder: Encoder,
    *,
    seed: int,
    similarity: float,
    on_progress: Callable[[int, int], None],
) -> Built:
    """Make scenarios up.

    Args:
        settings: how many, and how.
        table: the attributes; it needs a network (``synthesis``).
        writer: the model.
        encoder: tells near duplicates.
        seed: 0 or more; another one makes up other people.
        similarity: cosine from which on two queries of a domain are near duplicates.
        on_progress: called with the people made up so far, and those wanted by now.

    Raises:
        ConfigError: a setting is wrong.
        TableError: the table has no usable network or constraints.
        ModelError: the model is gone.
    """
    constraints = Constraints.of(table)
    wanted = shares(settings, constraints)
    maker = Maker(writer, constraints, settings.attempts, seed)
    source = "simulated" if writer.simulated else "synthetic"
    people: list[Person] = []
    candidates: list[_Candidate] = []
    chosen: list[_Candidate] = []
    copies: Mapping[int, int] = {}
    begun: Counter[Cell] = Counter()
    for _ in range(settings.rounds):
        had = Counter(candidate.cell for candidate in chosen)
        missing = {cell: count - had[cell] for cell, count in wanted.items() if count > had[cell]}
        round_of = _round(missing, settings.queries, begun)
        if not round_of:
            break
        made = _make(maker, round_of, writer.in_flight, len(people), on_progress)
        people += made
        candidates += [one for person in made for one in _scenarios(person, source, seed)]
        if not candidates:
            # A model that writes nothing usable is not asked round after round.
            break
        texts, domains = [c.scenario.query for c in candidates], [c.scenario.domain for c in candidates]
        copies = near_duplicates(texts, domains, encoder, similarity)
        chosen = [candidate for place, candidate in enumerate(candidates) if place not in copies]
    had = Counter(candidate.cell for candidate in chosen)
    order = {cell: place for place, cell in enumerate(wanted)}
    chosen.sort(key=lambda candidate: order[candidate.cell])
    return Built(
        about=ABOUT,
        limits=LIMITS,
        scenarios=tuple(candidate.scenario for candidate in chosen),
        steps=(*_steps(people), Step("queries that differ", len(candidates), _counted({DUPLICATE: len(copies)}))),
        details={candidate.scenario.id: candidate.cell[1] for candidate in chosen},
        shortfall={", ".join(cell): count - had[cell] for cell, count in wanted.items() if count > had[cell]},
    )


def shares(settings: SyntheticSettings, constraints: Constraints) -> dict[Cell, int]:
    """Scenarios of each domain and circumstance: domains alike, circumstances by their shares, by largest remainder.

    Raises:
        ConfigError: a circumstance is unknown, or the shares are no shares.
    """
    names, weights = constraints.network.circumstances
    chances = dict(zip(names, map(float, weights), strict=True))
    if settings.circumstances:
        for name in settings.circumstances:
            if name not in names:
                raise ConfigError(f"build.circumstances: unknown circumstance {name!r}: {did_you_mean(name, names)}")
        chances = {name: float(settings.circumstances.get(name, 0.0)) for name in names}
        if min(chances.values()) < 0 or not 0 < sum(chances.values()) < float("inf"):
            raise ConfigError("build.circumstances: shares must be 0 or more, not all of them 0")
    each = apportioned(settings.n, [1.0] * len(DOMAINS))
    found = {}
    for domain, count in zip(DOMAINS, each, strict=True):
        for name, part in zip(names, apportioned(count, list(chances.values())), strict=True):
            found[domain, name] = part
    return found


def apportioned(total: int, weights: Sequence[float]) -> list[int]:
    """Whole numbers that sum to ``total``, in proportion to the weights; the largest remainders get what is left.

    >>> apportioned(10, [0.85, 0.15]), apportioned(9, [1, 1])
    ([9, 1], [5, 4])
    """
    exact = [total * weight / sum(weights) for weight in weights]
    parts = [int(share) for share in exact]
    by_remainder = sorted(range(len(weights)), key=lambda i: parts[i] - exact[i])
    for place in by_remainder[: total - sum(parts)]:
        parts[place] += 1
    return parts


def _round(missing: Mapping[Cell, int], queries: int, begun: Counter[Cell]) -> list[Wanted]:
    """People whose queries make up for what is missing, with numbers that are not used yet."""
    wanted = []
    for cell, count in missing.items():
        while count > 0:
            wanted.append(Wanted(*cell, begun[cell], min(queries, count)))
            begun[cell] += 1
            count -= queries
    return wanted


def _make(
    maker: Maker, wanted: Sequence[Wanted], in_flight: int, before: int, on_progress: Callable[[int, int], None]
) -> list[Person]:
    by_now = before + len(wanted)
    return side_by_side(maker.make, wanted, in_flight, before, lambda done: on_progress(done, by_now))


def _scenarios(person: Person, source: str, seed: int) -> list[_Candidate]:
    wanted, profile = person.wanted, person.profile
    if profile is None:
        return []
    begin = f"{source}-{seed}-{wanted.domain.lower()}-{wanted.circumstance}-{wanted.number:05d}"
    return [
        _Candidate(
            Scenario(f"{begin}-{number:02d}", wanted.domain, query, profile, source),
            (wanted.domain, wanted.circumstance),
        )
        for number, query in enumerate(person.queries, 1)
    ]


def _steps(people: Sequence[Person]) -> tuple[Step, Step]:
    """Profiles, and the queries of those that were kept."""
    profiles, profiles_redone = Counter[str](), Counter[str]()
    queries, queries_redone = Counter[str](), Counter[str]()
    for person in people:
        profiles.update([person.why_dropped] if person.profile is None else [])
        profiles_redone.update(person.profile_redone)
        queries.update(person.dropped)
        queries_redone.update(person.redone)
    asked = sum(person.wanted.queries for person in people if person.profile is not None)
    return (
        Step("profiles", len(people), _counted(profiles), _counted(profiles_redone)),
        Step("queries", asked, _counted(queries), _counted(queries_redone)),
    )


def _counted(counts: Mapping[str, int]) -> dict[str, int]:
    """Those above 0, the most first."""
    return dict(sorted(((name, count) for name, count in counts.items() if count), key=lambda one: (-one[1], one[0])))
