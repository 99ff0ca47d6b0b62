"""What a file may be called: a name that says its format rightly, and that is text, where a
file can be written; and how a name stands in a command.
"""

from __future__ import annotations

import errno
import os
import shlex
import stat
import sys
import tempfile
from pathlib import Path

from gcn2snn.errors import ArtefactError, reason_of, way_out_of

ENDINGS = frozenset((
    ".7z", ".arrow", ".bin", ".bmp", ".bz2", ".ckpt", ".csv", ".db", ".doc", ".docx", ".feather", ".gif", ".gz", ".h5", ".hdf5",
    ".htm", ".html", ".ipynb", ".jpg", ".jpeg", ".joblib", ".json", ".jsonl", ".log", ".md", ".mat", ".ndjson", ".nir", ".npy", ".npz",
    ".onnx", ".ods", ".parquet", ".pb", ".pdf", ".pickle", ".pkl", ".png", ".pq", ".psv", ".pt", ".pth", ".py", ".rar", ".rst",
    ".safetensors", ".sqlite", ".svg", ".tab", ".tar", ".tflite", ".tgz", ".toml", ".tsv", ".txt", ".webp", ".xls", ".xlsx", ".xml",
    ".xz", ".yaml", ".yml", ".zip", ".zst",
))  # fmt: skip
"""Endings of names that say which format a file has."""


_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFREG: "a file",
}
"""What a path may be, by the system's mode."""


def file_type(mode: int) -> str:
    """What a path leads to.

    >>> file_type(Path(".").stat().st_mode)
    'a folder'

    Args:
        mode: of the system.
    """
    return _KINDS.get(stat.S_IFMT(mode), "no plain file")


def why_not_there(path: Path) -> str:
    """Why nothing, or not what is needed, is found at a place: the second half of a sentence that begins with its name.

    >>> why_not_there(Path("nowhere"))
    'does not exist'

    Args:
        path: that is no file, or no folder, as the caller has found.
    """
    try:
        return f"is {file_type(path.stat().st_mode)}"
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "is a link that leads to itself"
        if path.is_symlink():
            return f"is a link to {path.readlink()}, where nothing is"
        return "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {reason_of(error)}"


def refuse_other_ending(path: Path, ending: str) -> None:
    """Refuse a name that says another format than the one that is written, since people and programs believe the name.

    An ending that is no format's, as in ``snn.v1.2``, and a name without one are the writer's own affair.

    Raises:
        ArtefactError: it names the ending and the one that fits; or the name is no text.
    """
    refuse_undecodable(str(path))
    found = path.suffix.lower()
    if found in ENDINGS and found != ending:
        raise ArtefactError(
            f"{path} ends in {path.suffix}, but a {ending} file is written. Give a name that ends in {ending}"
        )


def shell_word(name: object) -> str:
    """A name as a shell reads it back as one word: quoted where it needs to be, and never taken for an option.

    >>> print(shell_word("runs/r8"), shell_word("my runs"), shell_word("-x"), shell_word("it's"))
    runs/r8 'my runs' ./-x 'it'"'"'s'

    Args:
        name: of a file, folder or dataset; a word in capitals that stands for one stays as it is.
    """
    text = str(name)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def refuse_undecodable(name: str, *, is_text: bool = False) -> None:
    """Refuse a name of bytes that are no UTF-8, which Python keeps as halves of surrogate pairs.

    Neither safetensors nor JSON nor a terminal can take such a name: files would be called damaged that are whole.

    Args:
        name: of a file or of anything else, as the command line gives it.
        is_text: it is a text to work on, and no name.

    Raises:
        ArtefactError: it shows the bytes.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        way_out = (
            "Give the text in that encoding, for example through iconv"
            if is_text
            else "Files of this package cannot store such a name: rename it, or set LC_ALL to the locale in which it is text"
        )
        raise ArtefactError(
            f"'{shown}' holds bytes that are not text in {sys.getfilesystemencoding()}. {way_out}"
        ) from error


def refuse_closed_folder(path: Path) -> None:
    """Refuse a name in a folder that cannot be made or written to: that would show at the end of the work.

    It is tried with a file that has no name or at once none any more: permissions alone do not tell it everywhere.

    Raises:
        ArtefactError: as said.
    """
    folder = path.absolute().parent
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ArtefactError(
            f"cannot write {path}: {error.strerror or error} ({folder}). {way_out_of(error)}"
        ) from error
