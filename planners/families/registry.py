"""The one registry of problem families: registry name = file name.

A family in this folder registers itself with ``@register_family("its_file_name")``. One from another distribution is
found through the entry point group ``raise_agent.planners.families``, or by calling ``register_family`` before use.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from raise_agent.planners.named import Kind, discover, enter, find, make

from .contract import Family

_KIND = Kind("family", "families", "raise_agent.planners.families")
_FAMILIES: dict[str, type[Family]] = {}
_Class = TypeVar("_Class", bound=type[Family])


def register_family(name: str) -> Callable[[_Class], _Class]:
    """Class decorator that makes a family known under ``name``.

    Raises:
        ConfigError: another family already has that name.
    """

    def entered(family: _Class) -> _Class:
        enter(_KIND, _FAMILIES, name, family)
        return family

    return entered


@cache
def _discover() -> None:
    discover(_KIND, register_family)


def available_families() -> tuple[str, ...]:
    """Names of all families, sorted.

    >>> "needle" in available_families()
    True
    """
    _discover()
    return tuple(sorted(_FAMILIES))


def family_class(name: str) -> type[Family]:
    """The family's class, a frozen dataclass of its settings.

    Raises:
        ConfigError: there is no such family; the message gives the nearest name.
    """
    _discover()
    return find(_KIND, _FAMILIES, name)


def make_family(name: str, **settings: Any) -> Family:
    """A family by name, with its settings.

    Raises:
        ConfigError: the name or a setting is unknown, or a setting is out of range.
    """
    _discover()
    return make(_KIND, _FAMILIES, name, settings)
