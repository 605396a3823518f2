"""Where requests go: endpoints with their limits and their health, and who is served next.

A *route* is the endpoints that can serve one role. The least busy one takes the next request. One that refuses
connections is set aside and tried again with a single request after a while, longer each time. Who waits for
room waits here, in order of priority, outside any request's time-out.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from raise_agent.errors import ModelError

from .limit import Limit

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 20.0
"""Seconds that a dead endpoint is left alone: doubled from the first to the longest."""
DEAD_AFTER = 4
"""Connection failures in a row that set an endpoint aside."""


@dataclass(eq=False, slots=True)
class Endpoint:
    """One server address."""

    url: str
    """Without a trailing slash, such as ``http://localhost:8000/v1``."""
    headers: Mapping[str, str] = field(repr=False)
    """Sent with each request; holds the key."""
    proxy: str | None
    limit: Limit
    in_progress: int = 0
    failures: int = 0
    """Connection failures in a row."""
    down_since: float | None = None
    """When it was set aside; None while it is in use."""
    quiet_until: float = 0.0
    """Nothing is sent before this: it is set aside, or asked for time."""
    pause: float = FIRST_PAUSE

    def room(self, now: float) -> bool:
        """Whether it can take a request now."""
        if now < self.quiet_until:
            return False
        return self.in_progress < (1 if self.down_since is not None else self.limit.value)

    @property
    def load(self) -> float:
        """Share of its limit in use."""
        return self.in_progress / self.limit.value


@dataclass(eq=False, slots=True)
class Route:
    """The endpoints of one role, and who waits for them."""

    endpoints: tuple[Endpoint, ...]
    waiting: list[tuple[int, int, asyncio.Future[Endpoint]]] = field(default_factory=list)
    """Heap of (priority, arrival, who is told)."""

    def free(self, now: float) -> Endpoint | None:
        """The least busy endpoint with room."""
        best = None
        for endpoint in self.endpoints:
            if endpoint.room(now) and (best is None or endpoint.load < best.load):
                best = endpoint
        return best


class Switchboard:
    """Gives each request an endpoint.

    Args:
        patience: seconds after which a route without any living endpoint is given up.
        clock: seconds on a steady clock.
    """

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._routes: list[Route] = []
        self._arrivals = count()
        self._timers: dict[int, asyncio.TimerHandle] = {}

    def route(self, endpoints: Sequence[Endpoint]) -> Route:
        """A route over these endpoints; an endpoint may be on several routes."""
        made = Route(tuple(endpoints))
        self._routes.append(made)
        return made

    async def acquire(self, route: Route, priority: int) -> Endpoint:
        """Wait for an endpoint with room; the smallest priority is served first, then the first to come.

        Give it back with :meth:`release`.
        """
        endpoint = None if route.waiting else route.free(self._clock())
        if endpoint is not None:
            endpoint.in_progress += 1
            return endpoint
        told: asyncio.Future[Endpoint] = asyncio.get_running_loop().create_future()
        heapq.heappush(route.waiting, (priority, next(self._arrivals), told))
        self._serve()
        try:
            return await told
        except asyncio.CancelledError:
            if told.done() and not told.cancelled():
                self.release(told.result())
            raise

    def release(self, endpoint: Endpoint) -> None:
        """A request is over; its place goes to who waits."""
        endpoint.in_progress -= 1
        self._serve()

    def succeeded(self, endpoint: Endpoint) -> None:
        """The endpoint answered, be it with a refusal."""
        endpoint.failures, endpoint.down_since, endpoint.pause = 0, None, FIRST_PAUSE

    def unreachable(self, route: Route, endpoint: Endpoint, *, refused: bool) -> None:
        """A connection failed; an endpoint that refuses connections, or fails again and again, is set aside.

        Raises:
            ModelError: no endpoint of the route has answered for longer than the patience.
        """
        now = self._clock()
        endpoint.failures += 1
        if endpoint.down_since is None and not refused and endpoint.failures < DEAD_AFTER:
            return
        if endpoint.down_since is None:
            endpoint.down_since = now
        endpoint.quiet_until = max(endpoint.quiet_until, now + endpoint.pause)
        endpoint.pause = min(LONGEST_PAUSE, 2 * endpoint.pause)
        down = [e.down_since for e in route.endpoints]
        if all(since is not None and now - since > self._patience for since in down):
            raise ModelError(
                f"no answer from {', '.join(e.url for e in route.endpoints)} for {self._patience:.0f} s; "
                "start the server, or set llm.base_url; `raise-agent doctor` tells more"
            )

    def hold(self, endpoint: Endpoint, seconds: float) -> None:
        """The endpoint asked to be left alone for a while."""
        endpoint.quiet_until = max(endpoint.quiet_until, self._clock() + seconds)

    def _serve(self) -> None:
        """Give what is free to who waits; come back when an endpoint that is left alone may be asked again."""
        now = self._clock()
        for route in self._routes:
            while route.waiting:
                if route.waiting[0][2].done():
                    heapq.heappop(route.waiting)
                    continue
                endpoint = route.free(now)
                if endpoint is None:
                    self._call_back(route, now)
                    break
                endpoint.in_progress += 1
                heapq.heappop(route.waiting)[2].set_result(endpoint)

    def _call_back(self, route: Route, now: float) -> None:
        for endpoint in route.endpoints:
            if now < endpoint.quiet_until and id(endpoint) not in self._timers:
                loop = asyncio.get_running_loop()
                self._timers[id(endpoint)] = loop.call_later(endpoint.quiet_until - now + 1e-3, self._woken, endpoint)

    def _woken(self, endpoint: Endpoint) -> None:
        del self._timers[id(endpoint)]
        self._serve()

    def reset(self) -> None:
        """Forget who waits; all requests are over."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for route in self._routes:
            route.waiting.clear()
            for endpoint in route.endpoints:
                endpoint.in_progress = 0
