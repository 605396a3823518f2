"""``raise-agent doctor`` and ``raise-agent prompts`` from outside."""

from __future__ import annotations

import json
import time
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.models.served.stand_in import Fault, StandIn, running

if TYPE_CHECKING:
    from tests.conftest import Cli


def the_report(tmp_path: Path) -> Any:
    (written,) = tmp_path.glob("runs/doctor/*/doctor.json")
    return json.loads(written.read_text())


def test_a_good_server_is_shown_measured_and_written_down(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAISE_API_KEY", "sesame-street")
    # Measuring takes as long as its looks at the clock, however fast the machine.
    looks = count()
    clock = SimpleNamespace(monotonic=lambda: 0.05 * next(looks), time_ns=time.time_ns)
    monkeypatch.setattr("raise_agent.models.served.throughput.time", clock)
    with running(StandIn(model="olmo-7b", api_key="sesame-street", latency=0.005)) as server:
        done = cli("doctor", f"llm.base_url={server.base_url}", "seconds=20", "llm.client.max_concurrency=2")
    assert f"{server.base_url}, for responder, judge, prior" in done.stdout
    for expected in ("| token probabilities  | 20 alternatives", "| at once |", "Ready: ", "vLLM 0.0-stand-in"):
        assert expected in done.stdout
    assert "2 at once:" in done.stderr
    report = the_report(tmp_path)
    assert (report["ready"], report["simulated"], report["missing"]) == (True, False, [])
    assert [step["concurrency"] for step in report["throughput"]["steps"]] == [1, 2]
    assert f"set llm.client.concurrency={report['throughput']['best']}" in done.stdout
    (found,) = report["servers"]
    assert (found["url"], found["model"], found["usable"]) == (server.base_url, "olmo-7b", True)
    features = {finding["feature"]: finding for finding in found["findings"]}
    assert features["token probabilities"]["value"] == 20
    assert features["token probabilities"]["state"] == "fine"
    everything = done.stdout + done.stderr + json.dumps(report)
    assert "sesame" not in everything


def test_what_is_missing_is_shown_and_ends_with_status_2(cli: Cli, tmp_path: Path) -> None:
    blind = StandIn(faults=lambda n, body: Fault("no_logprobs") if body.get("logprobs") else None)
    with running(blind) as server:
        where = f"llm.base_url={server.base_url}"
        done = cli("doctor", where, "seconds=0", status=2)
        assert "MISSING: none" in done.stdout
        assert "llm/judge=sampled" in done.stdout
        assert "not ready (see token probabilities, judge): set llm/judge=sampled" in done.stderr
        assert the_report(tmp_path)["throughput"] is None
        # The advice, taken.
        ready = cli("doctor", where, "seconds=0", "llm/judge=sampled", "llm.prior.mode=ranking", "hydra.run.dir=then")
    assert "Ready: " in ready.stdout


def test_without_a_server_it_says_what_was_tried_and_how_to_start_one(cli: Cli, tmp_path: Path) -> None:
    done = cli("doctor", "llm.base_url=http://127.0.0.1:9/v1", status=2)
    assert "GET http://127.0.0.1:9/v1/models" in done.stdout
    assert "llm.launch=true llm.server.model=" in done.stderr
    assert "Traceback" not in done.stderr
    assert the_report(tmp_path)["ready"] is False


def test_a_wrong_model_is_answered_with_the_right_one(cli: Cli) -> None:
    with running(StandIn(model="olmo-7b")) as server:
        done = cli("doctor", f"llm.base_url={server.base_url}", "llm.model=olmo-8b", status=2)
    assert "did you mean 'olmo-7b'" in done.stderr


def test_the_embedded_model_needs_no_server(cli: Cli, tmp_path: Path) -> None:
    done = cli("doctor", "llm=simulated")
    assert "needs no server" in done.stdout
    assert the_report(tmp_path) == {"simulated": True, "ready": True}


def test_a_senseless_time_is_refused(cli: Cli) -> None:
    assert "seconds must be 0 or more" in cli("doctor", "seconds=-1", status=2).stderr


def test_prompts_are_shown_as_sent_and_nothing_is_written(cli: Cli, tmp_path: Path) -> None:
    done = cli("prompts")
    for role in ("responder", "judge", "prior", "agent"):
        version = 2 if role == "agent" else 1
        assert f"=== {role}: prompts/{role}.yaml, version {version}, digest " in done.stdout
    assert done.stdout.count("Reply with one digit from 1 to 5") == 3
    assert done.stdout.count("You judge how safe") == 1
    assert "- Gender: I would rather not say" in done.stdout
    assert "- Gender: not known" in done.stdout
    assert "auto, shown as for probabilities" in done.stdout
    assert "Reply with the letter of the one thing" in done.stdout
    for task in ("Reply with A to answer", "Reply with Y if", "Reply with one digit from 0 to 5", "Reply with S if"):
        assert done.stdout.count(task) == 1
    assert list(tmp_path.iterdir()) == []


def test_prompts_follow_the_modes(cli: Cli) -> None:
    done = cli("prompts", "llm/judge=sampled", "llm.prior.mode=ranking")
    assert "Reply with one digit from 1 to 5" not in done.stdout
    assert done.stdout.count("Reply with one line of JSON") == 1
    assert "request 3 of 3: the same, with another seed" in done.stdout
    assert '{"ranking": ["X", "Y"]}' in done.stdout


def test_prompts_of_ones_own_are_shown_under_their_names(cli: Cli, tmp_path: Path) -> None:
    before = cli("prompts").stdout
    shipped = Path(__file__).parents[2] / "raise/models/served/prompts/judge.yaml"
    own = shipped.read_text().replace("Length and polish earn nothing", "Charm earns nothing")
    (tmp_path / "mine.yaml").write_text(own.replace("version: 1", "version: 2"))
    after = cli("prompts", "llm.judge.prompt=mine.yaml").stdout
    assert "=== judge: mine.yaml, version 2, digest " in after
    assert "Charm earns nothing" in after
    digests = [text.split("=== judge")[1].split("digest ")[1].split()[0] for text in (before, after)]
    assert digests[0] != digests[1]


def test_the_embedded_model_has_no_prompts(cli: Cli) -> None:
    assert "no prompts" in cli("prompts", "llm=simulated").stdout
