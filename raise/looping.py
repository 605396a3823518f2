"""An event loop that ends in order when the process is told to end."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """``asyncio.run``, which SIGTERM ends as Ctrl-C does where Ctrl-C is ignored, as in a script's background job.

    Python ends the tasks of a loop in order on Ctrl-C only. An interrupt raised anywhere in the loop would tear what it
    has under way. Where nothing handles SIGTERM it ends the process, as ever.

    Raises:
        KeyboardInterrupt: told to end; a second time, at once and in no order.
    """
    before = signal.getsignal(signal.SIGTERM)
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if not (ignored and callable(before) and threading.current_thread() is threading.main_thread()):
        return asyncio.run(work)
    told = False

    async def heeding() -> Result:
        loop, main = asyncio.get_running_loop(), asyncio.current_task()
        assert main is not None

        def end(number: int, frame: FrameType | None) -> None:
            nonlocal told
            if told:
                raise KeyboardInterrupt
            told = True
            main.cancel()
            # Wakes a loop that waits.
            loop.call_soon_threadsafe(lambda: None)

        signal.signal(signal.SIGTERM, end)
        try:
            return await work
        finally:
            signal.signal(signal.SIGTERM, before)

    try:
        return asyncio.run(heeding())
    except asyncio.CancelledError:
        if told:
            raise KeyboardInterrupt from None
        raise
