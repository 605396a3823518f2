"""Classes found by name: the registries of planners, of problem families and of experiments.

Registry name = file name. A class in the package's folder enters itself when its file is imported; one from another
distribution is found through the entry point group of the package's name.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar, cast

from raise_agent.errors import ConfigError, did_you_mean

Thing = TypeVar("Thing")
_Class = TypeVar("_Class", bound=type)


class Registry(Generic[Thing]):
    """Classes of one kind by name; what there is, is looked for when it is first asked.

    Args:
        one: the kind, as in ``unknown planner 'mtcs'``.
        many: of them.
        package: its modules are imported to find what is there; also the name of the entry point group.
    """

    def __init__(self, one: str, many: str, package: str) -> None:
        self._one, self._many, self._package = one, many, package
        self._classes: dict[str, type[Thing]] = {}
        self._looked = False

    def register(self, name: str) -> Callable[[_Class], _Class]:
        """Class decorator that makes a class known under ``name``; entering it again changes nothing.

        Raises:
            ConfigError: another class already has that name.
        """

        def entered(made: _Class) -> _Class:
            self._enter(name, made)
            return made

        return entered

    def _enter(self, name: str, made: type[Thing]) -> None:
        known = self._classes.setdefault(name, made)
        if known is not made:
            raise ConfigError(f"two {self._many} are named {name!r}: {known.__module__}, {made.__module__}")

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        self._look()
        return tuple(sorted(self._classes))

    def find(self, name: str) -> type[Thing]:
        """The class of that name.

        Raises:
            ConfigError: there is none; the message gives the nearest name.
        """
        self._look()
        if name not in self._classes:
            raise ConfigError(f"unknown {self._one} {name!r}: {did_you_mean(name, self._classes)}")
        return self._classes[name]

    def make(self, name: str, settings: Mapping[str, Any]) -> Thing:
        """An object of the class of that name; the class is a dataclass of its settings.

        Raises:
            ConfigError: the name or a setting is unknown, a setting is missing or out of range.
        """
        wanted = self.find(name)
        entries = fields(cast(Any, wanted)) if is_dataclass(wanted) else ()
        valid = [entry.name for entry in entries]
        for key in settings:
            if key not in valid:
                raise ConfigError(f"{self._one} {name!r} has no setting {key!r}: {did_you_mean(key, valid)}")
        needed = [e.name for e in entries if e.init and e.default is MISSING and e.default_factory is MISSING]
        missing = [key for key in needed if key not in settings]
        if missing:
            raise ConfigError(f"{self._one} {name!r} needs settings that are not there: {', '.join(missing)}")
        return wanted(**settings)

    def _look(self) -> None:
        if self._looked:
            return
        # Modules that are imported ask for nothing by name themselves.
        self._looked = True
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not module.ispkg:
                importlib.import_module(module.name)
        for point in entry_points(group=self._package):
            self.register(point.name)(point.load())
