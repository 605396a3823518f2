"""A server is found, started, waited for and stopped, against a stand-in that behaves as vLLM does."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from raise_agent.errors import ConfigError, ModelError
from raise_agent.models.served import launch
from raise_agent.models.served.launch import LaunchSettings, find_vllm, launched, rendered

STAND_IN = f"""#!{sys.executable}
import argparse, http.server, json, os, signal, subprocess, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("verb")
parser.add_argument("model")
parser.add_argument("--host")
parser.add_argument("--port", type=int)
parser.add_argument("--served-model-name")
parser.add_argument("--record")
parser.add_argument("--delay", type=float, default=0.0)
parser.add_argument("--until")
parser.add_argument("--die", type=int)
parser.add_argument("--stubborn", action="store_true")
told = parser.parse_args()
if told.stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
                          "print('child', flush=True); time.sleep(600)"], stdout=subprocess.PIPE)
child.stdout.readline()
if told.record:
    with open(told.record + ".part", "w") as file:
        json.dump({{"argv": sys.argv, "pids": [os.getpid(), child.pid], "group": os.getpgid(0), "session": os.getsid(0),
                   "key": os.environ.get("VLLM_API_KEY"), "extra": os.environ.get("EXTRA"),
                   "input": sys.stdin.read()}}, file)
    os.rename(told.record + ".part", told.record)
if told.die is not None:
    for line in range(30):
        print("line", line, flush=True)
    if told.die < 0:
        os.kill(os.getpid(), -told.die)
    sys.exit(told.die)
time.sleep(told.delay)
while told.until and not os.path.exists(told.until):
    time.sleep(0.02)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path in ("/health", "/v1/models") else 404)
        self.end_headers()

    def log_message(self, *args):
        pass

http.server.HTTPServer((told.host, told.port), Handler).serve_forever()
"""

PARENT = """
import json, sys, time
from pathlib import Path
from raise_agent.models.served import launch
launch._STOP_SECONDS = 600.0
settings = json.loads(sys.argv[1])
with launch.launched(launch.LaunchSettings(**{**settings, "log": Path(settings["log"])}), None):
    print("ready", flush=True)
    time.sleep(600)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody collected does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    return not Path("/proc/self").exists()


