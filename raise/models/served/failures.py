"""How a call to a served model can fail. Every failure is one of these kinds; none is ever turned into a number."""

from __future__ import annotations

from enum import Enum


class Failure(Enum):
    """Kinds of failure; the value is what reports call it."""

    RATE_LIMITED = "rate limited"
    OVERLOADED = "server overloaded"
    SERVER = "server error"
    REFUSED = "connection refused"
    CONNECTION = "connection lost"
    TIMEOUT = "no answer in time"
    UNREADABLE = "unreadable answer"
    REJECTED = "request rejected"
    TRUNCATED = "answer cut short"
    EMPTY = "empty answer"
    OFF_SCALE = "probability off the scale"
    NO_PROBABILITIES = "no token probabilities"
    UNPARSABLE = "answer not in the form asked for"


_RETRIED = frozenset(
    {
        Failure.RATE_LIMITED,
        Failure.OVERLOADED,
        Failure.SERVER,
        Failure.REFUSED,
        Failure.CONNECTION,
        Failure.TIMEOUT,
        Failure.UNREADABLE,
    }
)
_LOAD = frozenset({Failure.RATE_LIMITED, Failure.OVERLOADED, Failure.TIMEOUT})
_BROKEN = frozenset({Failure.REFUSED, Failure.CONNECTION, Failure.TIMEOUT, Failure.SERVER, Failure.UNREADABLE})


class CallFailed(Exception):  # noqa: N818 - an outcome that callers expect, not an error that users see
    """A call that came to nothing.

    Its text names the kind and what the server's status was, never what was asked or answered.
    """

    def __init__(
        self, kind: Failure, detail: str = "", *, retry_after: float | None = None, server_said: str = ""
    ) -> None:
        super().__init__(f"{kind.value} ({detail})" if detail else kind.value)
        self.kind = kind
        self.retry_after = retry_after
        """Seconds the server asked to wait, where it did."""
        self.server_said = server_said
        """The server's own words: may repeat what was asked, so only for requests that hold nobody's words."""

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        return self.kind in _RETRIED

    @property
    def load(self) -> bool:
        """Whether it says that the server has too much to do."""
        return self.kind in _LOAD

    @property
    def broken(self) -> bool:
        """Whether the endpoint itself may be gone or broken."""
        return self.kind in _BROKEN
