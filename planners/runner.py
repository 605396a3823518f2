"""Drives many searches at once and pools what they ask into the models.

A search waits only for its own answers. Requests of all searches share the models' capacity, every result is
written to the store before a search hears of it, and what the store holds is never asked again. Which result
a search is sent depends on its scenario alone, so plans do not depend on concurrency or on what was cached. Searches
may share a number of evaluations; who gets how many then depends on what all of them ask (``spending``), and on
nothing else.
"""

from __future__ import annotations

import asyncio
import gc
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from raise_agent.errors import LimitReachedError
from raise_agent.looping import run
from raise_agent.models.base import (
    Evaluation,
    EvaluationRequest,
    Pool,
    Prior,
    RankRequest,
    SafetyModel,
    Unscored,
    Weights,
)
from raise_agent.scenario import Scenario
from raise_agent.store import EvaluationRow, EvaluationStore, RankingRow

from .allowance import Allowance
from .contract import Evaluate, Rank, Search
from .spending import Spending

Found = TypeVar("Found")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Task(Generic[Found]):
    """One search to run."""

    scenario: Scenario
    start: Callable[[], Search[Found]]
    """Begins the search; called when its turn comes."""
    noisy: bool = False
    """Whether asking for a subset again draws another sample; otherwise the first one is meant again."""
    first_sample: int = 0
    """Index of the first sample that this task is sent."""


@dataclass(slots=True)
class Tally:
    """What has happened so far, for the progress display and the report."""

    searches: int = 0
    """How many there are in all."""
    finished: int = 0
    scored: int = 0
    """Evaluations made by the model in this run."""
    cached: int = 0
    """Evaluations that the store already held."""
    unscored: int = 0
    """Evaluations that failed for good."""
    retried: int = 0
    """Evaluations asked again because they had failed."""
    ranked: int = 0
    """Rankings made by the prior in this run."""
    unranked: int = 0
    """Rankings that failed for good."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Why evaluations and rankings failed for good -> how often."""

    def failed(self, reason: str) -> None:
        """Count a failure for good."""
        self.reasons[reason] = self.reasons.get(reason, 0) + 1


class Progress(Protocol):
    """Shows a tally as it grows."""

    def update(self, tally: Tally) -> None:
        """Called often; it is the display's business to be cheap."""


def search_rng(seed: int, scenario: Scenario) -> np.random.Generator:
    """The randomness of one search: by the seed and the scenario's content, not by its place in the run."""
    return np.random.default_rng([seed, int(scenario.digest, 16)])


def score_subsets(subsets: Sequence[int]) -> Search[list[float | None]]:
    """The simplest search: have these subsets scored; None for each where nothing is to be spent on it."""
    scores: list[float | None] | None = yield Evaluate(subsets)
    return [None] * len(subsets) if scores is None else scores


class LimitReached(LimitReachedError):  # noqa: N818 - an expected outcome, told as such
    """A run came to one of its limits; ``finished`` holds what was found until then, by place among the tasks."""

    def __init__(self, limit: str, finished: dict[int, Any], searches: int) -> None:
        super().__init__(f"stopped at {limit}: {len(finished):,} of {searches:,} searches are finished")
        self.limit = limit
        self.finished = finished


BREADTH = 4
"""Searches under way for each request in progress: enough that none idles the model at the end, few enough that what
a server's prefix cache holds of a scenario is still there when the scenario's next request comes."""


