"""The paper's online agent, configured and compared: simulated and served, with its failures told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from raise_agent.errors import ConfigError
from raise_agent.experiments.agents import AgentMethod, asks_a_model, method_of
from raise_agent.experiments.main import main
from tests.conftest import Cli, commands
from tests.models.served.stand_in import Fault, Server, StandIn, running

SMALL = ("data.n=120", "planner=greedy", "distill.epochs=2", "sensitivity_scenarios=10", "budget=4")
PAPER = "{paper: {policy: llm, abstention: scale, threshold: 4}}"
METHODS = (
    "llm",
    PAPER,
    "{bold: {policy: llm, abstention: basic}}",
    "{lean: {policy: llm, abstention: binary, k: 3}}",
    "{eager: {policy: static, abstention: scale, threshold: 2}}",
    "{wary: {policy: distilled, abstention: scale, threshold: 5}}",
    "{stopped: {policy: llm, abstention: value, min_gain: 9.0}}",
)


def methods(*entries: str) -> str:
    return f"evaluate.methods=[{','.join(entries)}]"


def results(tmp_path: Path, run: str) -> dict[str, Any]:
    data = json.loads((tmp_path / run / "results.json").read_text())
    return {**data, "methods": {one["method"]: one for one in data["methods"]}}


def by_agent(body: dict[str, Any]) -> bool:
    """Whether a request is the agent's."""
    return "costs the person patience" in body["messages"][0]["content"]


def test_what_a_method_asks_for() -> None:
    entry = OmegaConf.create(
        {"paper": {"policy": "llm", "abstention": "scale", "k": 3, "threshold": 4, "if_failed": 2}}
    )
    assert method_of(entry) == AgentMethod("paper", "llm", "scale", {"k": 3}, {"threshold": 4, "if_failed": 2})
    assert method_of("llm") == AgentMethod("llm", "llm", "never")
    stopped = method_of({"stopped": {"policy": "llm", "abstention": "value"}})
    assert isinstance(stopped, AgentMethod)
    assert stopped.policies == {"llm", "distilled"}
    assert stopped.needs == {"planned", "chooser", "policy"}
    asking = ["llm", entry, OmegaConf.create({"a": {"policy": "static", "abstention": "binary"}})]
    assert all(map(asks_a_model, asking))
    assert not any(map(asks_a_model, ["retrieval", "distilled", "oracle", "none"]))
    for wrong, said in (
        ({"policy": "llm", "chooser": 1}, "has a setting 'chooser'"),
        ({"policy": "llm", "abstention": "scale", "treshold": 4}, "did you mean 'threshold'"),
    ):
        with pytest.raises(ConfigError, match=said):
            method_of({"a": wrong})


def test_any_pair_runs_offline_and_is_marked_simulated(cli: Cli, tmp_path: Path) -> None:
    done = cli("run", *SMALL, methods(*METHODS), "hydra.run.dir=r")
    assert "imulated scores" in done.stdout
    told = results(tmp_path, "r")
    assert told["simulated"] is True
    assert (told["agent"]["llm"], told["agent"]["role"]) == ("simulated", "agent")
    questions = {name: method["questions"] for name, method in told["methods"].items()}
    assert questions["llm"] == 4.0
    assert 0.5 < questions["bold"] < questions["lean"] <= 4
    assert 0.5 < questions["eager"] < questions["paper"] < 4
    assert questions["paper"] < questions["wary"] == 4
    assert questions["stopped"] == 0
    assert {method["failures"] for method in told["methods"].values()} == {0}
    again = (
        "data.n=120",
        "budget=4",
        "sensitivity_scenarios=10",
        "evaluate.plans=r/plans.jsonl",
        "hydra.run.dir=again",
    )
    cli("evaluate", *again, methods(PAPER))
    assert results(tmp_path, "again")["methods"]["paper"] == told["methods"]["paper"]


def test_the_policy_needs_plans_and_the_abstention_does_not(cli: Cli, tmp_path: Path) -> None:
    small = ("data.n=60", "sensitivity_scenarios=5")
    done = cli("evaluate", *small, methods("llm"), status=2)
    assert "evaluate.methods has 'llm': give the plans it retrieves as evaluate.plans" in done.stderr
    cli("evaluate", *small, methods("{a: {policy: static, abstention: basic}}"), "hydra.run.dir=r")
    assert results(tmp_path, "r")["agent"]["role"] == "agent"
    cli("evaluate", *small, methods("static"), "hydra.run.dir=s")
    assert results(tmp_path, "s")["agent"] is None


# --- served -----------------------------------------------------------------------------------------------------------

