"""The text in a file that somebody gives us: refused at once when it is no regular file or no text, decoded whole."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path

from gcn2snn.errors import DataError

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks and their encodings; the longer ones first, because one begins with another."""

_BINARY = (
    (b"\x1f\x8b", "a gzip file; unpack it with gunzip (in a pipe: gunzip -c)"),
    (b"BZh", "a bzip2 file; unpack it with bunzip2 (in a pipe: bunzip2 -c)"),
    (b"\xfd7zXZ", "an xz file; unpack it with unxz (in a pipe: unxz -c)"),
    (b"\x28\xb5\x2f\xfd", "a zstd file; unpack it with unzstd (in a pipe: unzstd -c)"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet; unpack it, or save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Office file; save the sheet as CSV"),
    (b"PAR1", "a Parquet file; save it as CSV or JSONL, for example with pandas"),
    (b"ARROW1", "an Arrow file; save it as CSV or JSONL, for example with pandas"),
    (b"SQLite format 3", "an SQLite database; export the table as CSV"),
    (b"%PDF", "a PDF file; save its text as a text file"),
    (b"\x89PNG", "an image; a corpus holds text"),
    (b"\xff\xd8\xff", "an image; a corpus holds text"),
    (b"\x89HDF", "an HDF5 file; save it as CSV or JSONL, for example with pandas"),
    (b"\x80\x04\x95", "a pickle; save it as CSV or JSONL, for example with pandas"),
    (b"\x80\x05\x95", "a pickle; save it as CSV or JSONL, for example with pandas"),
)
"""How well-known files that are no text begin, and what to do with them."""

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


def read_text(path: Path, encoding: str | None = None) -> str:
    """The whole text of a file, without its byte order mark.

    Args:
        path: a regular file.
        encoding: as Python names it; None reads the byte order mark, or else takes UTF-8.

    Raises:
        DataError: no regular file, unreadable, in another encoding, or no text.
    """
    refuse_special(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}. Give a file that you may read") from error
    refuse_binary(str(path), data)
    if encoding is None and marked_encoding(data) == "utf-8" and b"\0" in data:
        raise DataError(_zero_byte(path, data))
    text = decoded(str(path), data, encoding)
    if "\0" in text:
        raise DataError(_zero_byte(path, data))
    return text


def refuse_binary(name: str, start: bytes) -> None:
    """Refuse a well-known kind of file that is no text, by the bytes with which it begins.

    >>> refuse_binary("texts.gz", bytes([0x1F, 0x8B, 8]))
    Traceback (most recent call last):
        ...
    gcn2snn.errors.DataError: texts.gz is a gzip file; unpack it with gunzip (in a pipe: gunzip -c)

    Args:
        name: of the file, for the message.
        start: its first bytes.

    Raises:
        DataError: says what it is and how its text is had.
    """
    kind = next((what for mark, what in _BINARY if start.startswith(mark)), None)
    if kind is not None:
        raise DataError(f"{name} is {kind}")


def decoded(name: str, data: bytes, encoding: str | None = None) -> str:
    """Bytes as text, without a byte order mark.

    Raises:
        DataError: they are not of the encoding; names the byte and the line.
    """
    chosen = encoding or marked_encoding(data)
    try:
        return data.decode(chosen).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(wrong_encoding(name, chosen, line, f"byte {error.start}", error)) from error
    except UnicodeError as error:  # some codecs say no more than that
        raise DataError(f"{name} is not {chosen} text: {error}. Give its encoding with --encoding") from error


def marked_encoding(start: bytes) -> str:
    r"""The encoding that the byte order mark at the start of a text names, UTF-8 where there is none.

    >>> marked_encoding(b"\xff\xfea\x00"), marked_encoding(b"plain")
    ('utf-16', 'utf-8')
    """
    return next((found for mark, found in _MARKS if start.startswith(mark)), "utf-8")


def wrong_encoding(name: str, chosen: str, line: int, place: str, error: UnicodeDecodeError) -> str:
    r"""What is said of bytes that cannot be decoded.

    >>> try:
    ...     b"caf\xe9".decode()
    ... except UnicodeDecodeError as error:
    ...     print(wrong_encoding("texts.tsv", "utf-8", 1, "column 4", error)[:52])
    texts.tsv is not UTF-8 text: line 1, column 4 is 0xe
    """
    byte = error.object[error.start : error.start + 1].hex()
    return (
        f"{name} is not {chosen.removesuffix('-sig').upper()} text: line {line}, {place} is 0x{byte} ({error.reason}). Say how it is "
        f"encoded, for example --encoding cp1252 or --encoding latin-1 (Western Europe) or --encoding gb18030 (China), or "
        f"save it as UTF-8"
    )


def mistaken_encoding(data_of: str, encoding: str | None) -> bool:
    """Whether a text that was decoded with a one-byte encoding is UTF-8 in truth (``Ã¼`` where ``ü`` should be)."""
    if encoding is None or data_of.isascii():
        return False
    try:
        return not data_of.encode(encoding).decode("utf-8").isascii() and codecs.lookup(encoding).name != "utf-8"
    except UnicodeError:
        return False


def _zero_byte(path: Path, data: bytes) -> str:
    start = data[:2000]
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if start[first::2].count(0) > 0.4 * len(start) / 2 and start[1 - first :: 2].count(0) < 0.05 * len(start):
            return f"{path} holds zero bytes and looks like UTF-16 without its mark. Give --encoding {name}"
    line = data.count(b"\n", 0, data.find(0)) + 1
    return f"line {line} of {path} holds a zero byte (byte {data.find(0)}), so it is no text file. Give a text file"
