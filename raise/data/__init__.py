"""Scenarios from files: loaders for every published form of PENGUIN data, this project's own JSON Lines, and
splits that depend on content alone. Everything that reads, writes or divides scenarios goes through here, and
needs the standard library only, except for a data set taken from the hub (extra ``hub``).
"""

from .jsonl import write_jsonl
from .loaders import Dataset, Format, OnBad, load_profiles, load_scenarios
from .records import DOMAINS
from .splits import DEFAULT_FRACTIONS, SPLITS, SplitBy, SplitFractions, split, split_of

__all__ = [
    "DEFAULT_FRACTIONS",
    "DOMAINS",
    "SPLITS",
    "Dataset",
    "Format",
    "OnBad",
    "SplitBy",
    "SplitFractions",
    "load_profiles",
    "load_scenarios",
    "split",
    "split_of",
    "write_jsonl",
]
