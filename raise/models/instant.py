"""A prior that needs nobody's answer: it ranks at once whatever it is handed."""

from __future__ import annotations

from abc import ABC, abstractmethod

from .base import RankRequest, Unscored, Weights


class InstantPrior(ABC):
    """The pool of a prior that ranks one request at a time, in no time."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, RankRequest]] = []

    @abstractmethod
    def rank(self, request: RankRequest) -> Weights:
        """Weights over the unasked attributes, all positive."""

    def submit(self, ticket: int, request: RankRequest) -> None:
        """Take a request."""
        self._waiting.append((ticket, request))

    async def completed(self) -> list[tuple[int, Weights | Unscored]]:
        """Everything submitted so far, ranked."""
        waiting, self._waiting = self._waiting, []
        return [(ticket, self.rank(request)) for ticket, request in waiting]

    async def aclose(self) -> None:
        """Drop what is waiting."""
        self._waiting = []
