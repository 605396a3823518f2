"""Problem families: kinds of set functions to compare planners on, one family a file.

>>> import numpy as np
>>> from raise_agent.planners.families import make_family
>>> (instance,) = make_family("additive").instances(n_attributes=10, budget=3, count=1, seed=0)
>>> instance.values(np.asarray([0b0, 0b111])).shape
(2,)
"""

from .contract import Family, Instance, Subsets, Values, is_simulated
from .registry import available_families, family_class, make_family, register_family

__all__ = [
    "Family",
    "Instance",
    "Subsets",
    "Values",
    "available_families",
    "family_class",
    "is_simulated",
    "make_family",
    "register_family",
]
