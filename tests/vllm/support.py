"""What the tests against a real server share: the roles at it, its counters, people made up at length."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from raise_agent.attributes import AttributeTable, penguin_table
from raise_agent.models.served.connect import ServedRoles, ServedSettings, connect
from raise_agent.models.served.settings import JudgeSettings, PriorSettings, ResponderSettings
from raise_agent.scenario import Profile, Scenario

from .conftest import Server

Result = TypeVar("Result")

TABLE: AttributeTable = penguin_table()
ALL = (1 << len(TABLE)) - 1
"""The subset of all attributes."""
LENIENT = 0.9
"""The tiny model puts about 0.4 of its probability beside the scale, at times much more."""


def page(url: str, body: Mapping[str, object] | None = None, key: str | None = None) -> str:
    """What the server says at an address; a POST where there is a body."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=300) as response:
        return str(response.read().decode())


def ask(url: str, body: Mapping[str, object] | None = None, key: str | None = None) -> Any:
    """As ``page``, from JSON."""
    return json.loads(page(url, body, key))


def served_settings(
    server: Server,
    *,
    responder: ResponderSettings | None = None,
    judge: JudgeSettings | None = None,
    prior: PriorSettings | None = None,
) -> ServedSettings:
    """All three roles at one server."""
    at = (server.base_url,)
    return ServedSettings(
        responder=replace(responder or ResponderSettings(max_tokens=24), base_url=at),
        judge=replace(judge or JudgeSettings(max_outside=LENIENT), base_url=at),
        prior=replace(prior or PriorSettings(), base_url=at),
    )


def roles_at(server: Server, **roles: Any) -> ServedRoles:
    """Connected roles; arguments as of ``served_settings``."""
    return connect(served_settings(server, **roles), TABLE)


def wait_for(roles: ServedRoles, *work: Callable[[], Awaitable[Result]]) -> list[Result]:
    """The results of calls of the roles, one after the other."""

    async def results() -> list[Result]:
        try:
            return [await one() for one in work]
        finally:
            await roles.client.aclose()

    return asyncio.run(results())


@dataclass(frozen=True)
class Counters:
    """What a server has counted since it began."""

    requests: int
    """Those that were answered."""
    queried: int
    """Tokens of prompts that were looked for in the prefix cache."""
    hit: int
    """Tokens of those that were found there."""

    def since(self, before: Counters) -> Counters:
        """What has been added."""
        return Counters(self.requests - before.requests, self.queried - before.queried, self.hit - before.hit)


def counters(server: Server) -> Counters:
    """What the server has counted."""
    text = page(server.base_url.removesuffix("/v1") + "/metrics")

    def total(name: str) -> int:
        return int(sum(float(count) for count in re.findall(rf"^vllm:{name}\{{.*\}} (\S+)$", text, re.MULTILINE)))

    return Counters(
        total("request_success_total"), total("prefix_cache_queries_total"), total("prefix_cache_hits_total")
    )


def block_size(server: Server) -> int:
    """Tokens in a block of the prefix cache: only whole ones are found again."""
    text = page(server.base_url.removesuffix("/v1") + "/metrics")
    (size,) = set(re.findall(r'^vllm:cache_config_info\{.*\bblock_size="(\d+)"', text, re.MULTILINE))
    return int(size)


def forget_prefixes(server: Server) -> None:
    """Empty the server's prefix cache."""
    page(server.base_url.removesuffix("/v1") + "/reset_prefix_cache", {})


_SUBJECTS = ("my older brother", "the night shift", "our landlord", "the clinic", "a loan", "my thesis", "the move")
_DETAILS = (
    "has been on my mind since the spring",
    "keeps me awake more often than I would like to admit",
    "costs more every month, and I have told nobody about it",
    "was never settled after the accident two years ago",
    "is what my sister and I quarrel about on the telephone",
)


def sentences(seed: int, count: int) -> str:
    """Made-up text; two seeds differ from the first words on."""
    many = len(_SUBJECTS) * len(_DETAILS)
    numbers = [(seed * 11 + place * (seed % 3 + 2)) % many for place in range(count)]
    return f"Note {seed}: " + " ".join(
        f"{_SUBJECTS[n % len(_SUBJECTS)].capitalize()} {_DETAILS[n // len(_SUBJECTS)]}." for n in numbers
    )


def person(seed: int, words: int, unknown: Sequence[int] = ()) -> Scenario:
    """A scenario with ``words`` sentences for each value of the profile, those of the ``unknown`` attributes aside."""
    values = tuple(
        None
        if i in unknown
        else f"{list(a.values or {'yes': 0})[seed % max(1, len(a.values))]}. {sentences(seed, words)}"
        for i, a in enumerate(TABLE)
    )
    query = f"Should I go through with it this week? {sentences(seed + 1, 1)}"
    return Scenario(f"made-up {seed}", "Life", query, Profile(TABLE.keys, values))
