"""What word pieces add up to: a static encoder's vectors, learned from the vectors that its model gives whole texts.

model2vec gives a word piece the vector that the model gives it alone. Added up, such vectors are not what the model
makes of a text: function words count too much, and all texts lean one way. So pieces learn here, on made-up texts, to
add up to the model's own vector of the text, in cosine. Half of the texts are random words, half are carriers
(``carriers.txt``: questions and requests about anything, with ``_`` for a word) with random words put in, so that
function words are met as people use them. No text of anybody is needed, and none of the project's data is seen.

After Tokenlearn (Minishlab, 2024), which learns from the web's texts; the carriers take their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from raise_agent.threads import one_thread

from .pieces import Pieces, flat

_RARE = 300
"""Words are drawn by 1 / (rank + this): vocabularies list frequent words first."""
_FEWEST_WORDS, _MOST_WORDS = 3, 13
"""Of a text of random words."""
_SLOT = "_"
_EPOCHS, _BATCH, _RATE = 6, 64, 3e-3
_STAY = 1e-3
"""Penalty on the square of what a piece has moved, each time it is met."""
_RIDGE = 0.3

Vectors = npt.NDArray[np.float64]


def made_up_texts(words: Sequence[str], n: int, seed: int) -> list[str]:
    """Texts to learn from: the same ones for the same seed.

    Args:
        words: of the vocabulary, the most frequent first.
        n: how many texts.
        seed: of words and carriers.
    """
    rng = np.random.default_rng(seed)
    carriers = resources.files("raise_agent.encoders").joinpath("carriers.txt").read_text(encoding="utf-8").splitlines()
    chances = 1.0 / (np.arange(len(words)) + _RARE)
    # One long draw: choosing by weight one by one would take as long as encoding.
    drawn = iter(rng.choice(len(words), size=n * _MOST_WORDS, p=chances / chances.sum()).tolist())

    def some(count: int) -> list[str]:
        return [words[next(drawn)] for _ in range(count)]

    texts = []
    for number in range(n):
        if number % 2:
            texts.append(" ".join(some(int(rng.integers(_FEWEST_WORDS, _MOST_WORDS + 1)))))
        else:
            first, *rest = carriers[int(rng.integers(len(carriers)))].split(_SLOT)
            texts.append(first + "".join(word + part for word, part in zip(some(len(rest)), rest, strict=True)))
    return texts


def learn_pieces(
    alone: npt.NDArray[np.floating], texts: Sequence[Sequence[int]], whole: npt.NDArray[np.floating], dimension: int
) -> npt.NDArray[np.float32]:
    """Vectors of word pieces whose sums over texts point where the model's own vectors of these texts do.

    A piece's vector is ``exp(s) (W v + d)``: ``v`` its vector alone, ``W`` one map for all pieces, by ridge
    regression, ``d`` and ``s`` its own, by gradient descent, drawn towards 0. Pieces that no text holds keep ``W v``.

    Args:
        alone: (pieces, d), what each piece is on its own.
        texts: m texts as numbers of pieces, none of them empty.
        whole: (m, e), the model's vectors of these texts, of length 1.
        dimension: of what is returned, at most e.

    Returns:
        (pieces, dimension): the directions that hold most of the texts, what all have in common included.
    """
    before = torch.from_numpy(np.asarray(alone, np.float32))
    aims = torch.from_numpy(np.asarray(whole, np.float32))
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        start = before @ _map(_sums(before, texts), aims)
        pieces = Pieces(start)
        _fit(pieces, texts, aims)
        with torch.no_grad():
            learned = pieces(torch.arange(len(start)))
            sums = nn.functional.normalize(_sums(learned, texts), dim=1).double()
            directions = torch.linalg.eigh(sums.T @ sums).eigenvectors.flip(1)[:, :dimension]
            found = learned.double() @ directions
            return np.asarray((found / found.norm(dim=1).median()).float().numpy(), np.float32)


def _fit(pieces: Pieces, texts: Sequence[Sequence[int]], aims: Tensor) -> None:
    optimiser = torch.optim.SparseAdam(list(pieces.parameters()), lr=_RATE)
    steps = _EPOCHS * -(-len(texts) // _BATCH)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
    for _ in range(_EPOCHS):
        for rows in torch.split(torch.randperm(len(texts)), _BATCH):
            sums, far = pieces.sums([texts[row] for row in rows.tolist()])
            apart = 1 - nn.functional.cosine_similarity(sums, aims[rows]).mean()
            loss = apart + _STAY * far
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()  # type: ignore[no-untyped-call]
            schedule.step()


def _map(sums: Tensor, aims: Tensor) -> Tensor:
    """(d, e): the linear map of sums, as of length 1, to what they should be."""
    inputs = nn.functional.normalize(sums, dim=1).double()
    ridge = _RIDGE * torch.eye(inputs.shape[1], dtype=torch.float64)
    found: Tensor = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ aims.double())
    return found.float()


def _sums(vectors: Tensor, texts: Sequence[Sequence[int]]) -> Tensor:
    """(m, d): of each text, its pieces' vectors added up."""
    sums = torch.zeros(len(texts), vectors.shape[1])
    for rows in torch.split(torch.arange(len(texts)), 1024):
        numbers, text_of = flat([texts[row] for row in rows.tolist()])
        sums[rows] = torch.zeros(len(rows), vectors.shape[1]).index_add(0, text_of, vectors[numbers])
    return sums
