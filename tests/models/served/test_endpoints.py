"""Who is served next, where, and what becomes of an endpoint that fails; the clock stands still unless it is moved."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from raise_agent.errors import ModelError
from raise_agent.models.served.endpoints import (
    DEAD_AFTER,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    SILENT_SECONDS,
    Endpoint,
    Route,
    Switchboard,
)
from raise_agent.models.served.limit import FixedLimit


class Clock:
    """Seconds, as set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def endpoint(limit: int = 1, url: str = "http://x/v1") -> Endpoint:
    return Endpoint(url, {}, None, FixedLimit(limit))


def board(patience: float = 60.0) -> tuple[Switchboard, Clock]:
    clock = Clock()
    return Switchboard(patience, clock), clock


async def tick() -> None:
    """Let every task go on as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60.0))


def test_the_least_busy_endpoint_by_share_of_its_limit_is_taken() -> None:
    async def work() -> None:
        switchboard, _ = board()
        small, large = endpoint(2), endpoint(8)
        route = Route((small, large))
        taken = [await switchboard.acquire(route, 0) for _ in range(10)]
        assert taken[0] is small
        assert taken[1:5] == [large] * 4
        assert (small.in_progress, large.in_progress) == (2, 8)

    run(work())


def test_no_more_than_the_limit_are_let_in() -> None:
    async def work() -> None:
        switchboard, _ = board()
        one = endpoint(2)
        route = Route((one,))
        for _ in range(2):
            await switchboard.acquire(route, 0)
        third = asyncio.ensure_future(switchboard.acquire(route, 0))
        await tick()
        assert not third.done()
        switchboard.release(one)
        assert await third is one
        assert one.in_progress == 2

    run(work())


def test_who_waits_is_served_by_priority_then_by_arrival() -> None:
    async def work() -> None:
        switchboard, _ = board()
        one = endpoint()
        route = Route((one,))
        await switchboard.acquire(route, 0)
        order: list[str] = []

        async def wait(name: str, priority: int) -> None:
            order.append(name)
            await switchboard.acquire(route, priority)
            order.append(name.upper())

        tasks = [asyncio.ensure_future(wait(*one)) for one in (("a", 2), ("b", 1), ("c", 2), ("d", 0), ("e", 1))]
        await tick()
        assert order == ["a", "b", "c", "d", "e"]
        for _ in tasks:
            switchboard.release(one)
            await tick()
        assert order[5:] == ["D", "B", "E", "A", "C"]

    run(work())


def test_priority_holds_across_routes_that_share_an_endpoint() -> None:
    async def work() -> None:
        switchboard, _ = board()
        shared = endpoint()
        begun, finishing = Route((shared,)), Route((shared,))
        await switchboard.acquire(begun, 2)
        low = [asyncio.ensure_future(switchboard.acquire(begun, 2)) for _ in range(3)]
        await tick()
        high = asyncio.ensure_future(switchboard.acquire(finishing, 0))
        await tick()
        switchboard.release(shared)
        await tick()
        assert high.done()
        assert not any(task.done() for task in low)
        for task in low:
            task.cancel()

    run(work())


def test_a_full_route_does_not_hold_up_another() -> None:
    async def work() -> None:
        switchboard, _ = board()
        busy, idle = endpoint(), endpoint()
        first, second = Route((busy,)), Route((busy, idle))
        await switchboard.acquire(first, 0)
        waiting = asyncio.ensure_future(switchboard.acquire(first, 0))
        await tick()
        assert await switchboard.acquire(second, 9) is idle
        waiting.cancel()

    run(work())


def test_one_refused_connection_sets_an_endpoint_aside_and_a_single_trial_brings_it_back() -> None:
    async def work() -> None:
        switchboard, clock = board()
        one = endpoint(4)
        route = Route((one,))
        await switchboard.acquire(route, 0)
        switchboard.unreachable(route, one, refused=True)
        assert not one.room(clock.now)
        clock.now += FIRST_PAUSE
        assert one.room(clock.now) is False, "the failed request still holds the only place of a trial"
        switchboard.release(one)
        assert await switchboard.acquire(route, 0) is one
        second = asyncio.ensure_future(switchboard.acquire(route, 0))
        await tick()
        assert not second.done()
        switchboard.succeeded(one)
        switchboard.release(one)
        await second
        await switchboard.acquire(route, 0)
        assert one.in_progress == 2

    run(work())


def test_other_failures_set_it_aside_only_in_a_row_and_over_some_time() -> None:
    async def work() -> None:
        switchboard, clock = board()
        one = endpoint(4)
        route = Route((one,))
        for _ in range(DEAD_AFTER - 1):
            switchboard.unreachable(route, one, refused=False)
        clock.now += SILENT_SECONDS
        switchboard.succeeded(one)
        for _ in range(DEAD_AFTER + 3):
            switchboard.unreachable(route, one, refused=False)
        assert one.room(clock.now), "many at once say little"
        clock.now += SILENT_SECONDS
        switchboard.unreachable(route, one, refused=False)
        assert not one.room(clock.now)

    run(work())


def test_beside_another_endpoint_failures_in_a_row_suffice() -> None:
    async def work() -> None:
        switchboard, clock = board()
        broken, good = endpoint(4), endpoint(4)
        route = Route((broken, good))
        for _ in range(DEAD_AFTER):
            assert broken.room(clock.now)
            switchboard.unreachable(route, broken, refused=False)
        assert not broken.room(clock.now)
        for _ in range(DEAD_AFTER):
            switchboard.unreachable(route, good, refused=False)
        assert good.room(clock.now), "it is the last one"

    run(work())


def test_each_failed_trial_doubles_the_pause_up_to_the_longest() -> None:
    async def work() -> None:
        switchboard, clock = board(patience=1e6)
        one = endpoint()
        route = Route((one,))
        pauses = []
        for _ in range(9):
            switchboard.unreachable(route, one, refused=True)
            pauses.append(one.quiet_until - clock.now)
            clock.now = one.quiet_until
        assert pauses == [min(LONGEST_PAUSE, FIRST_PAUSE * 2**n) for n in range(9)]

    run(work())


@pytest.mark.parametrize("refused", [True, False])
def test_requests_that_fail_together_count_as_one_trial(refused: bool) -> None:
    async def work() -> None:
        switchboard, clock = board()
        one = endpoint(64)
        route = Route((one,))
        switchboard.unreachable(route, one, refused=False)
        clock.now += SILENT_SECONDS
        for _ in range(64):
            switchboard.unreachable(route, one, refused=refused)
        assert one.quiet_until - clock.now == FIRST_PAUSE

    run(work())


def test_the_run_is_given_up_when_no_endpoint_has_answered_for_the_patience() -> None:
    async def work() -> None:
        switchboard, clock = board(patience=10.0)
        one, other = endpoint(url="http://one/v1"), endpoint(url="http://other/v1")
        route = Route((one, other))
        switchboard.unreachable(route, one, refused=True)
        clock.now += 11
        switchboard.unreachable(route, one, refused=True)
        switchboard.unreachable(route, other, refused=True)
        clock.now += 9
        switchboard.unreachable(route, other, refused=True)
        clock.now += 2
        with pytest.raises(ModelError, match=r"no answer from http://one/v1, http://other/v1 for 10 s"):
            switchboard.unreachable(route, one, refused=True)

    run(work())


def test_an_answer_in_between_begins_the_patience_anew() -> None:
    async def work() -> None:
        switchboard, clock = board(patience=10.0)
        one = endpoint()
        route = Route((one,))
        switchboard.unreachable(route, one, refused=True)
        clock.now += 9
        switchboard.succeeded(one)
        clock.now += 9
        switchboard.unreachable(route, one, refused=True)

    run(work())


def test_an_endpoint_that_asked_for_time_gets_it_and_who_waits_is_woken() -> None:
    async def work() -> None:
        switchboard = Switchboard(60.0, time.monotonic)
        one = endpoint(4)
        route = Route((one,))
        switchboard.hold(route, one, 0.1)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(*(switchboard.acquire(route, 0) for _ in range(3)))
        assert 0.1 <= loop.time() - began < 2.0

    run(work())


def test_a_longer_hold_is_not_cut_short_by_a_shorter_one() -> None:
    switchboard, clock = board()
    one = endpoint()
    switchboard.hold(Route((one,)), one, 30.0)
    switchboard.hold(Route((one,)), one, 1.0)
    assert not one.room(clock.now + 29)
    assert one.room(clock.now + 30)


def test_a_held_endpoint_leaves_requests_to_the_other() -> None:
    async def work() -> None:
        switchboard, _ = board()
        held, free = endpoint(4), endpoint(4)
        route = Route((held, free))
        switchboard.hold(route, held, 30.0)
        assert [await switchboard.acquire(route, 0) for _ in range(3)] == [free] * 3

    run(work())


def test_a_hold_beyond_the_patience_ends_the_run_only_where_no_other_server_is_left() -> None:
    switchboard, clock = board(patience=60.0)
    one, other = endpoint(url="http://one/v1"), endpoint(url="http://other/v1")
    route = Route((one, other))
    switchboard.hold(route, one, 3600.0)
    assert not one.room(clock.now + 3599)
    assert other.room(clock.now)
    switchboard.hold(route, other, 30.0)
    with pytest.raises(ModelError, match=r"http://one/v1, http://other/v1: .* 90 s, .*patience \(60 s\)"):
        switchboard.hold(route, other, 90.0)


def test_who_is_cancelled_while_waiting_is_passed_over() -> None:
    async def work() -> None:
        switchboard, _ = board()
        one = endpoint()
        route = Route((one,))
        await switchboard.acquire(route, 0)
        first, second = (asyncio.ensure_future(switchboard.acquire(route, 0)) for _ in range(2))
        await tick()
        first.cancel()
        await tick()
        switchboard.release(one)
        assert await second is one
        assert one.in_progress == 1

    run(work())


def test_who_is_cancelled_as_a_place_comes_gives_it_back() -> None:
    async def work() -> None:
        switchboard, _ = board()
        one = endpoint()
        route = Route((one,))
        await switchboard.acquire(route, 0)
        first, second = (asyncio.ensure_future(switchboard.acquire(route, 0)) for _ in range(2))
        await tick()
        switchboard.release(one)
        first.cancel()  # It has been told of its place, and has not run since.
        await tick()
        assert second.done()
        assert one.in_progress == 1
        switchboard.release(one)
        assert one.in_progress == 0

    run(work())


def test_after_a_reset_no_timer_is_left_and_nobody_waits() -> None:
    async def work() -> None:
        switchboard = Switchboard(60.0, time.monotonic)
        one = endpoint()
        route = Route((one,))
        switchboard.hold(route, one, 0.05)
        task = asyncio.ensure_future(switchboard.acquire(route, 0))
        await tick()
        switchboard.reset()
        task.cancel()
        await asyncio.sleep(0.1)
        assert one.in_progress == 0
        assert not route.waiting

    run(work())


def test_headers_and_proxy_are_not_shown() -> None:
    shown = repr(Endpoint("http://x/v1", {"Authorization": "Bearer secret"}, "http://u:secret@p", FixedLimit(1)))
    assert "secret" not in shown
    assert "http://x/v1" in shown
