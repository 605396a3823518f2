"""Classes found by name: what the registries of planners and of problem families share.

Registry name = file name. A class in the package's folder enters itself when its file is imported; one from another
distribution is found through the entry point group of the package's name.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from importlib.metadata import entry_points
from typing import Any, TypeVar, cast

from raise_agent.errors import ConfigError, did_you_mean

_Thing = TypeVar("_Thing")


@dataclass(frozen=True, slots=True)
class Kind:
    """What is registered, and where it is looked for."""

    one: str
    """As in ``unknown planner 'mtcs'``."""
    many: str
    package: str
    """Its modules are imported to find what is there; also the name of the entry point group."""


def enter(kind: Kind, known: dict[str, type[_Thing]], name: str, made: type[_Thing]) -> None:
    """Make a class known under ``name``; entering it again changes nothing.

    Raises:
        ConfigError: another class already has that name.
    """
    if known.setdefault(name, made) is not made:
        raise ConfigError(f"two {kind.many} are named {name!r}: {known[name].__module__}, {made.__module__}")


def discover(kind: Kind, register: Callable[[str], Callable[[Any], Any]]) -> None:
    """Import every module of the package, so that its classes enter themselves, then load the entry points."""
    package = importlib.import_module(kind.package)
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if not module.ispkg:
            importlib.import_module(module.name)
    for point in entry_points(group=kind.package):
        register(point.name)(point.load())


def find(kind: Kind, known: Mapping[str, type[_Thing]], name: str) -> type[_Thing]:
    """The class of that name.

    Raises:
        ConfigError: there is none; the message gives the nearest name.
    """
    if name not in known:
        raise ConfigError(f"unknown {kind.one} {name!r}: {did_you_mean(name, known)}")
    return known[name]


def make(kind: Kind, known: Mapping[str, type[_Thing]], name: str, settings: Mapping[str, Any]) -> _Thing:
    """An object of the class of that name; the class is a dataclass of its settings.

    Raises:
        ConfigError: the name or a setting is unknown, or a setting is out of range.
    """
    wanted = find(kind, known, name)
    valid = [entry.name for entry in fields(cast(Any, wanted))] if is_dataclass(wanted) else []
    for key in settings:
        if key not in valid:
            raise ConfigError(f"{kind.one} {name!r} has no setting {key!r}: {did_you_mean(key, valid)}")
    return wanted(**settings)
