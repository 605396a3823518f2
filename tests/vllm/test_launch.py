"""A real vLLM is started, answers and is found again; that it leaves nothing behind, the end-to-end tests see."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from raise_agent.models.served.launch import launched

from .conftest import Server
from .support import ask

pytestmark = pytest.mark.vllm


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