def _tell_unless_interrupted(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An interrupt that comes in the middle of a task is raised to the caller; the loop need not tell of it again."""
    if not isinstance(context.get("exception"), KeyboardInterrupt):
        loop.default_exception_handler(context)


@contextmanager
def _rare_collection() -> Iterator[None]:
    """Look for reference cycles seldom: walking thousands of live search trees again and again costs a quarter."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@dataclass(slots=True)
class _Memory:
    """What is known of one scenario while searches over it run."""

    evaluations: dict[tuple[int, int], Evaluation]
    rankings: dict[int, Weights]
    users: int = 0


@dataclass(slots=True)
class _Running:
    """A search under way."""

    index: int
    task: Task[Any]
    search: Search[Any]
    memory: _Memory
    reply: list[float | None] = field(default_factory=list)
    missing: int = 0
    """How many answers of the current question are still out."""
    draws: dict[int, int] = field(default_factory=dict)
    """subset -> how often this search has asked for it."""


_Key = tuple[str, int, int]
"""Scenario digest, subset, sample; the sample of a ranking is 0."""


@dataclass(slots=True)
class _Desk(Generic[_Result]):
    """The requests out to one model: who waits for what, and what waits for room."""

    pool: Pool[Any, _Result]
    identity: int
    """Number of the pool's identity in the store."""
    waiters: dict[_Key, list[tuple[_Running, int]]] = field(default_factory=dict)
    """Each waiting search with the position of the answer in its reply."""
    tickets: dict[int, tuple[_Key, Any, int]] = field(default_factory=dict)
    """ticket -> key, request, attempts so far."""
    queue: deque[tuple[_Key, Any, int]] = field(default_factory=deque)
    next_ticket: int = 0
    pending: asyncio.Future[list[tuple[int, _Result | Unscored]]] | None = None

    def ask(self, key: _Key, request: Any, running: _Running, position: int) -> None:
        """Want a result; one request serves all who want the same."""
        waiting = self.waiters.setdefault(key, [])
        waiting.append((running, position))
        if len(waiting) == 1:
            self.queue.append((key, request, 1))

    def submit(self, most: float) -> None:
        """Hand over what the model has room for, ``most`` requests at the most."""
        most = min(most, self.pool.in_flight - len(self.tickets))
        while self.queue and most > 0:
            most -= 1
            entry = self.queue.popleft()
            self.tickets[self.next_ticket] = entry
            self.pool.submit(self.next_ticket, entry[1])
            self.next_ticket += 1


class Runner:
    """Runs searches against a safety model and a prior, through the store.

    Args:
        safety: scores (scenario, subset).
        prior: ranks attributes; None where no planner asks for it (``Rank`` is then answered by None).
        store: keeps every result; evaluations found there are not made again.
        searches: most searches at work at once; bounds memory, not results. Searches that wait for their share of
            evaluations do not count.
        attempts: how often a failed request is made in all before it counts as unscored, 1 or more.
        allowance: what may be spent; None sets no limit.
        progress: shows the tally as it grows.
    """

    def __init__(
        self,
        safety: SafetyModel,
        prior: Prior | None,
        store: EvaluationStore,
        *,
        searches: int = 4096,
        attempts: int = 2,
        allowance: Allowance | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._store = store
        self._scoring: _Desk[Evaluation] = _Desk(safety, store.identity(safety.identity))
        self._ranking: _Desk[Weights] | None = None if prior is None else _Desk(prior, store.identity(prior.identity))
        self._searches = searches
        self._attempts = attempts
        self._allowance = Allowance() if allowance is None else allowance
        self._progress = progress
        self._memories: dict[str, _Memory] = {}
        self._ready: deque[tuple[_Running, Any]] = deque()
        self._spending: Spending | None = None
        self.tally = Tally()

    @property
    def identity(self) -> int:
        """Number of the safety model's identity in the store."""
        return self._scoring.identity

    def run(
        self, tasks: Sequence[Task[Found]], origin: str, evaluations: int | None = None, evenly: float = 0.0
    ) -> list[Found]:
        """Run all searches; their results in the order of the tasks.

        Args:
            tasks: the searches.
            origin: who asks, kept with each evaluation in the store.
            evaluations: most subsets that all searches together ask to be scored, whether the store holds them or
                not; all searches are then kept in memory at once. None sets no limit.
            evenly: share of them, 0 to 1, that is split evenly before the searches that expect most go first.

        Raises:
            KeyboardInterrupt: stopped from outside; every finished evaluation is in the store.
            LimitReached: the allowance is used up; every finished evaluation is in the store.
        """
        self._spending = None if evaluations is None else Spending(evaluations, len(tasks), evenly)
        with _rare_collection():
            return run(self._run(tasks, origin))

    async def _run(self, tasks: Sequence[Task[Found]], origin: str) -> list[Found]:
        asyncio.get_running_loop().set_exception_handler(_tell_unless_interrupted)
        self.tally.searches += len(tasks)
        found: dict[int, Found] = {}
        upcoming = iter(enumerate(tasks))
        under_way: dict[int, _Running] = {}
        spending = self._spending
        try:
            while True:
                parked = 0 if spending is None else spending.waiting
                most = parked + min(self._searches, BREADTH * self._scoring.pool.in_flight)
                while len(under_way) < most and (upnext := next(upcoming, None)) is not None:
                    running = self._start(*upnext)
                    under_way[running.index] = running
                while self._ready:
                    running, reply = self._ready.popleft()
                    self._resume(running, reply, found)
                    if running.index in found:
                        del under_way[running.index]
                if not under_way and len(found) == len(tasks):
                    return [found[index] for index in range(len(tasks))]
                if spending is not None and spending.waiting == len(under_way):
                    if len(under_way) + len(found) == len(tasks):
                        self._next_wave(spending, under_way)
                elif under_way and not await self._collect(origin):
                    assert self._allowance.reached is not None
                    raise LimitReached(self._allowance.reached, found, len(tasks))
                if self._progress is not None:
                    self._progress.update(self.tally)
        finally:
            for running in under_way.values():
                running.search.close()
            await self._reset()

    def _start(self, index: int, task: Task[Any]) -> _Running:
        digest = task.scenario.digest
        memory = self._memories.get(digest)
        if memory is None:
            memory = self._memories[digest] = _Memory(
                self._store.evaluations(self._scoring.identity, digest),
                {} if self._ranking is None else self._store.rankings(self._ranking.identity, digest),
            )
        memory.users += 1
        running = _Running(index, task, task.start(), memory)
        self._ready.append((running, None))
        return running

    def _resume(self, running: _Running, reply: Any, found: dict[int, Any]) -> None:
        """Send a reply and file the next question; what memory answers at once is sent at once."""
        spending = self._spending
        try:
            while True:
                question = running.search.send(reply)
                if isinstance(question, Rank):
                    reply = self._file_rank(running, question)
                elif spending is None or spending.admits(running.index, question):
                    reply = self._file(running, question)
                else:
                    return
                if running.missing:
                    return
        except StopIteration as end:
            found[running.index] = end.value
            self.tally.finished += 1
            running.memory.users -= 1
            if not running.memory.users:
                del self._memories[running.task.scenario.digest]

    def _next_wave(self, spending: Spending, under_way: dict[int, _Running]) -> None:
        """File the questions that may be asked next; to the others nothing more is to be spent."""
        wave = spending.wave()
        self._ready.extend((under_way[place], None) for place in wave.refused)
        for place, question in wave.granted:
            running = under_way[place]
            reply = self._file(running, question)
            if not running.missing:
                self._ready.append((running, reply))

    def _file(self, running: _Running, question: Evaluate) -> list[float | None]:
        scenario = running.task.scenario
        running.reply = [None] * len(question.subsets)
        for position, subset in enumerate(question.subsets):
            sample = running.task.first_sample
            if running.task.noisy:
                sample += running.draws.get(subset, 0)
                running.draws[subset] = running.draws.get(subset, 0) + 1
            known = running.memory.evaluations.get((subset, sample))
            if known is not None:
                self.tally.cached += 1
                running.reply[position] = known.score
            else:
                running.missing += 1
                request = EvaluationRequest(scenario, subset, sample)
                self._scoring.ask((scenario.digest, subset, sample), request, running, position)
        return running.reply

    def _file_rank(self, running: _Running, question: Rank) -> tuple[float, ...] | None:
        if self._ranking is None:
            return None
        known = running.memory.rankings.get(question.subset)
        if known is not None:
            return known.weights
        scenario = running.task.scenario
        unasked = scenario.profile.known & ~question.subset
        if not unasked:
            return None
        running.missing = 1
        request = RankRequest(scenario.inquiry, scenario.profile.disclose(question.subset), unasked)
        self._ranking.ask((scenario.digest, question.subset, 0), request, running, 0)
        return None

    async def _collect(self, origin: str) -> bool:
        """Wait until a model has something done; write it down, then wake who waited for it.

        Returns:
            Whether anything was in progress; what waits then waits for an allowance that is used up.
        """
        desks: list[_Desk[Any]] = [self._scoring] if self._ranking is None else [self._scoring, self._ranking]
        allowance = self._allowance
        if self._scoring.queue:
            self._scoring.submit(allowance.room(len(self._scoring.tickets)))
        if self._ranking is not None and self._ranking.queue and allowance.open():
            self._ranking.submit(math.inf)
        for desk in desks:
            if desk.tickets and desk.pending is None:
                desk.pending = asyncio.ensure_future(desk.pool.completed())
        pending = [desk.pending for desk in desks if desk.pending is not None]
        if not pending:
            return False
        await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if self._scoring.pending is not None and self._scoring.pending.done():
            self._scored(self._finished(self._scoring), origin)
        if self._ranking is not None and self._ranking.pending is not None and self._ranking.pending.done():
            self._ranked(self._ranking, self._finished(self._ranking))
        return True

    def _finished(self, desk: _Desk[_Result]) -> list[tuple[_Key, _Result | Unscored]]:
        """What is done for good; a failure with attempts left goes back into the queue."""
        assert desk.pending is not None
        completed, desk.pending = desk.pending.result(), None
        final: list[tuple[_Key, _Result | Unscored]] = []
        for ticket, result in completed:
            key, request, attempts = desk.tickets.pop(ticket)
            if isinstance(result, Unscored) and not result.final and attempts < self._attempts:
                self.tally.retried += 1
                desk.queue.append((key, request, attempts + 1))
            else:
                final.append((key, result))
                if isinstance(result, Unscored):
                    self.tally.failed(result.reason)
        return final

    def _scored(self, results: list[tuple[_Key, Evaluation | Unscored]], origin: str) -> None:
        rows = [EvaluationRow(*key, outcome) for key, outcome in results if isinstance(outcome, Evaluation)]
        if self._store.write_evaluations(self._scoring.identity, origin, rows) < len(rows):
            results = [(key, self._as_stored(key, outcome)) for key, outcome in results]
        self.tally.scored += len(rows)
        self._allowance.evaluations += len(rows)
        self.tally.unscored += len(results) - len(rows)
        for key, outcome in results:
            score = None
            if isinstance(outcome, Evaluation):
                score = outcome.score
                self._memories[key[0]].evaluations[key[1], key[2]] = outcome
            for running, position in self._scoring.waiters.pop(key):
                running.reply[position] = score
                running.missing -= 1
                if not running.missing:
                    self._ready.append((running, running.reply))

    def _as_stored(self, key: _Key, outcome: Evaluation | Unscored) -> Evaluation | Unscored:
        """What the store holds: another job on it may have been first, with another draw."""
        return self._store.evaluations(self._scoring.identity, key[0]).get((key[1], key[2]), outcome)

    def _ranked(self, desk: _Desk[Weights], results: list[tuple[_Key, Weights | Unscored]]) -> None:
        rows = [RankingRow(key[0], key[1], made) for key, made in results if isinstance(made, Weights)]
        self._store.write_rankings(desk.identity, rows)
        self.tally.ranked += len(rows)
        self.tally.unranked += len(results) - len(rows)
        for key, made in results:
            weights = None
            if isinstance(made, Weights):
                weights = made.weights
                self._memories[key[0]].rankings[key[1]] = made
            for running, _ in desk.waiters.pop(key):
                running.missing = 0
                self._ready.append((running, weights))

    async def _reset(self) -> None:
        """Forget what is under way; the store keeps what is finished."""
        for desk in (self._scoring, self._ranking):
            if desk is None:
                continue
            if desk.pending is not None:
                desk.pending.cancel()
                desk.pending = None
            desk.waiters.clear()
            desk.tickets.clear()
            desk.queue.clear()
        # Side by side: pools that share connections all drop their work before the connections are closed.
        await asyncio.gather(*(desk.pool.aclose() for desk in (self._scoring, self._ranking) if desk is not None))
        self._memories.clear()
        self._ready.clear()
        self._spending = None
