"""A policy on disk: one folder, plain files, checked before anything in it is used.

    policy.json            format version, attributes, budget, settings, provenance, a digest of every other file
    weights.safetensors    the network
    encoder/               the query encoder
    golden.json            inputs with the decisions expected

Nothing is unpickled and nothing is evaluated.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from ..attributes import AttributeTable
from ..encoders import Encoder, load_encoder, save_encoder
from ..encoders.hashing import HashingEncoder
from ..errors import PolicyError, TableError
from .network import Array, NetworkShape

FORMAT = 1
KIND = "raise-acquisition-policy"
MANIFEST, WEIGHTS, GOLDEN, ENCODER = "policy.json", "weights.safetensors", "golden.json", "encoder"
_MAX_BYTES = 512 * 2**20
_MAX_SIZE = 65536
_PICKLED = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib", ".ckpt")


@dataclass(frozen=True, slots=True)
class PolicyParts:
    """What a policy is made of."""

    table: AttributeTable
    budget: int
    """Most questions, 1 to the number of attributes."""
    min_gain: float
    """Answer when no question is expected to add more than this, in score points, beyond its cost."""
    gain_spread: float
    """Standard deviation of what a question brings around its forecast, in score points, above 0."""
    shape: NetworkShape
    weights: Mapping[str, Array]
    encoder: Encoder
    provenance: Mapping[str, Any]
    """Which models, planner, data and commit; ``simulated`` says whether the scores were."""

    @property
    def value_encoder(self) -> HashingEncoder:
        """Codes of answers."""
        return HashingEncoder(self.shape.value_dimension)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of ``target`` when the block ends well, and vanishes otherwise."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        made = scratch / "new"
        made.mkdir()
        yield made
        if target.exists():
            target.rename(scratch / "old")
        made.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_parts(folder: Path, parts: PolicyParts, golden: list[dict[str, Any]]) -> None:
    """Write a policy into an empty folder."""
    (folder / WEIGHTS).write_bytes(save_safetensors({name: np.asarray(a) for name, a in parts.weights.items()}))
    (folder / GOLDEN).write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    save_encoder(parts.encoder, folder / ENCODER)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = {
        "kind": KIND,
        "format": FORMAT,
        "simulated": bool(parts.provenance.get("simulated")),
        "table": {
            "name": parts.table.name,
            "attributes": parts.table.to_json(),
            "unknown": list(parts.table.unknown),
        },
        "budget": parts.budget,
        "min_gain": parts.min_gain,
        "gain_spread": parts.gain_spread,
        "network": {
            "query_dimension": parts.shape.query_dimension,
            "value_dimension": parts.shape.value_dimension,
            "hidden": parts.shape.hidden,
        },
        "provenance": dict(parts.provenance),
        "files": {path.relative_to(folder).as_posix(): _digest(path) for path in files},
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_parts(folder: Path) -> tuple[PolicyParts, list[Any]]:
    """Read and check a policy folder; also its golden decisions.

    Raises:
        PolicyError: the folder is missing, cut short, altered, of a later format, or not a policy.
    """
    manifest = _manifest(folder)
    _check_files(folder, manifest)
    where = folder / MANIFEST
    try:
        table = AttributeTable.from_json(manifest["table"], str(where))
        shape = NetworkShape(
            len(table),
            *(_whole(manifest["network"], key) for key in ("query_dimension", "value_dimension", "hidden")),
        )
        budget = _whole(manifest, "budget")
        if budget > len(table):
            raise ValueError(f"budget {budget} is above the number of attributes, {len(table)}")
        min_gain, spread = (_finite(manifest, key) for key in ("min_gain", "gain_spread"))
        if spread <= 0:
            raise ValueError("gain_spread must be above 0")
        provenance = manifest["provenance"]
        if not isinstance(provenance, dict) or provenance.get("simulated") is not manifest["simulated"]:
            raise ValueError("provenance does not say whether the scores were simulated")
    except (KeyError, TypeError, ValueError, TableError) as error:
        raise PolicyError(f"{where}: {type(error).__name__}: {error}; export the policy again") from error
    encoder = load_encoder(folder / ENCODER)
    if encoder.dimension != shape.query_dimension:
        raise PolicyError(
            f"{folder / ENCODER}: the encoder gives {encoder.dimension} numbers, the network takes {shape.query_dimension}"
        )
    parts = PolicyParts(
        table, budget, min_gain, spread, shape, _weights(folder / WEIGHTS, shape), encoder, provenance
    )
    golden = _json(folder / GOLDEN)
    if not isinstance(golden, list) or not golden:
        raise PolicyError(f"{folder / GOLDEN}: holds no golden decisions; export the policy again")
    return parts, golden


def _manifest(folder: Path) -> dict[str, Any]:
    if folder.is_file() or folder.suffix in _PICKLED:
        raise PolicyError(
            f"{folder}: a policy is a folder with {MANIFEST}, {WEIGHTS}, {GOLDEN} and {ENCODER}/; "
            "single files, pickles among them, are never loaded"
        )
    if not folder.is_dir():
        raise PolicyError(f"{folder}: no such folder; a policy is a folder with {MANIFEST} in it")
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix in _PICKLED)
    if pickles:
        raise PolicyError(f"{folder / pickles[0]}: looks like a pickle; pickles are never loaded. Export the policy again")
    if not (folder / MANIFEST).is_file():
        raise PolicyError(f"{folder}: no {MANIFEST} here, so this is not a whole policy folder")
    manifest = _json(folder / MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise PolicyError(f"{folder / MANIFEST}: not a policy of this project (kind {KIND!r} expected)")
    version = manifest.get("format")
    if version != FORMAT:
        later = isinstance(version, int) and version > FORMAT
        advice = "upgrade raise-agent to load it" if later else "export the policy again"
        raise PolicyError(f"{folder / MANIFEST}: format {version!r}, this version reads format {FORMAT}; {advice}")
    return manifest


def _check_files(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Every file listed is there, whole and unaltered; every file needed is listed, inside the folder."""
    listed = manifest.get("files")
    needed = {WEIGHTS, GOLDEN, f"{ENCODER}/encoder.json"}
    if not isinstance(listed, dict) or not needed <= set(listed):
        raise PolicyError(f"{folder / MANIFEST}: does not list {', '.join(sorted(needed))}; export the policy again")
    root = folder.resolve()
    for name, digest in listed.items():
        file = folder / name
        if not file.resolve().is_relative_to(root):
            raise PolicyError(f"{folder / MANIFEST}: lists {name!r}, which lies outside the policy folder")
        if not file.is_file():
            raise PolicyError(f"{file}: missing; the policy folder is cut short")
        if file.stat().st_size > _MAX_BYTES:
            raise PolicyError(f"{file}: larger than any policy file ({_MAX_BYTES // 2**20} MiB)")
        if _digest(file) != digest:
            raise PolicyError(f"{file}: altered or cut short (its digest is not the one in {MANIFEST})")


def _weights(file: Path, shape: NetworkShape) -> dict[str, Array]:
    try:
        arrays = load_safetensors(file.read_bytes())
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise PolicyError(f"{file}: not readable as safetensors ({type(error).__name__})") from error
    expected = shape.weights()
    if set(arrays) != set(expected):
        raise PolicyError(f"{file}: holds {sorted(arrays)}, expected {sorted(expected)}")
    for name, array in arrays.items():
        if array.shape != expected[name] or array.dtype != np.float32:
            raise PolicyError(f"{file}: {name} is {array.dtype}{array.shape}, expected float32{expected[name]}")
        if not np.isfinite(array).all():
            raise PolicyError(f"{file}: {name} holds numbers that are not finite")
    return arrays


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{file}: cannot be read ({type(error).__name__})") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise PolicyError(f"{file}: not valid JSON; the policy folder is cut short or altered") from error


def _whole(data: Mapping[str, Any], key: str) -> int:
    value = data[key]
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MAX_SIZE:
        raise ValueError(f"{key} must be a whole number from 1 to {_MAX_SIZE}")
    return value


def _finite(data: Mapping[str, Any], key: str) -> float:
    value = data[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{key} must be a finite number")
    return float(value)
