"""Planning in rounds: later scenarios start from what earlier ones taught."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from raise_agent.experiments import learning
from raise_agent.experiments.learning import plan_in_rounds, rounds
from raise_agent.experiments.main import main
from raise_agent.planners import Plan
from raise_agent.planners.beliefs import Belief, Experience, features
from raise_agent.planners.runner import LimitReached
from tests.conftest import commands

if TYPE_CHECKING:
    from tests.conftest import Cli

SMALL = ("data.n=220", "planner.evaluations=5", "explore=0")


def plan_json(tmp_path: Path, run: str) -> Any:
    return json.loads((tmp_path / run / "plan.json").read_text())


# --- rounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 64, 65, 1000])
def test_rounds_cover_all_scenarios_in_order_and_double(count: int) -> None:
    found = list(rounds(count, warm=False))
    assert [place for places in found for place in places] == list(range(count))
    assert all(len(places) <= max(learning.FIRST_ROUND, places.start) for places in found)


def test_with_earlier_experience_there_is_one_round() -> None:
    assert list(rounds(1000, warm=True)) == [range(1000)]


class Recorder:
    """Plans by looking values up; notes what was believed of each scenario."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.beliefs: list[Belief | None] = []
        self.stop_at = stop_at

    def __call__(self, places: range, beliefs: Sequence[Belief | None]) -> list[Plan]:
        self.beliefs += beliefs
        made = list[Plan]()
        for place in places:
            if place == self.stop_at:
                raise LimitReached("limits.evaluations=1", dict(enumerate(made)), len(places))
            rng = np.random.default_rng(place)
            trace = tuple((int(s), 3.0 + (s & 1) + 0.1 * rng.standard_normal()) for s in rng.permutation([3, 5, 6, 9]))
            made.append(Plan((0, 1), 3.0, 4, trace))
        return made


def test_each_round_believes_what_the_rounds_before_it_taught() -> None:
    known = [np.zeros(2)] * 200
    record = Recorder()
    found, experience = plan_in_rounds(record, 200, known, 4, 2, 0.0)
    assert len(found) == 200
    assert record.beliefs[:64] == [None] * 64
    (first,) = {id(b.root) for b in record.beliefs[64:128] if b is not None}
    (second,) = {id(b.root) for b in record.beliefs[128:] if b is not None}
    assert first != second
    assert isinstance(experience, Experience)
    assert experience.scenarios == 200
    with_first, without = (features([s], 4, 2)[0] @ experience.belief(known[0]).mean for s in (0b0011, 0b0110))
    assert with_first - without == pytest.approx(1.0, abs=0.1)


def test_a_limit_in_a_later_round_hands_over_the_plans_of_all_rounds() -> None:
    with pytest.raises(LimitReached) as stopped:
        plan_in_rounds(Recorder(stop_at=70), 200, [np.zeros(2)] * 200, 4, 2, 0.0)
    assert sorted(stopped.value.finished) == list(range(70))
    assert "70 of 200" in str(stopped.value)


# --- from the command line --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that learned, round by round."""
    folder = tmp_path_factory.mktemp("learned")
    with commands(folder):
        assert main(["plan", *SMALL, "hydra.run.dir=warm"]) == 0
    return folder / "warm"


def test_learning_makes_few_evaluations_go_further_and_leaves_what_it_taught(
    cli: Cli, tmp_path: Path, warm: Path
) -> None:
    cli("plan", *SMALL, "learn=false", "hydra.run.dir=cold", "store=cold.sqlite")
    cli("plan", *SMALL, f"learned={warm / 'experience.safetensors'}", "hydra.run.dir=second", "store=second.sqlite")
    cold, first, second = (plan_json(*run)["figures"] for run in ((tmp_path, "cold"), (warm, ""), (tmp_path, "second")))
    assert cold["mean_evaluations"] == first["mean_evaluations"] == second["mean_evaluations"] == 5
    assert cold["mean_value"] + 0.02 < first["mean_value"] < second["mean_value"]
    assert not (tmp_path / "cold" / "experience.safetensors").exists()


def test_plans_do_not_depend_on_concurrency_or_on_where_a_run_was_stopped(cli: Cli, tmp_path: Path, warm: Path) -> None:
    cli("plan", *SMALL, "hydra.run.dir=b", "store=b.sqlite", "runner.searches=3")
    # In the second round.
    cli("plan", *SMALL, "hydra.run.dir=c", "store=c.sqlite", "limits.evaluations=450", status=3)
    cli("plan", *SMALL, "hydra.run.dir=c", "store=c.sqlite")
    for file in ("plans.jsonl", "experience.safetensors"):
        for run in "bc":
            assert (tmp_path / run / file).read_bytes() == (warm / file).read_bytes(), f"{run}/{file}"


def test_a_policy_takes_the_place_of_the_prior(cli: Cli, tmp_path: Path) -> None:
    small = ("data.n=60", "planner.evaluations=5", "explore=0", "budget=2", "sensitivity_scenarios=20")
    cli("run", *small, "evaluate.methods=[none]", "distill.epochs=2", "hydra.run.dir=first")
    cli("plan", *small, "prior_policy=first/policy", "hydra.run.dir=second", "planner=mcts")
    prior = plan_json(tmp_path, "second")["models"]["prior"]
    assert set(prior) == {"role", "policy", "temperature", "uniform_share"}


def test_what_was_learned_for_other_problems_is_refused(cli: Cli, warm: Path) -> None:
    done = cli("plan", *SMALL, f"learned={warm / 'experience.safetensors'}", "budget=2", status=2)
    assert "learned for 10 attributes and budget 3, not for 10 and 2" in done.stderr
    missing = cli("plan", *SMALL, "learned=nowhere.safetensors", status=2)
    assert "nowhere.safetensors" in missing.stderr
