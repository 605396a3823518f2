"""The example that trains on the environment, with few steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sb3_contrib import MaskablePPO

from examples.ppo import LearnedPolicy, main
from raise_agent.attributes import penguin_table
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.envs.acquisition import AttributeAcquisitionEnv
from raise_agent.envs.dynamics import Rules
from raise_agent.experiments.methods import converse, talk_with
from raise_agent.policies.abstention import ValueAbstention

TABLE = penguin_table()


def test_it_trains_and_ends_in_the_table_of_all_methods(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main("512", "data.n=120", "sensitivity_scenarios=20", "evaluate.methods=[none,static,full]")
    said = capsys.readouterr().out
    assert "Simulated scores" in said
    rows = [line.split("|")[1].strip() for line in said.splitlines() if line.startswith("|")]
    assert rows[2:] == ["none", "static", "full", "ppo"]
    found = {row["method"]: row for row in json.loads(Path("runs/ppo/results.json").read_text())["methods"]}
    assert found["none"]["score"]["mean"] < found["ppo"]["score"]["mean"] < found["full"]["score"]["mean"]
    assert 0 < found["ppo"]["questions"] <= 3


def test_a_learned_policy_asks_what_the_network_does_in_the_environment() -> None:
    scenarios = synthetic_scenarios(TABLE, 40, seed=5, missing=0.3)
    env = AttributeAcquisitionEnv(scenarios=scenarios, table=TABLE, budget=5)
    model = MaskablePPO("MultiInputPolicy", env, n_steps=64, seed=1, device="cpu", policy_kwargs={"ortho_init": False})
    # Weights far from where they start, so that query, answers and marks all matter.
    with_noise = partial(np.random.default_rng(0).normal, 0, 0.3)
    for weights in model.policy.parameters():
        weights.data += weights.data.new_tensor(with_noise(weights.shape))
    agent = talk_with(LearnedPolicy(model, env), ValueAbstention())
    played = [_in_the_environment(model, env, scenario.id) for scenario in scenarios]
    assert [converse(Rules(len(TABLE), 5), s, agent, 0).asked for s in scenarios] == played
    assert len(set(played)) > 5
    assert {len(asked) for asked in played} > {5}


def _in_the_environment(model: MaskablePPO, env: AttributeAcquisitionEnv, scenario: str) -> Sequence[int]:
    asked: list[int] = []
    seen, _ = env.reset(options={"scenario": scenario})
    while True:
        action, _ = model.predict(seen, action_masks=env.action_masks(), deterministic=True)
        seen, _, terminated, truncated, _ = env.step(action)
        asked += [] if terminated else [int(action)]
        if terminated or truncated:
            return tuple(asked)
