"""The one registry of problem families: registry name = file name.

A family in this folder registers itself with ``@register_family("its_file_name")``. One from another distribution is
found through the entry point group ``raise_agent.planners.families``, or by calling ``register_family`` before use.
"""

from __future__ import annotations

from typing import Any

from raise_agent.planners.named import Registry

from .contract import Family

FAMILIES: Registry[Family] = Registry("family", "families", "raise_agent.planners.families")
register_family = FAMILIES.register


def available_families() -> tuple[str, ...]:
    """Names of all families, sorted.

    >>> "needle" in available_families()
    True
    """
    return FAMILIES.names()


def family_class(name: str) -> type[Family]:
    """The family's class, a frozen dataclass of its settings.

    Raises:
        ConfigError: there is no such family; the message gives the nearest name.
    """
    return FAMILIES.find(name)


def make_family(name: str, **settings: Any) -> Family:
    """A family by name, with its settings.

    Raises:
        ConfigError: the name or a setting is unknown, or a setting is out of range.
    """
    return FAMILIES.make(name, settings)
