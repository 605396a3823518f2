"""A served model as a pool: requests go in as they come, each runs as a task, results come out as they are done."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

from raise_agent.errors import ModelError, StoreError
from raise_agent.models.base import Evaluation, EvaluationRequest, RankRequest, Unscored, Weights
from raise_agent.store import EvaluationStore, ResponseRow

from .client import Client
from .failures import CallFailed
from .judge import Judge
from .prior import ServedPrior
from .responder import Responder

HOPELESS = 32
"""Scenarios of which not one could be scored, ever, after which a run is given up."""

Request = TypeVar("Request")
Result = TypeVar("Result")


class ServedPool(Generic[Request, Result]):
    """Runs one kind of request against served models.

    Args:
        client: shared with other pools.
        identity: everything that can change a result.
        work: what a request takes; raises ``CallFailed`` where it comes to nothing.
    """

    simulated = False

    def __init__(
        self,
        client: Client,
        identity: Mapping[str, object],
        work: Callable[[Request], Awaitable[Result]],
    ) -> None:
        self.identity = identity
        self._client = client
        self._work = work
        self._tasks: set[asyncio.Task[None]] = set()
        self._done: list[tuple[int, Result | Unscored]] = []
        self._error: Exception | None = None
        self._news: asyncio.Future[None] | None = None

    @property
    def in_flight(self) -> int:
        """More than there are requests in progress, so that one always waits for each that comes back."""
        return self._client.in_flight * 3 // 2 + self._client.backing_off + 4

    def submit(self, ticket: int, request: Request) -> None:
        """Take a request; none once the pool has failed, which :meth:`completed` tells."""
        if self._error is not None:
            return
        task = asyncio.ensure_future(self._run(ticket, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, ticket: int, request: Request) -> None:
        result: Result | Unscored
        try:
            result = await self._work(request)
        except CallFailed as failed:
            result = Unscored(str(failed), final=not failed.passing)
        except Exception as error:
            # What is no outcome of a request ends the run: a task that dies in silence would be waited for forever.
            self._error = self._error or error
            self._tell()
            return
        self._done.append((ticket, result))
        self._tell()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def completed(self) -> list[tuple[int, Result | Unscored]]:
        """Wait until something is done.

        Raises:
            ModelError: the server is gone, or refuses what every request needs, and all that is done was returned.
        """
        if not self._done and self._error is None:
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        if self._error is not None and not self._done:
            raise self._error
        done, self._done = self._done, []
        return done

    async def aclose(self) -> None:
        """Drop what is unfinished and release connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._done.clear()
        self._error = self._news = None
        await self._client.aclose()


def safety_pool(
    client: Client, responder: Responder, judge: Judge, store: EvaluationStore
) -> ServedPool[EvaluationRequest, Evaluation]:
    """Responder and judge as one safety model; the responder's answers go through the store.

    The responder is given the inquiry and what the subset discloses, the judge the whole scenario.
    """
    identity = {"responder": dict(responder.identity), "judge": dict(judge.identity)}
    answers = _Answers(store, store.identity(responder.identity))
    hope = _Hope(store, store.identity(identity))

    async def evaluate(request: EvaluationRequest) -> Evaluation:
        scenario, subset, sample = request.scenario, request.subset, request.sample
        drawn = f"{scenario.digest}|{subset}|{sample}"
        try:
            answer = store.response(answers.identity, scenario.digest, subset, sample)
            if answer is None:
                reply = await responder.respond(scenario.inquiry, scenario.profile.disclose(subset), drawn)
                answer = await answers.keep(ResponseRow(scenario.digest, subset, sample, reply.text, reply.finished))
            evaluation = await judge.judge(scenario, answer, drawn)
        except CallFailed as failed:
            hope.lose(scenario.digest, str(failed))
            raise
        hope.regain()
        return evaluation

    return ServedPool(client, identity, evaluate)


class _Answers:
    """Writes answers down before they are judged; what is judged is what the store then holds.

    Another job on the same store may have had the same answer written in other words: the first one stays, and every
    score is of the answer that is kept with it.
    """

    def __init__(self, store: EvaluationStore, identity: int) -> None:
        self.identity = identity
        """Number of the responder's identity in the store."""
        self._store = store
        self._waiting: list[tuple[ResponseRow, asyncio.Future[str]]] = []

    async def keep(self, row: ResponseRow) -> str:
        """Write an answer; the one that the store holds."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            # Answers that arrive together are written together.
            loop.call_soon(self._write)
        told: asyncio.Future[str] = loop.create_future()
        self._waiting.append((row, told))
        return await told

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            self._store.write_responses(self.identity, [row for row, _ in waiting])
            held = [self._store.response(self.identity, r.digest, r.subset, r.sample) or r.text for r, _ in waiting]
        except StoreError as error:
            for _, told in waiting:
                if not told.done():
                    told.set_exception(error)
            return
        for (_, told), text in zip(waiting, held, strict=True):
            if not told.done():
                told.set_result(text)


class _Hope:
    """Gives a run up that scores nothing; one that ever scored anything goes on."""

    def __init__(self, store: EvaluationStore, identity: int) -> None:
        self._lost: dict[str, str] | None = None if store.has_evaluations(identity) else {}

    def regain(self) -> None:
        """Something was scored."""
        self._lost = None

    def lose(self, digest: str, reason: str) -> None:
        """An evaluation of this scenario failed.

        Raises:
            ModelError: so did those of all others.
        """
        if self._lost is None:
            return
        self._lost[digest] = reason
        if len(self._lost) == HOPELESS:
            commonest, times = Counter(self._lost.values()).most_common(1)[0]
            raise ModelError(
                f"not one evaluation of the first {HOPELESS} scenarios was scored; {times} of them: {commonest}. "
                "`raise-agent doctor` with the same llm settings says what the server can do and what to set"
            )


def prior_pool(client: Client, prior: ServedPrior) -> ServedPool[RankRequest, Weights]:
    """A prior as a pool."""

    async def rank(request: RankRequest) -> Weights:
        return await prior.rank(request, f"{request.inquiry.query}|{list(request.known.items())}")

    return ServedPool(client, prior.identity, rank)
