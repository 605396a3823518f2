"""A policy's network as an ONNX graph, for runtimes without Python; checked against numpy before it is written.

    query     (batch, query_dimension) float     what the policy reads of the queries (``encode``): neither its encoder
                                                 nor its memory is in the graph
    values    (batch, n, value_dimension) float  codes of the answers, zeros where there is none
    answered  (batch, n) bool
    declined  (batch, n) bool
    now       (batch) float                      expected safety score of answering now
    gains     (batch, n) float                   what each question alone is expected to add, cost not subtracted

The model's metadata hold what turns these into a decision: attributes, costs, budget, ``min_gain``, ``gain_spread``,
``gain_share``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

import raise_agent
from raise_agent.errors import MissingExtraError, PolicyError
from raise_agent.files import atomic_write_bytes

from .acquisition import AcquisitionPolicy
from .batch import Known

TOLERANCE = 1e-5
"""Most that an output may lie off numpy's, in score points."""
_OPSET, _IR = 17, 8
"""Old enough for runtimes of 2022; nothing newer is needed."""


def export_onnx(
    policy: AcquisitionPolicy,
    path: str | os.PathLike[str],
    golden_inputs: Iterable[tuple[str, Known]] | None = None,
) -> float:
    """Write the network in single precision, once onnxruntime agrees with numpy on the golden inputs.

    Args:
        policy: what to export.
        path: the ``.onnx`` file; replaced as a whole or not at all.
        golden_inputs: (query, known) pairs to compare on; None takes those that the policy was loaded with.

    Returns:
        The largest difference found, in score points, below ``TOLERANCE``.

    Raises:
        PolicyError: there is no golden input, or the graph gives something else than the policy.
        MissingExtraError: the extra ``onnx`` is not installed.
    """
    inputs = list(policy.golden_inputs if golden_inputs is None else golden_inputs)
    if not inputs:
        raise PolicyError(f"{os.fspath(path)}: at least one golden input is needed to check the export")
    states = [policy.inputs(query, known) for query, known in inputs]
    data = _model(policy)
    apart = _difference(data, policy, {name: np.concatenate([s[name] for s in states]) for name in states[0]})
    if not apart < TOLERANCE:
        raise PolicyError(
            f"{os.fspath(path)}: onnxruntime and numpy differ by {apart:.1e} score points on the golden inputs; "
            f"not written, since less than {TOLERANCE:.0e} is required"
        )
    atomic_write_bytes(os.fspath(path), data)
    return apart


def _model(policy: AcquisitionPolicy) -> bytes:
    """The graph, serialised."""
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise MissingExtraError("exporting to ONNX", "onnx") from error
    parts = policy.parts
    n, size, kept = len(parts.table), parts.shape.value_dimension, 1 + len(parts.table)
    arrays: dict[str, Any] = {name: np.ascontiguousarray(parts.weights[name]) for name in parts.shape.weights()}
    # Factors of overlap are of use in training and planning, not in a decision.
    arrays["output.weight"] = np.ascontiguousarray(arrays["output.weight"][:, :kept])
    arrays["output.bias"] = arrays["output.bias"][:kept].copy()
    arrays["flat"] = np.array([-1, n * size], np.int64)
    arrays["split"] = np.array([1, n], np.int64)
    arrays["last"] = np.array([1], np.int64)
    steps: list[tuple[str, list[str], list[str], dict[str, Any]]] = [
        ("Reshape", ["values", "flat"], ["flat_values"], {}),
        ("Concat", ["answered", "declined"], ["both"], {"axis": 1}),
        ("Cast", ["both"], ["marks"], {"to": TensorProto.FLOAT}),
        ("Gemm", ["query", "query.weight", "input.bias"], ["from_query"], {}),
        ("Gemm", ["flat_values", "value.weight", "from_query"], ["from_values"], {}),
        ("Gemm", ["marks", "mask.weight", "from_values"], ["mixed"], {}),
        ("Relu", ["mixed"], ["first"], {}),
        ("Gemm", ["first", "hidden.weight", "hidden.bias"], ["second_sum"], {}),
        ("Relu", ["second_sum"], ["second"], {}),
        ("Gemm", ["second", "output.weight", "output.bias"], ["out"], {}),
        ("Split", ["out", "split"], ["now_column", "gains"], {"axis": 1}),
        ("Squeeze", ["now_column", "last"], ["now"], {}),
    ]
    given: list[tuple[str, int, list[str | int]]] = [
        ("query", TensorProto.FLOAT, ["batch", parts.shape.query_dimension]),
        ("values", TensorProto.FLOAT, ["batch", n, size]),
        ("answered", TensorProto.BOOL, ["batch", n]),
        ("declined", TensorProto.BOOL, ["batch", n]),
    ]
    made: list[tuple[str, int, list[str | int]]] = [
        ("now", TensorProto.FLOAT, ["batch"]),
        ("gains", TensorProto.FLOAT, ["batch", n]),
    ]
    graph = helper.make_graph(
        [helper.make_node(kind, took, gave, **settings) for kind, took, gave, settings in steps],
        "policy",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in given],
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in made],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
        doc_string=__doc__,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR,
        producer_name="raise-agent",
        producer_version=raise_agent.__version__,
    )
    helper.set_model_props(model, _metadata(policy))
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _metadata(policy: AcquisitionPolicy) -> dict[str, str]:
    parts = policy.parts
    said = {
        "kind": "raise-acquisition-policy",
        "simulated": policy.simulated,
        "attributes": list(parts.table.keys),
        "questions": [attribute.question for attribute in parts.table],
        "costs": list(parts.table.costs),
        "budget": parts.budget,
        "min_gain": parts.min_gain,
        "gain_spread": parts.gain_spread,
        "gain_share": parts.gain_share,
        "query_encoder": parts.encoder.name,
        "provenance": dict(parts.provenance),
    }
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in said.items()}


def _difference(data: bytes, policy: AcquisitionPolicy, states: dict[str, Any]) -> float:
    """Largest difference between onnxruntime and numpy, all states at once and one by one; NaN counts as any."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("checking an ONNX export", "onnx") from error
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, settings, providers=["CPUExecutionProvider"])
    count = len(states["query"])
    apart = [0.0]
    for rows in (slice(0, count), *(slice(row, row + 1) for row in range(count))):
        part = {name: array[rows] for name, array in states.items()}
        forecast = policy.network.forward(**part)
        now, gains = session.run(["now", "gains"], part)
        apart += [float(np.abs(now - forecast.now).max()), float(np.abs(gains - forecast.gains).max())]
    return float(np.max(apart))
