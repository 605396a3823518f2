"""Policies on a hub, by the conventions of ``huggingface_hub``, which is imported only when a hub is asked.

``ModelHubMixin`` is not subclassed: its module would be needed to import ``raise_agent``. The names of methods and
arguments are its own.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import raise_agent
from raise_agent.encoders.base import MINILM
from raise_agent.errors import MissingExtraError, PolicyError
from raise_agent.strict_json import parse_json, read_bounded

from .card import CARD
from .parts import ENCODER, ENCODER_SETTINGS, GOLDEN, MANIFEST, WEIGHTS

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


def fetch(name: str | os.PathLike[str], **settings: Any) -> tuple[Path, tuple[Path, ...]]:
    """A policy's folder, downloaded if ``name`` is none, and the folders that its files may be links into.

    A policy in a folder may be a download too: its encoder is checked alike.

    Args:
        name: a folder, or the hub's id of a policy.
        **settings: of ``huggingface_hub.snapshot_download``.

    Raises:
        PolicyError: there is neither such a folder nor, that can be reached, such a policy; or its query encoder is
            another sentence-transformers model than all-MiniLM-L6-v2.
        MissingExtraError: the extra ``hub`` is not installed.
    """
    if os.path.isdir(name):
        _check_encoder(Path(name))
        return Path(name), ()
    said = os.fspath(name)
    if not _REPO_ID.fullmatch(said) or ".." in said or os.path.exists(said):
        raise PolicyError(f"{said}: no folder, and no id of a hub such as name/policy")
    hub = _library(f"{said!r} is no folder here; loading a policy from a hub")
    try:
        found = hub.snapshot_download(
            said,
            library_name="raise-agent",
            library_version=raise_agent.__version__,
            allow_patterns=[MANIFEST, WEIGHTS, GOLDEN, f"{ENCODER}/*", CARD],
            **settings,
        )
    except Exception as error:  # of huggingface_hub or of the HTTP library of its version
        raise PolicyError(f"{said}: no such folder, and not to be had from the hub ({_reason(error)})") from error
    folder = Path(found)
    _check_encoder(folder)
    if folder.parent.name != "snapshots":
        return folder, ()
    # The cache keeps files in blobs/ of the repository or, as of 1.32, of all repositories, and links to them.
    repository = folder.parent.parent
    return folder, (repository / "blobs", repository.parent / "blobs")


def _check_encoder(folder: Path) -> None:
    """A stranger's policy may not name a model of a stranger, which sentence-transformers would fetch and run.

    Raises:
        PolicyError: it does.
    """
    try:
        saved = parse_json(read_bounded(folder / ENCODER_SETTINGS))
        name, model = saved["name"], saved["settings"].get("model")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return  # refused with a reason when it is loaded
    if name == "sentence_transformer" and model != MINILM:
        raise PolicyError(
            f"{folder}: its query encoder is another model, {model!r}, which is not loaded on a hub's word; look at "
            "it, download the policy into a folder of its own, and give that to AcquisitionPolicy.load"
        )


def publish(
    save: Callable[[Path, str], None],
    repo_id: str,
    *,
    commit_message: str,
    revision: str | None = None,
    create_pr: bool | None = None,
    allow_patterns: Sequence[str] | str | None = None,
    ignore_patterns: Sequence[str] | str | None = None,
    private: bool | None = None,
    token: str | bool | None = None,
    delete_patterns: Sequence[str] | str | None = None,
) -> str:
    """Upload a folder in one commit.

    Args:
        save: writes the policy into a new folder, for the full id that the hub gives it.
        repo_id: the hub's id; made if it is missing.
        commit_message: and the next four, as for ``HfApi.upload_folder``.
        revision: a branch.
        create_pr: see there.
        allow_patterns: see there.
        ignore_patterns: see there.
        private: as for ``HfApi.create_repo``.
        token: as for ``HfApi``.
        delete_patterns: files to delete on the hub, beside those of an earlier encoder.

    Returns:
        The commit's address.

    Raises:
        PolicyError: the policy cannot be saved, or the hub cannot be reached or refuses.
        MissingExtraError: the extra ``hub`` is not installed.
    """
    hub = _library("publishing a policy")
    stale = [delete_patterns] if isinstance(delete_patterns, str) else list(delete_patterns or ())
    with tempfile.TemporaryDirectory(prefix="raise-agent-") as scratch:
        folder = Path(scratch) / "policy"
        # Before anything is made on the hub: what cannot be saved leaves nothing there.
        save(folder, repo_id)
        try:
            api = hub.HfApi(token=token, library_name="raise-agent", library_version=raise_agent.__version__)
            full = api.create_repo(repo_id=repo_id, private=private, exist_ok=True).repo_id
        except Exception as error:  # of huggingface_hub or of the HTTP library of its version
            raise PolicyError(f"{repo_id}: the hub does not take it ({_reason(error)})") from error
        if full != repo_id:
            save(folder, full)
        try:
            # Loading refuses files beside the encoder that the policy does not list.
            commit = api.upload_folder(
                repo_id=full,
                repo_type="model",
                folder_path=folder,
                delete_patterns=[*stale, f"{ENCODER}/*"],
                commit_message=commit_message,
                revision=revision,
                create_pr=create_pr,
                allow_patterns=allow_patterns,
                ignore_patterns=ignore_patterns,
            )
        except Exception as error:  # as above
            raise PolicyError(f"{full}: the hub does not take it ({_reason(error)})") from error
    return str(commit)


def _library(what: str) -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingExtraError(what, "hub") from error
    return huggingface_hub


def _reason(error: Exception) -> str:
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
