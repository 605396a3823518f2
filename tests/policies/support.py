"""Small policies made by hand, for the tests of this folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from raise_agent.attributes import Attribute, AttributeTable
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.policies.acquisition import AcquisitionPolicy
from raise_agent.policies.memory import Memory
from raise_agent.policies.network import Array, NetworkShape
from raise_agent.policies.parts import PolicyParts

TABLE = AttributeTable(
    "small",
    (
        Attribute("mood", "Mood Today", "emotional", "How do you feel?", aliases=("feeling",)),
        Attribute("job", "Line of Work", "demographic", "What do you do?", aliases=("occupation", "trade")),
        Attribute("sleep", "Sleep", "health", "How do you sleep?"),
        Attribute("fear", "Past-Fear History", "psychological", "What frightens you?"),
    ),
    unknown=("not specified", "n/a", "prefer not to say"),
)
KEYS = TABLE.keys
SHAPE = NetworkShape(n_attributes=4, query_dimension=32, value_dimension=16, hidden=8)
QUERY = "Should I hand in my notice?"
TRAINED_ON = (QUERY, "Should I sleep more?", "What do they fear?")
MEMORY = Memory(
    vectors=HashingEncoder(SHAPE.query_dimension).encode(TRAINED_ON),
    effects=np.random.default_rng(4).normal(0.0, 0.3, (3, SHAPE.query_dimension)).astype(np.float32),
    found=np.random.default_rng(6).normal(0.0, 0.3, (3, SHAPE.query_dimension)).astype(np.float32),
    bandwidth=3.0,
    concentration=30.0,
    recurrence=0.4,
)
GOLDEN: tuple[tuple[str, Mapping[str, str | None]], ...] = (
    (QUERY, {}),
    ("How do I cope?", {"mood": "low"}),
    ("Was soll ich tun? 何をすべき", {"job": "nurse", "fear": None}),
)


def random_weights(seed: int, shape: NetworkShape = SHAPE) -> dict[str, Array]:
    """Weights large enough that query, answers and marks all matter."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(0.0, 1.0 / np.sqrt(sizes[0] if len(sizes) > 1 else 4.0), sizes).astype(np.float32)
        for name, sizes in shape.weights().items()
    }


def constant_weights(now: float, gains: Sequence[float]) -> dict[str, Array]:
    """A network that forecasts the same, whatever it sees."""
    weights = {name: np.zeros(sizes, np.float32) for name, sizes in SHAPE.weights().items()}
    weights["output.bias"][: 1 + len(gains)] = [now, *gains]
    return weights


def make_parts(weights: Mapping[str, Array] | None = None, **changes: Any) -> PolicyParts:
    parts = PolicyParts(
        table=TABLE,
        budget=3,
        min_gain=0.0,
        gain_spread=0.25,
        shape=SHAPE,
        weights=random_weights(0) if weights is None else weights,
        encoder=HashingEncoder(SHAPE.query_dimension),
        provenance={"simulated": False, "commit": "abc", "models": {"safety": {"llm": "none"}}},
    )
    return replace(parts, **changes)


def make_policy(weights: Mapping[str, Array] | None = None, **changes: Any) -> AcquisitionPolicy:
    return AcquisitionPolicy(make_parts(weights, **changes))


def constant_policy(now: float, gains: Sequence[float], **changes: Any) -> AcquisitionPolicy:
    return make_policy(constant_weights(now, gains), **changes)


def sign(folder: Path, *, files: bool = True) -> None:
    """Write the digests that a careful hand would write after changing something."""
    manifest = json.loads((folder / "policy.json").read_text(encoding="utf-8"))
    edit_manifest(folder, lambda _: None, files=files, manifest=manifest)


def edit_manifest(
    folder: Path,
    change: Callable[[dict[str, Any]], object],
    *,
    signed: bool = True,
    files: bool = False,
    manifest: dict[str, Any] | None = None,
) -> None:
    """Change what policy.json says; ``signed`` recomputes its own digest, ``files`` those of the other files."""
    if manifest is None:
        manifest = json.loads((folder / "policy.json").read_text(encoding="utf-8"))
    change(manifest)
    if files:
        manifest["files"] = {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in manifest["files"]
            if (folder / name).is_file()
        }
    if signed:
        said = {key: value for key, value in manifest.items() if key != "digest"}
        plain = json.dumps(said, sort_keys=True, separators=(",", ":"))
        manifest["digest"] = hashlib.sha256(plain.encode()).hexdigest()
    (folder / "policy.json").write_text(json.dumps(manifest), encoding="utf-8")
