"""What goes over the wire: chat requests of the OpenAI form, and their replies, typed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from .failures import CallFailed, Failure

MASKED = -9000.0
"""A server's log-probability for a token that its grammar forbids lies below this."""
ROUNDING = 0.01
"""A log-probability may come out above 0 by as much, and a sum of probabilities above 1."""
FINISHED = ("stop", "length", None)
"""Reasons to end an answer that leave one to be judged."""
TOP = 20
"""Most alternatives to a token that servers report by default."""

# Some chat templates open the thinking themselves, so that only its end is in the answer.
_THINKING = re.compile(r"\A.*?</think>\s*", re.DOTALL)


class RoleRequest(NamedTuple):
    """One request of a role, as ``Caller.ask`` takes it."""

    messages: list[dict[str, str]]
    seed: int
    fields: dict[str, object]
    """Of the request, beside the usual ones or in their place."""


@dataclass(frozen=True, slots=True)
class ChatReply:
    """One answer of a model."""

    text: str = field(repr=False)
    """Without what a reasoning model thought before."""
    finished: bool
    """False where the answer was cut off at the token limit."""
    first_token: tuple[tuple[str, float], ...] | None
    """(token, natural log-probability) of the alternatives to the first token; None where none were reported."""
    prompt_tokens: int
    generated_tokens: int
    counted: bool
    """Whether the server counted the tokens; 0 of both stand there otherwise."""
    model: str
    revision: str | None
    """What the server calls the state it is in (``system_fingerprint``)."""
    thought: bool = False
    """Whether a reasoning model thought before it answered, or instead of it."""

    @property
    def still_thinking(self) -> bool:
        """Whether thinking took all the tokens there were."""
        return self.thought and not self.text and not self.finished


def render(body: Mapping[str, object]) -> bytes:
    """A request body as JSON."""
    return orjson.dumps(body)


def message(role: str, content: str) -> dict[str, str]:
    """One chat message."""
    return {"role": role, "content": content}


def read_object(raw: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        CallFailed: it is something else.
    """
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise CallFailed(Failure.UNREADABLE, "no JSON") from None
    if not isinstance(data, dict):
        raise CallFailed(Failure.UNREADABLE, "JSON, but no object")
    return data


def read_reply(raw: bytes) -> ChatReply:
    """The reply in a body that came with status 200.

    Raises:
        CallFailed: it is no chat completion.
    """
    data = read_object(raw)
    if "error" in data and "choices" not in data:
        raise CallFailed(Failure.SERVER, "an error in an answer with status 200")
    try:
        choice = data["choices"][0]
        content = choice["message"].get("content")
        reasoning = choice["message"].get("reasoning") or choice["message"].get("reasoning_content")
        finish = choice.get("finish_reason")
        usage = data.get("usage") or {}
        prompt_tokens, generated_tokens = int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0))
        counted = "prompt_tokens" in usage and "completion_tokens" in usage
        first = _first_token(choice.get("logprobs"))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise CallFailed(Failure.UNREADABLE, "not a chat completion") from None
    if content is not None and not isinstance(content, str):
        raise CallFailed(Failure.UNREADABLE, "not a text answer")
    if finish not in FINISHED:
        # An engine that is stopped hands out what it has, with a reason of its own.
        raise CallFailed(Failure.SERVER, "an answer that was broken off")
    text = _THINKING.sub("", content or "").strip()
    unfinished = text.startswith("<think>")
    return ChatReply(
        text="" if unfinished else text,
        finished=finish != "length",
        first_token=first,
        prompt_tokens=prompt_tokens,
        generated_tokens=generated_tokens,
        counted=counted,
        model=str(data.get("model", "")),
        revision=data.get("system_fingerprint") or None,
        thought=unfinished or bool(reasoning) or "</think>" in (content or ""),
    )


def _first_token(logprobs: Any) -> tuple[tuple[str, float], ...] | None:
    if not logprobs or not logprobs.get("content"):
        return None
    first = tuple(
        (str(entry["token"]), float(entry["logprob"]))
        for entry in logprobs["content"][0]["top_logprobs"]
        if entry["logprob"] > MASKED
    )
    if any(logprob > ROUNDING for _, logprob in first) or sum(math.exp(p) for _, p in first) > 1 + ROUNDING:
        raise ValueError("more probability than 1")
    return first
