"""One role at its server: model, sampling and prompt put together; what all roles share."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from raise_agent.errors import ModelError

from .client import Client
from .discovery import ServedModel
from .endpoints import Route
from .failures import CallFailed, Failure
from .prompts import Prompt
from .settings import RoleSettings
from .streaming import Spoken
from .wire import ChatReply, render

Answer = TypeVar("Answer")


async def all_of(waiting: Sequence[Coroutine[Any, Any, Answer]]) -> list[Answer]:
    """Results of all, side by side; the first failure ends the others."""
    if len(waiting) == 1:
        return [await waiting[0]]
    tasks = [asyncio.ensure_future(one) for one in waiting]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def request_seed(base: int, *parts: object) -> int:
    """A request's own seed, 31 bits: by the role's seed and by what is asked."""
    text = "|".join(str(part) for part in (base, *parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1


@dataclass(frozen=True, slots=True)
class Caller:
    """Puts a role's prompts to its model.

    Requests of one role differ in their messages and in a few fields; the rest is set here.
    """

    client: Client
    route: Route
    model: ServedModel
    settings: RoleSettings
    prompt: Prompt
    priority: int
    """Among requests that wait for room, the smallest goes first."""

    def identity(self, max_tokens: int) -> dict[str, object]:
        """Everything that can change an answer of so many tokens at most, as plain data."""
        settings = self.settings
        return {
            "model": self.model.id,
            "revision": settings.revision or self.model.revision,
            "prompt": self.prompt.identity,
            "sampling": {
                "temperature": settings.temperature,
                "top_p": settings.top_p,
                "max_tokens": max_tokens,
                "thinking_tokens": settings.thinking_tokens,
                "seed": settings.seed,
            },
            "extra": dict(settings.extra),
            # What is sent beside the messages depends on it.
            "server": "vllm" if self.model.is_vllm else "openai",
        }

    def body(self, messages: Sequence[Mapping[str, str]], seed: int, fields: Mapping[str, object]) -> bytes:
        """A request as JSON."""
        settings = self.settings
        body: dict[str, object] = {
            "model": self.model.id,
            "messages": messages,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "max_tokens": settings.max_tokens + settings.thinking_tokens,
        }
        if settings.temperature > 0:
            body["seed"] = seed
        if self.model.is_vllm and not settings.thinking_tokens:
            # Chat templates of reasoning models know one of these names; the others ignore them.
            body["chat_template_kwargs"] = {"enable_thinking": False, "thinking": False}
        body.update(settings.extra)
        body.update(fields)
        return render(body)

    async def ask(
        self, messages: Sequence[Mapping[str, str]], seed: int, fields: Mapping[str, object] | None = None
    ) -> ChatReply:
        """The model's answer.

        Args:
            messages: system and user message.
            seed: of this request.
            fields: of the request, beside the usual ones or in their place.

        Raises:
            CallFailed: there was none, or the model did not come to the end of its thinking.
            ModelError: the server is gone, or it is in another state than when the run began.
        """
        reply = await self.client.chat(self.route, self.body(messages, seed, fields or {}), self.priority)
        # Other servers than vLLM name a state that does not last; it says nothing.
        if self.model.is_vllm and self.settings.revision is None and reply.revision != self.model.revision:
            raise ModelError(
                f"{self.model.id}: the server changed while the run was going on (from {self.model.revision} to "
                f"{reply.revision}); results of both must not mix: start again, and what fits is taken from the store"
            )
        if reply.still_thinking:
            raise CallFailed(Failure.TRUNCATED, "still thinking at the token limit")
        return reply

    async def stream(
        self, messages: Sequence[Mapping[str, str]], seed: int, fields: Mapping[str, object] | None = None
    ) -> AsyncGenerator[str, None]:
        """The model's answer piece by piece, without what it thinks before.

        Arguments as of :meth:`ask`.

        Raises:
            CallFailed: there is none, or it broke off; what was given before stands.
            ModelError: the server is gone.
        """
        more: dict[str, object] = {"stream": True}
        if self.model.is_vllm:
            more["stream_options"] = {"include_usage": True}
        body = self.body(messages, seed, {**more, **(fields or {})})
        spoken, finish, silent = Spoken(thinks=self.settings.thinking_tokens > 0), "", True
        async with aclosing(self.client.stream(self.route, body, self.priority)) as events:
            async for event in events:
                if event.thinking:
                    spoken.thought()
                finish = event.finish or finish
                if said := spoken.hear(event.text):
                    silent = False
                    yield said
        if rest := spoken.end(finished=finish != "length"):
            silent = False
            yield rest
        if silent:
            raise CallFailed(Failure.EMPTY)
