"""The lines of a file or of standard input, decoded and handed on as they come."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator

from gcn2snn.errors import DataError

LONGEST = 1 << 20
"""Characters of the longest line that is read; a longer one is not a document but a wrong file."""

READ = 1 << 16
"""Bytes that one read of a stream asks for. A pipe returns what has arrived, so each line is answered as it comes."""


def lines_of(file: str, encoding: str | None = None) -> Iterator[list[str]]:
    """Texts of a file, as many at a time as one read brings.

    Args:
        file: its path, or - for standard input.
        encoding: as Python names it; None reads the byte order mark, or else takes UTF-8 where nothing speaks against it.

    Raises:
        DataError: the file cannot be read, is compressed or no text, is of another encoding, holds a zero byte,
            or has a line longer than :data:`LONGEST`.
    """
    name = "standard input" if file == "-" else file
    try:
        handle = 0 if file == "-" else os.open(file, os.O_RDONLY)
    except OSError as error:
        raise DataError(f"cannot read {name}: {error.strerror}. Give a file with one text a line, or -") from error
    rest, number = "", 0
    try:
        for text in _decoded(name, handle, encoding):
            *lines, rest = (rest + text).split("\n")
            _refuse_odd_lines(name, number, [*lines, rest])
            if lines:
                yield [line.rstrip("\r") for line in lines]
            number += len(lines)
        if rest:
            yield [rest.rstrip("\r")]
    except OSError as error:
        raise DataError(f"cannot read {name}: {error.strerror}. Give a file with one text a line, or -") from error
    finally:
        if handle:
            os.close(handle)


def _decoded(name: str, handle: int, encoding: str | None) -> Iterator[str]:
    """The text of each read, without a byte order mark; the bytes of a broken letter wait for the next."""
    from gcn2snn.datasets import LOOKED, marked_encoding, refuse_binary, refuse_unmarked, wrong_encoding

    chunk = os.read(handle, READ)
    refuse_binary(name, chunk)
    marked = marked_encoding(chunk)
    chosen = encoding or marked
    guessed, start = encoding is None and marked == "utf-8", b""
    decoder = codecs.getincrementaldecoder(chosen)()
    before = newlines = 0
    while True:
        if guessed and len(start) < LOOKED:
            start += chunk[: LOOKED - len(start)]
            refuse_unmarked(name, start)
        waiting = len(decoder.getstate()[0])
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            line = newlines + 1 + error.object.count(b"\n", 0, error.start)
            place = f"byte {before - waiting + error.start}"
            raise DataError(wrong_encoding(name, chosen, line, place, error)) from error
        except UnicodeError as error:  # some codecs say no more than that
            raise DataError(f"{name} is not {chosen} text: {error}. Give its encoding with --encoding") from error
        yield text if before else text.removeprefix("\ufeff")
        if not chunk:
            return
        before, newlines = before + len(chunk), newlines + text.count("\n")
        chunk = os.read(handle, READ)


def _refuse_odd_lines(name: str, before: int, lines: list[str]) -> None:
    """Refuse lines that no document makes: too long, or with a zero byte."""
    for place, line in enumerate(lines, start=before + 1):
        if "\0" in line:
            raise DataError(
                f"line {place} of {name} holds a zero byte, so it is no text file. Give a text file, or its --encoding if it "
                f"is UTF-16 without a byte order mark"
            )
        if len(line) > LONGEST:
            raise DataError(
                f"line {place} of {name} is longer than {LONGEST:,} characters; one text a line is needed. "
                f"Put each document on a line of its own"
            )
