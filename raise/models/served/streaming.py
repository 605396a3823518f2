"""A streamed answer: server-sent events of the OpenAI form, typed, and text freed of what a model thought before."""

from __future__ import annotations

from dataclasses import dataclass

from .failures import CallFailed, Failure
from .wire import FINISHED, ChatReply, read_object

OPENING, CLOSING = "<think>", "</think>"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a streamed answer."""

    text: str = ""
    """What is added to the answer."""
    thinking: bool = False
    """Whether it holds thoughts that the server keeps apart from the answer."""
    finish: str | None = None
    """Why the answer is at its end; None while it goes on."""
    tokens: tuple[int, int] | None = None
    """Prompt and generated, where the server counts them."""
    last: bool = False
    """Whether nothing comes after it."""


def read_event(line: bytes) -> Event | None:
    """The event on a line; None where it holds none.

    Raises:
        CallFailed: it is no part of a chat completion, or says that the answer was broken off.
    """
    if not line.startswith(b"data:"):
        return None
    content = line[5:].strip()
    if content == b"[DONE]":
        return Event(last=True)
    data = read_object(content)
    if "error" in data and "choices" not in data:
        raise CallFailed(Failure.SERVER, "an error in a streamed answer")
    try:
        usage = data.get("usage") or {}
        counted = "prompt_tokens" in usage and "completion_tokens" in usage
        tokens = (int(usage["prompt_tokens"]), int(usage["completion_tokens"])) if counted else None
        if not data["choices"]:
            return Event(tokens=tokens)
        choice = data["choices"][0]
        delta = choice.get("delta") or {}
        text, finish = delta.get("content") or "", choice.get("finish_reason")
        thinking = bool(delta.get("reasoning") or delta.get("reasoning_content"))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise CallFailed(Failure.UNREADABLE, "not a chat completion") from None
    if not isinstance(text, str):
        raise CallFailed(Failure.UNREADABLE, "not a text answer")
    if finish not in FINISHED:
        raise CallFailed(Failure.SERVER, "an answer that was broken off")
    return Event(text, thinking, finish, tokens)


def whole(reply: ChatReply) -> Event:
    """The one event of an answer that came in one piece."""
    tokens = (reply.prompt_tokens, reply.generated_tokens) if reply.counted else None
    return Event(reply.text, reply.thought and not reply.text, "stop" if reply.finished else "length", tokens, True)


class Spoken:
    """Lets through what a model says, not what it thinks before.

    Args:
        thinks: whether the model may think first. Chat templates of some models open the thinking themselves, so that
            only its end is in the answer: until that is seen, nothing of the answer is let through.
    """

    def __init__(self, thinks: bool) -> None:
        self._thinks = thinks
        self._held = ""
        self._speaking = False

    def thought(self) -> None:
        """The server keeps thoughts apart, so that all text is the answer."""
        self._thinks = False

    def hear(self, text: str) -> str:
        """What may be passed on, now that ``text`` has come."""
        if self._speaking:
            return text
        self._held = (self._held + text).lstrip()
        start, opened = self._held, self._held.startswith(OPENING)
        if not start or (not opened and OPENING.startswith(start)):
            return ""
        if opened or self._thinks:
            _, closed, start = start.partition(CLOSING)
            start = start.lstrip()
            if not closed:
                return ""
            # Blank lines may still follow the thoughts.
            self._held, self._thinks = start, False
            if not start:
                return ""
        self._speaking = True
        return start

    def end(self, finished: bool) -> str:
        """What was held back and turns out to be the answer.

        Args:
            finished: whether the model came to an end of its own, before the token limit.

        Raises:
            CallFailed: all of it was thinking.
        """
        unsaid, self._held = "" if self._speaking else self._held, ""
        if unsaid.startswith(OPENING) or (unsaid and self._thinks and not finished):
            raise CallFailed(Failure.TRUNCATED, "still thinking at the token limit")
        return unsaid
