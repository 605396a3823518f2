"""The one registry of planners: registry name = Hydra option = file name.

A planner in this folder registers itself with ``@register("its_file_name")``. One from another distribution is
found through the entry point group ``raise_agent.planners``, or by calling ``register`` before use.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from typing import Any, TypeVar

from raise_agent.errors import ConfigError, did_you_mean

from .contract import Planner

_PLANNERS: dict[str, type[Planner]] = {}
_Class = TypeVar("_Class", bound=type[Planner])


def register(name: str) -> Callable[[_Class], _Class]:
    """Class decorator that makes a planner known under ``name``.

    Raises:
        ConfigError: another planner already has that name.
    """

    def enter(planner: _Class) -> _Class:
        if _PLANNERS.setdefault(name, planner) is not planner:
            raise ConfigError(f"two planners are named {name!r}: {_PLANNERS[name].__module__}, {planner.__module__}")
        return planner

    return enter


@cache
def _discover() -> None:
    package = importlib.import_module(__package__ or "")
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    for point in entry_points(group="raise_agent.planners"):
        register(point.name)(point.load())


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
    if name not in _PLANNERS:
        raise ConfigError(f"unknown planner {name!r}: {did_you_mean(name, _PLANNERS)}")
    return _PLANNERS[name]


def make_planner(name: str, **settings: Any) -> Planner:
    """A planner by name, with its settings.

    Raises:
        ConfigError: the name or a setting is unknown, or a setting is out of range.
    """
    planner = planner_class(name)
    valid = getattr(planner, "__dataclass_fields__", {})
    for key in settings:
        if key not in valid:
            raise ConfigError(f"planner {name!r} has no setting {key!r}: {did_you_mean(key, valid)}")
    return planner(**settings)
