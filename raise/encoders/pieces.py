"""Vectors of word pieces that learn, and what they add up to over texts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

Text = Sequence[int]
"""As numbers of pieces."""


class Pieces(nn.Module):
    """``exp(s) (v + d)`` for each piece: ``v`` where it starts, ``d`` and ``s`` learned, both 0 at first.

    Args:
        start: (pieces, d).
    """

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.start = start
        self.moved = nn.Embedding(len(start), start.shape[1], sparse=True)
        self.scaled = nn.Embedding(len(start), 1, sparse=True)
        nn.init.zeros_(self.moved.weight)
        nn.init.zeros_(self.scaled.weight)

    def forward(self, numbers: Tensor) -> Tensor:
        """The vectors of these pieces."""
        vectors: Tensor = (self.start[numbers] + self.moved(numbers)) * self.scaled(numbers).exp()
        return vectors

    def sums(self, texts: Sequence[Text]) -> tuple[Tensor, Tensor]:
        """(texts, d): of each text, its pieces' vectors added up; and the squares of ``d``, added up, for each text."""
        numbers, text_of = flat(texts)
        sums = torch.zeros(len(texts), self.start.shape[1]).index_add(0, text_of, self(numbers))
        return sums, self.moved(numbers).square().sum() / len(texts)


def flat(texts: Sequence[Text]) -> tuple[Tensor, Tensor]:
    """All pieces of these texts, and for each the text it is of."""
    lengths = torch.tensor([len(text) for text in texts])
    return torch.tensor([number for text in texts for number in text]), torch.repeat_interleave(lengths)
