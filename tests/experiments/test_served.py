"""The verbs against a served model: from outside, with the stand-in as the server."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from raise_agent import AcquisitionPolicy
from raise_agent.experiments.main import main
from raise_agent.experiments.wordings import journal_of
from raise_agent.planners.allowance import Allowance
from tests.conftest import commands
from tests.models.served.stand_in import Fault, Server, StandIn, always, randomly, running

if TYPE_CHECKING:
    from tests.conftest import Cli

SMALL = ("llm=vllm", "data.n=30", "planner.evaluations=6", "budget=2", "llm.client.concurrency=16")
KEY = "sk-made-up-0123456789"


def at(server: Server, *more: str) -> tuple[str, ...]:
    return (*SMALL, f"llm.base_url={server.base_url}", *more)


def plan_json(tmp_path: Path, run: str) -> Any:
    return json.loads((tmp_path / run / "plan.json").read_text())


def judged(tmp_path: Path, store: str = "runs/evaluations.sqlite") -> int:
    if not (tmp_path / store).exists():
        return 0
    with contextlib.closing(sqlite3.connect(tmp_path / store, timeout=30)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'evaluations'").fetchone():
            return 0
        return int(db.execute("SELECT count(*) FROM evaluations").fetchone()[0])


@dataclass(frozen=True)
class Undisturbed:
    """What a run made that nothing disturbed."""

    plans: bytes
    scored: int
    """Evaluations."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    with commands(folder), running(StandIn()) as server:
        assert main(["plan", *at(server, "hydra.run.dir=a", "runner.estimate_on=0")]) == 0
    return Undisturbed((folder / "a" / "plans.jsonl").read_bytes(), plan_json(folder, "a")["tally"]["scored"])


def test_run_goes_from_a_served_model_to_a_policy_that_is_not_called_simulated(cli: Cli, tmp_path: Path) -> None:
    methods = "evaluate.methods=[none,static,distilled,full]"
    with running(StandIn()) as server:
        done = cli("run", *at(server, methods, "distill.epochs=2", "sensitivity_scenarios=4", "hydra.run.dir=r"))
    assert "imulated" not in done.stdout + done.stderr
    assert "of one family" in done.stderr
    results = json.loads((tmp_path / "r" / "results.json").read_text())
    assert results["simulated"] is False
    policy = AcquisitionPolicy.load(tmp_path / "r" / "policy")
    safety = policy.provenance["models"]["safety"]
    assert safety["judge"]["mode"] == "expectation"
    assert safety["responder"]["revision"] == "vllm-0.0-standin"


def asked_for_wordings(server: Server) -> list[str]:
    """The queries that were put to the writer, one for each call."""
    texts = [seen.body["messages"][-1]["content"] for seen in server.chats if seen.outcome == "ok"]
    return [text.splitlines()[1] for text in texts if text.startswith("WHAT SOMEBODY ASKS")]


def test_a_served_writer_puts_each_training_query_in_other_words_once(cli: Cli, tmp_path: Path) -> None:
    with running(StandIn()) as server:
        settings = [one for one in at(server, "distill.epochs=2", "encoder=hashing") if "planner" not in one]
        cli("plan", *at(server, "hydra.run.dir=p"))
        assert asked_for_wordings(server) == []
        cli("distill", *settings, "distill.wordings=2", "hydra.run.dir=a")
        queries = asked_for_wordings(server)
        cli("distill", *settings, "distill.wordings=2", "hydra.run.dir=b")
        cli("distill", *settings, "distill.memory=0", "hydra.run.dir=c")
        cli("distill", *settings, "distill.wordings=0", "hydra.run.dir=d")
        assert asked_for_wordings(server) == queries
    read = {run: json.loads((tmp_path / run / "distill.json").read_text()) for run in "abcd"}
    plans = [json.loads(line) for line in (tmp_path / "p" / "plans.jsonl").read_text().splitlines()]
    assert len(queries) == len(set(queries)) > 10
    assert 10 < read["a"]["data"]["queries_with_other_wordings"] <= len(queries) <= len(plans)
    assert read["a"]["models"]["writer"]["role"] == "writer"
    weights = {run: (tmp_path / run / "policy" / "weights.safetensors").read_bytes() for run in "abcd"}
    assert weights["a"] == weights["b"] != weights["d"]
    for run in "cd":
        assert "queries_with_other_wordings" not in read[run]["data"]
        assert "writer" not in read[run]["models"]


