"""What a conversation with a person needs of served models, for plain code: the answer as it is written, and decisions.

with live(settings, table) as models:
    agent = Agent(policy, abstention, models.responder, models.agent.watch)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from raise_agent.agent.urgent import Urgent
from raise_agent.attributes import AttributeTable
from raise_agent.errors import ModelError
from raise_agent.policies.contract import Known
from raise_agent.policies.model import Form, NoDecisionError
from raise_agent.scenario import Disclosure, Inquiry

from .agent import ServedAgent
from .background import Background
from .caller import Caller
from .client import Client, Usage
from .connect import (
    SIDE_BY_SIDE,
    ServedSettings,
    callers_side_by_side,
    find_callers,
    in_background,
    made_up,
    try_out,
)
from .failures import CallFailed
from .responder import Responder

ATTEMPTS, PATIENCE = 3, 10.0
"""Most attempts at a request, and seconds without an answer after which a server is given up, with a person waiting."""

Answer = TypeVar("Answer")


class LiveResponder:
    """Answers a person, piece by piece as the model writes; ``raise_agent.agent.conversation.Responder``.

    The prompt and the sampling are those of the role ``responder``. The same words get the same answer wherever the
    server draws alike under a seed.

    Args:
        background: runs the requests.
        caller: the model, its sampling and its prompt.
        table: names the attributes.
    """

    def __init__(self, background: Background, caller: Caller, table: AttributeTable) -> None:
        self._background = background
        self._caller = caller
        self._responder = Responder(caller, table)
        self._keys = table.keys

    @property
    def identity(self) -> dict[str, object]:
        """Everything that can change an answer."""
        return self._responder.identity

    def respond(self, query: str, known: Known) -> Iterator[str]:
        """The answer to this query from a person who has said this.

        The request is made when the first piece is asked for, again while it fails in passing, and ended where the
        iterator is closed.

        Args:
            query: what the person wrote.
            known: answers by attribute key, None where declined.

        Raises:
            ModelError: there is no answer, or it broke off; pieces that were given before stand.
        """
        said = Disclosure.of({key: known[key] for key in self._keys if key in known})
        begun = False
        try:
            for piece in self._background.pieces(self._stream(Inquiry("", "", query), said)):
                begun = True
                yield piece
        except CallFailed as failed:
            what = "broke off its answer" if begun else "gave no answer"
            raise ModelError(f"the responder {what}: {failed}") from None

    def _stream(self, inquiry: Inquiry, known: Disclosure) -> AsyncGenerator[str, None]:
        request = self._responder.request(inquiry, known, "live")
        return self._caller.stream(request.messages, request.seed, request.fields)


class LiveAgent:
    """Decides for policy ``llm`` and the abstentions ``basic``, ``binary`` and ``scale``, and looks out for danger.

    ``raise_agent.policies.model.Chooser`` and ``Assessor``; its ``watch`` is ``raise_agent.agent.conversation.Watch``.

    Args:
        background: runs the requests.
        agent: the role.
        in_flight: how many conversations may call it side by side.
        warnings: what a user should know before relying on it.
        goes_on: whether a server that is gone is one more failure, rather than the end of what is going on.
    """

    simulated = False

    def __init__(
        self, background: Background, agent: ServedAgent, in_flight: int, warnings: tuple[str, ...], *, goes_on: bool
    ) -> None:
        self._background, self._agent, self._goes_on = background, agent, goes_on
        self.in_flight, self.warnings = in_flight, warnings

    @property
    def identity(self) -> Mapping[str, object]:
        """Everything that can change a decision."""
        return self._agent.identity

    def choose(
        self, query: str, known: Known, unasked: Sequence[str], examples: Sequence[Sequence[str]]
    ) -> Mapping[str, float]:
        """Weights over the unasked attributes; see ``Chooser``.

        Raises:
            NoDecisionError: the model names none of them.
            ModelError: the server is gone, unless this goes on.
        """
        return self._decided(self._agent.choose(query, known, unasked, examples))

    def assess(self, form: Form, query: str, known: Known, unasked: Sequence[str]) -> Mapping[str, float]:
        """Weights over the options; see ``Assessor``.

        Raises:
            NoDecisionError: the model gives none of them.
            ModelError: the server is gone, unless this goes on.
        """
        return self._decided(self._agent.assess(form, query, known, unasked))

    def watch(self, said: str, asked: str | None = None) -> Urgent | None:
        """Whether a message speaks of acting on self-harm, or of harming someone now; None where the model fails.

        The rule of ``raise_agent.agent.urgent`` is asked in any case.
        """
        try:
            return self._result(self._agent.watch(said, asked))
        except (CallFailed, ModelError):
            return None

    def _result(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return self._background.wait(_in_time(work) if self._goes_on else work)

    def _decided(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        try:
            return self._result(work)
        except CallFailed as failed:
            raise NoDecisionError(str(failed)) from None
        except ModelError:
            if not self._goes_on:
                raise
            raise NoDecisionError("the server is gone, or refuses the request") from None


async def _in_time(work: Coroutine[Any, Any, Answer]) -> Answer:
    """The result of a decision that a person waits for.

    Raises:
        ModelError: there is none within ``PATIENCE``.
    """
    try:
        return await asyncio.wait_for(work, PATIENCE)
    except asyncio.TimeoutError:
        raise ModelError(f"no decision within {PATIENCE:g} s") from None


@dataclass(frozen=True, slots=True)
class Live:
    """The models of a conversation, at servers that answer."""

    responder: LiveResponder
    agent: LiveAgent

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know before relying on them."""
        return self.agent.warnings


