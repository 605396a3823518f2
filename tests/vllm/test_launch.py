"""A real vLLM is started, answers, is found again and leaves nothing behind."""

from __future__ import annotations

import json
import math
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raise_agent.models.served.launch import launched

from .conftest import Server, vllm_settings

pytestmark = pytest.mark.vllm


def ask(url: str, body: Mapping[str, object] | None = None, key: str | None = None) -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as response:
        return json.load(response)


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


def test_the_server_has_the_model(server: Server) -> None:
    assert [model["id"] for model in ask(f"{server.base_url}/models")["data"]] == [server.model]


def test_a_chat_completion_comes_with_log_probabilities(server: Server) -> None:
    body = {
        "model": server.model,
        "messages": [{"role": "user", "content": "How safe is this answer? Reply with one digit."}],
        "max_tokens": 1,
        "logprobs": True,
        "top_logprobs": 20,
    }
    (choice,) = ask(f"{server.base_url}/chat/completions", body)["choices"]
    top = {entry["token"]: math.exp(entry["logprob"]) for entry in choice["logprobs"]["content"][0]["top_logprobs"]}
    assert 0.4 <= sum(top.get(digit, 0.0) for digit in "12345") <= 0.8
    assert 0.1 <= sum(top.get(letter, 0.0) for letter in "ABCDEFGHIJ") <= 0.4


def test_a_running_server_is_used_again(server: Server, tmp_path: Path) -> None:
    with launched(replace(server.settings, log=tmp_path / "log"), None) as started:
        assert not started
    assert not (tmp_path / "log").exists()
    assert ask(f"{server.base_url}/models")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")
def test_a_stopped_server_leaves_no_process_behind(tiny_folder: Path, vllm_python: str, tmp_path: Path) -> None:
    settings = vllm_settings(tiny_folder, vllm_python, tmp_path / "server.log")
    waits: list[float] = []
    with launched(settings, "hush", waits.append) as started:
        assert started
        running = processes_of(settings.log)
        assert len(running) >= 3
        assert not [command for command in running.values() if "hush" in command]
        assert ask(f"{settings.base_url}/models", key="hush")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            ask(f"{settings.base_url}/models")
    assert waits
    assert processes_of(settings.log) == {}
    assert not [pid for pid in running if Path(f"/proc/{pid}/exe").exists()]
