"""Work on many items at once, with results in the items' order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(
    work: Callable[[Item], Result], items: Sequence[Item], in_flight: int, before: int, on_done: Callable[[int], None]
) -> list[Result]:
    """The result of each item, in their order; the first error ends it, and items not begun are left.

    What is under way at an error goes on until the model it waits for is disconnected.

    Args:
        work: may run on other threads.
        items: to work on.
        in_flight: most at once; with 1, all is done on the caller's thread.
        before: how many were done before these.
        on_done: called on the caller's thread after each item, with how many are done by now.
    """
    if in_flight == 1:
        results = []
        for item in items:
            results.append(work(item))
            on_done(before + len(results))
        return results
    threads = ThreadPoolExecutor(in_flight, "building")
    try:
        futures = [threads.submit(work, item) for item in items]
        for done, future in enumerate(as_completed(futures), before + 1):
            future.result()
            on_done(done)
        return [future.result() for future in futures]
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
