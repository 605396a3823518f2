"""The exported graph against the numpy network, in onnxruntime."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from raise_agent.attributes import AttributeTable
from raise_agent.errors import MissingExtraError, PolicyError, TableError
from raise_agent.policies import AcquisitionPolicy, Ask
from raise_agent.policies import onnx as onnx_module
from raise_agent.policies.memory import Memory
from raise_agent.policies.network import NetworkShape, PolicyNetwork
from raise_agent.policies.onnx import TOLERANCE, export_onnx

from .support import GOLDEN, KEYS, MEMORY, QUERY, SHAPE, TABLE, make_parts, make_policy, random_weights


def session(file: Path) -> Any:
    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("seed", range(4))
def test_the_graph_gives_what_numpy_gives(tmp_path: Path, seed: int) -> None:
    policy = make_policy(random_weights(seed))
    apart = export_onnx(policy, tmp_path / "policy.onnx", GOLDEN)
    assert 0 < apart < TOLERANCE
    rng = np.random.default_rng(seed)
    role = rng.integers(0, 3, size=(50, 4))
    states = {
        "query": rng.normal(0, 0.2, size=(50, 32)).astype(np.float32),
        "values": np.where((role == 1)[..., None], rng.normal(0, 0.2, size=(50, 4, 16)), 0).astype(np.float32),
        "answered": role == 1,
        "declined": role == 2,
    }
    network = PolicyNetwork(policy.parts.shape, policy.parts.weights)
    for rows in (slice(0, 50), slice(7, 8), slice(0, 0)):
        part = {name: array[rows] for name, array in states.items()}
        now, gains = session(tmp_path / "policy.onnx").run(["now", "gains"], part)
        forecast = network.forward(**part)
        np.testing.assert_allclose(now, forecast.now, atol=1e-5)
        np.testing.assert_allclose(gains, forecast.gains, atol=1e-5)
        assert (now.dtype, now.shape, gains.shape) == (np.float32, forecast.now.shape, forecast.gains.shape)


@pytest.mark.parametrize("memory", [None, MEMORY])
def test_inputs_and_metadata_suffice_to_decide(tmp_path: Path, memory: Memory | None) -> None:
    costs = {"job": 0.1, "fear": 1 / 3}
    policy = make_policy(random_weights(1), memory=memory, table=TABLE.with_costs(costs), min_gain=0.05, budget=4)
    export_onnx(policy, tmp_path / "policy.onnx", GOLDEN)
    network = session(tmp_path / "policy.onnx")
    said = network.get_modelmeta().custom_metadata_map
    keys, prices = json.loads(said["attributes"]), json.loads(said["costs"])
    assert keys == list(KEYS)
    assert (said["simulated"], said["query_encoder"]) == ("false", "hashing")
    kinds = set()
    for query, known in [*GOLDEN, (QUERY, dict.fromkeys(KEYS, "x")), *((QUERY, {key: "yes"}) for key in KEYS)]:
        now, gains = network.run(None, policy.inputs(query, known))
        left = {key: now[0] + gains[0, i] - prices[i] for i, key in enumerate(keys) if key not in known}
        best = max(left, key=lambda key: left[key], default=None)
        asks = best is not None and len(known) < json.loads(said["budget"])
        asks = asks and left[best] > now[0] + json.loads(said["min_gain"])
        decision = policy.decide(query, known)
        kinds.add(type(decision))
        assert (decision.attribute.key if isinstance(decision, Ask) else None) == (best if asks else None)
    assert len(kinds) == 2


def test_the_graph_is_valid_and_of_a_version_that_old_runtimes_read(tmp_path: Path) -> None:
    export_onnx(make_policy(), tmp_path / "a" / "policy.onnx", GOLDEN)
    model = onnx.load(tmp_path / "a" / "policy.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert (model.ir_version, [(opset.domain, opset.version) for opset in model.opset_import]) == (8, [("", 17)])
    shapes = {
        each.name: [size.dim_param or size.dim_value for size in each.type.tensor_type.shape.dim]
        for each in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "query": ["batch", 32],
        "values": ["batch", 4, 16],
        "answered": ["batch", 4],
        "declined": ["batch", 4],
        "now": ["batch"],
        "gains": ["batch", 4],
    }


def test_a_loaded_policy_is_checked_on_its_own_golden_inputs(tmp_path: Path) -> None:
    make_policy().save(tmp_path / "policy", GOLDEN)
    loaded = AcquisitionPolicy.load(tmp_path / "policy")
    assert export_onnx(loaded, tmp_path / "policy.onnx") == export_onnx(make_policy(), tmp_path / "again.onnx", GOLDEN)
    assert (tmp_path / "policy.onnx").read_bytes() == (tmp_path / "again.onnx").read_bytes()


def test_one_attribute(tmp_path: Path) -> None:
    shape = NetworkShape(1, 32, 16, 3)
    policy = make_policy(
        random_weights(0, shape), table=AttributeTable("one", TABLE.attributes[:1]), shape=shape, budget=1
    )
    assert export_onnx(policy, tmp_path / "policy.onnx", [(QUERY, {}), (QUERY, {"mood": "low"})]) < TOLERANCE


# Refusals


def test_without_golden_inputs_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="at least one golden input"):
        export_onnx(make_policy(), tmp_path / "policy.onnx")
    assert list(tmp_path.iterdir()) == []


def test_weights_too_large_for_single_precision_are_refused(tmp_path: Path) -> None:
    (tmp_path / "policy.onnx").write_bytes(b"before")
    policy = make_policy({name: array * np.float32(1e4) for name, array in random_weights(0).items()})
    with pytest.raises(PolicyError, match=r"differ by .* score points on the golden inputs; not written"):
        export_onnx(policy, tmp_path / "policy.onnx", GOLDEN)
    huge = make_policy({name: np.full(sizes, 3e38, np.float32) for name, sizes in SHAPE.weights().items()})
    with pytest.raises(PolicyError, match="differ by"), np.errstate(all="ignore"):
        export_onnx(huge, tmp_path / "policy.onnx", GOLDEN)
    assert [path.name for path in tmp_path.iterdir()] == ["policy.onnx"]
    assert (tmp_path / "policy.onnx").read_bytes() == b"before"


def test_a_graph_that_gives_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = onnx_module._model(make_policy(random_weights(3)))
    monkeypatch.setattr(onnx_module, "_model", lambda policy: other)
    with pytest.raises(PolicyError, match="onnxruntime and numpy differ"):
        export_onnx(make_policy(), tmp_path / "policy.onnx", GOLDEN)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'raise-agent\[onnx\]'"):
        export_onnx(make_policy(), tmp_path / "policy.onnx", GOLDEN)
    assert list(tmp_path.iterdir()) == []


def test_inputs_are_checked_as_by_decide() -> None:
    policy = make_policy()
    with pytest.raises(TableError, match="unknown attribute"):
        policy.inputs(QUERY, {"slep": "x"})
    with pytest.raises(PolicyError, match="the query must be text"):
        policy.inputs(3)  # type: ignore[arg-type]
    made = policy.inputs(QUERY, {"mood": "low", "fear": None})
    assert made["answered"].tolist() == [[True, False, False, False]]
    assert made["declined"].tolist() == [[False, False, False, True]]
    assert np.flatnonzero(made["values"].any(axis=(0, 2))).tolist() == [0]
    assert make_parts().encoder.encode([QUERY]).tobytes() == made["query"].tobytes()
