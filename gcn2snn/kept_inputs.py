"""What a command reads is not replaced by what it writes: a corpus, weights or a run would be lost, also with ``--force``.

A file is known by its device and number, so that links and other spellings of its name are no way around it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from gcn2snn.errors import ArtefactError

_files: set[tuple[int, int]] = set()
"""Device and number of each file that the command reads."""

_folders: set[tuple[int, int]] = set()
"""The same of folders of which it reads what is below them."""


_as_found: dict[Path, tuple[int, int, int]] = {}
"""Number, size and time of change of each file that must stay as it was found."""


@contextlib.contextmanager
def keeping_inputs() -> Iterator[None]:
    """For the time of a command; what :func:`keep_input` named before and in the block is forgotten at its end."""
    try:
        yield
    finally:
        _files.clear()
        _folders.clear()
        _as_found.clear()


def keep_input(path: Path, *, as_found: bool = False) -> None:
    """From now on a file, or every file below a folder, is not replaced; what is not there is nothing to keep.

    Args:
        path: of the file or folder.
        as_found: what the command makes belongs to the file as it is now, see :func:`refuse_changed_inputs`.
    """
    with contextlib.suppress(OSError, ValueError):  # a name that the system does not take is no file
        found = path.stat()
        (_folders if path.is_dir() else _files).add((found.st_dev, found.st_ino))
        if as_found:
            _as_found[path.absolute()] = (found.st_ino, found.st_size, found.st_mtime_ns)


def refuse_changed_inputs() -> None:
    """Refuse to write what was made of weights that another command has replaced meanwhile: it would lie beside the new ones.

    Raises:
        ArtefactError: as said.
    """
    for path, before in _as_found.items():
        try:
            found = path.stat()
        except OSError:  # removed: nothing new is there that the result could be taken for
            continue
        if (found.st_ino, found.st_size, found.st_mtime_ns) != before:
            raise ArtefactError(
                f"{path} was replaced while this command worked with it, so nothing was written. Give the same command again"
            )


def refuse_kept_input(path: Path, found: os.stat_result) -> None:
    """Refuse to replace a file that the command reads.

    Args:
        path: as it was given.
        found: what the system says of the file that is there.

    Raises:
        ArtefactError: as said.
    """
    kept = (found.st_dev, found.st_ino) in _files or (_folders and _is_below(path))
    if kept:
        raise ArtefactError(
            f"{path} is read by this command, so it is not replaced, also with --force. Choose another name"
        )


def _is_below(path: Path) -> bool:
    """Whether a file lies below one of the folders."""
    for folder in path.resolve().parents:
        found = folder.stat()
        if (found.st_dev, found.st_ino) in _folders:
            return True
    return False
