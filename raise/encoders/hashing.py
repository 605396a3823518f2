"""Hashed word features: no download, no vocabulary, numpy alone.

Feature hashing (Weinberger et al., 2009): each word, word stem and pair of neighbouring words adds plus or
minus one to a bucket; the vector is scaled to length 1.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from raise_agent.errors import ConfigError

_WORD = re.compile(r"[^\W_]+(?:'[^\W\d_]+)?")
_COMMON = frozenset(
    _WORD.findall(
        """
    a an and are as at be been but by can do does for from get had has have how i i'm i've if in is it it's me my no
    not of on or should so some than that the their them there they this to up want was what when where which who
    will with would you your
    """
    )
)
_STEM = 5


@dataclass(frozen=True, slots=True)
class HashingEncoder:
    """Hashed words to a unit vector.

    >>> HashingEncoder(64).encode(["How do I cope?"]).shape
    (1, 64)
    """

    dimension: int = 512
    """Number of buckets; a power of two, 16 to 65,536."""

    name = "hashing"

    def __post_init__(self) -> None:
        size = self.dimension
        if type(size) is not int or not (16 <= size <= 65536 and size & (size - 1) == 0):
            raise ConfigError(f"encoder dimension must be a power of two between 16 and 65536, not {size!r}")

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (texts, dimension); a text without a word gives zeros."""
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            buckets: dict[int, float] = {}
            for feature, weight in _features(text):
                code = _code(feature)
                bucket = code % self.dimension
                buckets[bucket] = buckets.get(bucket, 0.0) + (weight if code >> 31 else -weight)
            norm = math.sqrt(sum(value * value for value in buckets.values()))
            if norm > 0:
                for bucket, value in buckets.items():
                    row[bucket] = value / norm
        return vectors

    def save(self, folder: Path) -> Mapping[str, Any]:
        """No files; the settings say it all."""
        return {"dimension": self.dimension}

    @classmethod
    def load(cls, folder: Path, settings: Mapping[str, Any]) -> HashingEncoder:
        """The encoder that was saved."""
        return cls(**settings)


@lru_cache(maxsize=65536)
def _code(feature: str) -> int:
    return crc32(feature.encode("utf-8"))


def _features(text: str) -> Iterable[tuple[str, float]]:
    # One spelling for what looks the same: composed and decomposed accents, straight and curly apostrophes.
    plain = unicodedata.normalize("NFKC", text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    words = _WORD.findall(plain.casefold())
    previous = ""
    for word in words:
        weight = 0.25 if word in _COMMON else 1.0
        yield word, weight
        if len(word) > _STEM:
            yield f"{word[:_STEM]}~", weight
        if previous:
            yield f"{previous} {word}", 0.5
        previous = word
