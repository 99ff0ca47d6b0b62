"""What a command reads is not replaced by what it writes: a corpus, weights or a run would be lost, also with ``--force``.

A file is known by its device and number, so that links and other spellings of its name are no way around it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from gcn2snn.errors import ArtefactError
from gcn2snn.watched import Watched

_files: set[tuple[int, int]] = set()
"""Device and number of each file that the command reads."""

_folders: set[tuple[int, int]] = set()
"""The same of folders of which it reads what is below them."""


_as_found: dict[Path, Watched] = {}
"""Each file that must stay as it was found."""

_outputs: dict[tuple[int, int], Path] = {}
"""Device and number of each file that the command is going to replace -> how it was given."""

_commands = [0]
"""How many blocks of :func:`keeping_inputs` are open: outputs belong to a command, and in a library to nobody."""


@contextlib.contextmanager
def keeping_inputs() -> Iterator[None]:
    """For the time of a command; what :func:`keep_input` named before and in the block is forgotten at its end."""
    _commands[0] += 1
    try:
        yield
    finally:
        _commands[0] -= 1
        _outputs.clear()
        _files.clear()
        _folders.clear()
        _as_found.clear()


def keep_input(path: Path, *, as_found: bool = False) -> None:
    """From now on a file, or every file below a folder, is not replaced; what is not there is nothing to keep.

    Args:
        path: of the file or folder.
        as_found: what the command makes belongs to the file as it is now, see :func:`refuse_changed_inputs`.

    Raises:
        ArtefactError: the command is going to replace it, see :func:`expect_output`.
    """
    with contextlib.suppress(OSError, ValueError):  # a name that the system does not take is no file
        found = path.stat()
        (_folders if path.is_dir() else _files).add((found.st_dev, found.st_ino))
        if as_found:
            _as_found[path.absolute()] = Watched.now(path.absolute(), error=ArtefactError)
    for number, output in _outputs.items():
        _refuse_if_kept(output, number)


def expect_output(path: Path, found: os.stat_result) -> None:
    """The command is going to replace a file: one that it names as an input later is refused there, before it works with it.

    Which files a command reads shows only on the way, such as the corpus of a run, and its work may take hours.

    Args:
        path: as it was given.
        found: what the system says of the file that is there.
    """
    if _commands[0]:
        _outputs[found.st_dev, found.st_ino] = path


def refuse_changed_inputs() -> None:
    """Refuse to write what was made of weights that another command has replaced meanwhile: it would lie beside the new ones.

    Raises:
        ArtefactError: as said.
    """
    for path, before in _as_found.items():
        if path.exists() and not before.same:  # removed: nothing new is there that the result could be taken for
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
    _refuse_if_kept(path, (found.st_dev, found.st_ino))


def _refuse_if_kept(path: Path, number: tuple[int, int]) -> None:
    if number in _files or (_folders and _is_below(path)):
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
