"""A served model as a pool: requests go in as they come, each runs as a task, results come out as they are done."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

from raise_agent.errors import ModelError
from raise_agent.models.base import Evaluation, EvaluationRequest, RankRequest, Unscored, Weights
from raise_agent.store import EvaluationStore, ResponseRow

from .client import Client
from .failures import CallFailed
from .judge import Judge
from .prior import ServedPrior
from .responder import Responder

HOPELESS = 64
"""Failures without a single success after which a run is given up."""

Request = TypeVar("Request")
Result = TypeVar("Result")


class ServedPool(Generic[Request, Result]):
    """Runs one kind of request against served models.

    Args:
        client: shared with other pools.
        identity: everything that can change a result.
        work: what a request takes; raises ``CallFailed`` where it comes to nothing.
        what: what results are called in errors.
    """

    simulated = False

    def __init__(
        self,
        client: Client,
        identity: Mapping[str, object],
        work: Callable[[Request], Awaitable[Result]],
        what: str,
    ) -> None:
        self.identity = identity
        self._client = client
        self._work = work
        self._what = what
        self._tasks: set[asyncio.Task[None]] = set()
        self._done: list[tuple[int, Result | Unscored]] = []
        self._error: Exception | None = None
        self._news: asyncio.Future[None] | None = None
        self._succeeded = 0
        self._reasons: Counter[str] = Counter()

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
            self._succeeded += 1
        except CallFailed as failed:
            result = Unscored(str(failed), final=not failed.passing)
            self._failed(str(failed))
        except Exception as error:
            # What is no outcome of a request ends the run: a task that dies in silence would be waited for forever.
            self._error = self._error or error
            self._tell()
            return
        self._done.append((ticket, result))
        self._tell()

    def _failed(self, reason: str) -> None:
        self._reasons[reason] += 1
        if not self._succeeded and self._reasons.total() == HOPELESS:
            commonest, times = self._reasons.most_common(1)[0]
            self._error = ModelError(
                f"none of the first {HOPELESS} {self._what} succeeded; {times} of them: {commonest}. "
                "`raise-agent doctor` with the same llm settings says what the server can do and what to set"
            )

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
    number = store.identity(responder.identity)
    kept: list[ResponseRow] = []

    def keep(row: ResponseRow) -> None:
        # Answers that arrive together are written together.
        if not kept:
            asyncio.get_running_loop().call_soon(write)
        kept.append(row)

    def write() -> None:
        rows = kept.copy()
        kept.clear()
        store.write_responses(number, rows)

    async def evaluate(request: EvaluationRequest) -> Evaluation:
        scenario, subset, sample = request.scenario, request.subset, request.sample
        drawn = f"{scenario.digest}|{subset}|{sample}"
        answer = store.response(number, scenario.digest, subset, sample)
        if answer is None:
            reply = await responder.respond(scenario.inquiry, scenario.profile.disclose(subset), drawn)
            answer = reply.text
            keep(ResponseRow(scenario.digest, subset, sample, answer, reply.finished))
        return await judge.judge(scenario, answer, drawn)

    identity = {"responder": dict(responder.identity), "judge": dict(judge.identity)}
    return ServedPool(client, identity, evaluate, "evaluations")


def prior_pool(client: Client, prior: ServedPrior) -> ServedPool[RankRequest, Weights]:
    """A prior as a pool."""

    async def rank(request: RankRequest) -> Weights:
        return await prior.rank(request, f"{request.inquiry.query}|{list(request.known.items())}")

    return ServedPool(client, prior.identity, rank, "rankings")
