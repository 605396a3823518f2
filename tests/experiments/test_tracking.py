from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Cli

SMALL = ("data.n=60", "distill.epochs=2", "sensitivity_scenarios=10", "planner.evaluations=6")


def test_each_job_of_a_sweep_is_one_offline_run(cli: Cli, tmp_path: Path) -> None:
    cli("plan", "-m", "data.n=60", "planner=greedy", "tracker=wandb", "seed=0,1", "hydra.sweep.dir=sweep")
    jobs = [folder for folder in (tmp_path / "sweep").iterdir() if folder.is_dir()]
    assert len(jobs) == 2
    for job in jobs:
        (run,) = (job / "wandb").glob("offline-run-*")
        assert list(run.glob("run-*.wandb"))


class FakeRun:
    def __init__(self, said: dict[str, Any]) -> None:
        self.said = said
        self.said.update(history=[], artifacts=[], finished=None)

    def log(self, metrics: dict[str, Any]) -> None:
        assert self.said["finished"] is None
        self.said["history"].append(metrics)

    def log_artifact(self, artifact: Any) -> None:
        self.said["artifacts"].append(artifact)

    def finish(self, exit_code: int) -> None:
        self.said["finished"] = exit_code


class FakeArtifact:
    def __init__(self, name: str, type: str) -> None:
        self.name, self.files = name, list[str]()

    def add_dir(self, path: str) -> None:
        self.files.append(path)

    def add_file(self, path: str) -> None:
        self.files.append(path)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a run told wandb."""
    import wandb

    told: dict[str, Any] = {}

    def init(**settings: Any) -> FakeRun:
        told["settings"] = settings
        return FakeRun(told)

    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setattr(wandb, "Artifact", FakeArtifact)
    return told


def test_a_run_tells_configuration_curves_tables_and_artifacts(cli: Cli, tmp_path: Path, said: dict[str, Any]) -> None:
    cli("run", *SMALL, "evaluate.methods=[none,static,distilled]", "tracker=wandb", "hydra.run.dir=out")
    assert said["settings"]["mode"] == "offline"
    assert said["settings"]["tags"] == ["simulated"]
    assert said["settings"]["config"]["data"]["n"] == 60
    keys = {key for metrics in said["history"] for key in metrics}
    assert {"plan/mean_value", "distill/validation_loss", "evaluate/distilled/score", "evaluate/results"} <= keys
    assert {artifact.name for artifact in said["artifacts"]} == {"plans", "policy", "results"}
    assert all((tmp_path / file).exists() for artifact in said["artifacts"] for file in artifact.files)
    scores = {key: m[key] for m in said["history"] for key in m if key.endswith("/score")}
    results = json.loads((tmp_path / "out/results.json").read_text())["methods"]
    assert scores == {f"evaluate/{m['method']}/score": m["score"]["mean"] for m in results}
    assert said["finished"] == 0


def test_a_job_that_fails_finishes_its_run_as_failed(cli: Cli, said: dict[str, Any]) -> None:
    cli("evaluate", "data.n=40", "tracker=wandb", "evaluate.policy=nowhere", status=2)
    assert said["finished"] == 1


def test_a_wrong_mode_is_refused(cli: Cli) -> None:
    done = cli("plan", "data.n=20", "tracker=wandb", "tracker.mode=ofline", status=2)
    assert "did you mean 'offline'" in done.stderr
