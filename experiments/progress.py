"""How far a run has come: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from raise_agent.planners.runner import Tally

LIVE_SECONDS, PLAIN_SECONDS = 0.1, 10.0


def describe(what: str, tally: Tally, seconds: float, *, simulated: bool, evaluations: int | None = None) -> str:
    """One line: searches done, evaluations per second, cache hits, unscored, time left.

    Args:
        what: heading of the line.
        tally: how far the run has come.
        seconds: time since it began.
        simulated: whether scores are simulated.
        evaluations: most evaluations one search makes, where it is known; the time left is then an upper estimate.
    """
    rate = tally.scored / seconds if seconds > 0 else 0.0
    parts = [
        f"{what}{' (simulated)' if simulated else ''}: {tally.finished:,}/{tally.searches:,} searches",
        f"{tally.scored:,} evaluations ({rate:,.0f}/s)",
        f"{tally.cached:,} from store",
        f"{tally.unscored:,} unscored",
    ]
    if tally.reasons:
        parts[-1] += f" (most often: {max(tally.reasons, key=lambda reason: tally.reasons[reason])})"
    if tally.unranked:
        parts.append(f"{tally.unranked:,} rankings failed")
    if tally.finished < tally.searches:
        done = tally.finished / tally.searches
        if evaluations:
            done = max(done, (tally.scored + tally.cached + tally.unscored) / (evaluations * tally.searches))
        parts.append(f"ETA {seconds / done - seconds:,.0f} s" if done else "ETA ?")
    else:
        parts.append(f"done in {seconds:,.1f} s")
    return ", ".join(parts)


class ProgressDisplay:
    """Shows a tally as it grows; writes the last state when it is left.

    Args:
        what: heading of the line.
        simulated: whether scores are simulated; said in the line.
        evaluations: most evaluations of one search, where it is known.
        stream: where to write; standard error by default.
        clock: seconds, for rates and for how often to write.
    """

    def __init__(
        self,
        what: str,
        *,
        simulated: bool,
        evaluations: int | None = None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._simulated = simulated
        self._evaluations = evaluations
        self._console = Console(file=stream or sys.stderr, highlight=False)
        self._clock = clock
        self._live = (
            Live(console=self._console, auto_refresh=False, transient=True) if self._console.is_terminal else None
        )
        self._began = self._shown = clock()
        self._tally: Tally | None = None

    def update(self, tally: Tally) -> None:
        """Show the tally if it is time to."""
        self._tally = tally
        now = self._clock()
        if now - self._shown < (LIVE_SECONDS if self._live is not None else PLAIN_SECONDS):
            return
        self._shown = now
        if self._live is not None:
            self._live.update(Text(self._line()), refresh=True)
        else:
            self._console.print(self._line(), markup=False, soft_wrap=True)

    def _line(self) -> str:
        tally = self._tally or Tally()
        seconds = self._clock() - self._began
        return describe(self._what, tally, seconds, simulated=self._simulated, evaluations=self._evaluations)

    def __enter__(self) -> ProgressDisplay:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        if self._tally is not None:
            self._console.print(self._line(), markup=False, soft_wrap=True)


class Progress:
    """Says how far some other work has come, every few seconds.

    Args:
        what: is counted.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._said = time.monotonic()

    def __call__(self, done: int, wanted: int) -> None:
        now = time.monotonic()
        if now - self._said >= PLAIN_SECONDS:
            self._said = now
            print(f"{self._what}: {done:,} of {wanted:,}", file=sys.stderr, flush=True)
