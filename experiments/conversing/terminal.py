"""Lines in, text out, on a terminal or through pipes; nothing that passes is kept."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from types import FrameType
from typing import NoReturn, TextIO

from raise_agent.text import well_formed

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What could move the cursor or change a terminal's settings, were a model to write it."""
_DIM, _BOLD, _PLAIN = "\x1b[2m", "\x1b[1m", "\x1b[0m"
_PROMPT, _MORE = "> ", "... "


class ToldToEnd(KeyboardInterrupt):
    """The process was told to end, or its terminal is gone: not to be taken for Ctrl-C."""


@contextmanager
def told_to_end() -> Iterator[None]:
    """SIGTERM and SIGHUP, where not ignored, raise ``ToldToEnd`` in here: once, so that no cleaning up is cut short."""
    # Windows has no SIGHUP.
    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [number for number in known if signal.getsignal(number) is not signal.SIG_IGN]

    def end(number: int, frame: FrameType | None) -> NoReturn:
        for other in numbers:
            signal.signal(other, signal.SIG_IGN)
        raise ToldToEnd(f"{signal.Signals(number).name} came")

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Terminal:
    """Where a conversation is read from and written to.

    Args:
        source: lines of the user.
        sink: what the user sees.
    """

    def __init__(self, source: TextIO, sink: TextIO) -> None:
        self._source, self._sink = source, sink
        self.interactive = source.isatty() and sink.isatty()
        """Whether a person types; otherwise lines come from a script, and no prompt is shown."""
        plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self._styled = sink.isatty() and not plain
        for stream in (source, sink):
            # No byte of the user, and no character of a model, ends the conversation.
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="replace")
        if self.interactive:
            _edit_lines()

    def read(self) -> str | None:
        """What the user writes next, without what surrounds it; None at the end.

        A line that ends in a backslash goes on in the next one.
        """
        parts = list[str]()
        while (line := self._line(_MORE if parts else _PROMPT)) is not None:
            parts.append(line.removesuffix("\\"))
            if not line.endswith("\\"):
                break
        # Lone surrogates, which some locales make of odd bytes, fit in no file and no request.
        return well_formed("\n".join(parts)).strip() if parts else None

    def _line(self, prompt: str) -> str | None:
        if self.interactive:
            try:
                return input(prompt)
            except EOFError:
                self._write("\n")
                return None
        line = self._source.readline()
        return line.rstrip("\r\n") if line else None

    def say(self, text: str) -> None:
        """What the agent says."""
        self._write(f"{self._in(_BOLD, text)}\n")

    def note(self, text: str) -> None:
        """What is about the conversation, not part of it."""
        self._write(f"{self._in(_DIM, text)}\n")

    def stream(self, pieces: Iterator[str]) -> str:
        """Show a text piece by piece, as it comes; all of it, at the end.

        Whatever ends it early ends the pieces too, and leaves the cursor at the start of a line.
        """
        told = list[str]()
        try:
            for piece in pieces:
                self._write(_CONTROL.sub("", piece))
                told.append(piece)
        finally:
            # A terminal that is gone takes no more, and must not hide what ended the text.
            with suppress(OSError):
                if "".join(told):
                    self._write("\n")
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
        return "".join(told)

    def _in(self, style: str, text: str) -> str:
        text = _CONTROL.sub("", text)
        return f"{style}{text}{_PLAIN}" if self._styled and text else text

    def _write(self, text: str) -> None:
        self._sink.write(text)
        self._sink.flush()


def _edit_lines() -> None:
    """Let arrow keys move within a line; no line is remembered, so that none can be written to a history file."""
    with suppress(ImportError):
        import readline

        if hasattr(readline, "set_auto_history"):
            readline.set_auto_history(False)
