"""A role of ours at a model that Inspect drives: Inspect sends the same requests, and what comes back is read alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from inspect_ai.model import (
    ChatMessage,
    ChatMessageSystem,
    ChatMessageUser,
    ContentReasoning,
    GenerateConfig,
    Model,
    ModelName,
    ModelOutput,
    ResponseSchema,
)
from inspect_ai.util import JSONSchema

from raise_agent.models.base import DIMENSIONS
from raise_agent.models.served.caller import Caller
from raise_agent.models.served.client import Client, ClientSettings
from raise_agent.models.served.discovery import ServedModel
from raise_agent.models.served.endpoints import Route
from raise_agent.models.served.failures import CallFailed, Failure
from raise_agent.models.served.prompts import Prompt, load_prompt
from raise_agent.models.served.settings import RoleSettings
from raise_agent.models.served.wire import ChatReply, read_reply

SAMPLING = ("temperature", "top_p", "max_tokens")
"""What those who evaluate set for the model that is evaluated, in Inspect's own options."""
_DIRECT = (*SAMPLING, "seed", "logprobs", "top_logprobs")
"""Fields of a request that Inspect knows by the same name."""
_REASONS = {"stop": "stop", "max_tokens": "length"}
"""Inspect's names for what ends an answer that can be judged -> the server's."""


@dataclass(frozen=True, slots=True)
class InspectCaller(Caller):
    """Puts a role's prompts to a model through Inspect, which makes the connection; ``client`` is asked nothing."""

    driven: Model
    """The model, as Inspect has it."""

    async def ask(
        self, messages: Sequence[Mapping[str, str]], seed: int, fields: Mapping[str, object] | None = None
    ) -> ChatReply:
        """The model's answer; see ``Caller.ask``. What Inspect gives up on after its own retries, it raises."""
        config = self.config(messages, seed, fields or {})
        return read_output(await self.driven.generate(chat(messages), config=config))

    def config(
        self,
        messages: Sequence[Mapping[str, str]],
        seed: int,
        fields: Mapping[str, object],
        leave: Sequence[str] = (),
    ) -> GenerateConfig:
        """A request's fields beside model and messages, in Inspect's terms.

        Args:
            messages: of the request.
            seed: of the request.
            fields: of the request, beside the usual ones or in their place.
            leave: fields that are left to the evaluation's own settings.
        """
        # Not ``super()``: a class with slots is made twice, and the first one is not this one's base.
        body: dict[str, Any] = json.loads(Caller.body(self, messages, seed, fields))
        for name in ("model", "messages", *leave):
            body.pop(name, None)
        config = GenerateConfig(**{name: body.pop(name) for name in _DIRECT if name in body})
        if "response_format" in body:
            form = body.pop("response_format")["json_schema"]
            schema = JSONSchema.model_validate(form["schema"])
            config.response_schema = ResponseSchema(name=form["name"], json_schema=schema, strict=form["strict"])
        config.extra_body = body or None
        return config


def caller_of(model: Model, settings: RoleSettings, role: str) -> InspectCaller:
    """A role at a model of Inspect's.

    Raises:
        ConfigError: a setting is wrong, or the prompt cannot be read.
    """
    settings.check(role)
    return InspectCaller(
        client=Client(ClientSettings()),
        route=Route(()),
        model=ServedModel(str(model), is_vllm=ModelName(model).api == "vllm", revision=None),
        settings=settings,
        prompt=prompt_of(role, settings.prompt),
        priority=0,
        driven=model,
    )


@cache
def prompt_of(role: str, source: str = "default") -> Prompt:
    """The prompt of responder or judge, read once; see ``load_prompt``."""
    return load_prompt(role, source, DIMENSIONS if role == "judge" else ())


def chat(messages: Sequence[Mapping[str, str]]) -> list[ChatMessage]:
    """System and user message in Inspect's terms."""
    kinds = {"system": ChatMessageSystem, "user": ChatMessageUser}
    return [kinds[one["role"]](content=one["content"]) for one in messages]


def read_output(output: ModelOutput) -> ChatReply:
    """What a model answered, read as if the server had said it to us.

    Raises:
        CallFailed: it is no answer, or the model did not come to the end of its thinking.
    """
    if output.empty:
        raise CallFailed(Failure.EMPTY)
    choice = output.choices[0]
    if choice.stop_reason == "model_length":
        # Inspect then gives the server's complaint as the answer's text.
        raise CallFailed(Failure.REJECTED, "longer than the model can take")
    content = choice.message.content
    thought = isinstance(content, list) and any(isinstance(part, ContentReasoning) for part in content)
    told: dict[str, object] = {
        "message": {"content": choice.message.text, "reasoning": thought},
        "finish_reason": _REASONS.get(choice.stop_reason, choice.stop_reason),
        "logprobs": None if choice.logprobs is None else choice.logprobs.model_dump(),
    }
    reply = read_reply(json.dumps({"model": output.model, "choices": [told]}).encode())
    if reply.still_thinking:
        raise CallFailed(Failure.TRUNCATED, "still thinking at the token limit")
    return reply
