"""What it means that a server answers with another status than 200."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import aiohttp

from raise_agent.errors import ModelError

from .endpoints import Endpoint
from .failures import CallFailed, Failure
from .wire import read_object


class KeyRefusedError(ModelError):
    """A server does not accept the key, or wants one."""


def refusal(endpoint: Endpoint, response: aiohttp.ClientResponse, raw: bytes) -> Exception:
    """The failure to raise.

    Args:
        endpoint: which answered.
        response: its status and headers.
        raw: its body.
    """
    status = response.status
    kind, said = _error_of(raw)
    if status in (401, 403):
        return KeyRefusedError(
            f"{endpoint.url} refuses the key ({status}); set the environment variable that llm.api_key_env names"
        )
    if status == 404:
        return ModelError(
            f"{endpoint.url}/chat/completions: not found (404); the model is not served there, or llm.base_url "
            "lacks its /v1; `raise-agent doctor` lists what is served"
        )
    if 300 <= status < 400:
        return ModelError(f"{endpoint.url} redirects elsewhere ({status}); set llm.base_url to the final address")
    if status == 429:
        return CallFailed(Failure.RATE_LIMITED, "429", retry_after=_retry_after(response.headers.get("Retry-After")))
    if status == 503:
        return CallFailed(Failure.OVERLOADED, "503", retry_after=_retry_after(response.headers.get("Retry-After")))
    if status >= 500 or status in (408, 409, 425):
        return CallFailed(Failure.SERVER, str(status))
    key = endpoint.headers.get("Authorization", "").removeprefix("Bearer ")
    return CallFailed(
        Failure.REJECTED, f"{status} {kind}".strip(), server_said=said.replace(key, "(the key)") if key else said
    )


def _error_of(raw: bytes) -> tuple[str, str]:
    """The type of an error body, and its message."""
    try:
        data = read_object(raw)
    except CallFailed:
        return "", ""
    error = data.get("error", data)
    if not isinstance(error, dict):
        return "", str(error)
    kind = str(error.get("type", ""))
    return (kind if kind.isidentifier() else ""), str(error.get("message", ""))


def _retry_after(header: str | None) -> float | None:
    """Seconds to wait; the header holds seconds or a date."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            when = parsedate_to_datetime(header)
        except ValueError:
            return None
        if when.tzinfo is None:
            when = when.replace(tzinfo=timezone.utc)
        seconds = (when - datetime.now(timezone.utc)).total_seconds()
    return max(0.0, seconds) if seconds < float("inf") else None