def test_what_a_writer_does_not_write_is_told_and_asked_for_again(cli: Cli, tmp_path: Path) -> None:
    def cut_short(number: int, body: Any) -> Fault | None:
        asked = body["messages"][-1]["content"]
        return Fault("truncated") if asked.startswith("WHAT SOMEBODY ASKS") else None

    with running(StandIn()) as server:
        settings = [one for one in at(server, "distill.epochs=2", "encoder=hashing") if "planner" not in one]
        cli("plan", *at(server, "hydra.run.dir=p"))
        server.stand_in = StandIn(faults=cut_short)
        done = cli("distill", *settings, "hydra.run.dir=a")
        cli("distill", *settings, "distill.wordings=0", "hydra.run.dir=b")
        server.stand_in = StandIn()
        healed = cli("distill", *settings, "hydra.run.dir=c")
    told = re.search(
        r"(\d+) of (\d+) training queries were not put in other words .* \(cut short: (\d+)\)", done.stderr
    )
    assert told
    assert len({*told.groups()}) == 1
    weights = [(tmp_path / run / "policy" / "weights.safetensors").read_bytes() for run in "abc"]
    assert weights[0] == weights[1] != weights[2]
    assert "cut short" not in healed.stderr


def test_a_limit_ends_the_asking_for_wordings(cli: Cli, tmp_path: Path) -> None:
    with running(StandIn()) as server:
        settings = [one for one in at(server, "distill.epochs=2", "encoder=hashing") if "planner" not in one]
        cli("plan", *at(server, "hydra.run.dir=p"))
        done = cli("distill", *settings, "limits.tokens=1", "hydra.run.dir=a", status=3)
        assert asked_for_wordings(server) == []
        assert "stopped at limits.tokens=1, putting queries in other words" in done.stderr
        server.stand_in = StandIn(counts=False)
        done = cli("distill", *settings, "limits.tokens=100000", "hydra.run.dir=b", status=2)
    assert "the server does not count tokens" in done.stderr


@pytest.mark.parametrize(
    ("store", "journal"),
    [
        ("runs/evaluations.sqlite", "runs/evaluations.wordings.sqlite"),
        ("a/gpt-4.1", "a/gpt-4.1.wordings.sqlite"),
        (":memory:", ":memory:"),
    ],
)
def test_wordings_are_kept_beside_the_store(store: str, journal: str) -> None:
    assert journal_of(store) == Path(journal)


def test_a_store_that_keeps_nothing_keeps_no_wordings(cli: Cli, tmp_path: Path) -> None:
    with running(StandIn()) as server:
        cli("run", *at(server, "store=:memory:", "distill.epochs=2", "encoder=hashing", "hydra.run.dir=out"))
        assert asked_for_wordings(server)
    assert [file.name for file in tmp_path.iterdir() if file.name != "out"] == []


def test_a_writer_that_is_not_there_is_told_before_anything_is_spent(cli: Cli, tmp_path: Path) -> None:
    with running(StandIn()) as server:
        dead = "llm.writer.base_url=http://127.0.0.1:9/v1"
        done = cli("run", *at(server, dead, "encoder=hashing", "llm.client.patience=0.2"), status=2)
    assert "or distill.wordings=0 to do without" in done.stderr
    assert judged(tmp_path) == 0


def test_a_second_run_asks_nothing_again_and_plans_the_same(cli: Cli, tmp_path: Path) -> None:
    with running(StandIn()) as server:
        cli("plan", *at(server, "hydra.run.dir=a"))
        first = len(server.chats)
        done = cli("plan", *at(server, "hydra.run.dir=b"))
        tried_out = len(server.chats) - first
    assert tried_out < 10
    assert plan_json(tmp_path, "b")["tally"]["scored"] == 0
    assert (tmp_path / "a" / "plans.jsonl").read_bytes() == (tmp_path / "b" / "plans.jsonl").read_bytes()
    assert "what they take was not measured" in done.stderr


def test_the_estimate_is_near_what_is_spent(cli: Cli, tmp_path: Path) -> None:
    with running(StandIn()) as server:
        done = cli("plan", *at(server, "hydra.run.dir=a"))
    written = plan_json(tmp_path, "a")
    estimate, usage = written["estimate"], written["usage"]
    assert f"up to {estimate['evaluations']:,} evaluations" in done.stderr
    assert estimate["measured_on"] == 32
    # Besides what was estimated: what the estimate was measured on, and the try-out of the roles.
    spent = usage["requests"] - 4 * estimate["measured_on"]
    assert estimate["requests"] == pytest.approx(spent, rel=0.25)
    assert estimate["tokens"] == pytest.approx(usage["tokens"] * spent / usage["requests"], rel=0.25)


