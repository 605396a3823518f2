"""Writers that count, fail and are slow, for tests of building."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from raise_agent.attributes import penguin_table
from raise_agent.models.simulated_writer import SimulatedWriter

TABLE = penguin_table()
Instead = Callable[[int, str, Mapping[str, str]], Any]
"""From the number of the call, its part and its values to what is written in place of the usual; None leaves that."""


def usual(number: int, part: str, values: Mapping[str, str]) -> Any:
    """Nothing out of the usual."""
    return None


class Scripted:
    """The simulated writer, counted, on as many threads as are asked for, and with other answers where so scripted."""

    simulated = True

    def __init__(self, instead: Instead = usual, *, in_flight: int = 1, seconds: float = 0.0) -> None:
        self._writer, self._instead, self._seconds = SimulatedWriter(TABLE), instead, seconds
        self.identity = self._writer.identity
        self.in_flight = in_flight
        self.calls: Counter[str] = Counter()
        self.seen: list[tuple[str, int | None, tuple[tuple[str, str], ...]]] = []
        self._door = threading.Lock()

    def write(self, part: str, schema: Mapping[str, Any], /, draw: int | None = None, **values: str) -> Any:
        with self._door:
            number = len(self.seen)
            self.calls[part] += 1
            self.seen.append((part, draw, tuple(sorted(values.items()))))
        # The later a call, the sooner it is done, so that threads overtake each other.
        time.sleep(self._seconds / (1 + number % 7))
        instead = self._instead(number, part, values)
        return self._writer.write(part, schema, draw, **values) if instead is None else instead
