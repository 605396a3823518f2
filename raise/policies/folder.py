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
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors

from raise_agent.attributes import AttributeTable
from raise_agent.encoders import Encoder, load_encoder
from raise_agent.errors import MissingExtraError, PolicyError, TableError
from raise_agent.strict_json import MAX_JSON_BYTES, JsonError, parse_json

from .memory import ARRAYS, SETTINGS, Memory
from .network import Array, NetworkShape
from .parts import ENCODER, ENCODER_SETTINGS, GOLDEN, MANIFEST, MAX_GOLDEN, WEIGHTS, PolicyParts

FORMAT = 4
KIND = "raise-acquisition-policy"
REMEMBERED = {name: f"memory.{name}" for name in ARRAYS}
_MAX_BYTES = 512 * 2**20
_PICKLED = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib", ".ckpt")


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of what ``policy.json`` says, its ``digest`` aside; layout and order of keys do not enter."""
    said = {key: value for key, value in manifest.items() if key != "digest"}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return digest(text.encode("ascii"))


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
        _refuse_own_model(_json(held[ENCODER_SETTINGS], folder / ENCODER_SETTINGS), folder)
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
        expected = manifest_digest(manifest)
    except (ValueError, RecursionError):
        expected = ""
    if not expected or manifest.get("digest") != expected:
        raise PolicyError(f"{file}: altered (its 'digest' is not that of what it says); export the policy again")
    return manifest


def _listed_files(folder: Path, manifest: Mapping[str, Any], roots: Sequence[Path]) -> dict[str, bytes]:
    """The files needed, once every listed file is found whole and every needed one is listed."""
    listed = manifest.get("files")
    needed = {WEIGHTS, GOLDEN, ENCODER_SETTINGS}
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
    for name, expected in listed.items():
        data = _contents(folder, name, roots)
        if digest(data) != expected:
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
        most = MAX_JSON_BYTES if plain.suffix == ".json" else _MAX_BYTES
        if file.stat().st_size > most:
            raise PolicyError(f"{file}: larger than any policy file of its kind ({most // 2**20} MiB)")
        return file.read_bytes()
    except (OSError, ValueError) as error:
        raise PolicyError(f"{file}: cannot be read ({type(error).__name__}); check its name and permissions") from error


def _refuse_own_model(encoder: Any, folder: Path) -> None:
    """A model that an encoder names may not lie in the policy: libraries load far more of a folder than is listed."""
    settings = encoder.get("settings") if isinstance(encoder, dict) else None
    model = settings.get("model") if isinstance(settings, dict) else None
    if not isinstance(model, str) or not os.path.exists(model):
        return
    if Path(os.path.realpath(model)).is_relative_to(os.path.realpath(folder)):
        raise PolicyError(
            f"{folder / ENCODER_SETTINGS}: the encoder's model lies in the policy's own folder; export the policy again"
        )


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
    if missing := [name for name in REMEMBERED.values() if name not in arrays]:
        raise PolicyError(f"{folder / WEIGHTS}: does not hold {', '.join(missing)}; export the policy again")
    vectors, effects, found = (arrays.pop(stored) for stored in REMEMBERED.values())
    return Memory(vectors, effects, found, **said)


def _encoder(folder: Path) -> Encoder:
    try:
        return load_encoder(folder)
    except (PolicyError, MissingExtraError):
        raise
    except Exception as error:  # an encoder's own library may raise anything on a bad file
        raise PolicyError(f"{folder}: cannot be loaded ({type(error).__name__}); export the policy again") from error


def digest(data: bytes) -> str:
    """SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _json(data: bytes, file: Path) -> Any:
    try:
        return parse_json(data)
    except JsonError as error:
        raise PolicyError(f"{file}: {error}; cut short or altered, export the policy again") from None
