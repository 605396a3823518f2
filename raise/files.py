"""Files that are either the old version or the whole new one, whenever the process dies."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path


def atomic_write_bytes(path: str | Path, data: bytes) -> None:
    """Put ``data`` into the file ``path``, all of it or, on any failure, none of it.

    The bytes go to a temporary file in the same folder, reach the disk, and then take the name in one step.
    Missing folders are made. A file that is replaced keeps its permissions; a symbolic link stays, its target
    is replaced.

    Raises:
        OSError: the folder or file cannot be written; the old file is untouched, no temporary file is left.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        # Mode "x" rather than tempfile: a new file then gets the permissions of the user's umask.
        with open(temporary, "xb") as stream:
            with suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


def atomic_write_text(path: str | Path, text: str) -> None:
    """Put ``text`` into the file ``path`` as UTF-8, newlines unchanged, as ``atomic_write_bytes`` does.

    Raises:
        OSError: as ``atomic_write_bytes``.
        UnicodeEncodeError: the text holds a lone surrogate; nothing is written.
    """
    atomic_write_bytes(path, text.encode("utf-8"))


def _sync_folder(folder: Path) -> None:
    # The new name is durable only once its folder is; some platforms cannot open folders.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
