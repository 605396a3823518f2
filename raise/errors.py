"""Errors meant for people: what was wrong, where, and what would be right.

No message ever carries an attribute value: what a person disclosed stays out of logs and tracebacks.
"""

from __future__ import annotations

from collections.abc import Iterable

_HEAD, _TAIL = 3000, 1000
"""Characters of a message that are kept from both its ends: a name in somebody else's file may be of any length."""


class RaiseError(Exception):
    """Base of every error a user can cause; the command line prints it as one plain message, which is never long."""

    def __init__(self, message: str) -> None:
        left_out = len(message) - _HEAD - _TAIL
        if left_out > 0:
            message = f"{message[:_HEAD]} [... {left_out} characters ...] {message[-_TAIL:]}"
        super().__init__(message)


class DataError(RaiseError):
    """A scenario file or record cannot be used; the message names the file and the record."""


class TableError(RaiseError):
    """An attribute table is not usable, or an attribute is not in it."""


class StoreError(RaiseError):
    """The evaluation store cannot be opened or written."""


class PolicyError(RaiseError):
    """A policy folder is missing, cut short, altered, or of another format."""


class ConfigError(RaiseError):
    """A setting is wrong; the message names it and the valid ones."""


class ModelError(RaiseError):
    """A served model cannot be reached, or refuses what it is asked."""


class LimitReachedError(RaiseError):
    """A run came to one of the limits set for it; what it had finished is kept."""


class MissingExtraError(RaiseError):
    """An optional dependency is needed; the message gives the install command."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional dependency: pip install 'raise-agent[{extra}]'")


def refuse_below_one(settings: object, section: str, *names: str) -> None:
    """Refuse settings that must be 1 or more; ``section`` is what stands before their names, such as ``build.``.

    Raises:
        ConfigError: one is less.
    """
    for name in names:
        if getattr(settings, name) < 1:
            raise ConfigError(f"{section}{name} must be 1 or more, not {getattr(settings, name)}")


def refuse_negative(seed: int) -> None:
    """Refuse a seed that no generator takes.

    Raises:
        ConfigError: it is below 0.
    """
    if seed < 0:
        raise ConfigError(f"seed must be 0 or more, not {seed}")


def did_you_mean(wrong: str, valid: Iterable[str]) -> str:
    """The tail of an error text: the nearest valid name if one is near, then all of them.

    >>> did_you_mean("mtcs", ["greedy", "mcts"])
    "did you mean 'mcts'? Valid: greedy, mcts"
    """
    import difflib  # for errors alone

    names = sorted(valid)
    folded = {name.casefold(): name for name in names}
    near = [folded[match] for match in difflib.get_close_matches(wrong.casefold(), folded, n=1)]
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}Valid: {', '.join(names)}"
