"""A policy on disk: one folder, plain files, checked before anything in it is used.

    policy.json            format version, attributes, budget, settings, provenance, a digest of every other file
                           and of itself
    weights.safetensors    the network, and the memory if it has one
    encoder/               the query encoder
    golden.json            inputs with the decisions expected

Nothing is unpickled and nothing is evaluated. A file that ``policy.json`` does not list, such as a README, may lie
beside these and is not read; ``encoder/``, whose loaders read whole folders, holds listed files only, and a pickle
may lie nowhere. The digests reveal accidents, not attacks: whoever writes a policy can compute them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from raise_agent.attributes import AttributeTable
from raise_agent.encoders import Encoder, load_encoder, save_encoder
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.errors import ConfigError, MissingExtraError, PolicyError, TableError

from .memory import ARRAYS, SETTINGS, STEEPEST, Memory
from .network import LARGEST, Array, NetworkShape

FORMAT = 4
KIND = "raise-acquisition-policy"
MANIFEST, WEIGHTS, GOLDEN, ENCODER = "policy.json", "weights.safetensors", "golden.json", "encoder"
_ENCODER_SETTINGS = f"{ENCODER}/encoder.json"
_REMEMBERED = {name: f"memory.{name}" for name in ARRAYS}
_MAX_BYTES = 512 * 2**20
_MAX_JSON_BYTES = 16 * 2**20
"""Parsed JSON takes many times its size in memory."""
MAX_GOLDEN = 1000
"""Each is decided whenever the policy is loaded."""
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
    """Standard deviation, in score points, of what a question brings that is forecast to bring nothing, above 0."""
    shape: NetworkShape
    weights: Mapping[str, Array]
    encoder: Encoder
    provenance: Mapping[str, Any]
    """Which models, planner, data and commit, as plain data; ``simulated`` says whether the scores were."""
    gain_share: float = 0.0
    """How much that standard deviation grows for each point that a question is forecast to bring, 0 or more."""
    memory: Memory | None = None
    """What the network reads of a query; None gives it the encoder's vector."""

    @property
    def value_encoder(self) -> HashingEncoder:
        """Codes of answers."""
        return HashingEncoder(self.shape.value_dimension)

    def faults(self) -> Iterator[tuple[str, str]]:
        """What keeps these parts from being a policy, each with the file it belongs in; none if they are sound."""
        settings = [(MANIFEST, fault) for fault in self._setting_faults()]
        if settings:
            yield from settings
            return
        taken = self.shape.query_dimension
        if self.memory is not None:
            yield from ((WEIGHTS, fault) for fault in self.memory.faults(self.encoder.dimension, taken))
        elif self.encoder.dimension != taken:
            yield _ENCODER_SETTINGS, f"the encoder gives {self.encoder.dimension} numbers, the network takes {taken}"
        yield from ((WEIGHTS, fault) for fault in self._weight_faults())

    def _setting_faults(self) -> Iterator[str]:
        n, shape = len(self.table), self.shape
        try:
            AttributeTable.from_json(_table_json(self.table), "the attribute table")
        except TableError as error:
            yield str(error)
        if not _is_whole(self.budget, n):
            yield f"'budget' must be a whole number from 1 to {n}, the number of attributes"
        if not _is_finite(self.min_gain):
            yield "'min_gain' must be a finite number"
        if not _is_finite(self.gain_spread) or self.gain_spread <= 0:
            yield "'gain_spread' must be a finite number above 0"
        if not _is_finite(self.gain_share) or self.gain_share < 0:
            yield "'gain_share' must be a finite number, 0 or more"
        if self.memory is not None:
            for name, setting in self.memory.settings().items():
                if name == "recurrence":
                    if not _is_finite(setting) or not 0 <= setting <= 1:
                        yield f"the memory's {name!r} must be a number from 0 to 1"
                elif not _is_finite(setting) or not 0 < setting <= STEEPEST:
                    yield f"the memory's {name!r} must be a number above 0, {STEEPEST:g} at most"
        for name in ("query_dimension", "value_dimension", "hidden"):
            if not _is_whole(getattr(shape, name), LARGEST):
                yield f"'{name}' must be a whole number from 1 to {LARGEST}"
                return
        try:
            HashingEncoder(shape.value_dimension)
        except ConfigError as error:
            yield f"'value_dimension': {error}"
        if shape.n_attributes != n:
            yield f"the network is made for {shape.n_attributes} attributes, the table has {n}"
        if not isinstance(self.provenance.get("simulated"), bool):
            yield "'provenance' must say whether the scores were simulated: 'simulated' is true or false"

    def _weight_faults(self) -> Iterator[str]:
        expected = self.shape.weights()
        if set(self.weights) != set(expected):
            yield f"holds {sorted(self.weights)}, expected {sorted(expected)}"
            return
        for name, sizes in expected.items():
            array = self.weights[name]
            if array.shape != sizes or array.dtype != np.float32:
                yield f"{name} is {array.dtype}{array.shape}, expected float32{sizes}"
            elif not np.isfinite(array).all():
                yield f"{name} holds numbers that are not finite"