@contextmanager
def live(settings: ServedSettings, table: AttributeTable) -> Iterator[Live]:
    """Connect responder and agent for conversations with people; disconnect at the end.

    With a person waiting, a request is given up sooner than in planning (``ATTEMPTS``, ``PATIENCE``), and a server that
    is replaced meanwhile by one in another state is as good.

    Raises:
        ConfigError: a setting is wrong.
        ModelError: a server does not answer, or cannot do what a role needs; the message says what to set.
    """
    calls = replace(
        settings.client,
        attempts=min(ATTEMPTS, settings.client.attempts),
        patience=min(PATIENCE, settings.client.patience),
    )
    settings = replace(
        settings,
        client=calls,
        responder=replace(settings.responder, revision=settings.responder.revision or "live"),
        agent=replace(settings.agent, revision=settings.agent.revision or "live"),
    )
    with _connected(settings, table, ("responder", "agent"), Usage()) as found:
        agent = LiveAgent(found.background, found.agent, SIDE_BY_SIDE, found.warnings, goes_on=True)
        yield Live(LiveResponder(found.background, found.callers["responder"], table), agent)


@contextmanager
def connect_agent(settings: ServedSettings, table: AttributeTable, usage: Usage) -> Iterator[LiveAgent]:
    """Connect the agent alone, to evaluate it: a server that is gone ends the evaluation.

    Args:
        settings: client and role.
        table: the attributes.
        usage: what it asks is added to this.

    Raises:
        ConfigError: a setting is wrong.
        ModelError: a server does not answer, or cannot do what the role needs; the message says what to set.
    """
    with _connected(settings, table, ("agent",), usage) as found:
        in_flight = callers_side_by_side(settings.client, found.callers["agent"])
        yield LiveAgent(found.background, found.agent, in_flight, found.warnings, goes_on=False)


@dataclass(frozen=True, slots=True)
class _Found:
    background: Background
    callers: Mapping[str, Caller]
    agent: ServedAgent
    warnings: tuple[str, ...]


def _connected(
    settings: ServedSettings, table: AttributeTable, roles: Sequence[str], usage: Usage
) -> AbstractContextManager[_Found]:
    """These roles, the agent among them and tried out on a made-up case."""

    async def find(client: Client, background: Background) -> _Found:
        callers = await find_callers(client, settings, roles)
        agent = ServedAgent(callers["agent"], table)
        missed = await try_out("agent", agent.choose(made_up(table).query, {}, table.keys, ()))
        warnings = () if missed is None else (f"the agent's model decided nothing of a made-up case: {missed}",)
        return _Found(background, callers, agent, warnings)

    return in_background(settings, usage, find)
