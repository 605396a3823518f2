"""What a run learns from: the draws that its searches heard, found again in the store."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

import pytest

from raise_agent.distill.dataset import Drawn, Scores, stored_scores
from raise_agent.errors import ConfigError
from raise_agent.experiments.assembly import Bench
from raise_agent.experiments.exploring import random_prefixes
from raise_agent.experiments.main import main
from raise_agent.experiments.planning import draws_of
from raise_agent.experiments.tracking import Tracker
from tests.conftest import commands


@pytest.mark.parametrize(
    ("noisy", "drawn"), [(True, {(3, 0), (3, 2), (5, 0), (0, 0)}), (False, {(3, 0), (5, 0), (0, 0)})]
)
def test_each_draw_of_a_search_is_one_of_the_store(noisy: bool, drawn: set[tuple[int, int]]) -> None:
    trace = ((3, 2.0), (5, 3.0), (3, None), (3, 2.5), (0, 1.0), (7, None))
    assert draws_of(trace, noisy) == drawn


@pytest.mark.parametrize(("noise", "planner"), [(0.0, "bayesian"), (0.6, "bayesian"), (0.6, "paper_mcts")])
def test_a_run_learns_from_what_its_searches_heard_and_from_its_explored_orders(
    noise: float, planner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores: Scores = {}
    orders: dict[str, list[int]] = {}
    digests: dict[str, str] = {}

    def learn(bench: Bench, tracker: Tracker, folder: Path, drawn: Drawn | None = None) -> Path:
        planned = bench.scenarios.planned
        scores.update(stored_scores(planned, bench.store, bench.store.identity(bench.safety.identity), drawn))
        orders.update({scenario.digest: random_prefixes(bench, scenario) for scenario in planned})
        digests.update({scenario.id: scenario.digest for scenario in planned})
        raise ConfigError("heard enough")

    monkeypatch.setattr("raise_agent.experiments.run.distill_policy", learn)
    settings = ("data.n=40", f"planner={planner}", "planner.evaluations=20", "explore=2", "runner.attempts=1")
    model = (f"llm.judge_noise={noise}", "llm.failure_rate=0.1", "encoder=hashing", "sensitivity_scenarios=5")
    with commands(tmp_path):
        assert main(["run", *settings, *model, "hydra.run.dir=out"]) == 2
    again = beside = 0
    for line in (tmp_path / "out/searches.jsonl").read_text().splitlines():
        search = json.loads(line)
        heard: dict[int, list[float]] = {}
        for subset, score in zip(search["subsets"], search["scores"], strict=True):
            if score is not None:
                heard.setdefault(subset, []).append(score)
        learned = scores[digests[search["id"]]]
        for subset, found in heard.items():
            # The first draw may have failed for good, and so has that of an explored order.
            distinct = found if noise else found[:1]
            assert learned[subset].draws == len(distinct)
            assert learned[subset].mean == pytest.approx(fmean(found), abs=1e-3)
            again += len(distinct) > 1
        others = set(learned) - set(heard)
        assert others <= set(orders[digests[search["id"]]])
        beside += len(others)
    assert bool(again) == bool(noise)
    assert beside > 40
