"""Static encoders distilled before, one folder each: the next run loads what another took minutes for.

A folder's name holds what the vectors depend on: SHA-256 of the source model's weights and of how it pools (their first
digits), dimension, how they learned and from how many texts, version of model2vec. In it is the encoder as
``save_encoder`` writes it, and ``digests.json``.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import tempfile
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from raise_agent.errors import MissingExtraError, PolicyError

from .base import Encoder, load_encoder, save_encoder
from .sentence_transformer import LocalModel

_LEARNING = 1
"""Raised with every change of how vectors learn from texts (``composing``)."""
_DIGESTS = "digests.json"
"""SHA-256 of each other file."""


def kept_name(source: LocalModel, dimension: int, texts: int) -> str:
    """What the folder of a distillation is called.

    Raises:
        MissingExtraError: model2vec is not installed.
    """
    try:
        distiller = version("model2vec")
    except PackageNotFoundError as error:
        raise MissingExtraError("distilling a static encoder", "encoders") from error
    model = f"{source.sha256[:16]}-{source.recipe[:8]}"
    return f"static-{model}-{dimension}-texts{_LEARNING}-{texts}-model2vec-{distiller}"


def load_kept(place: Path) -> Encoder | None:
    """The encoder kept in ``place``; None where there is none, or one that is cut short or altered."""
    try:
        whole = json.loads((place / _DIGESTS).read_text(encoding="utf-8")) == _digests(place)
        return load_encoder(place) if whole else None
    except (OSError, ValueError, PolicyError):
        return None


def keep(encoder: Encoder, place: Path) -> None:
    """Put an encoder into ``place``, all of it or none; what is there is replaced.

    Where other jobs do the same, one of them wins.

    Raises:
        OSError: the folder cannot be written.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    try:
        made = scratch / "new"
        save_encoder(encoder, made)
        (made / _DIGESTS).write_text(json.dumps(_digests(made), indent=2) + "\n", encoding="utf-8")
        with suppress(FileNotFoundError):
            place.rename(scratch / "old")
        try:
            made.rename(place)
        except OSError as error:
            # Another job was faster.
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name != _DIGESTS
    }
