"""A server that answers as an OpenAI-compatible one does, and a policy that asks in a known order."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raise_agent import AcquisitionPolicy, penguin_table
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.policies.network import NetworkShape
from raise_agent.policies.parts import PolicyParts

PIECES = ("Take ", "your ", "time.")


@dataclass
class Server:
    """What it was sent, and how it behaves."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    status: int = 200
    complete: bool = True
    location: str | None = None
    """Where it redirects to."""
    last: bytes = b""
    """Sent after the pieces, before the end."""
    chunked: bool = False
    """Whether it announces one chunk, longer than all that it sends."""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/chat/completions"
            state.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            state.keys.append(self.headers["Authorization"])
            self.send_response(state.status)
            if state.location is not None:
                self.send_header("Location", state.location)
            if state.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            chunks: list[dict[str, Any]] = [{"choices": [{"delta": {"role": "assistant"}}]}]
            chunks += [{"choices": [{"delta": {"content": piece}}]} for piece in PIECES]
            chunks += [{"choices": [], "usage": {"total_tokens": 3}}]
            events = [": hello", *(f"data: {json.dumps(chunk)}" for chunk in chunks)]
            end = b"data: [DONE]\n\n" if state.complete else b""
            said = "".join(f"{event}\n\n" for event in events).encode() + state.last + end
            self.wfile.write(b"fff\r\n" + said if state.chunked else said)

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{made.server_port}/v1"
    yield state
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Expects most of the emotional state, less of health, least of age, nothing of the rest; two questions at most."""
    table = penguin_table()
    gains = {"emotion": 0.4, "health": 0.3, "age": 0.2}
    shape = NetworkShape(len(table), query_dimension=16, value_dimension=16, hidden=8)
    weights = {name: np.zeros(sizes, np.float32) for name, sizes in shape.weights().items()}
    weights["output.bias"][: 1 + len(table)] = [3.0, *(gains.get(key, 0.0) for key in table.keys)]
    provenance = {"simulated": False, "commit": "none", "models": {}}
    parts = PolicyParts(table, 2, 0.0, 0.25, shape, weights, HashingEncoder(16), provenance)
    folder = tmp_path_factory.mktemp("exported") / "policy"
    AcquisitionPolicy(parts).save(folder, [("Should I move?", {})])
    return folder
