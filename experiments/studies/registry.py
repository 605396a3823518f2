"""The one registry of experiments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

from raise_agent.planners.named import Kind, discover, enter, make

from .contract import Study

_KIND = Kind("experiment", "experiments", "raise_agent.experiments.studies")
_STUDIES: dict[str, type[Study]] = {}
_Class = TypeVar("_Class", bound=type[Study])


def register(name: str) -> Callable[[_Class], _Class]:
    """Class decorator that makes an experiment known under ``name``.

    Raises:
        ConfigError: another experiment already has that name.
    """

    def entered(study: _Class) -> _Class:
        enter(_KIND, _STUDIES, name, study)
        return study

    return entered


@cache
def _discover() -> None:
    discover(_KIND, register)


def available_studies() -> tuple[str, ...]:
    """Names of all experiments, sorted.

    >>> available_studies()
    ('abstention', 'convergence', 'sensitivity', 'stepwise', 'subsets', 'table2')
    """
    _discover()
    return tuple(sorted(_STUDIES))


def make_study(name: str, settings: Mapping[str, Any]) -> Study:
    """An experiment by name, with its settings.

    Raises:
        ConfigError: the name or a setting is unknown, or a setting is out of range.
    """
    _discover()
    return make(_KIND, _STUDIES, name, settings)
