"""From the store to a policy folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from raise_agent.attributes import AttributeTable
from raise_agent.distill.dataset import Drawn, Scores, examples_of, queries_of, requests_of, stored_scores
from raise_agent.distill.memory import recall, remember
from raise_agent.distill.train import Epoch, train
from raise_agent.distill.weighing import measure_uncertainty
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.encoders.static import StaticEncoder
from raise_agent.errors import ConfigError
from raise_agent.files import atomic_write_text
from raise_agent.policies import AcquisitionPolicy
from raise_agent.policies.parts import PolicyParts
from raise_agent.scenario import Scenario

from .assembly import Bench, distill_settings, plain
from .provenance import content_digest, describe_run
from .tracking import Tracker
from .wordings import wordings_of

POLICY, CURVE = "policy", "distill.json"

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
    encoder, value_encoder = bench.encoder, HashingEncoder(settings.value_dimension)
    assert encoder is not None
    sides = bench.scenarios
    if not sides.train:
        raise ConfigError("nothing to distil from: data.split leaves no training scenario")
    identity = bench.store.identity(bench.safety.identity)

    def scored(scenarios: Sequence[Scenario]) -> Scores:
        return stored_scores(scenarios, bench.store, identity, drawn)

    known = scored(sides.train)
    queries, wordings = queries_of(sides.train, known), None
    if bench.writer is not None and queries:
        wordings = wordings_of(queries, bench.writer, settings.wordings, cfg.store, bench.allowance)
        if isinstance(encoder, StaticEncoder) and settings.contrast:
            requests = [(query, *wordings.of.get(query, ())) for query in queries]
            encoder = encoder.telling_apart(requests, settings.contrast, cfg.seed)
    training = examples_of(sides.train, known, encoder, value_encoder)
    validation = None
    if sides.validation:
        validation = examples_of(sides.validation, scored(sides.validation), encoder, value_encoder)

    uncertainty = measure_uncertainty(training, cfg.seed) if settings.uncertainty else None
    if uncertainty is not None:
        training = uncertainty.weigh(training)
        validation = None if validation is None else uncertainty.weigh(validation)

    def on_epoch(epoch: Epoch) -> None:
        losses = {"distill/epoch": epoch.number, "distill/training_loss": epoch.training_loss}
        if epoch.validation_loss is not None:
            losses["distill/validation_loss"] = epoch.validation_loss
        tracker.log(losses)

    memory = None
    if settings.memory:
        others = [() if wordings is None else wordings.of.get(query, ()) for query in queries]
        middles = requests_of(training.queries, others, encoder)
        memory, training = remember(training, middles, settings.memory, settings.recurrence)
        validation = None if validation is None else recall(memory, validation)
    trained = train(training, validation, settings, cfg.seed, on_epoch)
    provenance = _provenance(bench, training.evaluations)
    if bench.writer is not None and wordings is not None:
        provenance["models"]["writer"] = dict(bench.writer.identity)
        provenance["data"]["queries_with_other_wordings"] = len(wordings.of)
    if drawn is None:
        provenance["evaluations_asked_by"] = bench.store.origins(identity, [s.digest for s in sides.train])
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
            encoder=encoder,
            provenance=provenance,
            memory=memory,
        )
    )
    target = folder / POLICY
    policy.save(target, golden_inputs(bench.table))
    curve = [{"epoch": e.number, "training": e.training_loss, "validation": e.validation_loss} for e in trained.curve]
    log = {**provenance, "gain_spread": trained.gain_spread, "gain_share": trained.gain_share}
    log |= {"judge_noise": trained.judge_noise, "curve": curve}
    log["uncertainty"] = None if uncertainty is None else asdict(uncertainty)
    atomic_write_text(folder / CURVE, json.dumps(log, indent=2) + "\n")
    tracker.artifact("policy", "policy", target)
    return target


def _provenance(bench: Bench, evaluations: int) -> dict[str, Any]:
    """Which models, data and commit a policy comes from."""
    sides = bench.scenarios
    return {
        **describe_run(bench.cfg.seed, simulated=bench.safety.simulated),
        "models": {"safety": dict(bench.safety.identity), "prior": dict(bench.prior.identity)},
        "data": {
            "name": sides.name,
            "training_scenarios": len(sides.train),
            "validation_scenarios": len(sides.validation),
            "training_evaluations": evaluations,
            "training_digest": content_digest(sides.train),
        },
        "encoder": plain(bench.cfg.encoder),
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
