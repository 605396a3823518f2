"""Writes a policy folder: whole or, on any failure, not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save as save_safetensors

from raise_agent.encoders import save_encoder
from raise_agent.errors import PolicyError
from raise_agent.strict_json import MAX_JSON_BYTES

from .folder import FORMAT, KIND, REMEMBERED, digest, manifest_digest
from .parts import ENCODER, GOLDEN, MANIFEST, WEIGHTS, PolicyParts, table_json


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
    kept = {} if memory is None else {REMEMBERED[name]: array for name, array in memory.arrays().items()}
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
        "table": table_json(parts.table),
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
        "files": {path.relative_to(folder).as_posix(): digest(path.read_bytes()) for path in files},
    }
    # Plain data first: a key that is no text would be sorted otherwise once it has been read back.
    manifest = json.loads(_dumps(manifest, MANIFEST))
    manifest["digest"] = manifest_digest(manifest)
    (folder / MANIFEST).write_text(_dumps(manifest, MANIFEST), encoding="utf-8")


def _dumps(data: Any, file: str) -> str:
    """Plain ASCII, so that any text survives, lone surrogates among it."""
    try:
        text = json.dumps(data, indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise PolicyError(f"cannot be written to {file}: not plain JSON data ({type(error).__name__})") from error
    if len(text) > MAX_JSON_BYTES:
        raise PolicyError(f"cannot be written to {file}: more than {MAX_JSON_BYTES // 2**20} MiB")
    return text
