"""Where requests go: endpoints with their limits and their health, and who is served next.

A *route* is the endpoints that can serve one role. The least busy one takes the next request. One that refuses
connections is set aside and tried again with a single request after a while, longer each time. Who waits for
room waits here, in order of priority, outside any request's time-out.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import count

from raise_agent.errors import ModelError

from .limit import Limit

_log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 20.0
"""Seconds that a dead endpoint is left alone: doubled from the first to the longest."""
DEAD_AFTER, SILENT_SECONDS = 4, 3.0
"""Failures of its own in a row, and seconds since the first of them, that together set an endpoint aside. Failures are
told at once and answers take their time, so that a few failures in a row alone say little. Beside another endpoint they
suffice: one that fails at once is always the least busy, and would soon use up the attempts of all requests."""


@dataclass(eq=False, slots=True)
class Endpoint:
    """One server address."""

    url: str
    """Without a trailing slash, such as ``http://localhost:8000/v1``."""
    headers: Mapping[str, str] = field(repr=False)
    """Sent with each request; holds the key."""
    proxy: str | None = field(repr=False)
    """May hold a password."""
    limit: Limit
    in_progress: int = 0
    failures: int = 0
    """Failures of its own in a row: no connection, no answer, or one that is none."""
    failing_since: float = 0.0
    """When the first of them was."""
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

    def __init__(self, patience: float, clock: Callable[[], float]) -> None:
        self._patience = patience
        self._clock = clock
        self._waited_for: dict[int, Route] = {}
        """Routes that someone may wait for, by ``id``."""
        self._arrivals = count()
        self._timers: dict[int, asyncio.TimerHandle] = {}

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
        self._waited_for[id(route)] = route
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
        """The endpoint works: it answered, be it with a refusal."""
        endpoint.failures, endpoint.down_since, endpoint.pause = 0, None, FIRST_PAUSE

    def unreachable(self, route: Route, endpoint: Endpoint, *, refused: bool) -> None:
        """The endpoint failed; one that refuses connections, or fails again and again, is set aside.

        Raises:
            ModelError: no endpoint of the route has answered for longer than the patience.
        """
        now = self._clock()
        if not endpoint.failures:
            endpoint.failing_since = now
        endpoint.failures += 1
        spare = any(other.down_since is None for other in route.endpoints if other is not endpoint)
        dead = endpoint.failures >= DEAD_AFTER and (spare or now - endpoint.failing_since >= SILENT_SECONDS)
        if endpoint.down_since is None and not refused and not dead:
            return
        if endpoint.down_since is None:
            endpoint.down_since = endpoint.failing_since
            _log.warning("%s does not answer; it is tried again for up to %.0f s", endpoint.url, self._patience)
        if now >= endpoint.quiet_until:
            # Once a trial: what was in progress as the endpoint died fails together.
            endpoint.quiet_until = now + endpoint.pause
            endpoint.pause = min(LONGEST_PAUSE, 2 * endpoint.pause)
        down = [e.down_since for e in route.endpoints]
        if all(since is not None and now - since > self._patience for since in down):
            raise ModelError(
                f"no answer from {', '.join(e.url for e in route.endpoints)} for {self._patience:.0f} s; "
                "start the server, or set llm.base_url; `raise-agent doctor` tells more"
            )

    def hold(self, route: Route, endpoint: Endpoint, seconds: float) -> None:
        """The endpoint asked to be left alone for a while.

        Raises:
            ModelError: all endpoints of the route ask for longer than the patience.
        """
        now = self._clock()
        endpoint.quiet_until = max(endpoint.quiet_until, now + seconds)
        shortest = min(other.quiet_until for other in route.endpoints) - now
        if shortest > self._patience:
            raise ModelError(
                f"{', '.join(e.url for e in route.endpoints)}: it is asked to wait {shortest:,.0f} s, longer than "
                f"llm.client.patience ({self._patience:,.0f} s); go on later with the same command"
            )

    def _serve(self) -> None:
        """Give what is free to who waits; come back when an endpoint that is left alone may be asked again."""
        now = self._clock()
        full: set[int] = set()
        while (route := self._next(full)) is not None:
            endpoint = route.free(now)
            if endpoint is None:
                full.add(id(route))
                self._call_back(route, now)
                continue
            endpoint.in_progress += 1
            heapq.heappop(route.waiting)[2].set_result(endpoint)

    def _next(self, full: Collection[int]) -> Route | None:
        """The route whose turn it is, by priority and arrival of who waits for it; None where no one can be served."""
        chosen = None
        for key, route in tuple(self._waited_for.items()):
            while route.waiting and route.waiting[0][2].done():
                heapq.heappop(route.waiting)
            if not route.waiting:
                del self._waited_for[key]
            elif key not in full and (chosen is None or route.waiting[0][:2] < chosen.waiting[0][:2]):
                chosen = route
        return chosen

    def _call_back(self, route: Route, now: float) -> None:
        for endpoint in route.endpoints:
            if now < endpoint.quiet_until and id(endpoint) not in self._timers:
                loop = asyncio.get_running_loop()
                self._timers[id(endpoint)] = loop.call_later(endpoint.quiet_until - now + 1e-3, self._woken, endpoint)

    def _woken(self, endpoint: Endpoint) -> None:
        del self._timers[id(endpoint)]
        self._serve()

    def reset(self) -> None:
        """Forget who waits; requests in progress still give their places back."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for route in self._waited_for.values():
            route.waiting.clear()
        self._waited_for.clear()
