"""Word pieces learn which texts ask for the same thing.

Contrastive learning with the other requests of a batch as negatives (InfoNCE: van den Oord et al., 2018,
arXiv:1807.03748; both ways, as in Radford et al., 2021, arXiv:2103.00020). Each pass draws two wordings of every
request: they should lie nearer to each other than either to a wording of another request. What the wordings of a
request have in common comes to count, and what is common to all requests does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from raise_agent.threads import one_thread

from .pieces import Pieces, Text

_TEMPERATURE = 0.1
_BATCH, _RATE = 128, 1e-3
_STAY = 1e-2
"""Penalty on the square of what a piece has moved, each time it is met."""

Request = Sequence[Text]
"""Its wordings, two or more, each of one piece or more."""


def tell_apart(
    vectors: npt.NDArray[np.floating], requests: Sequence[Request], passes: int, seed: int
) -> npt.NDArray[np.float32]:
    """Vectors of word pieces whose sums over the wordings of one request point the same way, and over others' not.

    A piece's vector is ``exp(s) (v + m d)``: ``v`` as it is given, ``m`` the median length, ``d`` and ``s``
    learned, ``d`` drawn towards 0. Pieces that no wording holds stay as they are.

    Args:
        vectors: (pieces, d).
        requests: fewer than two teach nothing.
        passes: over all requests.
        seed: of batches and of which wordings are drawn.

    Returns:
        (pieces, d).
    """
    plain = torch.from_numpy(np.asarray(vectors, np.float32))
    if len(requests) < 2 or not plain.any():
        return plain.numpy()
    lengths = plain.norm(dim=1)
    median = lengths[lengths > 0].median()
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        pieces = Pieces(plain / median)
        optimiser = torch.optim.SparseAdam(list(pieces.parameters()), lr=_RATE)
        for _ in range(passes):
            for rows in torch.split(torch.randperm(len(requests)), _BATCH):
                drawn = zip(*(_two_of(requests[row]) for row in rows.tolist()), strict=True)
                (first, far), (second, away) = (pieces.sums(texts) for texts in drawn)
                alike = nn.functional.normalize(first, dim=1) @ nn.functional.normalize(second, dim=1).T / _TEMPERATURE
                own = torch.arange(len(rows))
                told = nn.functional.cross_entropy(alike, own) + nn.functional.cross_entropy(alike.T, own)
                loss = told / 2 + _STAY * (far + away)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            # The start as it was given, so that what was not met keeps its bytes.
            learned: Tensor = (plain + median * pieces.moved.weight) * pieces.scaled.weight.exp()
            return np.asarray(learned.numpy(), np.float32)


def _two_of(wordings: Request) -> tuple[Text, Text]:
    first, second = torch.randperm(len(wordings))[:2].tolist()
    return wordings[first], wordings[second]
