"""A clock of their own for tests of waiting."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .support import Hasty


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hasty]:
    """A loop in which only waiting takes time."""
    loop = Hasty()
    monkeypatch.setattr("time.monotonic", loop.now)
    yield loop
    loop.close()
