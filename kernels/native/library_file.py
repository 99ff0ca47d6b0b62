"""Which library files may be run: whole by their checksums, and written by nobody who could not change this package too."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from gcn2snn.errors import BackendError
from gcn2snn.files import CACHE_VARIABLE

OTHERS_MAY_WRITE = 0o022


def trusted() -> tuple[int, ...]:
    """Users whose libraries are run: this one and root."""
    return os.geteuid(), 0


def checksum_file(path: Path) -> Path:
    """Where the SHA-256 of a library stands."""
    return path.with_name(f"{path.name}.sha256")


def checksum(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fault_of(path: Path, beside: Path | None = None) -> str:
    """Why a library must not be run, "" if it may: the loader would map a truncated one and die of it.

    Args:
        path: the library; its checksum stands beside it.
        beside: a Python file of the same installation, which runs anyhow. Who may write that one may write the library.
    """
    try:
        owners, others = trusted(), OTHERS_MAY_WRITE
        if beside is not None:
            anyhow = beside.stat()
            owners, others = (*owners, anyhow.st_uid), others & ~anyhow.st_mode
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if found.st_uid not in owners or found.st_mode & others or not stat.S_ISREG(found.st_mode):
                return "somebody else may have written it"
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return "" if checksum_file(path).read_text(encoding="ascii").strip() == digest else "its checksum differs"
    except (OSError, ValueError) as error:
        return str(error)


def own_folder(folder: Path) -> None:
    """Make the folder of compiled helpers, or see that nobody else can put a library there that this process would run.

    Raises:
        BackendError: it is somebody else's.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.stat()
    if found.st_uid not in trusted():
        raise BackendError(f"{folder} belongs to another user; set {CACHE_VARIABLE} to a folder of your own")
    if found.st_mode & OTHERS_MAY_WRITE:
        try:
            folder.chmod(found.st_mode & 0o7777 & ~OTHERS_MAY_WRITE)
        except OSError as error:
            raise BackendError(f"others may write into {folder}; take that from them with chmod go-w") from error
