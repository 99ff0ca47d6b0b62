"""The text in a file that somebody gives us: looked through first, refused when it is no text, then read line by line."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gcn2snn.datasets.file_bytes import file_blocks
from gcn2snn.datasets.unmarked_text import CONTROLS, LOOKED, refuse_unmarked, unmarked_encoding
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
    (b"PAR1", "a Parquet file; let its name end in .parquet, or save it as CSV or JSONL"),
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


@dataclass(frozen=True)
class TextFile:
    """A text file that has been looked through once from end to end, and can be read as often as needed.

    Args:
        path: of the file.
        encoding: its own, as Python names it.
        newlines: whether there is a newline; without one, lines end at carriage returns.
        blank: it holds nothing but spaces.
        mistaken: it is UTF-8 in truth, and a one-byte encoding was asked for (``Ã¼`` where ``ü`` should be).
    """

    path: Path
    encoding: str
    newlines: bool
    blank: bool
    mistaken: bool

    @classmethod
    def look(cls, path: Path, encoding: str | None = None) -> TextFile:
        """Look through a file; it is not held.

        Args:
            path: a regular file, plain or packed.
            encoding: as Python names it; None reads the byte order mark, or else takes UTF-8 where nothing speaks against it.

        Raises:
            DataError: no regular file, unreadable, in another encoding, or no text.
        """
        look = _Look(path, encoding)
        for block in file_blocks(path):
            look.feed(block)
        look.feed(b"", final=True)
        return cls(path, look.chosen, look.newlines, look.blank, look.mistaken)

    def lines(self) -> Iterator[str]:
        """The lines, each with its newline; other carriage returns are spaces, or line ends where there is nothing else.

        Raises:
            DataError: the file cannot be read any more, or has changed since it was looked through and is no text now.
        """
        rest = ""
        for text in self._pieces():
            text = rest + text
            held = "\r" if text.endswith("\r") else ""  # a newline may come next
            *whole, rest = self._unix(text.removesuffix("\r") if held else text).split("\n")
            rest += held
            for line in whole:
                yield line + "\n"
        *whole, rest = self._unix(rest).split("\n")
        yield from (line + "\n" for line in whole)
        if rest:
            yield rest

    def text(self) -> str:
        """All of it, as it stands in the file; raises as :meth:`lines`."""
        return "".join(self._pieces())

    def _pieces(self) -> Iterator[str]:
        first = True
        for text in self._decoded():
            if first and text:
                text, first = text.removeprefix("\ufeff"), False
            yield text

    def _decoded(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self.encoding)()
        try:
            for block in file_blocks(self.path):
                yield decoder.decode(block)
            yield decoder.decode(b"", True)
        except UnicodeError as error:  # all of it could be decoded when it was looked through
            raise DataError(
                f"{self.path} changed while it was read. Read it again when it is written to no more"
            ) from error

    def _unix(self, text: str) -> str:
        if "\r" not in text:
            return text
        return text.replace("\r\n", "\n").replace("\r", " " if self.newlines else "\n")


class _Look:
    """What is seen of a file while its blocks go by."""

    def __init__(self, path: Path, encoding: str | None):
        self.path, self.encoding = path, encoding
        self.chosen = encoding or ""
        self.newlines, self.blank = False, True
        self._start = b""
        self._seen = self._lines = 0  # bytes and newlines before the next block
        self._zero: tuple[int, int] | None = None  # place and line of the first zero byte
        self._failure: DataError | None = None
        self._ascii = True
        self._utf8: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()

    @property
    def mistaken(self) -> bool:
        """Whether bytes that were taken as another encoding are UTF-8."""
        other = self.encoding is not None and codecs.lookup(self.encoding).name != "utf-8"
        return other and not self._ascii and self._utf8 is not None

    def feed(self, block: bytes, *, final: bool = False) -> None:
        """Look at the next block.

        Raises:
            DataError: it is no text of the encoding.
        """
        if not self._seen:
            self._begin(block)
        self._start += block[: LOOKED - len(self._start)]
        if self._zero is None and 0 in block:
            place = block.index(0)
            self._zero = (self._seen + place, self._lines + block.count(b"\n", 0, place) + 1)
        if self._failure is None:
            self._decode(block, final)
        self._see_utf8(block, final)
        self._seen += len(block)
        self._lines += block.count(b"\n")
        if final and self._unmarked:
            refuse_unmarked(str(self.path), self._start)
        if final and self._zero is not None and self._zero_is_wrong:
            raise DataError(_zero_byte(self.path, self._start, *self._zero))
        if final and self._failure is not None:
            raise self._failure

    def _begin(self, block: bytes) -> None:
        refuse_binary(str(self.path), block)
        marked = marked_encoding(block)
        self.chosen = self.encoding or marked
        self._unmarked = self._zero_is_wrong = self.encoding is None and marked == "utf-8"
        self._decoder = codecs.getincrementaldecoder(self.chosen)()

    def _decode(self, block: bytes, final: bool) -> None:
        try:
            text = self._decoder.decode(block, final)
        except UnicodeDecodeError as error:
            before = self._seen - (len(error.object) - len(block))  # bytes of a character that began in the last block
            line = self._lines + block.count(b"\n", 0, max(self._seen, before + error.start) - self._seen) + 1
            place = f"byte {before + error.start}"
            self._failure = DataError(wrong_encoding(str(self.path), self.chosen, line, place, error))
            self._failure.__cause__ = error
        except UnicodeError as error:  # some codecs say no more than that
            self._failure = DataError(
                f"{self.path} is not {self.chosen} text: {error}. Give its encoding with --encoding"
            )
        else:
            self.newlines = self.newlines or "\n" in text
            self.blank = self.blank and not text.removeprefix("\ufeff").strip()
            self._zero_is_wrong = self._zero_is_wrong or "\0" in text

    def _see_utf8(self, block: bytes, final: bool) -> None:
        if self.encoding is None or self._utf8 is None:
            return
        self._ascii = self._ascii and block.isascii()
        try:
            self._utf8.decode(block, final)
        except UnicodeDecodeError:
            self._utf8 = None


def read_text(path: Path, encoding: str | None = None) -> str:
    """The whole text of a file, without its byte order mark; arguments and errors are those of :meth:`TextFile.look`."""
    return TextFile.look(path, encoding).text()


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
    if _looks_binary(error.object):
        return (
            f"{name} is a binary file, not text: {place} is 0x{byte}, and there are control characters around it. Give a text "
            f"file; if it is one, in UTF-16 without a byte order mark, say so with --encoding utf-16-le or --encoding utf-16-be"
        )
    return (
        f"{name} is not {chosen.removesuffix('-sig').upper()} text: line {line}, {place} is 0x{byte} ({error.reason}). Say how it is "
        f"encoded, for example --encoding cp1252 or --encoding latin-1 (Western Europe), --encoding gb18030 (China) or "
        f"--encoding utf-16-le (Windows), or save it as UTF-8"
    )


def _looks_binary(part: bytes) -> bool:
    """Whether bytes that could not be decoded hold what no text in a one-byte encoding or in UTF-8 does.

    That is a zero byte, or many other control characters: more than one byte in 50, where random bytes have five. Tabs,
    the ends of lines and pages, and the escapes of terminals belong to texts.
    """
    controls = sum(map(part.count, CONTROLS))
    return b"\0" in part or controls > len(part) / 50


def _zero_byte(path: Path, start: bytes, place: int, line: int) -> str:
    found = unmarked_encoding(start)
    if found:
        return f"{path} looks like {found[:6].upper()} without its byte order mark. Give --encoding {found} if it is"
    return (
        f"line {line} of {path} holds a zero byte (byte {place}), so it is no text file. Give a text file; if it is one, in "
        f"UTF-16 without a byte order mark, say so with --encoding utf-16-le or --encoding utf-16-be"
    )