SERVED = ("llm=vllm", "data.n=60", "budget=3", "sensitivity_scenarios=4", "runner.estimate_on=0")


def at(server: Server, *more: str, concurrency: int = 8) -> tuple[str, ...]:
    return (*SERVED, f"llm.base_url={server.base_url}", f"llm.client.concurrency={concurrency}", *more)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The setting that gives plans of the scenarios that the served tests use, made offline."""
    folder = tmp_path_factory.mktemp("planned")
    with commands(folder):
        small = ("data.n=60", "budget=3", "planner=greedy", "sensitivity_scenarios=4")
        assert main(["plan", *small, "hydra.run.dir=p"]) == 0
    return f"evaluate.plans={folder / 'p' / 'plans.jsonl'}"


def test_conversations_side_by_side_come_out_as_one_by_one(cli: Cli, tmp_path: Path, planned: str) -> None:
    compared = methods(PAPER, "{lean: {policy: llm, abstention: binary}}")
    with running(StandIn()) as server:
        cli("evaluate", *at(server, compared, planned, "hydra.run.dir=one", "store=one.sqlite", concurrency=1))
        alone = server.peak
        server.stand_in = StandIn(latency=0.01)
        cli("evaluate", *at(server, compared, planned, "hydra.run.dir=many", "store=many.sqlite"))
        asked = [seen for seen in server.chats if by_agent(seen.body)]
    assert (alone, server.peak) == (1, 8)
    assert max(sum(a.began <= b.began < a.ended for a in asked) for b in asked) > 4
    one, many = results(tmp_path, "one"), results(tmp_path, "many")
    assert one["methods"] == many["methods"]
    assert (tmp_path / "one/conversations.jsonl").read_bytes() == (tmp_path / "many/conversations.jsonl").read_bytes()
    assert 0 < one["methods"]["lean"]["questions"] <= 3
    assert one["agent"]["prompt"]["role"] == "agent"
    assert one["agent"]["revision"] == "vllm-0.0-standin"
    assert one["simulated"] is False


def test_decisions_that_were_not_made_are_counted_and_told(cli: Cli, tmp_path: Path, planned: str) -> None:
    def faults(n: int, body: dict[str, Any]) -> Fault | None:
        return Fault("empty") if by_agent(body) else None

    with running(StandIn(faults=faults)) as server:
        compared = methods("retrieval", PAPER, "{few: {policy: static, abstention: basic, if_failed: 1}}")
        done = cli("evaluate", *at(server, compared, planned, "hydra.run.dir=r"))
    told = results(tmp_path, "r")["methods"]
    paper, few, retrieval = told["paper"], told["few"], told["retrieval"]
    assert (paper["questions"], few["questions"]) == (3.0, 1.0)
    assert paper["score"] == retrieval["score"], "the votes of the paths take its place"
    scenarios = results(tmp_path, "r")["data"]["scenarios"]
    assert (paper["failures"], few["failures"], retrieval["failures"]) == (6 * scenarios, 2 * scenarios, 0)
    line = f"Decisions that the agent's model did not make: paper {6 * scenarios}, few {2 * scenarios}."
    assert line in done.stdout
    assert line in (tmp_path / "r/results.md").read_text()
    assert "the agent's model decided nothing of a made-up case: empty answer" in done.stderr


def test_the_agent_is_asked_only_where_a_method_needs_it_and_its_refusal_is_told_before_anything_is_spent(
    cli: Cli, planned: str
) -> None:
    with running(StandIn()) as server:
        cli("evaluate", *at(server, methods("static", "retrieval"), planned))
        assert not any(by_agent(seen.body) for seen in server.chats)
        before = len(server.chats)
        done = cli(
            "evaluate", *at(server, methods(PAPER), planned, "llm.agent.model=other", "store=b.sqlite"), status=2
        )
        assert "does not serve 'other' (llm.agent.model)" in done.stderr
        assert len(server.chats) - before < 10


def test_a_server_that_dies_ends_the_evaluation_rather_than_being_taken_for_a_model(cli: Cli, planned: str) -> None:
    calls = []

    def faults(n: int, body: dict[str, Any]) -> Fault | None:
        calls.append(by_agent(body))
        return Fault("expired_key") if sum(calls) > 10 else None

    with running(StandIn(faults=faults)) as server:
        done = cli("evaluate", *at(server, methods(PAPER), planned), status=2)
    assert "refuses the key (401)" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_limit_holds_for_conversations_too(cli: Cli, planned: str) -> None:
    with running(StandIn(latency=0.005)) as server:
        done = cli("evaluate", *at(server, methods(PAPER), planned, "limits.tokens=20000"), status=3)
    assert "limits.tokens=20000" in done.stderr
