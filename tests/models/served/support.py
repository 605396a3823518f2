"""What the tests of the served models share: settings, made-up people, servers that answer in other ways."""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import orjson
import pytest

from raise_agent.attributes import Attribute, AttributeTable, penguin_table
from raise_agent.models.base import Evaluation
from raise_agent.models.served import client as client_module
from raise_agent.models.served import endpoints as endpoints_module
from raise_agent.models.served.caller import Caller
from raise_agent.models.served.client import Client, ClientSettings
from raise_agent.models.served.connect import ServedSettings
from raise_agent.models.served.discovery import ServedModel
from raise_agent.models.served.prompts import load_prompt
from raise_agent.models.served.settings import (
    AgentSettings,
    JudgeSettings,
    PriorSettings,
    ResponderSettings,
    RoleSettings,
)
from raise_agent.models.served.wire import message, render
from raise_agent.planners import Plan, PlanningProblem, Search, make_planner
from raise_agent.planners.runner import Task, search_rng
from raise_agent.scenario import Profile, Scenario

from .stand_in import Server, StandIn

Result = TypeVar("Result")
TABLE = penguin_table()
DOMAINS = ("Life", "Health", "Career")
DIMENSIONS = ("risk_sensitivity", "emotional_empathy", "user_alignment")


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make retries come soon, so that tests do not wait for them."""
    monkeypatch.setattr(client_module, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(endpoints_module, "LONGEST_PAUSE", 0.2)


class _WhereWaitingTakesNoTime(selectors.DefaultSelector):
    """Where nothing is there to read, the time that a loop would wait has passed at once."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select()
        ready = super().select(0)
        self.now += 0.0 if ready else max(timeout, 0.0)
        return ready


class Hasty:
    """A loop for client and server in which only waiting takes time, and none of ours, however slow the machine."""

    def __init__(self) -> None:
        self._selector = _WhereWaitingTakesNoTime()
        self._loop = asyncio.SelectorEventLoop(self._selector)

    def now(self) -> float:
        """What stands for ``time.monotonic``."""
        return self._selector.now

    def run(self, work: Awaitable[Result]) -> Result:
        """Do it, and what the server has to do for it."""
        return self._loop.run_until_complete(work)

    def used(self, client: Client, work: Awaitable[Result]) -> Result:
        """Do it, then release the client's connections."""
        return self.run(_closing(client, work))

    @contextmanager
    def running(self, stand_in: StandIn, port: int = 0) -> Iterator[Server]:
        """Serve in this loop whenever it runs, until the block is left."""
        server = Server(stand_in)
        self.run(server.start(port))
        try:
            yield server
        finally:
            self.run(server.stop())

    def close(self) -> None:
        """Release the loop."""
        self._loop.close()


def chat(n: int = 0, **more: object) -> bytes:
    """A request's body; different for each ``n``."""
    return render({"model": "stand-in", "messages": [message("user", f"Hello {n}")], "max_tokens": 64, **more})


def token(n: int = 0) -> bytes:
    """A request for one token and its probabilities."""
    return chat(n, max_tokens=1, logprobs=True, top_logprobs=20, temperature=0)


def used(client: Client, work: Awaitable[Result]) -> Result:
    """Do it in an event loop of its own, then release the client's connections."""
    return asyncio.run(_closing(client, work))


async def _closing(client: Client, work: Awaitable[Result]) -> Result:
    try:
        return await work
    finally:
        await client.aclose()


def dead_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Reaction = Callable[[str, dict[str, str], bytes], "tuple[int, dict[str, str], object] | bytes"]
"""From path, headers and body of a request to status, headers and JSON of the answer, or to raw bytes."""


@asynccontextmanager
async def reacting(react: Reaction) -> AsyncIterator[str]:
    """A server of any behaviour; its base address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            answer = react(head[0].split(" ")[1], headers, body)
            if isinstance(answer, bytes):
                writer.write(answer)
            else:
                status, more, data = answer
                payload = orjson.dumps(data)
                lines = [f"HTTP/1.1 {status} Whatever", f"content-length: {len(payload)}", "connection: close"]
                lines += [f"{name}: {value}" for name, value in more.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode() + payload)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


def completion(text: str, **more: object) -> dict[str, Any]:
    """A chat completion."""
    return {"choices": [{"message": {"content": text}, "finish_reason": "stop", "logprobs": None, **more}]}


def people(count: int) -> tuple[Scenario, ...]:
    """Scenarios whose every value is a made-up word found nowhere else, and whose queries differ."""
    return tuple(
        Scenario(
            f"person-{n}",
            DOMAINS[n % len(DOMAINS)],
            f"Should I take the {n}th offer I got?",
            Profile(TABLE.keys, tuple(secret(n, index) for index in range(len(TABLE)))),
        )
        for n in range(count)
    )


def secret(n: int, attribute: int) -> str:
    """The value of this attribute of person ``n``."""
    return f"zq{n}x{attribute}w"


def wide_table(size: int) -> AttributeTable:
    """A table of this many attributes."""
    return AttributeTable(
        "wide", tuple(Attribute(f"a{i}", f"Thing {i}", "health", f"What of {i}?") for i in range(size))
    )


def settings(server: Server | str, **more: Any) -> ServedSettings:
    """Settings that let all roles use one server; ``more`` overrides parts."""
    url = (server if isinstance(server, str) else server.base_url,)
    parts: dict[str, Any] = {
        "client": ClientSettings(concurrency=16, timeout=5.0, patience=5.0),
        "responder": ResponderSettings(base_url=url, max_tokens=96),
        "judge": JudgeSettings(base_url=url, max_tokens=1),
        "prior": PriorSettings(base_url=url, max_tokens=384),
        "agent": AgentSettings(base_url=url),
    }
    return ServedSettings(**{**parts, **more})


def caller(client: Client, url: str, role: str, own: RoleSettings, **model: Any) -> Caller:
    """A role at a server that has not been asked what it serves."""
    known = {"id": "stand-in", "is_vllm": True, "revision": "vllm-0.0-standin"}
    dimensions = DIMENSIONS if role == "judge" else ()
    return Caller(
        client,
        client.route([url], None),
        ServedModel(**{**known, **model}),
        own,
        load_prompt(role, "default", dimensions),
        0,
    )


@dataclass(frozen=True, slots=True)
class _Begin:
    name: str
    budget: int

    def __call__(self, scenario: Scenario) -> Search[Plan]:
        problem = PlanningProblem(len(TABLE), self.budget)
        return make_planner(self.name).search(problem, search_rng(3, scenario))


def planning(scenarios: tuple[Scenario, ...], planner: str = "greedy", budget: int = 2) -> list[Task[Plan]]:
    """A search for each."""
    begin = _Begin(planner, budget)
    return [Task(scenario, partial(begin, scenario)) for scenario in scenarios]


def dimensions_of(evaluation: Evaluation) -> tuple[float, float, float]:
    """The three scores."""
    return evaluation.risk_sensitivity, evaluation.emotional_empathy, evaluation.user_alignment
