"""The one registry of planners: registry name = Hydra option = file name.

A planner in this folder registers itself with ``@register("its_file_name")``. One from another distribution is
found through the entry point group ``raise_agent.planners``, or by calling ``register`` before use.
"""

from __future__ import annotations

from typing import Any

from .contract import Planner
from .named import Registry

PLANNERS: Registry[Planner] = Registry("planner", "planners", "raise_agent.planners")
register = PLANNERS.register


def available_planners() -> tuple[str, ...]:
    """Names of all planners, sorted.

    >>> "mcts" in available_planners()
    True
    """
    return PLANNERS.names()


def planner_class(name: str) -> type[Planner]:
    """The planner's class, a frozen dataclass of its hyperparameters.

    Raises:
        ConfigError: there is no such planner; the message gives the nearest name.
    """
    return PLANNERS.find(name)


def make_planner(name: str, **settings: Any) -> Planner:
    """A planner by name, with its settings.

    Raises:
        ConfigError: the name or a setting is unknown, or a setting is out of range.
    """
    return PLANNERS.make(name, settings)
