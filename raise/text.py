"""Text that any file, request and tokenizer takes."""

from __future__ import annotations


def well_formed(text: str) -> str:
    """The text with each lone surrogate, half a character that UTF-8 cannot hold, replaced by ``?``.

    >>> well_formed("half \\ud83d")
    'half ?'
    """
    return text.encode("utf-8", "replace").decode("utf-8")
