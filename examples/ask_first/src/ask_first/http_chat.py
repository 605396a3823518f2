"""Chat completions of an OpenAI-compatible server, streamed, with the standard library alone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

Message = Mapping[str, Any]
"""``role`` and ``content``."""
Chat = Callable[[Sequence[Message]], Iterator[str]]
"""Messages -> the model's answer, piece by piece; a client of your own fits in as well."""


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
            OSError: the server cannot be reached, refuses (``urllib.error.HTTPError``) or breaks off.
        """
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(self.key_env):
            headers["Authorization"] = f"Bearer {key}"
        body = json.dumps({"model": self.model, "messages": list(messages), "stream": True}).encode()
        request = Request(f"{self.base_url.rstrip('/')}/chat/completions", body, headers)
        with urlopen(request, timeout=self.timeout) as events:
            for line in events:
                field, _, data = line.decode().strip().partition(":")
                if field != "data":
                    continue
                if data.strip() == "[DONE]":
                    return
                for choice in json.loads(data)["choices"]:
                    yield choice["delta"].get("content") or ""
        raise ConnectionError("the server broke off before its answer was complete")
