"""What one search has asked and heard: keeps the evaluation limit and makes the plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from raise_agent.errors import ConfigError
from raise_agent.subsets import mask_of, members

from .additive import AdditiveFit
from .contract import Evaluate, Plan, PlanningProblem, Search


def check_evaluations(evaluations: int) -> None:
    """Refuse an evaluation limit below 1."""
    if isinstance(evaluations, bool) or not isinstance(evaluations, int) or evaluations < 1:
        raise ConfigError(f"evaluations must be 1 or more, a whole number, not {evaluations!r}")


@dataclass(slots=True)
class Scoreboard:
    """What one search asked and heard; with noise, several samples of a subset count as their mean."""

    problem: PlanningProblem
    limit: int
    """Most evaluations; a hard limit."""
    trace: list[tuple[int, float | None]] = field(default_factory=list)
    """Every (subset, score) in the order asked, None where unscored."""
    scores: dict[int, float | None] = field(default_factory=dict)
    """subset -> mean of its scores, None where all its samples are unscored."""
    samples: dict[int, int] = field(default_factory=dict)
    """subset -> how many scores that is the mean of."""
    _fit: AdditiveFit = field(init=False, repr=False)
    _fitted: int = 0

    def __post_init__(self) -> None:
        self._fit = AdditiveFit(self.problem.n_attributes, self.problem.depth)

    @property
    def left(self) -> int:
        """How many more evaluations may be made."""
        return self.limit - len(self.trace)

    def ahead(self, count: int) -> float:
        """Share, 0 to 1, of the evaluations to count on that is left after ``count`` more."""
        horizon = self.limit if self.problem.horizon is None else min(self.limit, self.problem.horizon)
        return max(horizon - len(self.trace) - count, 0) / max(horizon, 1)

    def ask(self, subsets: Iterable[int]) -> Search[None]:
        """Have those of these subsets scored that were not asked before, in order, as far as the limit allows."""
        wanted: dict[int, None] = {}
        for subset in subsets:
            if len(wanted) >= self.left:
                break
            if subset not in self.scores:
                wanted[subset] = None
        if wanted:
            yield from self.draw(tuple(wanted))

    def draw(self, subsets: Sequence[int], gain: float = math.inf) -> Search[list[float | None]]:
        """Have each of these subsets scored, again where it was before; there must be as many ``left``.

        Args:
            subsets: to score.
            gain: what that is expected to add to the plan's value, in score points.

        Returns:
            The scores just drawn, none where nothing more is to be spent; nothing is ``left`` then. A reply that is
            not a finite number is unscored.
        """
        replies: Sequence[float | None] | None = yield Evaluate(tuple(subsets), gain)
        if replies is None:
            self.limit = len(self.trace)
            return []
        heard = [float(s) if s is not None and math.isfinite(s) else None for s in replies]
        for subset, score in zip(subsets, heard, strict=True):
            self.trace.append((subset, score))
            mean, count = self.scores.get(subset), self.samples.get(subset, 0)
            if score is None:
                self.scores[subset] = mean
            else:
                self.scores[subset] = score if mean is None else mean + (score - mean) / (count + 1)
                self.samples[subset] = count + 1
        return heard

    def ask_prefixes(self, path: Sequence[int]) -> Search[None]:
        """Have the end of ``path`` scored and, where asking costs, its prefixes, longest first.

        With them, ``plan`` can tell after which question to stop.
        """
        shortest = len(path) if self.problem.free else 0
        yield from self.ask([mask_of(path[:length]) for length in range(len(path), shortest - 1, -1)])

    def worth(self, subset: int) -> float | None:
        """Score less the cost of asking; None where it is unscored or was not asked."""
        score = self.scores.get(subset)
        return None if score is None else score - self.problem.cost_of(subset)

    def best(self, subsets: Iterable[int]) -> int:
        """The subset of highest worth; of equals the smallest, then that with the lowest indices.

        An unscored one never wins against a scored one. Of unscored ones the largest wins: nothing speaks for
        asking less.
        """

        def rank(subset: int) -> tuple[float, ...]:
            worth, size = self.worth(subset), subset.bit_count()
            first = (0.0, 0.0, size) if worth is None else (1.0, worth, -size)
            return (*first, *(-index for index in members(subset)))

        return max(subsets, key=rank)

    def fit(self) -> AdditiveFit:
        """The additive account of all scores heard so far."""
        for subset, score in islice(self.trace, self._fitted, None):
            if score is not None:
                self._fit.add(subset, score)
        self._fitted = len(self.trace)
        return self._fit

    def estimate(self, subset: int) -> float:
        """The worth, or where there is none an estimate of it, comparable among subsets of one size."""
        worth = self.worth(subset)
        return self.fit().estimate(subset) - self.problem.cost_of(subset) if worth is None else worth

    def as_far_as_it_pays(self, path: tuple[int, ...], worth: Callable[[int], float]) -> tuple[int, ...]:
        """The path up to the prefix of highest worth where asking costs, the first of equals; else the whole path."""
        if self.problem.free:
            return path
        return path[: max(range(len(path) + 1), key=lambda length: worth(mask_of(path[:length])))]

    def plan(self, path: Sequence[int]) -> Plan:
        """The plan that follows ``path`` as far as asking pays.

        Where asking is free the whole path is kept. Where it costs, the path is cut after the scored prefix of
        highest worth, at the first of equals, so that a question that brings nothing is not asked. A path
        whose end is unscored is left whole.
        """
        worths = [self.worth(mask_of(path[:length])) for length in range(len(path) + 1)]
        end = len(path)
        if not self.problem.free and worths[end] is not None:
            scored = {length: worth for length, worth in enumerate(worths) if worth is not None}
            end = max(scored, key=lambda length: scored[length])
        return Plan(
            path=tuple(path[:end]),
            value=worths[end],
            evaluations=len(self.trace),
            trace=tuple(self.trace),
        )
