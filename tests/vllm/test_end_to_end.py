"""The command line against a real vLLM: one that runs already, and one that it starts itself."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from raise_agent.models.served.client import Usage
from raise_agent.models.served.connect import ServedSettings
from raise_agent.models.served.launch import LaunchSettings
from raise_agent.models.served.settings import WriterSettings
from raise_agent.models.served.writer import connect_writer
from raise_agent.policies import AcquisitionPolicy, Answer, Ask, SimulatedPolicyWarning

from .conftest import Server, vllm_settings
from .support import LENIENT, TABLE, ask, counters, roles_at

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc"),
]

KEY = "hush"
PATIENCE = 900.0
"""Seconds, far more than anything here takes unless the machine is busy."""
SMALL = ["planner.evaluations=6", "budget=2", "llm.responder.max_tokens=16", f"llm.judge.max_outside={LENIENT}"]
"""Settings of each run, beside the data and the server."""


def raise_agent(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start ``raise-agent`` in a folder, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "raise_agent.experiments.main", *arguments],
        cwd=folder,
        env={**os.environ, "RAISE_API_KEY": KEY},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    """What it printed until it ended."""
    try:
        return process.communicate(timeout=PATIENCE)[0]
    except BaseException:
        process.kill()
        process.communicate()
        raise


def output(folder: Path, verb: str) -> Path:
    """The folder of the latest run of a verb."""
    return max((folder / "runs" / verb).iterdir())


def read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def rows(folder: Path, table: str) -> int:
    """How much of a kind the store holds."""
    with contextlib.closing(sqlite3.connect(folder / "runs/evaluations.sqlite")) as store:
        return int(store.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_a_run_ends_in_a_policy_and_asks_nothing_twice(server: Server, tmp_path: Path) -> None:
    command = [
        "run",
        "llm=vllm",
        f"llm.base_url={server.base_url}",
        "data.n=24",
        *SMALL,
        "evaluate.methods=[none,static,distilled,full]",
        "sensitivity_scenarios=4",
        "distill.epochs=2",
        "encoder=hashing",
    ]
    process = raise_agent(tmp_path, *command)
    printed = ended(process)
    assert process.returncode == 0, printed
    assert "imulated" not in printed
    first = output(tmp_path, "run")
    plan, results = read(first / "plan.json"), read(first / "results.json")
    assert plan["simulated"] is results["simulated"] is False
    assert plan["tally"]["scored"] > 100
    assert plan["tally"]["reasons"] == {}
    assert [result["method"] for result in results["methods"]] == ["none", "static", "distilled", "full"]
    assert all(1 < result["score"]["mean"] < 5 for result in results["methods"])
    assert rows(tmp_path, "responses") == rows(tmp_path, "evaluations") > 100
    with warnings.catch_warnings():
        warnings.simplefilter("error", SimulatedPolicyWarning)
        policy = AcquisitionPolicy.load(first / "policy")
    assert not policy.simulated
    assert isinstance(policy.decide("Should I quit my job?", {}), Ask | Answer)
    assert read(first / "distill.json")["data"]["queries_with_other_wordings"] > 0

    before = counters(server)
    roles_at(server)
    writer = WriterSettings(base_url=(server.base_url,))
    with connect_writer(ServedSettings(writer=writer), TABLE, Usage()):
        pass
    trying_out = counters(server).since(before).requests
    before = counters(server)
    process = raise_agent(tmp_path, *command)
    printed = ended(process)
    assert process.returncode == 0, printed
    assert counters(server).since(before).requests == trying_out
    again = output(tmp_path, "run")
    assert again != first
    assert (again / "plans.jsonl").read_bytes() == (first / "plans.jsonl").read_bytes()
    assert read(again / "results.json")["methods"] == results["methods"]


def starting_a_server(settings: LaunchSettings) -> list[str]:
    """A run of ``plan`` that starts a server of its own."""
    return [
        "plan",
        "llm=vllm",
        "llm.launch=true",
        f"llm.base_url={settings.base_url}",
        f"llm.server.model={settings.model}",
        f"llm.server.vllm={settings.vllm}",
        f"llm.server.arguments={_braced(settings.arguments)}",
        f"llm.server.environment={_braced(settings.environment)}",
        "data.n=60",
        *SMALL,
    ]


def _braced(settings: Mapping[str, object]) -> str:
    """As Hydra reads mappings."""
    return "{" + ",".join(f"{name}:{value}" for name, value in settings.items()) + "}"


def processes_of(log: Path) -> dict[int, str]:
    """The processes that write to a log, by id; ended ones have no open file."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "fd" / "1") == str(log):
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def is_gone(settings: LaunchSettings, processes: Mapping[int, str]) -> bool:
    """Whether neither these processes nor anything at the server's address is left."""
    try:
        ask(f"{settings.base_url}/models")
    except urllib.error.HTTPError:
        return False
    except OSError:
        return not any(Path(f"/proc/{pid}/exe").exists() for pid in processes)
    return False


