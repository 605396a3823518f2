"""How many requests a second servers answer, by how many are in progress at once.

The requests are those of planning: for one made-up person after another the responder answers and the judge scores,
so that a prefix cache finds no more than what all requests share, and what one evaluation's do.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from raise_agent.attributes import AttributeTable
from raise_agent.subsets import mask_of

from .caller import Caller
from .client import Client
from .connect import MADE_UP_ANSWER, ServedSettings, find_callers, made_up
from .failures import CallFailed
from .judge import make_judge
from .responder import Responder
from .wire import ChatReply, RoleRequest

ENOUGH = 1.05
"""A higher concurrency is tried while one of the last two brought so many times more requests or tokens a second."""
TOLERATED = 0.05
"""Share of requests that may fail at a concurrency that is advised."""
_RAMP = 0.2
"""Part of a step that passes before it counts: all begin at once, which never happens later on."""
_ANSWERS_A_STEP = 4
"""A step must have time for so many answers one after the other; they are cut short if need be."""
_EVALUATIONS_A_STEP = 3
"""As many evaluations, at the concurrency before; a step takes longer if need be."""
_LEAST_TOKENS = 16
_AFTER_FAILURE = 0.05
"""Seconds that one who failed waits, so that refusals do not come by the thousand."""


@dataclass(frozen=True, slots=True)
class Step:
    """One concurrency."""

    concurrency: int
    """Requests in progress at each endpoint of the responder."""
    requests_per_second: float
    tokens_per_second: float
    """Generated ones."""
    median_seconds: float
    """Of one request; NaN where none was answered."""
    p95_seconds: float
    evaluation_seconds: float
    """Mean of one evaluation, all its requests; NaN where none was finished."""
    failed: int
    """Requests that failed, whether a retry helped or not."""
    answered: int
    """Requests that did not."""

    @property
    def borne(self) -> bool:
        """Whether the server bore it: next to none failed."""
        return self.failed <= TOLERATED * (self.failed + self.answered)


@dataclass(frozen=True, slots=True)
class Throughput:
    """What was measured."""

    steps: tuple[Step, ...]
    answer_tokens: int
    """Most tokens of the responder's answers while measuring."""
    whole_seconds: float | None
    """About how long measuring takes with whole answers; None where they were not cut short."""
    ended: str
    """Why no higher concurrency was tried."""
    rising: bool
    """Whether a higher one might have brought more."""

    @property
    def best(self) -> Step | None:
        """The lowest concurrency within 5 % of the most requests a second that was borne; None where there is none."""
        steps = [step for step in self.steps if step.borne and step.requests_per_second]
        most = max((step.requests_per_second for step in steps), default=0.0)
        return next((step for step in steps if step.requests_per_second * ENOUGH >= most), None)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One evaluation that was finished; seconds on a steady clock."""

    began: float
    ended: float
    requests: tuple[tuple[float, int], ...]
    """Seconds and generated tokens of each."""

    def part(self, opens: float, closes: float) -> float:
        """The part of it that lies within a window, 0 to 1."""
        within = min(self.ended, closes) - max(self.began, opens)
        return max(0.0, within) / max(self.ended - self.began, 1e-9)


async def measure(
    settings: ServedSettings,
    table: AttributeTable,
    seconds: float,
    answer: tuple[float, int],
    tell: Callable[[str], None],
) -> Throughput:
    """Try 1, 2, 4, ... requests at once until that brings no more twice in a row, or time or concurrency is used up.

    Args:
        settings: client and roles.
        table: the attributes.
        seconds: for all of it, above 0.
        answer: seconds and tokens of one answer of the responder, alone.
        tell: is told of each step.

    Raises:
        ModelError: the server is gone.
    """
    levels = _levels(settings.client.max_concurrency)
    most, whole = _answer_tokens(settings.responder.max_tokens, answer, seconds, len(levels))
    client = Client(replace(settings.client, concurrency=settings.client.max_concurrency))
    try:
        callers = await find_callers(client, settings)
        responding = replace(callers["responder"], settings=replace(callers["responder"].settings, max_tokens=most))
        evaluations = _Evaluations(responding, callers["judge"], settings, table)
        places = len(responding.route.endpoints)
        steps: list[Step] = []
        ended, rising = f"llm.client.max_concurrency is {settings.client.max_concurrency}", True
        deadline = time.monotonic() + seconds
        for tried, level in enumerate(levels):
            length = max((deadline - time.monotonic()) / (len(levels) - tried), _least_length(steps))
            steps.append(await _step(client, evaluations, level, level * places, length))
            tell(f"{level:>5} at once: {steps[-1].requests_per_second:,.1f} requests/s")
            if not steps[0].requests_per_second:
                ended, rising = "no evaluation was finished in time", False
                break
            if not steps[-1].borne:
                ended, rising = "the server failed requests", False
                break
            # Twice, as a server that meets a size of batch for the first time may halt to prepare for it.
            if tried > 1 and not grew(steps[:-1]) and not grew(steps):
                ended, rising = "more at once brought less than 5 % more", False
                break
            if deadline - time.monotonic() < _least_length(steps):
                ended = f"the {seconds:g} s were used up"
                break
        return Throughput(tuple(steps), most, whole, ended, rising and len(steps) > 1 and grew(steps))
    finally:
        await client.aclose()


def _levels(highest: int) -> list[int]:
    """Powers of two up to the highest, and the highest.

    >>> _levels(12)
    [1, 2, 4, 8, 12]
    """
    return [*(1 << power for power in range(highest.bit_length()) if 1 << power < highest), highest]


def _answer_tokens(configured: int, answer: tuple[float, int], seconds: float, steps: int) -> tuple[int, float | None]:
    """Most tokens of an answer while measuring; and, where that is fewer, how long whole ones would take to measure."""
    took, generated = answer
    room = seconds / steps / _ANSWERS_A_STEP
    if took <= room:
        return configured, None
    return min(configured, max(_LEAST_TOKENS, int(generated * room / took))), took * _ANSWERS_A_STEP * steps


def _least_length(steps: Sequence[Step]) -> float:
    """Seconds that the next step needs at least to tell anything."""
    return _EVALUATIONS_A_STEP * steps[-1].evaluation_seconds if steps else 0.0


def grew(steps: Sequence[Step]) -> bool:
    """Whether the last of two steps or more brought more than the best before it, in requests or in tokens."""
    *before, last = steps
    return last.requests_per_second > ENOUGH * max(step.requests_per_second for step in before) or (
        last.tokens_per_second > ENOUGH * max(step.tokens_per_second for step in before)
    )


class _Evaluations:
    """An endless row of evaluations of made-up people, one request after the other."""

    def __init__(self, responding: Caller, judging: Caller, settings: ServedSettings, table: AttributeTable) -> None:
        self._responding, self._judging, self._table = responding, judging, table
        self._responder = Responder(responding, table)
        self._judge = make_judge(judging, settings.judge, table)
        # Begins where no earlier measurement was: its prompts may still be in the prefix cache.
        self._numbers = count(time.time_ns() // 1_000_000)

    async def until(self, closes: float, evaluated: list[Evaluated]) -> None:
        """Begin one after the other until then, and finish the last."""
        while (began := time.monotonic()) < closes:
            try:
                requests = await self._next()
            except CallFailed:
                await asyncio.sleep(_AFTER_FAILURE)
            else:
                evaluated.append(Evaluated(began, time.monotonic(), requests))

    async def _next(self) -> tuple[tuple[float, int], ...]:
        """Seconds and generated tokens of each request."""
        number, n = next(self._numbers), len(self._table)
        case = made_up(self._table, number)
        known = case.profile.disclose(mask_of((number + step) % n for step in range(min(3, n))))
        timed: list[tuple[float, int]] = []

        async def send(caller: Caller, request: RoleRequest) -> ChatReply:
            began = time.monotonic()
            reply = await caller.ask(*request)
            timed.append((time.monotonic() - began, reply.generated_tokens))
            return reply

        reply = await send(self._responding, self._responder.request(case.inquiry, known, str(number)))
        for request in self._judge.requests(case, reply.text or MADE_UP_ANSWER, str(number)):
            await send(self._judging, request)
        return tuple(timed)


async def _step(client: Client, evaluations: _Evaluations, concurrency: int, workers: int, length: float) -> Step:
    """Keep so many requests in progress for a while.

    Evaluations that are under way as the window opens or closes count by their part within, so that it does not
    matter which of their requests, short ones and long ones, happened to fall into it.
    """
    failed, answered = sum(client.usage.failed.values()), client.usage.requests
    began = time.monotonic()
    opens, closes = began + _RAMP * length, began + length
    evaluated: list[Evaluated] = []
    tasks = [asyncio.ensure_future(evaluations.until(closes, evaluated)) for _ in range(workers)]
    try:
        done, _ = await asyncio.wait(tasks, timeout=2 * length, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    parts = [(part, one.requests) for one in evaluated if (part := one.part(opens, closes)) > 0]
    seconds = [took for _, requests in parts for took, _ in requests]
    return Step(
        concurrency,
        sum(part * len(requests) for part, requests in parts) / (closes - opens),
        sum(part * generated for part, requests in parts for _, generated in requests) / (closes - opens),
        float(np.quantile(seconds, 0.5)) if seconds else math.nan,
        float(np.quantile(seconds, 0.95)) if seconds else math.nan,
        sum(seconds) / len(parts) if parts else math.nan,
        sum(client.usage.failed.values()) - failed,
        client.usage.requests - answered,
    )
