"""What is needed of a model that writes, to build data and to word queries anew: JSON of a given form, or in one of a
few words why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

Reason = Literal["broken structure", "cut short", "refused", "no answer"]
"""Why nothing usable was written. ``no answer`` passes: asked again another day, the model may well write it."""


class Unwritten(Exception):  # noqa: N818 - an outcome that callers count, not an error that users see
    """A model wrote nothing of the form asked for, however often it was asked.

    Its text is the reason, never what was asked or answered.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason

    @property
    def final(self) -> bool:
        """Whether the same request would end the same way."""
        return self.reason != "no answer"


class Writer(Protocol):
    """Writes JSON; may be called from as many threads as ``in_flight``."""

    @property
    def identity(self) -> Mapping[str, object]:
        """Everything that can change what it writes, as plain data."""

    @property
    def simulated(self) -> bool:
        """Whether what it writes is simulated and must be marked so."""

    @property
    def in_flight(self) -> int:
        """How many callers it serves side by side."""

    def write(self, part: str, schema: Mapping[str, Any], /, draw: int | None = None, **values: str) -> Any:
        """A value of this schema; the same arguments give the same value wherever the model draws alike.

        Args:
            part: of the role's prompt, ``prompts/writer.yaml``: says what is to be written.
            schema: the form, in the words that ``schema.py`` knows.
            draw: which of many possible texts is wanted, 0 or more: each number draws its own; None for the likeliest,
                where there is something to find out and nothing to invent.
            values: fill the part's placeholders.

        Raises:
            Unwritten: nothing of this form came.
            ModelError: the model is gone; what was written before stands.
        """
