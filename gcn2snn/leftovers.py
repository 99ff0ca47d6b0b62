"""Temporary names that tell which process they belong to, and the removal of what killed processes left behind."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gcn2snn.owner_lock import STAMP, is_of_the_dead, stamp

PART = ".part"
"""How temporary names end."""
_LEFTOVER = re.compile(rf"\..*\.({STAMP})\.[a-z0-9_]{{8}}\.part")
_made: set[str] = set()
"""What this process has made and not removed yet."""

_cleared: set[str] = set()
"""Folders that this process has looked through for what others left."""


@contextlib.contextmanager
def temporary_folder(parent: Path, name: str) -> Iterator[Path]:
    """A hidden folder inside ``parent`` for the time of the block; what a killed process leaves of it goes at the next start.

    Raises:
        OSError: it cannot be made.
    """
    parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(parent, again=False)
    with tempfile.TemporaryDirectory(prefix=temporary_prefix(Path(name)), suffix=PART, dir=parent) as made:
        _made.add(made)
        try:
            yield Path(made)
        finally:
            _made.discard(made)


@contextlib.contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """A hidden file beside ``path`` for the time of the block, or until it is moved away.

    Raises:
        OSError: it cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(path.parent, again=False)
    handle, made = tempfile.mkstemp(prefix=temporary_prefix(path), suffix=PART, dir=path.parent)
    os.close(handle)
    _made.add(made)
    try:
        yield Path(made)
    finally:
        Path(made).unlink(missing_ok=True)
        _made.discard(made)


def remove_all() -> None:
    """Remove the temporary files of this process, which is about to end without leaving its blocks."""
    for made in _made:
        shutil.rmtree(made, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.unlink(made)


def clear_leftovers(folder: Path, *, again: bool = True) -> None:
    """Remove the temporary files and folders that processes of this machine left in a folder when they were killed.

    Args:
        folder: looked through itself, not what is below it.
        again: also where this process has looked before.
    """
    key = os.path.abspath(folder)
    if key in _cleared and not again:
        return
    _cleared.add(key)
    with contextlib.suppress(OSError):
        for item in list(os.scandir(folder)):
            found = _LEFTOVER.fullmatch(item.name)
            if found is None or not is_of_the_dead(found[1]):
                continue
            if item.is_dir(follow_symlinks=False):
                shutil.rmtree(item.path, ignore_errors=True)
            else:
                Path(item.path).unlink(missing_ok=True)


def temporary_prefix(path: Path) -> str:
    """How the temporary name of what will be ``path`` begins; a random part and :data:`PART` follow."""
    name = os.fsencode(path.name)[:100].decode("utf-8", "ignore")  # the system allows 255 bytes
    return f".{name}.{stamp()}."
