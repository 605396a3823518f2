"""The one registry of planners: registry name = Hydra option = file name.

A planner in this folder registers itself with ``@register("its_file_name")``. One from another distribution is
found through the entry point group ``raise_agent.planners``, or by calling ``register`` before use.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from .contract import Planner
from .named import Kind, discover, enter, find, make

_KIND = Kind("planner", "planners", "raise_agent.planners")
_PLANNERS: dict[str, type[Planner]] = {}
_Class = TypeVar("_Class", bound=type[Planner])


def register(name: str) -> Callable[[_Class], _Class]:
    """Class decorator that makes a planner known under ``name``.

    Raises:
        ConfigError: another planner already has that name.
    """

    def entered(planner: _Class) -> _Class:
        enter(_KIND, _PLANNERS, name, planner)
        return planner

    return entered


@cache
def _discover() -> None:
    discover(_KIND, register)


def available_planners() -> tuple[str, ...]:
    """Names of all planners, sorted.

    >>> "mcts" in available_planners()
    True
    """
    _discover()
    return tuple(sorted(_PLANNERS))


def planner_class(name: str) -> type[Planner]:
    """The planner's class, a frozen dataclass of its hyperparameters.

    Raises:
        ConfigError: there is no such planner; the message gives the nearest name.
    """
    _discover()
    return find(_KIND, _PLANNERS, name)


def make_planner(name: str, **settings: Any) -> Planner:
    """A planner by name, with its settings.

    Raises:
        ConfigError: the name or a setting is unknown, or a setting is out of range.
    """
    _discover()
    return make(_KIND, _PLANNERS, name, settings)
