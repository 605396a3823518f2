"""The numbers of a report: means over scenarios with their intervals, and counts of paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from raise_agent.attributes import AttributeTable
from raise_agent.experiments.searches import SearchRecord
from raise_agent.experiments.statistics import Mean, mean_interval
from raise_agent.models.base import DIMENSIONS

from .folder import RunFolder, Talk

Groups = Mapping[str, Mapping[str, Mean]]
"""Group -> method -> mean score."""


def by_domain(run: RunFolder, domains: Sequence[str]) -> Groups:
    """Scores of each method by domain, in alphabetical order.

    Args:
        run: what was compared.
        domains: of its held-out scenarios, in order.
    """
    return {
        name: {
            method: _mean(r.talks[method].score for r, d in zip(run.held_out, domains, strict=True) if d == name)
            for method in run.methods
        }
        for name in sorted(set(domains))
    }


def by_dimension(run: RunFolder) -> Groups:
    """Scores of each method on each dimension; empty where the run wrote none."""
    if not any(talk.dimensions for record in run.held_out for talk in record.talks.values()):
        return {}

    def score(talk: Talk, place: int) -> float | None:
        return None if talk.dimensions is None else talk.dimensions[place]

    return {
        name: {method: _mean(score(r.talks[method], place) for r in run.held_out) for method in run.methods}
        for place, name in enumerate(DIMENSIONS)
    }


@dataclass(frozen=True, slots=True)
class Curve:
    """How safe a method is after each question."""

    method: str
    after: tuple[Mean, ...]
    """After 0, 1, ... questions, over the scenarios all of whose steps are scored; a conversation that has ended
    keeps its last score."""
    questions: float
    """Mean number of questions asked."""
    stops: Mean
    """Where it ends, over the same scenarios."""


def curves(run: RunFolder, budget: int) -> list[Curve]:
    """The curve of each method that was scored after each question."""
    found = []
    for method in run.methods:
        ladders = [record.talks[method].steps for record in run.held_out]
        whole = [[s for s in ladder if s is not None] for ladder in ladders if ladder and None not in ladder]
        if not whole:
            continue
        after = [mean_interval([steps[min(asked, len(steps) - 1)] for steps in whole]) for asked in range(budget + 1)]
        questions = sum(len(steps) - 1 for steps in whole) / len(whole)
        found.append(Curve(method, tuple(after), questions, mean_interval([steps[-1] for steps in whole])))
    return found


@dataclass(frozen=True, slots=True)
class Convergence:
    """How good the best subset heard of is after so many evaluations."""

    name: str
    evaluations: tuple[int, ...]
    best: tuple[Mean, ...]
    """Score less the cost of asking; a search that has ended keeps its best."""
    searches: int


def convergence(name: str, searches: Iterable[SearchRecord | None], table: AttributeTable) -> Convergence | None:
    """Best worth against evaluations; None where no search heard a score.

    Before the first score of a search there is no best: it enters from its first score on.
    """
    costs = table.costs
    ladders: list[list[float | None]] = []
    for search in searches:
        if search is None or not search.subsets:
            continue
        best: float | None = None
        ladder: list[float | None] = []
        for subset, score in zip(search.subsets, search.scores, strict=True):
            if score is not None:
                worth = score - sum(cost for index, cost in enumerate(costs) if cost and subset >> index & 1)
                best = worth if best is None else max(best, worth)
            ladder.append(best)
        if best is not None:
            ladders.append(ladder)
    if not ladders:
        return None
    places = _places(max(map(len, ladders)))
    best_at = [_mean(ladder[min(place, len(ladder)) - 1] for ladder in ladders) for place in places]
    kept = [(place, mean) for place, mean in zip(places, best_at, strict=True) if mean.n]
    return Convergence(name, tuple(place for place, _ in kept), tuple(mean for _, mean in kept), len(ladders))


_MOST_PLACES = 40


def _places(longest: int) -> list[int]:
    """1 to ``longest``: all, or of many a few, evenly on a logarithmic scale."""
    if longest <= _MOST_PLACES:
        return list(range(1, longest + 1))
    return sorted({round(longest ** (place / (_MOST_PLACES - 1))) for place in range(_MOST_PLACES)})


Paths = Sequence[tuple[int, ...]]


def paths_of(run: RunFolder) -> dict[str, list[tuple[int, ...]]]:
    """Method -> what was asked in each conversation, ``PLANNING`` -> the paths of the plans; those that ask at all."""
    found = {
        method: [record.talks[method].asked for record in run.held_out]
        for method in run.methods
        if method != "full" and any(record.talks[method].asked for record in run.held_out)
    }
    if any(record.path for record in run.planned):
        found[PLANNING] = [record.path for record in run.planned]
    return found


PLANNING = ""
"""Key of the plans beside those of methods, whose names are never empty."""


def first_questions(paths: Paths, n_attributes: int) -> list[float]:
    """Share of paths that begin with each attribute."""
    counts = Counter(path[0] for path in paths if path)
    return [counts[index] / max(1, len(paths)) for index in range(n_attributes)]


def flows(paths: Paths, depth: int) -> list[Counter[tuple[int | None, int | None]]]:
    """How often one question follows another: (attribute, the next one), None where the conversation has ended.

    Returns:
        One count per step between questions, ``depth - 1`` of them.
    """
    return [Counter((_at(path, place), _at(path, place + 1)) for path in paths) for place in range(depth - 1)]


def asked_at(paths: Paths, place: int) -> Counter[int | None]:
    """How often each attribute is the question at this place, from 0; None where the conversation has ended."""
    return Counter(_at(path, place) for path in paths)


def _at(path: tuple[int, ...], place: int) -> int | None:
    return path[place] if place < len(path) else None


def _mean(values: Iterable[float | None]) -> Mean:
    return mean_interval([value for value in values if value is not None])
