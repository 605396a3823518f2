"""The one client of all roles: a shared session, retries, and as many requests at once as the server bears."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import random
import time
import urllib.request
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

import aiohttp
from yarl import URL

from raise_agent.errors import ConfigError, refuse_below_one

from .endpoints import Endpoint, Route, Switchboard
from .failures import CallFailed, Failure
from .limit import AdaptiveLimit, FixedLimit
from .refusals import refusal
from .streaming import Event, read_event, whole
from .wire import ChatReply, read_reply

KEEPALIVE_SECONDS = 4.0
"""Shorter than the 5 s after which vLLM closes an idle connection, so that none is used as it closes."""
PAGE_SECONDS = 15.0
"""Most that a page takes which no model has to think about."""
FIRST_DELAY, LONGEST_DELAY = 0.25, 15.0
"""Seconds before a request is made again: doubled from the first to the longest."""
_FAILURES = (aiohttp.ClientError, OSError, asyncio.TimeoutError, CallFailed)
"""What an attempt may end in."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How served models are called."""

    concurrency: int | None = None
    """Requests in progress at each endpoint; None finds out what the server bears."""
    max_concurrency: int = 512
    """Most that finding out may come to."""
    timeout: float = 300.0
    """Seconds that one request may take, from the moment it is sent; waiting for room does not count."""
    connect_timeout: float = 10.0
    """Seconds that opening a connection may take."""
    attempts: int = 6
    """How often a request is made in all before it counts as failed."""
    patience: float = 300.0
    """Seconds without any answer from any endpoint after which the run is given up; also the longest
    ``Retry-After`` that is waited for."""

    def __post_init__(self) -> None:
        if self.concurrency is not None and self.concurrency < 1:
            raise ConfigError(f"llm.client.concurrency must be 1 or more, or null to find out, not {self.concurrency}")
        refuse_below_one(self, "llm.client.", "max_concurrency", "attempts")
        for name in ("timeout", "connect_timeout", "patience"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"llm.client.{name} must be a number of seconds above 0, not {getattr(self, name)}")


@dataclass(slots=True)
class Usage:
    """What has been asked of the servers."""

    requests: int = 0
    """Answered ones."""
    prompt_tokens: int = 0
    generated_tokens: int = 0
    uncounted: int = 0
    """Answers whose tokens the server did not count."""
    failed: dict[str, int] = field(default_factory=dict)
    """Kind of failure -> how often, whether a retry helped or not."""

    @property
    def tokens(self) -> int:
        """Prompt and generated."""
        return self.prompt_tokens + self.generated_tokens