@contextmanager
def new_folder(target: Path, replaceable: Sequence[str] = ()) -> Iterator[Path]:
    """A temporary folder that takes the place of ``target`` when the block ends well, and vanishes otherwise.

    A policy that is there is replaced; if that fails, it stays. A symbolic link stays, what it points to is replaced.
    Between two renames there is no policy in place; killed just there, the old one is left in a hidden folder
    beside.

    Args:
        target: the folder to make.
        replaceable: names of files that may go although they are no part of a policy.

    Raises:
        PolicyError: there is something else than a policy in the way.
        OSError: the folder cannot be written.
    """
    target = Path(os.path.realpath(target))
    _check_replaceable(target, replaceable)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    made, old = scratch / "new", scratch / "old"
    try:
        made.mkdir()
        yield made
        try:
            if target.exists():
                target.rename(old)
            made.rename(target)
        except BaseException:
            if old.exists() and not target.exists():
                old.rename(target)
            raise
    finally:
        if target.exists() or not old.exists():
            shutil.rmtree(scratch, ignore_errors=True)


def _check_replaceable(target: Path, replaceable: Sequence[str]) -> None:
    """Only an empty folder or a policy and nothing else may be replaced: the rest is somebody's work."""
    if not target.exists():
        return
    if not target.is_dir():
        raise PolicyError(f"{target}: there is a file of this name; name a folder for the policy")
    names = {path.name for path in target.iterdir()}
    others = sorted(names - {MANIFEST, WEIGHTS, GOLDEN, ENCODER, *replaceable})
    if others:
        raise PolicyError(f"{target}: holds {others[0]!r}, which is no part of a policy; name another folder")


