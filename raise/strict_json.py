"""JSON of somebody else's making: bounded, and read by everyone alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

MAX_JSON_BYTES = 16 * 2**20
"""Parsed JSON takes many times its size in memory."""


class JsonError(ValueError):
    """What was wrong, in words that hold nothing of what was read."""


def read_bounded(file: Path) -> bytes:
    """The bytes of a file of JSON.

    Raises:
        JsonError: it is no plain file, or too large to be parsed.
        OSError: it cannot be read.
    """
    if file.exists() and not file.is_file():  # a pipe would be waited for
        raise JsonError("not a file")
    if file.stat().st_size > MAX_JSON_BYTES:
        raise JsonError(f"larger than {MAX_JSON_BYTES // 2**20} MiB")
    return file.read_bytes()


def parse_json(data: bytes) -> Any:
    """What ``data`` says, in UTF-8.

    Raises:
        JsonError: it is no JSON, names a key twice, so that two readers could read two things, holds NaN or an
            infinity, is nested too deeply or too large.
    """
    if len(data) > MAX_JSON_BYTES:
        raise JsonError(f"larger than {MAX_JSON_BYTES // 2**20} MiB")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant)
    except JsonError:
        raise
    except (ValueError, RecursionError):
        raise JsonError("not valid JSON") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise JsonError("an object names a key twice")
    return made


def _no_constant(name: str) -> NoReturn:
    raise JsonError("not valid JSON")
