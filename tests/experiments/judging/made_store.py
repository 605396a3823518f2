"""A store as served models leave it, made up: two responders, two judges, both conditions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from raise_agent.attributes import penguin_table
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.models.base import Doubt, Evaluation
from raise_agent.scenario import Scenario
from raise_agent.store import EvaluationRow, EvaluationStore, ResponseRow

TABLE = penguin_table()
RESPONDERS = ("org/alpha", "org/beta")
JUDGES = {"org/sharp": 0.2, "org/blunt": 1.0}
"""Model -> standard deviation of its error."""


def scenarios(n: int) -> tuple[Scenario, ...]:
    """As ``data.n=... data.seed=0`` gives them."""
    return synthetic_scenarios(TABLE, n, 0, 0.0)


def answer(responder: str, scenario: Scenario, subset: int) -> str:
    """Text that a spreadsheet would take for a formula."""
    return f"=1+1 {scenario.digest} {subset} {responder}"


def make_store(path: Path, n: int) -> None:
    """Every responder answers every scenario in both conditions; every judge scores every answer."""
    rng = np.random.default_rng(0)
    with EvaluationStore(path) as store:
        for place, model in enumerate(RESPONDERS):
            responder = {"role": "responder", "model": model, "prompt": {"version": 1}}
            asked = [(s, subset) for s in scenarios(n) for subset in (0, s.profile.known)]
            quality = [2.4 + 0.5 * place + 1.0 * bool(subset) + rng.normal(0.0, 0.6) for _, subset in asked]
            rows = [ResponseRow(s.digest, subset, 0, answer(model, s, subset), True) for s, subset in asked]
            store.write_responses(store.identity(responder), rows)
            for judge, error in JUDGES.items():
                identity = {"responder": responder, "judge": {"role": "judge", "model": judge, "mode": "expectation"}}
                evaluations = [
                    EvaluationRow(s.digest, subset, 0, _evaluation(q, error, rng))
                    for (s, subset), q in zip(asked, quality, strict=True)
                ]
                store.write_evaluations(store.identity(identity), "made up", evaluations)


def _evaluation(quality: float, error: float, rng: np.random.Generator) -> Evaluation:
    ratings = np.clip(quality + rng.normal(0.0, error, 3), 1, 5)
    return Evaluation(*map(float, ratings), doubt=Doubt((error**2,) * 3, (0.0,) * 3))
