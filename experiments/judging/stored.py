"""The judges of an evaluation store, as raters of the answers that they scored."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from raise_agent.errors import StoreError
from raise_agent.models.base import DIMENSIONS, Evaluation
from raise_agent.store import EvaluationRow, EvaluationStore

from .ratings import Known, Rating

MOST_ANSWERS = 5000
"""Answers of a store that are compared; of more, so many are drawn."""
_SIMULATED = "simulated"

Answer = tuple[str, str, int, int]
"""Responder, digest of the scenario, subset told, sample."""


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A responder and a judge whose evaluations a store holds."""

    number: int
    """Of both together, in the store."""
    responder: str
    """As it is called here; unique to its identity."""
    judge: str
    responder_identity: Mapping[str, Any] | None
    """None where it is simulated: then there are no answers."""

    @property
    def simulated(self) -> bool:
        """Whether scores are simulated."""
        return self.responder_identity is None


@contextmanager
def opened(path: str | Path) -> Iterator[EvaluationStore]:
    """A store that is there.

    Raises:
        StoreError: there is none, or it is not ours.
    """
    if not Path(path).is_file():
        raise StoreError(f"{path}: no evaluation store; give store=FILE, as the runs had it that made the evaluations")
    with EvaluationStore(path) as store:
        yield store


def stored_models(store: EvaluationStore) -> list[StoredModel]:
    """Every responder with every judge that scored it, named by their models."""
    found = store.safety_models()
    responders = _names((_part(identity, "responder") for identity in found.values()), _responder_name)
    judges = _names((_part(identity, "judge") for identity in found.values()), _judge_name)
    return [
        StoredModel(
            number,
            responders[_text(_part(identity, "responder"))],
            judges[_text(_part(identity, "judge"))],
            identity["responder"] if _served(identity) else None,
        )
        for number, identity in found.items()
    ]


def served_responders(models: Iterable[StoredModel]) -> dict[str, Mapping[str, Any]]:
    """Name -> identity of each responder whose answers a store holds, by name."""
    found = {model.responder: model.responder_identity for model in models}
    return {name: identity for name, identity in sorted(found.items()) if identity is not None}


def judged_answers(store: EvaluationStore, seed: int) -> tuple[list[Rating], int]:
    """What every judge of the store made of every answer; and how many answers there are.

    Of more than ``MOST_ANSWERS`` so many are drawn, those first that most judges scored.
    """
    scored: dict[Answer, dict[str, Evaluation]] = {}
    lengths: dict[Answer, int] = {}
    models = stored_models(store)
    for name, identity in served_responders(models).items():
        for said in store.all_responses(store.identity(identity)):
            lengths[name, said.digest, said.subset, said.sample] = len(said.text)
    for model in models:
        for row in store.all_evaluations(model.number):
            scored.setdefault(_answer(model, row), {})[model.judge] = row.evaluation
    answers = sorted(scored)
    order = np.random.default_rng(seed).permutation(len(answers))
    kept = sorted(order, key=lambda place: -len(scored[answers[place]]))[:MOST_ANSWERS]
    ratings = []
    for place in sorted(kept):
        answer = answers[place]
        responder, digest, *_ = answer
        about = Known(item_of(*answer), responder=responder, scenario=digest, length=lengths.get(answer))
        ratings += [_rating(about, judge, evaluation) for judge, evaluation in scored[answer].items()]
    return ratings, len(answers)


def judged(store: EvaluationStore, responders: Mapping[str, Mapping[str, Any]], items: Sequence[Known]) -> list[Rating]:
    """What every judge of the store made of these items.

    Args:
        store: of evaluations.
        responders: name -> identity, of those that the items name.
        items: as ``item_of`` calls them.
    """
    ratings = []
    for model in stored_models(store):
        found: dict[str, dict[tuple[int, int], Evaluation]] = {}
        for about in items:
            if model.responder_identity is None or responders[about.responder] != model.responder_identity:
                continue
            digest, subset, sample = answer_of(about.item)
            if digest not in found:
                found[digest] = store.evaluations(model.number, digest)
            evaluation = found[digest].get((subset, sample))
            if evaluation is not None:
                ratings.append(_rating(about, model.judge, evaluation))
    return ratings


def item_of(responder: str, digest: str, subset: int, sample: int) -> str:
    """What an answer is called as an item."""
    return f"{responder}|{digest}|{subset}|{sample}"


def answer_of(item: str) -> tuple[str, int, int]:
    """Digest, subset and sample of an item that ``item_of`` named."""
    _, digest, subset, sample = item.rsplit("|", 3)
    return digest, int(subset), int(sample)


def _answer(model: StoredModel, row: EvaluationRow) -> Answer:
    return model.responder, row.digest, row.subset, row.sample


def _rating(about: Known, judge: str, evaluation: Evaluation) -> Rating:
    scores = tuple(getattr(evaluation, dimension) for dimension in DIMENSIONS)
    return Rating(about, judge, scores, None if evaluation.doubt is None else evaluation.doubt.variances)


# --- names ------------------------------------------------------------------------------------------------------------


def _served(identity: Mapping[str, Any]) -> bool:
    return isinstance(identity.get("judge"), Mapping) and isinstance(identity.get("responder"), Mapping)


def _part(identity: Mapping[str, Any], role: str) -> Mapping[str, Any]:
    part: Mapping[str, Any] = identity[role] if _served(identity) else identity
    return part


def _responder_name(identity: Mapping[str, Any]) -> str:
    return _model(identity) if identity.get("role") == "responder" else _SIMULATED


def _judge_name(identity: Mapping[str, Any]) -> str:
    return f"{_model(identity)} ({identity.get('mode')})" if identity.get("role") == "judge" else _SIMULATED


def _model(identity: Mapping[str, Any]) -> str:
    return str(identity.get("model", "")).rstrip("/").rsplit("/", 1)[-1] or "unnamed"


def _text(identity: Mapping[str, Any]) -> str:
    return json.dumps(identity, sort_keys=True)


def _names(identities: Iterable[Mapping[str, Any]], name: Callable[[Mapping[str, Any]], str]) -> dict[str, str]:
    """Identity as text -> its name, with a piece of its digest where others of the same name differ elsewhere."""
    names = {_text(identity): name(identity) for identity in identities}
    often = Counter(names.values())
    return {
        text: called if often[called] == 1 else f"{called} #{hashlib.blake2b(text.encode(), digest_size=2).hexdigest()}"
        for text, called in names.items()
    }