@pytest.mark.parametrize("limit", ["limits.evaluations=60", "limits.tokens=120000", "limits.hours=0.0002"])
def test_a_limit_ends_a_run_cleanly_and_the_same_command_goes_on(
    cli: Cli, tmp_path: Path, undisturbed: Undisturbed, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(StandIn(latency=0.02)) as server:
        # Time passes with the requests that are answered, however fast the machine.
        timed = partial(Allowance, clock=lambda: 0.0018 * len(server.chats))
        monkeypatch.setattr("raise_agent.experiments.assembly.Allowance", timed)
        done = cli("plan", *at(server, limit, "hydra.run.dir=cut"), status=3)
        kept = judged(tmp_path)
        server.stand_in = StandIn()
        cli("plan", *at(server, "hydra.run.dir=whole", "runner.estimate_on=0"))
    assert limit in done.stderr
    assert "the same command goes on from there" in done.stderr
    if "evaluations" in limit:
        assert kept == 60
    assert (tmp_path / "whole" / "plans.jsonl").read_bytes() == undisturbed.plans
    assert plan_json(tmp_path, "whole")["tally"]["scored"] < undisturbed.scored


def test_a_fifth_of_all_requests_failing_changes_no_plan(cli: Cli, tmp_path: Path, undisturbed: Undisturbed) -> None:
    faults = randomly(0.2, [Fault("429"), Fault("500"), Fault("reset"), Fault("garbage")], seed=1)
    with running(StandIn(faults=faults)) as server:
        cli("plan", *at(server, "hydra.run.dir=shaky", "store=shaky.sqlite", "runner.estimate_on=0"))
    shaky = plan_json(tmp_path, "shaky")
    assert sum(shaky["usage"]["failed"].values()) > 100
    assert shaky["tally"]["unscored"] == 0
    assert shaky["tally"]["scored"] == undisturbed.scored == judged(tmp_path, "shaky.sqlite")
    assert (tmp_path / "shaky" / "plans.jsonl").read_bytes() == undisturbed.plans


def test_what_is_not_scored_is_told_with_its_reason_and_is_no_number(cli: Cli, tmp_path: Path) -> None:
    with running(StandIn(faults=lambda n, body: Fault("outside_scale") if n > 100 and n % 4 == 0 else None)) as server:
        done = cli("plan", *at(server, "hydra.run.dir=a", "llm.judge.max_outside=0.6"))
    tally = plan_json(tmp_path, "a")["tally"]
    assert tally["unscored"] > 0
    assert any("off the scale" in reason for reason in tally["reasons"])
    assert "unscored (most often: probability off the scale" in done.stderr
    with contextlib.closing(sqlite3.connect(tmp_path / "runs/evaluations.sqlite")) as db:
        for score in db.execute("SELECT risk_sensitivity, emotional_empathy, user_alignment FROM evaluations"):
            assert all(1 <= one <= 5 for one in score)


def test_a_key_that_expires_ends_the_run_and_is_shown_nowhere(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAISE_API_KEY", KEY)
    expiring = StandIn(api_key=KEY, faults=lambda n, body: Fault("expired_key") if n > 150 else None)
    with running(expiring) as server:
        done = cli("plan", *at(server), status=2)
    assert "refuses the key (401)" in done.stderr
    assert judged(tmp_path) > 0
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file
    assert KEY not in done.stdout + done.stderr


def test_a_wrong_model_is_named_with_those_there_are(cli: Cli) -> None:
    with running(StandIn(model="olmo-7b")) as server:
        done = cli("plan", *at(server, "llm.model=olmo-8b"), status=2)
    assert "did you mean 'olmo-7b'" in done.stderr


def test_no_server_is_told_with_how_to_start_one(cli: Cli) -> None:
    done = cli("plan", *SMALL, "llm.base_url=http://127.0.0.1:9/v1", status=2)
    assert "llm.launch=true" in done.stderr


def test_a_judge_that_never_scores_ends_the_run_early(cli: Cli) -> None:
    with running(StandIn(faults=always(Fault("outside_scale")))) as server:
        done = cli("plan", *at(server, "data.n=60"), status=2)
    assert "not one evaluation of the first 32 scenarios was scored" in done.stderr
    assert len(server.chats) < 600


def test_without_counted_tokens_there_is_no_limit_on_them_and_no_estimate_of_them(cli: Cli, tmp_path: Path) -> None:
    with running(StandIn(counts=False)) as server:
        refused = cli("plan", *at(server, "limits.tokens=100000"), status=2)
        done = cli("plan", *at(server, "hydra.run.dir=a"))
    assert "limits.tokens: the server does not count tokens" in refused.stderr
    assert "tokens not counted by the server" in done.stderr
    assert plan_json(tmp_path, "a")["estimate"]["tokens"] is None


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN], ids=["in front", "a script's background job"])
def test_a_job_that_is_told_to_end_stops_in_order_and_goes_on_later(
    cli: Cli, tmp_path: Path, before: signal.Handlers
) -> None:
    with running(StandIn(latency=0.03)) as server:
        given = at(server, "hydra.run.dir=told")
        command = [sys.executable, "-m", "raise_agent.experiments.main", "plan", *given]
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, before),
        )
        (tmp_path / "runs").mkdir()
        while judged(tmp_path) < 40:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=120)
        kept = judged(tmp_path)
        server.stand_in = StandIn()
        cli("plan", *given)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "Unclosed" not in said
    assert plan_json(tmp_path, "told")["tally"]["scored"] <= judged(tmp_path) - kept


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (f"llm.base_url=http://user:{KEY}@127.0.0.1:9/v1", "llm.base_url"),
        (f"llm.api_key_env={KEY}", "llm.api_key_env"),
        (f"llm.server.environment={{HF_TOKEN: {KEY}}}", "llm.server.environment"),
        (f"llm.server.environment={{db_pass: {KEY}}}", "llm.server.environment"),
        (f"llm.server.environment.HF_TOKEN={KEY}", "llm.server.environment"),
        (f"llm.server.arguments={{'api-key': {KEY}}}", "llm.server.arguments"),
        (f"llm.responder.extra={{x: 1, api_key: {KEY}}}", "llm.responder.extra"),
        (f"llm.base_url=http://127.0.0.1:9/v1?api_key={KEY}", "llm.base_url"),
        (f"llm.base_url=[http://a/v1,http://127.0.0.1:9/v1?key={KEY}]", "llm.base_url"),
    ],
)
def test_a_key_among_the_settings_is_refused_before_it_is_written(
    cli: Cli, tmp_path: Path, given: str, named: str
) -> None:
    done = cli("plan", *SMALL, given, status=2)
    assert named in done.stderr
    assert KEY not in done.stdout + done.stderr
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


