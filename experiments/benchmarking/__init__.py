"""Planners on families of problems at equal evaluations (``raise-agent benchmark``)."""