class Client:
    """Calls served models.

    Args:
        settings: how.
        usage: what is asked is added to this; None begins anew.
    """

    def __init__(self, settings: ClientSettings, usage: Usage | None = None) -> None:
        self.settings = settings
        self.usage = Usage() if usage is None else usage
        self.backing_off = 0
        """Requests that failed and wait before they are made again."""
        self._switchboard = Switchboard(settings.patience, time.monotonic)
        self._endpoints: dict[tuple[str, str | None], Endpoint] = {}
        self._session: aiohttp.ClientSession | None = None
        # Only spreads retries in time; no result depends on it.
        self._jitter = random.Random(0)

    @property
    def in_flight(self) -> int:
        """Most requests in progress at once, over all endpoints, as things stand."""
        return sum(endpoint.limit.value for endpoint in self._endpoints.values())

    def route(self, base_urls: Sequence[str], api_key_env: str | None) -> Route:
        """The route over these addresses; roles that share an address share its limit.

        Args:
            base_urls: such as ``http://localhost:8000/v1``.
            api_key_env: name of the environment variable that holds the key; unset means no key.
        """
        if not base_urls:
            raise ConfigError("llm.base_url must name at least one server, such as http://localhost:8000/v1")
        return Route(tuple(dict.fromkeys(self._endpoint(url, api_key_env) for url in base_urls)))

    def _endpoint(self, url: str, api_key_env: str | None) -> Endpoint:
        plain = url.rstrip("/")
        parts = _parts(plain)
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"llm.base_url {_redacted(url)!r} is no address such as http://localhost:8000/v1")
        if parts.username or parts.password or parts.query:
            raise ConfigError(f"llm.base_url {_redacted(url)!r}: give keys in the environment, not in the address")
        known = self._endpoints.get((plain, api_key_env))
        if known is None:
            key = os.environ.get(api_key_env, "").strip() if api_key_env else ""
            if not key.isprintable():
                raise ConfigError(f"the environment variable {api_key_env} holds a line break, which no key can")
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            if key:
                headers["Authorization"] = f"Bearer {key}"
            fixed = self.settings.concurrency
            limit = FixedLimit(fixed) if fixed is not None else AdaptiveLimit(highest=self.settings.max_concurrency)
            known = Endpoint(plain, headers, _proxy(plain), limit)
            self._endpoints[plain, api_key_env] = known
        return known

    async def chat(self, route: Route, body: bytes, priority: int = 0) -> ChatReply:
        """One chat request, made again while it fails in passing.

        Args:
            route: where it may go.
            body: the request as JSON.
            priority: among those who wait for room, the smallest goes first.

        Raises:
            CallFailed: it failed for good.
            ModelError: the server is gone, refuses the key, or does not serve the model.
        """
        attempt = 0
        while True:
            endpoint = await self._switchboard.acquire(route, priority)
            try:
                reply = await self._once(route, endpoint, body)
                self._count((reply.prompt_tokens, reply.generated_tokens) if reply.counted else None)
                return reply
            except CallFailed as failed:
                attempt, delay = self._again(route, endpoint, failed, attempt)
            finally:
                self._switchboard.release(endpoint)
            await self._back_off(delay)

    async def stream(self, route: Route, body: bytes, priority: int = 0) -> AsyncGenerator[Event, None]:
        """The events of one streamed chat request; made again while it fails in passing, and nothing has come of it.

        Arguments and errors as of :meth:`chat`; a server that does not stream gives its answer as one event.
        """
        attempt = 0
        while True:
            begun, tokens = False, None
            endpoint = await self._switchboard.acquire(route, priority)
            try:
                async with aclosing(self._events(route, endpoint, body)) as events:
                    async for event in events:
                        begun = begun or bool(event.text)
                        tokens = event.tokens or tokens
                        yield event
                self._count(tokens)
                return
            except CallFailed as failed:
                attempt, delay = self._again(route, endpoint, failed, attempt)
                if begun:
                    raise
            finally:
                self._switchboard.release(endpoint)
            await self._back_off(delay)

    def _count(self, tokens: tuple[int, int] | None) -> None:
        """Add an answer, with its prompt and generated tokens, to the usage."""
        self.usage.requests += 1
        self.usage.uncounted += tokens is None
        prompt, generated = tokens or (0, 0)
        self.usage.prompt_tokens += prompt
        self.usage.generated_tokens += generated

    def _again(self, route: Route, endpoint: Endpoint, failed: CallFailed, attempt: int) -> tuple[int, float]:
        """How many attempts have failed, and seconds until the next.

        Raises:
            CallFailed: there is to be no other.
        """
        kind = failed.kind.value
        self.usage.failed[kind] = self.usage.failed.get(kind, 0) + 1
        # A request that never reached a server has not been tried; the route's patience bounds this.
        attempt += failed.kind is not Failure.REFUSED
        if not failed.passing or attempt >= self.settings.attempts:
            raise failed
        return attempt, self._delay(route, endpoint, failed, attempt)

    async def _back_off(self, delay: float) -> None:
        self.backing_off += 1
        try:
            await asyncio.sleep(delay)
        finally:
            self.backing_off -= 1

    def _delay(self, route: Route, endpoint: Endpoint, failed: CallFailed, attempt: int) -> float:
        """Seconds until the next attempt; what the server asked for holds for all its requests."""
        if failed.retry_after is not None:
            self._switchboard.hold(route, endpoint, failed.retry_after)
        longest = min(LONGEST_DELAY, FIRST_DELAY * 2 ** max(0, attempt - 1))
        return self._jitter.uniform(longest / 2, longest)

    async def _once(self, route: Route, endpoint: Endpoint, body: bytes) -> ChatReply:
        """One attempt."""
        failed: CallFailed | None = None
        try:
            reply = read_reply(await self._post(endpoint, body))
        except _FAILURES as error:
            failed = self._lost(error)
        self._settle(route, endpoint, failed)
        return reply

    async def _events(self, route: Route, endpoint: Endpoint, body: bytes) -> AsyncGenerator[Event, None]:
        """One attempt at a streamed answer."""
        failed: CallFailed | None = None
        try:
            async with self._chat(endpoint, body) as response:
                if response.status != 200:
                    raise refusal(endpoint, response, await response.read())
                if response.content_type == "application/json":
                    yield whole(read_reply(await response.read()))
                else:
                    finished = False
                    async for line in response.content:
                        event = read_event(line)
                        if event is not None:
                            finished = finished or event.finish is not None or event.last
                            yield event
                            if event.last:
                                break
                    if not finished:
                        raise CallFailed(Failure.CONNECTION, "the stream ended before the answer did")
        except ValueError:
            failed = CallFailed(Failure.UNREADABLE, "a line without end")
        except _FAILURES as error:
            failed = self._lost(error)
        self._settle(route, endpoint, failed)

    def _settle(self, route: Route, endpoint: Endpoint, failed: CallFailed | None) -> None:
        """What became of an attempt goes into the endpoint's limit and health; a failure is raised.

        Raises:
            CallFailed: ``failed``.
            ModelError: no endpoint of the route has answered for longer than the patience.
        """
        endpoint.limit.record(
            time.monotonic(),
            succeeded=failed is None,
            overloaded=failed is not None and failed.load,
            saturated=bool(route.waiting),
        )
        if failed is not None and failed.broken:
            self._switchboard.unreachable(route, endpoint, refused=failed.kind is Failure.REFUSED)
        else:
            self._switchboard.succeeded(endpoint)
        if failed is not None:
            raise failed

    async def _post(self, endpoint: Endpoint, body: bytes) -> bytes:
        async with self._chat(endpoint, body) as response:
            raw = await response.read()
            if response.status != 200:
                raise refusal(endpoint, response, raw)
            return raw

    def _chat(self, endpoint: Endpoint, body: bytes) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        url = URL(f"{endpoint.url}/chat/completions")
        # A redirect would carry what a user said to a place that nobody named.
        return self._open().post(url, data=body, headers=endpoint.headers, proxy=endpoint.proxy, allow_redirects=False)

    async def get(self, endpoint: Endpoint, url: str) -> bytes:
        """A page of the server, asked for again while that fails in passing; not if nothing listens there.

        Raises:
            CallFailed: it was not given.
            ModelError: the key is refused.
        """
        attempt = 1
        while True:
            try:
                return await self._get(endpoint, url)
            except CallFailed as failed:
                if not failed.passing or failed.kind is Failure.REFUSED or attempt >= self.settings.attempts:
                    raise
                delay = max(self._delay(Route((endpoint,)), endpoint, failed, attempt), failed.retry_after or 0.0)
            attempt += 1
            await asyncio.sleep(delay)

    async def _get(self, endpoint: Endpoint, url: str) -> bytes:
        try:
            async with self._open().get(
                URL(url),
                headers=endpoint.headers,
                proxy=endpoint.proxy,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=min(PAGE_SECONDS, self.settings.timeout)),
            ) as response:
                raw = await response.read()
                if response.status == 404:
                    raise CallFailed(Failure.REJECTED, "404")
                if response.status != 200:
                    raise refusal(endpoint, response, raw)
                return raw
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
            raise self._lost(error) from None

    def _lost(self, error: Exception) -> CallFailed:
        """What it means that no answer came, or none that can be used."""
        if isinstance(error, CallFailed):
            return error
        if isinstance(error, (aiohttp.ClientSSLError, aiohttp.ClientConnectorCertificateError)):
            return CallFailed(Failure.REJECTED, "its TLS certificate is not accepted")
        if isinstance(error, aiohttp.ClientConnectorError):
            return CallFailed(Failure.REFUSED)
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return CallFailed(Failure.REFUSED, f"none within {self.settings.connect_timeout:g} s")
        if isinstance(error, asyncio.TimeoutError):
            return CallFailed(Failure.TIMEOUT, f"{self.settings.timeout:g} s")
        return CallFailed(Failure.CONNECTION, type(error).__name__)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=0, keepalive_timeout=KEEPALIVE_SECONDS),
                timeout=aiohttp.ClientTimeout(
                    total=self.settings.timeout, connect=None, sock_connect=self.settings.connect_timeout
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept-Encoding"),
                trust_env=False,
            )
        return self._session

    async def aclose(self) -> None:
        """Release connections; the client may be used again, in another event loop too."""
        self._switchboard.reset()
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()


def _proxy(url: str) -> str | None:
    """The environment's proxy for an address; none for one on this very machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    # Servers say that they listen at 0.0.0.0, so that is what people copy.
    if is_loopback(host) or host == "0.0.0.0" or urllib.request.proxy_bypass(parts.netloc):
        return None
    proxy = urllib.request.getproxies().get(parts.scheme)
    return f"http://{proxy}" if proxy is not None and "://" not in proxy else proxy


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parts(url: str) -> SplitResult | None:
    """The parts of an address; None where it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _redacted(url: str) -> str:
    """An address without what may be a key."""
    parts = _parts(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}" if parts is not None and parts.scheme else "..."
