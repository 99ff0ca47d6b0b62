"""The bytes of a file that somebody gives us, a block at a time, unpacked where it is packed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

from gcn2snn.errors import DataError

BLOCK = 1 << 20

PACKED = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ", "xz"))
"""How files of the formats begin that are unpacked while they are read."""

PACKED_SUFFIXES = (".gz", ".bz2", ".xz")

_SPECIAL = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def refuse_special(path: Path) -> None:
    """Refuse what is neither a file nor a folder, without opening it: a pipe would wait and a device never ends.

    Raises:
        DataError: a pipe, device or socket, a link to nothing, or nothing at all.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        if path.is_symlink():
            raise DataError(f"{path} is a link to {os.readlink(path)}, which is not there; mend the link") from error
        raise DataError(f"cannot read {path}: {error.strerror or error}. Give a file or a folder") from error
    for is_special, what in _SPECIAL:
        if is_special(mode):
            raise DataError(f"{path} is {what}; a file or a folder is needed. Save its content as a file first")


def kind_of(path: Path) -> str:
    """The ending that says what is in a file: that before ``.gz``, ``.bz2`` or ``.xz``.

    >>> kind_of(Path("reviews.CSV.gz")), kind_of(Path("reviews.tsv"))
    ('.csv', '.tsv')
    """
    return (Path(path.stem) if path.suffix.lower() in PACKED_SUFFIXES else path).suffix.lower()


def file_blocks(path: Path) -> Iterator[bytes]:
    """The content of a file in blocks of about a mebibyte, unpacked where it is packed with gzip, bzip2 or xz.

    Raises:
        DataError: no regular file, unreadable, or packed and damaged.
    """
    refuse_special(path)
    try:
        with _opened(path) as file:
            while block := file.read(BLOCK):
                yield block
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is packed and damaged: {error}. Pack it again") from error
    except OSError as error:
        if error.errno is None:  # bz2 says so of damaged data
            raise DataError(f"{path} is packed and damaged: {error}. Pack it again") from error
        raise DataError(f"cannot read {path}: {error.strerror or error}. Give a file that you may read") from error


def _opened(path: Path) -> io.BufferedIOBase:
    with path.open("rb") as file:
        start = file.read(8)
    packed = next((name for mark, name in PACKED if start.startswith(mark)), "")
    if packed == "gzip":
        return gzip.open(path, "rb")
    if packed == "bzip2":
        return bz2.open(path, "rb")
    return lzma.open(path, "rb") if packed == "xz" else path.open("rb")
