"""The one registry of experiments: registry name = option of the group ``experiment`` = file name."""

from __future__ import annotations

from raise_agent.planners.named import Registry

from .contract import Study

STUDIES: Registry[Study] = Registry("experiment", "experiments", "raise_agent.experiments.studies")
register = STUDIES.register