def eventually(true: Callable[[], bool]) -> bool:
    """Whether it becomes true; far less than a minute, unless the machine is busy."""
    deadline = time.monotonic() + 60.0
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class OnlySleep:
    """A clock that counts the sleeps asked of it, however long they took."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
        self.now += seconds


class StandIn:
    """The stand-in of one test, and what it wrote down when it ran."""

    def __init__(self, folder: Path) -> None:
        self.executable = folder / "vllm"
        self.executable.write_text(STAND_IN)
        self.executable.chmod(0o755)
        self.record_file = folder / "record.json"
        self.log = folder / "logs" / "server.log"
        self.base_url = f"http://127.0.0.1:{free_port()}/v1"

    def settings(self, *, ready_seconds: float = 20.0, **arguments: object) -> LaunchSettings:
        return LaunchSettings(
            model="some/model",
            base_url=self.base_url,
            served_name="tiny",
            vllm=str(self.executable),
            arguments={"record": str(self.record_file), **arguments},
            environment={"EXTRA": "added"},
            ready_seconds=ready_seconds,
            log=self.log,
        )

    @property
    def record(self) -> dict[str, Any]:
        assert eventually(self.record_file.exists)
        return dict(json.loads(self.record_file.read_text()))

    def gone(self) -> bool:
        """Whether the server, its child and the head of their group are gone."""
        pids = [*self.record["pids"], self.record["group"]]
        return eventually(lambda: not any(alive(pid) for pid in pids))


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[StandIn]:
    made = StandIn(tmp_path)
    yield made
    if made.record_file.exists():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(made.record["group"], signal.SIGKILL)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_STOP_SECONDS", 0.5)
    monkeypatch.setattr(launch, "_REST_SECONDS", 0.1)
    monkeypatch.setattr(launch, "_POLL_SECONDS", 0.05)


def health(base_url: str) -> int:
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/health", timeout=5) as response:
        return int(response.status)


# ---------------------------------------------------------------------------------------------------- finding


def test_a_configured_python_runs_the_module(tmp_path: Path) -> None:
    python = tmp_path / "python3.11"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    assert find_vllm(str(python)) == [str(python), "-m", "vllm.entrypoints.openai.api_server", "--model"]


def test_another_configured_executable_is_told_to_serve(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_vllm(str(stand_in.executable)) == [str(stand_in.executable), "serve"]
    monkeypatch.setenv("PATH", str(stand_in.executable.parent))
    assert find_vllm("vllm") == [str(stand_in.executable), "serve"]


def test_a_configured_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"llm\.server\.vllm.*nowhere.*no executable"):
        find_vllm(str(tmp_path / "nowhere"))


def test_the_module_of_this_environment_comes_before_the_command(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(stand_in.executable.parent))
    spec = ModuleSpec("vllm", None, origin="vllm/__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if name == "vllm" else None)
    assert find_vllm(None) == [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model"]


@pytest.mark.parametrize("spec", [None, ModuleSpec("vllm", None)], ids=["none", "a mere folder"])
def test_without_the_module_the_command_on_the_path_is_taken(
    spec: ModuleSpec | None, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setenv("PATH", str(stand_in.executable.parent))
    assert find_vllm(None) == [str(stand_in.executable), "serve"]
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match=r"pip install 'raise-agent\[vllm\]'.*llm\.server\.vllm"):
        find_vllm(None)


# -------------------------------------------------------------------------------------------------- arguments


def test_arguments_become_flags() -> None:
    assert rendered(
        {
            "max_model_len": 4096,
            "enforce_eager": True,
            "no_prefix_caching": False,
            "seed": None,
            "lora_modules": ["a=b", {"name": "c"}],
            "middleware": [],
            "compilation_config": {"level": 0},
            "gpu_memory_utilization": 0.9,
            "count": 0,
        }
    ) == [
        *["--max-model-len", "4096", "--enforce-eager", "--lora-modules", "a=b", '{"name": "c"}'],
        *["--compilation-config", '{"level": 0}', "--gpu-memory-utilization", "0.9", "--count", "0"],
    ]


@pytest.mark.parametrize("name", ["api_key", "api-key", "--api-key", "port", "host", "model", "served_model_name"])
def test_what_another_setting_decides_is_no_argument(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        rendered({name: "x"})


@pytest.mark.parametrize(
    ("base_url", "what"),
    [
        ("http://gpu7:8000/v1", "not on this machine"),
        ("http://0.0.0.0:8000/v1", "not on this machine"),
        ("http://localhost.example:8000/v1", "not on this machine"),
        ("https://localhost:8000/v1", "http://HOST:PORT/v1"),
        ("http://localhost/v1", "http://HOST:PORT/v1"),
        ("http://localhost:8000", "http://HOST:PORT/v1"),
        ("http://localhost:800000/v1", "no address"),
    ],
)
def test_no_server_is_started_elsewhere(base_url: str, what: str, tmp_path: Path) -> None:
    settings = LaunchSettings(model="m", base_url=base_url, log=tmp_path / "log")
    with pytest.raises(ConfigError, match=what), launched(settings, None):
        pass
    assert not settings.log.exists()


# --------------------------------------------------------------------------------------- starting and stopping


def test_a_server_is_ready_inside_and_gone_outside(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr(launch, "_ON_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(launch, "_REST_SECONDS", 0.1)
    monkeypatch.setattr(launch, "time", OnlySleep())
    stand_in.log.parent.mkdir()
    stand_in.log.write_text("of an earlier run")
    waits: list[float] = []
    patience = tmp_path / "two waits were told"

    def on_wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            patience.touch()

    with launched(stand_in.settings(until=str(patience)), "hush", on_wait) as started:
        assert started
        record = stand_in.record
        assert all(alive(pid) for pid in record["pids"])
    assert stand_in.gone()
    host, port = "127.0.0.1", stand_in.base_url.split(":")[2].removesuffix("/v1")
    expected = ["serve", "some/model", "--host", host, "--port", port, "--served-model-name", "tiny"]
    assert record["argv"][1:9] == expected
    assert record["session"] == record["group"] != os.getpgid(0)
    assert (record["extra"], record["input"]) == ("added", "")
    assert len(waits) >= 2
    assert waits == [launch._POLL_SECONDS * (told + 1) for told in range(len(waits))]
    assert stand_in.log.read_text() == ""


def test_the_key_goes_by_the_environment_only(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "of this process")
    monkeypatch.setattr(launch, "_REST_SECONDS", 0.1)
    with launched(stand_in.settings(), "hush"):
        record = stand_in.record
        command_lines = [
            Path(f"/proc/{pid}/cmdline").read_bytes() if Path("/proc/self").exists() else b""
            for pid in [record["group"], *record["pids"]]
        ]
    assert record["key"] == "hush"
    assert "hush" not in record["argv"]
    assert not any(b"hush" in line for line in command_lines)
    stand_in.record_file.unlink()
    with launched(stand_in.settings(), None):
        assert stand_in.record["key"] is None


def test_a_server_that_answers_already_is_used_and_left_alone(stand_in: StandIn, impatient: None) -> None:
    with launched(stand_in.settings(), None):
        again = LaunchSettings(model="x", base_url=stand_in.base_url, vllm="/no/such/file", log=stand_in.log)
        with launched(again, None) as started:
            assert not started
        assert health(stand_in.base_url) == 200
        assert all(alive(pid) for pid in stand_in.record["pids"])
    assert stand_in.gone()


@pytest.mark.parametrize("reply", [b"220 mail ready\r\n", b"", None], ids=["not HTTP", "hangs up", "silent"])
def test_a_port_of_another_program_is_refused(
    reply: bytes | None, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "_ANSWER_SECONDS", 0.3)
    server = f"""if True:
        import socket, sys, time
        listening = socket.create_server(("127.0.0.1", {stand_in.base_url.split(":")[2].removesuffix("/v1")}))
        print("up", flush=True)
        connection, _ = listening.accept()
        reply = {reply!r}
        if reply is None:
            time.sleep(30)
        connection.sendall(reply)
    """
    with subprocess.Popen([sys.executable, "-c", server], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            with pytest.raises(ModelError, match=r"the port is taken"), launched(stand_in.settings(), None):
                pass
        finally:
            other.kill()
    assert not stand_in.record_file.exists()


def test_a_server_that_ends_leaves_its_last_words(stand_in: StandIn, impatient: None) -> None:
    with pytest.raises(ModelError) as told, launched(stand_in.settings(die=3), None):
        pass
    lines = str(told.value).splitlines()
    assert "exit code 3" in lines[0]
    assert str(stand_in.log) in lines[0]
    assert [line.strip() for line in lines[1:]] == [f"line {number}" for number in range(10, 30)]
    assert stand_in.gone()


def test_a_server_that_is_killed_says_by_what(stand_in: StandIn, impatient: None) -> None:
    with pytest.raises(ModelError, match=r"by SIGKILL \(out of memory\?\)"), launched(stand_in.settings(die=-9), None):
        pass


def test_a_file_that_cannot_be_run_is_named(stand_in: StandIn, impatient: None) -> None:
    stand_in.executable.write_text("#!/no/such/interpreter\n")
    with pytest.raises(ModelError, match=rf"cannot start {stand_in.executable}"), launched(stand_in.settings(), None):
        pass


def test_a_server_that_is_not_ready_in_time_is_stopped(stand_in: StandIn, impatient: None) -> None:
    settings = stand_in.settings(ready_seconds=1.0, delay=600)
    with pytest.raises(ModelError, match=r"not ready after 1 s.*ready_seconds.*printed nothing"):
        launched(settings, None).__enter__()
    assert stand_in.gone()


def test_a_server_that_ignores_sigterm_is_killed(stand_in: StandIn, impatient: None) -> None:
    with launched(stand_in.settings(stubborn=True), None):
        pass
    assert stand_in.gone()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_an_error_inside_stops_the_server(error: type[BaseException], stand_in: StandIn, impatient: None) -> None:
    with pytest.raises(error), launched(stand_in.settings(), None):
        raise error
    assert stand_in.gone()


def test_an_interrupt_during_start_up_stops_the_server(
    stand_in: StandIn, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "_ON_WAIT_SECONDS", 0.0)

    def interrupt(waited: float) -> None:
        if stand_in.record_file.exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launched(stand_in.settings(delay=600), None, interrupt).__enter__()
    assert stand_in.gone()


# ---------------------------------------------------------------------------------- when this process is ended


@contextlib.contextmanager
def parent_of(stand_in: StandIn, *, until_ready: bool = True, **arguments: object) -> Iterator[subprocess.Popen[str]]:
    settings = {
        "model": "m",
        "base_url": stand_in.base_url,
        "vllm": str(stand_in.executable),
        "arguments": {"record": str(stand_in.record_file), **arguments},
        "log": str(stand_in.log),
    }
    command = [sys.executable, "-c", PARENT, json.dumps(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        try:
            if until_ready:
                assert parent.stdout is not None
                assert parent.stdout.readline() == "ready\n"
            assert all(alive(pid) for pid in stand_in.record["pids"])
            yield parent
        finally:
            parent.kill()


@pytest.mark.parametrize("until_ready", [True, False], ids=["ready", "starting"])
def test_the_server_goes_with_a_parent_that_is_killed(stand_in: StandIn, until_ready: bool) -> None:
    with parent_of(stand_in, until_ready=until_ready, delay=0 if until_ready else 600) as parent:
        parent.kill()
        parent.wait()
        assert stand_in.gone()


def test_a_second_interrupt_during_the_stop_kills_at_once(stand_in: StandIn) -> None:
    with parent_of(stand_in, stubborn=True) as parent:
        parent.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert parent.poll() is None

        def gone() -> bool:
            # On a busy machine the first may not have been heard when the second is sent, and two at once are one.
            parent.send_signal(signal.SIGINT)
            time.sleep(0.2)
            return parent.poll() is not None

        assert eventually(gone)
        assert stand_in.gone()