def write_parts(folder: Path, parts: PolicyParts, golden: list[dict[str, Any]]) -> None:
    """Write a policy into an empty folder.

    Raises:
        PolicyError: the provenance or a golden input is not plain data.
    """
    memory = parts.memory
    kept = {} if memory is None else {_REMEMBERED[name]: array for name, array in memory.arrays().items()}
    # safetensors writes an array's memory as it lies, whatever its strides.
    arrays = {name: np.ascontiguousarray(array) for name, array in {**parts.weights, **kept}.items()}
    (folder / WEIGHTS).write_bytes(save_safetensors(arrays))
    (folder / GOLDEN).write_text(_dumps(golden, GOLDEN), encoding="utf-8")
    save_encoder(parts.encoder, folder / ENCODER)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = {
        "kind": KIND,
        "format": FORMAT,
        "simulated": parts.provenance["simulated"],
        "table": _table_json(parts.table),
        "budget": parts.budget,
        "min_gain": parts.min_gain,
        "gain_spread": parts.gain_spread,
        "gain_share": parts.gain_share,
        "network": {
            "query_dimension": parts.shape.query_dimension,
            "value_dimension": parts.shape.value_dimension,
            "hidden": parts.shape.hidden,
        },
        "memory": None if memory is None else memory.settings(),
        "provenance": dict(parts.provenance),
        "files": {path.relative_to(folder).as_posix(): _digest(path.read_bytes()) for path in files},
    }
    # Plain data first: a key that is no text would be sorted otherwise once it has been read back.
    manifest = json.loads(_dumps(manifest, MANIFEST))
    manifest["digest"] = manifest_digest(manifest)
    (folder / MANIFEST).write_text(_dumps(manifest, MANIFEST), encoding="utf-8")


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of what ``policy.json`` says, its ``digest`` aside; layout and order of keys do not enter."""
    said = {key: value for key, value in manifest.items() if key != "digest"}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return _digest(text.encode("ascii"))


def read_parts(folder: Path, roots: Sequence[Path] = ()) -> tuple[PolicyParts, list[Any]]:
    """Read and check a policy folder; also its golden decisions.

    Args:
        folder: the policy.
        roots: folders beside it that its files may be links into, as those of the hub's cache are.

    Raises:
        PolicyError: the folder is missing, cut short, altered, of a later format, or not a policy.
        MissingExtraError: its query encoder needs an extra that is not installed.
    """
    try:
        manifest = _manifest(folder, roots)
        held = _listed_files(folder, manifest, roots)
        golden = _json(held[GOLDEN], folder / GOLDEN)
        _json(held[_ENCODER_SETTINGS], folder / _ENCODER_SETTINGS)
        weights = _weights(held[WEIGHTS], folder / WEIGHTS)
    except (OSError, ValueError) as error:
        raise PolicyError(
            f"{folder}: cannot be read ({type(error).__name__}); check its path and permissions"
        ) from error
    where = folder / MANIFEST
    try:
        table = AttributeTable.from_json(manifest["table"], "the attribute table")
        network = manifest["network"]
        if not isinstance(network, dict):
            raise PolicyError(f"{where}: 'network' must be an object of sizes; export the policy again")
        shape = NetworkShape(len(table), network["query_dimension"], network["value_dimension"], network["hidden"])
        provenance = manifest["provenance"]
        if not isinstance(provenance, dict) or provenance.get("simulated") is not manifest["simulated"]:
            raise PolicyError(f"{where}: 'simulated' and 'provenance' do not agree; export the policy again")
        memory = _memory(manifest["memory"], weights, folder)
        parts = PolicyParts(
            table,
            manifest["budget"],
            manifest["min_gain"],
            manifest["gain_spread"],
            shape,
            weights,
            _encoder(folder / ENCODER),
            provenance,
            manifest["gain_share"],
            memory,
        )
    except KeyError as error:
        raise PolicyError(f"{where}: {error} is missing; export the policy again") from error
    except TableError as error:
        raise PolicyError(f"{where}: {error}; export the policy again") from error
    for file, fault in parts.faults():
        raise PolicyError(f"{folder / file}: {fault}; export the policy again")
    if not isinstance(golden, list) or not golden:
        raise PolicyError(f"{folder / GOLDEN}: holds no golden decisions; export the policy again")
    if len(golden) > MAX_GOLDEN:
        raise PolicyError(f"{folder / GOLDEN}: holds {len(golden)} golden decisions; at most {MAX_GOLDEN}")
    return parts, golden


def _manifest(folder: Path, roots: Sequence[Path]) -> dict[str, Any]:
    if not folder.is_dir():
        if folder.exists() or folder.suffix.lower() in _PICKLED:
            raise PolicyError(
                f"{folder}: a policy is a folder with {MANIFEST}, {WEIGHTS}, {GOLDEN} and {ENCODER}/; "
                "single files, pickles among them, are never loaded"
            )
        raise PolicyError(f"{folder}: no such folder; a policy is a folder with {MANIFEST} in it")
    file = folder / MANIFEST
    if not file.is_file():
        raise PolicyError(f"{folder}: no {MANIFEST} here, so this is not a whole policy folder")
    manifest = _json(_contents(folder, MANIFEST, roots), file)
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise PolicyError(f"{file}: not a policy of this project (kind {KIND!r} expected)")
    version = manifest.get("format")
    if isinstance(version, bool) or not isinstance(version, int) or version != FORMAT:
        later = isinstance(version, int) and version > FORMAT
        advice = "upgrade raise-agent to load it" if later else "export the policy again"
        shown = version if isinstance(version, int) else type(version).__name__
        raise PolicyError(f"{file}: format {shown}, this version reads format {FORMAT}; {advice}")
    try:
        digest = manifest_digest(manifest)
    except (ValueError, RecursionError):
        digest = ""
    if not digest or manifest.get("digest") != digest:
        raise PolicyError(f"{file}: altered (its 'digest' is not that of what it says); export the policy again")
    return manifest


def _listed_files(folder: Path, manifest: Mapping[str, Any], roots: Sequence[Path]) -> dict[str, bytes]:
    """The files needed, once every listed file is found whole and every needed one is listed."""
    listed = manifest.get("files")
    needed = {WEIGHTS, GOLDEN, _ENCODER_SETTINGS}
    if not isinstance(listed, dict) or not needed <= set(listed):
        raise PolicyError(f"{folder / MANIFEST}: does not list {', '.join(sorted(needed))}; export the policy again")
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent, name) for name in sorted(files + folders)):
            if path.suffix.lower() in _PICKLED:
                raise PolicyError(f"{path}: looks like a pickle; pickles are never loaded. Export the policy again")
            name = path.relative_to(folder).as_posix()
            # A linked folder is not walked, yet an encoder would read what is in it.
            stray = name not in listed if path.name in files else path.is_symlink()
            if stray and name.split("/")[0] == ENCODER:
                raise PolicyError(f"{path}: not listed in {MANIFEST}; remove it, or export the policy again")
    held = {}
    for name, digest in listed.items():
        data = _contents(folder, name, roots)
        if _digest(data) != digest:
            raise PolicyError(f"{folder / name}: altered or cut short (its digest is not the one in {MANIFEST})")
        if name in needed:
            held[name] = data
    return held


def _contents(folder: Path, name: str, roots: Sequence[Path]) -> bytes:
    """A file of the policy, which must lie inside its folder, or be a link to a file in one of ``roots``."""
    file = folder / name
    plain = PurePosixPath(name)
    try:
        real = Path(os.path.realpath(file))
        inside = any(real.is_relative_to(os.path.realpath(root)) for root in (folder, *roots))
        if plain.is_absolute() or ".." in plain.parts or not inside:
            raise PolicyError(f"{folder / MANIFEST}: {name!r} lies outside the policy folder; export the policy again")
        if not file.is_file():
            raise PolicyError(f"{file}: missing; the policy folder is cut short, export the policy again")
        most = _MAX_JSON_BYTES if name in (MANIFEST, GOLDEN, _ENCODER_SETTINGS) else _MAX_BYTES
        if file.stat().st_size > most:
            raise PolicyError(f"{file}: larger than any policy file of its kind ({most // 2**20} MiB)")
        return file.read_bytes()
    except (OSError, ValueError) as error:
        raise PolicyError(f"{file}: cannot be read ({type(error).__name__}); check its name and permissions") from error


def _weights(data: bytes, file: Path) -> dict[str, Array]:
    try:
        arrays: dict[str, Array] = load_safetensors(data)
    except (SafetensorError, ValueError, LookupError) as error:
        raise PolicyError(
            f"{file}: not readable as safetensors ({type(error).__name__}); export the policy again"
        ) from error
    return arrays


def _memory(said: Any, arrays: dict[str, Array], folder: Path) -> Memory | None:
    """The memory that ``policy.json`` speaks of; its arrays are taken out of those of the weights."""
    if said is None:
        return None
    if not isinstance(said, dict) or said.keys() != set(SETTINGS):
        names = ", ".join(repr(name) for name in SETTINGS)
        raise PolicyError(f"{folder / MANIFEST}: 'memory' must be null or hold {names}; export the policy again")
    if missing := [name for name in _REMEMBERED.values() if name not in arrays]:
        raise PolicyError(f"{folder / WEIGHTS}: does not hold {', '.join(missing)}; export the policy again")
    vectors, effects, found = (arrays.pop(stored) for stored in _REMEMBERED.values())
    return Memory(vectors, effects, found, **said)


def _encoder(folder: Path) -> Encoder:
    try:
        return load_encoder(folder)
    except (PolicyError, MissingExtraError):
        raise
    except Exception as error:  # an encoder's own library may raise anything on a bad file
        raise PolicyError(f"{folder}: cannot be loaded ({type(error).__name__}); export the policy again") from error


def _table_json(table: AttributeTable) -> dict[str, Any]:
    return {"name": table.name, "attributes": table.to_json(), "unknown": list(table.unknown)}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _dumps(data: Any, file: str) -> str:
    """Plain ASCII, so that any text survives, lone surrogates among it."""
    try:
        text = json.dumps(data, indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise PolicyError(f"cannot be written to {file}: not plain JSON data ({type(error).__name__})") from error
    if len(text) > _MAX_JSON_BYTES:
        raise PolicyError(f"cannot be written to {file}: more than {_MAX_JSON_BYTES // 2**20} MiB")
    return text


def _json(data: bytes, file: Path) -> Any:
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant)
    except _TwiceError:
        raise PolicyError(f"{file}: an object names a key twice; altered, export the policy again") from None
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"{file}: not valid JSON; cut short or altered, export the policy again") from error


class _TwiceError(Exception):
    """A key was given twice, so that two readers could read two policies."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _TwiceError
    return made


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _is_whole(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _is_finite(value: object) -> bool:
    """Whether it is a number that a float can hold."""
    return not isinstance(value, bool) and isinstance(value, (int, float)) and abs(value) <= sys.float_info.max
