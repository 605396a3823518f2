"""What goes over the wire: chat requests of the OpenAI form, and their replies, typed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from .failures import CallFailed, Failure

MASKED = -9000.0
"""A server's log-probability for a token that its grammar forbids lies below this."""
TOP = 20
"""Most alternatives to a token that servers report by default."""

_THINKING = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ChatReply:
    """One answer of a model."""

    text: str
    """Without what a reasoning model thought before."""
    finished: bool
    """False where the answer was cut off at the token limit."""
    first_token: tuple[tuple[str, float], ...] | None
    """(token, natural log-probability) of the alternatives to the first token; None where none were reported."""
    prompt_tokens: int
    generated_tokens: int
    model: str
    revision: str | None
    """What the server calls the state it is in (``system_fingerprint``)."""


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
        CallFailed: it is no chat completion, or thinking took all the tokens there were.
    """
    data = read_object(raw)
    if "error" in data and "choices" not in data:
        raise CallFailed(Failure.SERVER, "an error in an answer with status 200")
    try:
        choice = data["choices"][0]
        content = choice["message"].get("content")
        finish = choice.get("finish_reason")
        usage = data.get("usage") or {}
        prompt_tokens, generated_tokens = int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0))
        first = _first_token(choice.get("logprobs"))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise CallFailed(Failure.UNREADABLE, "not a chat completion") from None
    if content is not None and not isinstance(content, str):
        raise CallFailed(Failure.UNREADABLE, "not a text answer")
    text = _THINKING.sub("", content or "")
    if text.lstrip().startswith("<think>"):
        raise CallFailed(Failure.TRUNCATED, "still thinking at the token limit")
    return ChatReply(
        text=text.strip(),
        finished=finish != "length",
        first_token=first,
        prompt_tokens=prompt_tokens,
        generated_tokens=generated_tokens,
        model=str(data.get("model", "")),
        revision=data.get("system_fingerprint") or None,
    )


def _first_token(logprobs: Any) -> tuple[tuple[str, float], ...] | None:
    if not logprobs or not logprobs.get("content"):
        return None
    return tuple(
        (str(entry["token"]), float(entry["logprob"]))
        for entry in logprobs["content"][0]["top_logprobs"]
        if entry["logprob"] > MASKED
    )
