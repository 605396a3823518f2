"""What the paper published, as data with its source, to stand beside what is measured here."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any


@cache
def published() -> dict[str, Any]:
    """``published.json``: one entry per table or figure, each with ``where`` it stands in the paper (``source``)."""
    text = (resources.files("raise_agent.experiments") / "published.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data