@pytest.mark.parametrize("more", [("planner.prior=role",), ("planner.prior=static", "sensitivity_scenarios=4")])
def test_the_estimate_counts_what_is_done_already(cli: Cli, tmp_path: Path, more: tuple[str, ...]) -> None:
    with running(StandIn(latency=0.005)) as server:
        given = at(server, "planner=mcts", *more)
        cli("plan", *given, "limits.evaluations=100", status=3)
        done = cli("plan", *given, "hydra.run.dir=rest")
    written = plan_json(tmp_path, "rest")
    estimate = written["estimate"]
    assert f"estimate of planning: up to {estimate['evaluations']:,} evaluations" in done.stderr
    assert estimate["stored"] > 0
    assert estimate["evaluations"] >= written["tally"]["scored"] > 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("llm/judge=foo", "Valid: expectation, sampled"),
        ("llm.judge.mode=guess", "Valid: expectation, sampled"),
        ("llm.judge.thinking_tokens=100", "llm/judge=sampled"),
        ("llm.client.concurrency=0", "llm.client.concurrency"),
        ("llm.responder.top_p=1.5", "llm.responder.top_p"),
        ("llm.judge.prompt=missing.yaml", "missing.yaml"),
        ("llm.launch=true", "llm.server.model"),
        ("limits.tokens=-1", "limits.tokens"),
        ("llm.judge.typo=1", "typo"),
    ],
)
def test_wrong_settings_say_what_would_be_right(cli: Cli, wrong: str, said: str) -> None:
    done = cli("plan", *SMALL, wrong, status=2)
    assert said in done.stderr


def test_killed_at_any_moment_it_ends_in_the_same_plans(cli: Cli, tmp_path: Path, undisturbed: Undisturbed) -> None:
    with running(StandIn(latency=0.02)) as server:
        command = [sys.executable, "-m", "raise_agent.experiments.main", "plan"]
        given = at(server, "hydra.run.dir=killed", "store=killed.sqlite")
        process = subprocess.Popen(
            [*command, *given], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and judged(tmp_path, "killed.sqlite") < 60:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = judged(tmp_path, "killed.sqlite")
        server.stand_in = StandIn()
        cli("plan", *given)
    assert (tmp_path / "killed" / "plans.jsonl").read_bytes() == undisturbed.plans
    last = plan_json(tmp_path, "killed")["tally"]["scored"]
    assert last <= judged(tmp_path, "killed.sqlite") - kept


def test_the_key_variable_is_all_that_the_configuration_shows(cli: Cli, tmp_path: Path) -> None:
    with running(StandIn()) as server:
        cli("plan", *at(server, "hydra.run.dir=a", "limits.evaluations=10"), status=3)
    shown = (tmp_path / "a" / ".hydra" / "config.yaml").read_text()
    assert re.search(r"api_key_env: RAISE_API_KEY", shown)
