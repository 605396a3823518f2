"""The limit that finds out what a server bears, against a server simulated event by event."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from raise_agent.models.served.limit import AdaptiveLimit, FixedLimit, Limit

LATENCY = 0.5


class Simulation:
    """A server of a capacity, kept as full as the limit says.

    Up to ``capacity`` requests are worked on at once, each for about ``LATENCY``. One more is refused after
    ``bounce`` seconds, or waits where the server queues. Any request fails with probability ``failing``.
    """

    def __init__(
        self,
        limit: Limit,
        capacity: Callable[[float], int],
        *,
        failing: float = 0.0,
        queues: bool = False,
        seed: int = 1,
    ) -> None:
        self._limit = limit
        self._capacity = capacity
        self._failing = failing
        self._queues = queues
        self._random = random.Random(seed)
        self._events: list[tuple[float, int, bool, bool]] = []
        self._count = 0
        self._working = 0
        self._out = 0
        self._queued = 0
        self.now = 0.0
        self.limits: list[tuple[float, int]] = []
        self.answered = 0
        self.refused = 0

    def _send(self) -> None:
        self._out += 1
        if self._working >= self._capacity(self.now):
            if self._queues:
                self._queued += 1
            else:
                self._later(0.05, works=False, fails=True)
            return
        self._work()

    def _work(self) -> None:
        self._working += 1
        seconds = LATENCY * self._random.uniform(0.8, 1.2)
        self._later(seconds, works=True, fails=self._random.random() < self._failing)

    def _later(self, seconds: float, *, works: bool, fails: bool) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.now + seconds, self._count, works, fails))

    def run(self, seconds: float) -> Simulation:
        until = self.now + seconds
        while self.now < until:
            while self._out < self._limit.value:
                self._send()
            self.now, _, works, fails = heapq.heappop(self._events)
            self._out -= 1
            self._working -= works
            self.answered += not fails
            self.refused += fails
            self._limit.record(self.now, succeeded=not fails, overloaded=fails, saturated=True)
            while self._queued and self._working < self._capacity(self.now):
                self._queued -= 1
                self._work()
            self.limits.append((self.now, self._limit.value))
        return self

    def mean(self, since: float) -> float:
        """Limit averaged over time."""
        kept = [(now, limit) for now, limit in self.limits if now >= since]
        area = sum((b[0] - a[0]) * a[1] for a, b in pairwise(kept))
        return area / (kept[-1][0] - kept[0][0])


@pytest.mark.parametrize("capacity", [4, 12, 40, 150])
def test_it_comes_near_what_a_refusing_server_bears(capacity: int) -> None:
    simulation = Simulation(AdaptiveLimit(), lambda now: capacity).run(120.0)
    assert 0.6 * capacity <= simulation.mean(since=60.0) <= 1.5 * capacity


@pytest.mark.parametrize("capacity", [40, 200])
def test_it_keeps_a_server_that_queues_busy_without_piling_requests_up(capacity: int) -> None:
    simulation = Simulation(AdaptiveLimit(), lambda now: capacity, queues=True).run(120.0)
    assert 0.8 * capacity <= simulation.mean(since=60.0) <= 3.0 * capacity


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("failing", [0.1, 0.2, 0.4])
def test_refusals_that_have_nothing_to_do_with_load_do_not_starve_it(failing: float, seed: int) -> None:
    simulation = Simulation(AdaptiveLimit(), lambda now: 200, failing=failing, seed=seed).run(120.0)
    assert simulation.mean(since=60.0) >= 64


@pytest.mark.parametrize("seed", range(4))
def test_it_grows_again_from_a_single_request_at_a_time(seed: int) -> None:
    simulation = Simulation(AdaptiveLimit(start=1), lambda now: 64, failing=0.2, seed=seed).run(240.0)
    assert simulation.mean(since=200.0) >= 20


@pytest.mark.parametrize("seed", range(4))
def test_it_finds_the_capacity_behind_refusals_that_have_nothing_to_do_with_load(seed: int) -> None:
    simulation = Simulation(AdaptiveLimit(), lambda now: 40, failing=0.2, seed=seed).run(240.0)
    assert 20 <= simulation.mean(since=120.0) <= 80


def test_it_recovers_when_the_server_does() -> None:
    simulation = Simulation(AdaptiveLimit(), lambda now: 4 if 20.0 < now < 60.0 else 64).run(60.0)
    assert simulation.limits[-1][1] <= 12
    assert simulation.run(120.0).mean(since=120.0) >= 32


def test_a_server_that_refuses_everything_is_left_with_one_request() -> None:
    assert Simulation(AdaptiveLimit(), lambda now: 0).run(60.0).limits[-1][1] == 1


def test_it_stays_between_one_and_the_highest() -> None:
    simulation = Simulation(AdaptiveLimit(start=16, highest=24), lambda now: 10_000).run(60.0)
    assert max(limit for _, limit in simulation.limits) == 24
    assert AdaptiveLimit(start=16, highest=3).value == 3


def test_it_does_not_grow_while_nothing_waits() -> None:
    limit = AdaptiveLimit(start=8)
    for n in range(2000):
        limit.record(n * 0.01, succeeded=True, overloaded=False, saturated=False)
    assert limit.value == 8


def test_a_fixed_limit_learns_nothing() -> None:
    limit = FixedLimit(7)
    Simulation(limit, lambda now: 1).run(5.0)
    assert limit.value == 7
