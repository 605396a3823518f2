"""A real vLLM on the CPU with a tiny model, started once for all tests of this folder."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from raise_agent.models.served.launch import LaunchSettings, launched

MODEL = "tiny"


@dataclass(frozen=True)
class Server:
    """A vLLM that answers."""

    base_url: str
    """Ends in /v1. ``POST /reset_prefix_cache`` beside /v1 empties the prefix cache."""
    model: str
    """The name that requests give."""
    folder: Path
    """The model's folder."""
    settings: LaunchSettings


def vllm_settings(folder: Path, python: str, log: Path) -> LaunchSettings:
    """A server of the tiny model on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return LaunchSettings(
        model=str(folder),
        base_url=f"http://127.0.0.1:{port}/v1",
        served_name=MODEL,
        vllm=python,
        arguments={
            "enforce_eager": True,
            "dtype": "float32",
            "max_model_len": 4096,
            # On the CPU, vLLM 0.32 ends itself where a request with a seed meets a prompt that is read in chunks.
            "no_enable_chunked_prefill": True,
            "max_num_batched_tokens": 8192,
        },
        environment={
            "VLLM_CPU_KVCACHE_SPACE": "2",
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_SERVER_DEV_MODE": "1",
        },
        ready_seconds=900.0,
        log=log,
    )


@pytest.fixture(scope="session")
def vllm_python() -> str:
    """The python of an environment that has vLLM."""
    python = os.environ.get("RAISE_VLLM")
    if not python:
        pytest.fail("RAISE_VLLM is not set: run `make test-vllm`, or give the python of an environment that has vLLM")
    return python


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model."""
    # Collecting the ordinary suite, which leaves these tests out, is not to wait for torch and transformers.
    from .tiny_model import build

    return build(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def server(tiny_folder: Path, vllm_python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that all tests share; none stops it."""
    settings = vllm_settings(tiny_folder, vllm_python, tmp_path_factory.mktemp("vllm") / "server.log")
    with launched(settings, None) as started:
        assert started
        yield Server(settings.base_url, MODEL, tiny_folder, settings)
