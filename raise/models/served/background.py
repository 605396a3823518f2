"""An event loop in a thread of its own, so that plain code can call what is asynchronous."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import aclosing
from types import TracebackType
from typing import Any, TypeVar

from raise_agent.errors import ModelError

Result = TypeVar("Result")


class Background:
    """Runs coroutines for callers on any thread; close it at the end."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="served models", daemon=True)
        self._thread.start()
        self._closed = False
        self._door = threading.Lock()

    def wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of ``work``, which runs beside that of other callers.

        Raises:
            ModelError: this is closed, or is so meanwhile.
        """
        future = self._begin(work)
        try:
            return _outcome(future)
        finally:
            # For a caller that is interrupted; without effect on what is done.
            future.cancel()

    def pieces(self, source: AsyncGenerator[Result, None]) -> Iterator[Result]:
        """What ``source`` gives, as it comes; a slow reader holds nothing up, one that goes away ends it.

        Raises:
            ModelError: this is closed, or is so meanwhile.
        """
        arrived: queue.SimpleQueue[tuple[Result, ...]] = queue.SimpleQueue()

        async def pump() -> None:
            async with aclosing(source):
                async for piece in source:
                    arrived.put((piece,))

        future = self._begin(pump())
        future.add_done_callback(lambda _: arrived.put(()))
        try:
            while piece := arrived.get():
                yield piece[0]
            _outcome(future)
        finally:
            future.cancel()

    def _begin(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        with self._door:
            if self._closed:
                work.close()
                raise ModelError("the models have been disconnected; connect again")
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """End what is unfinished, then the thread; a second time does nothing."""
        with self._door:
            if self._closed:
                return
            self._closed = True
        asyncio.run_coroutine_threadsafe(_end_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Background:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def _end_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


def _outcome(future: Future[Result]) -> Result:
    try:
        return future.result()
    except CancelledError:
        raise ModelError("the models were disconnected before they had answered") from None
