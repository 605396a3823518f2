"""From the store to a policy folder."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from raise_agent.attributes import AttributeTable
from raise_agent.distill.dataset import Drawn, Examples, examples_of, queries_of, requests_of, stored_scores
from raise_agent.distill.distil import distil
from raise_agent.distill.settings import DistillSettings
from raise_agent.distill.train import Epoch
from raise_agent.encoders import Encoder
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.encoders.static import StaticEncoder
from raise_agent.errors import ConfigError
from raise_agent.files import atomic_write_text
from raise_agent.policies import AcquisitionPolicy
from raise_agent.policies.parts import PolicyParts

from .assembly import Bench, distill_settings, plain
from .provenance import content_digest, describe_run, without_folders
from .tracking import Tracker
from .wordings import wordings_of

POLICY, CURVE = "policy", "distill.json"

_log = logging.getLogger(__name__)

_GOLDEN_QUERIES = (
    "Is it a good idea to hand in my notice this week?",
    "How do I get through the next few nights?",
    "Should I tell them what I really think?",
    "What is the quickest way to lose some weight?",
    "Can I lend a friend most of what I have put aside?",
)
"""Made up for the golden decisions; nobody's words."""


def distill_policy(bench: Bench, tracker: Tracker, folder: Path, drawn: Drawn | None = None) -> Path:
    """Train on every evaluation of the training scenarios; write ``policy/`` and ``distill.json``.

    Args:
        bench: configuration, scenarios, store.
        tracker: takes the learning curve and the policy.
        folder: where to write.
        drawn: the evaluations; None takes all that the store holds of these scenarios by this model.

    Returns:
        The policy's folder.

    Raises:
        ConfigError: there is nothing to learn from.
    """
    cfg = bench.cfg
    settings = distill_settings(cfg.distill)
    material = _material(bench, settings, drawn)

    def on_epoch(epoch: Epoch) -> None:
        losses = {"distill/epoch": epoch.number, "distill/training_loss": epoch.training_loss}
        if epoch.validation_loss is not None:
            losses["distill/validation_loss"] = epoch.validation_loss
        tracker.log(losses)

    training = material.training
    distilled = distil(training, material.requests, material.validation, settings, cfg.seed, on_epoch)
    trained, uncertainty = distilled.trained, distilled.uncertainty
    provenance = _provenance(bench, training.evaluations, material.reworded)
    if drawn is None:
        identity = bench.store.identity(bench.safety.identity)
        asked_by = bench.store.origins(identity, [scenario.digest for scenario in bench.scenarios.train])
        provenance["evaluations_asked_by"] = asked_by
    else:
        provenance["planner"], provenance["explore"] = plain(cfg.planner), cfg.explore
    policy = AcquisitionPolicy(
        PolicyParts(
            table=bench.table,
            budget=cfg.budget,
            min_gain=settings.min_gain,
            # A perfect fit has no spread, but confidence divides by it.
            gain_spread=max(trained.gain_spread, 1e-6),
            gain_share=trained.gain_share,
            shape=trained.shape,
            weights=trained.weights,
            encoder=material.encoder,
            provenance=provenance,
            memory=distilled.memory,
        )
    )
    target = folder / POLICY
    policy.save(target, golden_inputs(bench.table))
    log = {
        **provenance,
        "gain_spread": trained.gain_spread,
        "gain_share": trained.gain_share,
        "judge_noise": trained.judge_noise,
        "uncertainty": None if uncertainty is None else asdict(uncertainty),
        "curve": [
            {"epoch": e.number, "training": e.training_loss, "validation": e.validation_loss} for e in trained.curve
        ],
    }
    atomic_write_text(folder / CURVE, json.dumps(log, indent=2, allow_nan=False) + "\n")
    tracker.artifact("policy", "policy", target)
    return target


@dataclass(frozen=True, slots=True)
class _Material:
    """What there is to learn from."""

    training: Examples
    requests: npt.NDArray[np.float32]
    """(distinct training queries, d): where what each asks for lies."""
    validation: Examples | None
    encoder: Encoder
    """Of queries, as it travels with the policy."""
    reworded: int | None
    """How many training queries have other wordings; None where none were asked for."""


def _material(bench: Bench, settings: DistillSettings, drawn: Drawn | None) -> _Material:
    cfg, sides = bench.cfg, bench.scenarios
    encoder, value_encoder = bench.encoder, HashingEncoder(settings.value_dimension)
    assert encoder is not None
    if not sides.train:
        raise ConfigError("nothing to distil from: data.split leaves no training scenario")
    identity = bench.store.identity(bench.safety.identity)
    known, held = (stored_scores(side, bench.store, identity, drawn) for side in (sides.train, sides.validation))
    if drawn is None and not any(known.values()):
        raise ConfigError(
            f"{bench.store.path}: no evaluation of the {len(sides.train)} training scenarios by this model; "
            "run `raise-agent plan` with the same data, llm and store settings first"
        )
    queries, wordings = queries_of(sides.train, known), None
    if bench.writer is not None and queries:
        wordings = wordings_of(queries, bench.writer, settings.wordings, cfg.store, bench.allowance)
        if isinstance(encoder, StaticEncoder) and settings.contrast:
            requests = [(query, *wordings.of.get(query, ())) for query in queries]
            encoder = encoder.telling_apart(requests, settings.contrast, cfg.seed)
    training = examples_of(sides.train, known, encoder, value_encoder)
    validation = None
    if any(held.values()):
        validation = examples_of(sides.validation, held, encoder, value_encoder)
    elif sides.validation:
        _log.warning(
            "no evaluation of the %s validation scenarios, as where planning was stopped: the last pass is kept, and "
            "the spread of what questions bring is measured on training scenarios",
            f"{len(sides.validation):,}",
        )
    others = [() if wordings is None else wordings.of.get(query, ()) for query in queries]
    middles = requests_of(training.queries, others, encoder)
    return _Material(training, middles, validation, encoder, None if wordings is None else len(wordings.of))


def _provenance(bench: Bench, evaluations: int, reworded: int | None) -> dict[str, Any]:
    """Which models, data and commit a policy comes from."""
    sides = bench.scenarios
    models = {"safety": dict(bench.safety.identity), "prior": dict(bench.prior.identity)}
    data = {
        "name": sides.name,
        "training_scenarios": len(sides.train),
        "validation_scenarios": len(sides.validation),
        "training_evaluations": evaluations,
        "training_digest": content_digest(sides.train),
    }
    if bench.writer is not None and reworded is not None:
        models["writer"], data["queries_with_other_wordings"] = dict(bench.writer.identity), reworded
    return {
        **describe_run(bench.cfg.seed, simulated=bench.safety.simulated),
        "models": without_folders(models),
        "data": data,
        "encoder": without_folders(plain(bench.cfg.encoder)),
        "distill": plain(bench.cfg.distill),
    }


def golden_inputs(table: AttributeTable) -> list[tuple[str, dict[str, str | None]]]:
    """Made-up inputs that touch every attribute: nothing known, one answer, one answer and one declined."""
    inputs: list[tuple[str, dict[str, str | None]]] = [(query, {}) for query in _GOLDEN_QUERIES]
    for index, attribute in enumerate(table):
        query = _GOLDEN_QUERIES[index % len(_GOLDEN_QUERIES)]
        answer = max(attribute.values, key=lambda value: attribute.values[value], default="yes")
        other = table[(index + 1) % len(table)]
        inputs.append((query, {attribute.key: answer}))
        if other.key != attribute.key:
            inputs.append((query, {attribute.key: answer, other.key: None}))
    return inputs
