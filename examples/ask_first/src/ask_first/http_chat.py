"""Chat completions of an OpenAI-compatible server, streamed, with the standard library alone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.request import HTTPRedirectHandler, Request, build_opener

Message = Mapping[str, Any]
"""``role`` and ``content``."""
Chat = Callable[[Sequence[Message]], Iterator[str]]
"""Messages -> the model's answer, piece by piece; a client of your own fits in as well."""


class _NoRedirects(HTTPRedirectHandler):
    """The key and the chat are for the server named, and for no other."""

    def redirect_request(self, *arguments: Any, **named: Any) -> None:
        """None: a redirect is an ``HTTPError``."""


_OPENER = build_opener(_NoRedirects)


@dataclass(frozen=True, slots=True)
class HttpChat:
    """One model behind one server."""

    base_url: str
    """Up to and with ``/v1``."""
    model: str
    key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; none is sent where it is not set."""
    timeout: float = 60.0
    """Seconds without a word from the server."""

    def __call__(self, messages: Sequence[Message]) -> Iterator[str]:
        """The answer as it comes; the request is made when the first piece is taken.

        Raises:
            OSError: the server cannot be reached, refuses or redirects (``urllib.error.HTTPError``), breaks off, or
                sends what is no answer. No text tells what was said, or the key.
        """
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(self.key_env):
            headers["Authorization"] = f"Bearer {key}"
        body = json.dumps({"model": self.model, "messages": list(messages), "stream": True}).encode()
        request = Request(f"{self.base_url.rstrip('/')}/chat/completions", body, headers)
        try:
            events = _OPENER.open(request, timeout=self.timeout)
        except (HTTPException, ValueError):
            raise ConnectionError("no HTTP with the server: check base_url, and the key for odd characters") from None
        with events:
            for data in _data(events):
                if data == "[DONE]":
                    return
                yield from _pieces(data)
        raise ConnectionError("the server broke off before its answer was complete")


def _data(events: Iterable[bytes]) -> Iterator[str]:
    """The data of each event."""
    try:
        for line in events:
            field, _, data = line.decode().strip().partition(":")
            if field == "data":
                yield data.strip()
    except HTTPException:
        raise ConnectionError("the server broke off before its answer was complete") from None
    except ValueError:
        raise ConnectionError("the server sent what is not UTF-8") from None


def _pieces(data: str) -> list[str]:
    """What one event adds to the answer."""
    try:
        chunk = json.loads(data)
        failed = bool(chunk.get("error"))
        deltas = [] if failed else [choice.get("delta") or {} for choice in chunk["choices"]]
        pieces = [piece for delta in deltas if (piece := delta.get("content"))]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConnectionError("the server sent an event that is no chat completion chunk") from None
    if failed:
        raise ConnectionError("the server reported an error instead of the rest of its answer")
    if not all(isinstance(piece, str) for piece in pieces):
        raise ConnectionError("the server sent an event that is no chat completion chunk")
    return pieces