def wait_until(process: subprocess.Popen[str], what: str) -> Iterator[None]:
    """Look again and again; whoever iterates stops once it is so."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"ended before {what}: {ended(process)}")
        yield
        time.sleep(0.05)
    process.kill()
    pytest.fail(f"no {what} after {PATIENCE:.0f} s: {ended(process)}")


@dataclass(frozen=True)
class Interrupted:
    """A run that started a server and was interrupted in the midst of planning."""

    folder: Path
    settings: LaunchSettings
    status: int
    printed: str
    processes: Mapping[int, str]
    """Those of the server while it ran."""
    refused: int
    """The status of the server's answer to a request without the key."""
    stored: int
    """Evaluations in the store at the end."""


@pytest.fixture(scope="module")
def interrupted(tiny_folder: Path, vllm_python: str, tmp_path_factory: pytest.TempPathFactory) -> Interrupted:
    folder = tmp_path_factory.mktemp("interrupted")
    settings = vllm_settings(tiny_folder, vllm_python, Path())
    # Whoever runs the tests in the background may have them ignore interrupts, and what they start with them.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = raise_agent(folder, *starting_a_server(settings))
    signal.signal(signal.SIGINT, before)
    refused = 0
    for _ in wait_until(process, "server answers"):
        try:
            ask(f"{settings.base_url}/models")
        except urllib.error.HTTPError as error:
            refused = error.code
        except OSError:
            continue
        break
    processes = processes_of(output(folder, "plan") / "vllm.log")
    for _ in wait_until(process, "evaluations"):
        with contextlib.suppress(sqlite3.OperationalError):
            if rows(folder, "evaluations") > 60:
                break
    os.kill(process.pid, signal.SIGINT)
    printed = ended(process)
    return Interrupted(folder, settings, process.returncode, printed, processes, refused, rows(folder, "evaluations"))


def test_an_interrupted_run_says_so_and_takes_its_server_along(interrupted: Interrupted) -> None:
    assert interrupted.status == 130, interrupted.printed
    assert "starting vLLM" in interrupted.printed
    assert "the same command goes on from there" in interrupted.printed
    assert "Traceback" not in interrupted.printed
    assert len(interrupted.processes) >= 3
    assert is_gone(interrupted.settings, interrupted.processes)


def test_a_server_that_is_started_demands_the_key_and_no_command_line_shows_it(interrupted: Interrupted) -> None:
    assert interrupted.refused == 401
    assert not [command for command in interrupted.processes.values() if KEY in command]


def test_started_again_it_goes_on_with_another_server(
    interrupted: Interrupted, tiny_folder: Path, vllm_python: str
) -> None:
    settings = vllm_settings(tiny_folder, vllm_python, Path())
    identities = rows(interrupted.folder, "identities")
    process = raise_agent(interrupted.folder, *starting_a_server(settings))
    printed = ended(process)
    assert process.returncode == 0, printed
    folder = output(interrupted.folder, "plan")
    plan = read(folder / "plan.json")
    assert len((folder / "plans.jsonl").read_text(encoding="utf-8").splitlines()) == plan["figures"]["scenarios"] > 30
    assert plan["figures"]["plans_without_value"] == plan["tally"]["unscored"] == 0
    # vLLM calls its state the same as before, though it is another process at another port.
    assert rows(interrupted.folder, "identities") == identities
    assert interrupted.stored + plan["tally"]["scored"] <= rows(interrupted.folder, "evaluations")
    assert not processes_of(folder / "vllm.log")
    assert is_gone(settings, {})
