"""The model that builds data and words queries anew.

It is held to the form of what it writes, read strictly, and asked again where it fails.

On vLLM the form is a pattern without free blanks; elsewhere a JSON schema. What comes is checked all the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from raise_agent.attributes import AttributeTable
from raise_agent.building.contract import Reason, Unwritten
from raise_agent.building.forms import BESIDE, profile_text, quoted
from raise_agent.building.schema import fits, pattern_of
from raise_agent.text import well_formed

from .background import Background
from .caller import Caller, request_seed
from .client import Client, Usage
from .connect import ServedSettings, callers_side_by_side, find_callers, in_background, made_up, try_out
from .failures import CallFailed, Failure
from .wire import ChatReply, RoleRequest, message

_REASONS: Mapping[Failure, Reason] = {
    Failure.TRUNCATED: "cut short",
    Failure.UNPARSABLE: "broken structure",
    Failure.EMPTY: "broken structure",
    Failure.REJECTED: "refused",
}


class ServedWriter:
    """Writes JSON of a given form.

    Args:
        caller: the model, its sampling and its prompt.
        attempts: how often it is asked in all, each time under another seed.
    """

    def __init__(self, caller: Caller, attempts: int) -> None:
        self._caller = caller
        self._attempts = attempts
        self._system = message("system", caller.prompt.fill("system"))

    @property
    def identity(self) -> dict[str, object]:
        """Everything that can change what it writes."""
        return {
            "role": "writer",
            "attempts": self._attempts,
            **self._caller.identity(self._caller.settings.max_tokens),
        }

    def request(
        self, part: str, schema: Mapping[str, Any], draw: int | None, attempt: int, values: Mapping[str, str]
    ) -> RoleRequest:
        """What it is sent at its attempt of this number, 0 first; see ``raise_agent.building.contract.Writer``."""
        text = self._caller.prompt.fill(part, **values)
        fields: dict[str, object]
        if self._caller.model.is_vllm:
            fields = {"structured_outputs": {"regex": pattern_of(schema)}}
        else:
            named = {"name": part, "schema": schema}
            fields = {"response_format": {"type": "json_schema", "json_schema": named}}
        if draw is None and attempt == 0:
            fields["temperature"] = 0.0
        seed = request_seed(self._caller.settings.seed, "writer", part, draw, attempt, text)
        return RoleRequest([self._system, message("user", text)], seed, fields)

    async def write(self, part: str, schema: Mapping[str, Any], draw: int | None, values: Mapping[str, str]) -> Any:
        """A value of this schema; arguments as of ``raise_agent.building.contract.Writer``.

        Raises:
            Unwritten: nothing of this form came.
            ModelError: the server is gone.
        """
        plain = {name: well_formed(value) for name, value in values.items()}
        reason: Reason = "broken structure"
        for attempt in range(self._attempts):
            try:
                return read_value(await self._caller.ask(*self.request(part, schema, draw, attempt, plain)), schema)
            except CallFailed as failed:
                reason = _REASONS.get(failed.kind, "no answer")
                # The client has tried these again by itself, or the server will say the same.
                if reason in ("no answer", "refused"):
                    break
        raise Unwritten(reason)


def read_value(reply: ChatReply, schema: Mapping[str, Any]) -> Any:
    """The value of this schema in an answer that holds it and nothing else.

    Raises:
        CallFailed: the answer was cut short, or is of another form.
    """
    if not reply.finished:
        raise CallFailed(Failure.TRUNCATED)
    try:
        value = json.loads(reply.text)
    except (ValueError, RecursionError):
        raise CallFailed(Failure.UNPARSABLE) from None
    if not fits(value, schema):
        raise CallFailed(Failure.UNPARSABLE)
    return value


class LiveWriter:
    """``raise_agent.building.contract.Writer`` at a server.

    Args:
        background: runs the requests.
        writer: the role.
        in_flight: how many callers it serves side by side.
        warnings: what a user should know before relying on it.
    """

    simulated = False

    def __init__(self, background: Background, writer: ServedWriter, in_flight: int, warnings: tuple[str, ...]) -> None:
        self._background, self._writer = background, writer
        self.in_flight, self.warnings = in_flight, warnings

    @property
    def identity(self) -> Mapping[str, object]:
        """Everything that can change what it writes."""
        return self._writer.identity

    def write(self, part: str, schema: Mapping[str, Any], /, draw: int | None = None, **values: str) -> Any:
        """A value of this schema; see ``Writer``.

        Raises:
            Unwritten: nothing of this form came.
            ModelError: the server is gone.
        """
        return self._background.wait(self._writer.write(part, schema, draw, values))


def connect_writer(settings: ServedSettings, table: AttributeTable, usage: Usage) -> AbstractContextManager[LiveWriter]:
    """Connect the writer, tried out on a made-up case; disconnect at the end.

    Args:
        settings: client and role.
        table: the attributes.
        usage: what it asks is added to this.

    Raises:
        ConfigError: a setting is wrong.
        ModelError: a server does not answer, or cannot do what the role needs; the message says what to set.
    """

    async def find(client: Client, background: Background) -> LiveWriter:
        caller = (await find_callers(client, settings, ("writer",)))["writer"]
        writer = ServedWriter(caller, settings.writer.attempts)
        case = made_up(table)
        values = {"profile": profile_text(table, case.profile), "query": quoted(case.query)}
        asked = writer.request("beside", BESIDE, None, 0, values)

        async def tried() -> Any:
            return read_value(await caller.ask(*asked), BESIDE)

        missed = await try_out("writer", tried())
        warnings = (
            ()
            if missed is None
            else (f"the writer did not fill in a made-up case: {missed}; expect drops for broken structure",)
        )
        return LiveWriter(background, writer, callers_side_by_side(settings.client, caller), warnings)

    return in_background(settings, usage, find)
