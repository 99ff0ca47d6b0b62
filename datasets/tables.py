"""Tables as people save them: tabs, commas or semicolons, quotes that belong to the text, with or without a header."""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gcn2snn.datasets.columns import Columns, choose_columns, columns_by_number, listed, named_columns, told_note
from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.errors import DataError

Line = tuple[int, list[str]]
"""Number of the line on which a record begins, and its fields."""

DELIMITERS = ("\t", ",", ";", "|")
_WORD = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}
LOOKED_AT = 50
"""Records by which the delimiter is chosen."""


@dataclass(frozen=True)
class Table:
    """Records of a file and the places of their columns.

    Args:
        lines: without the header and without empty lines.
        columns: which field is which.
        notes: what was chosen, one sentence each.
    """

    lines: list[Line]
    columns: Columns
    notes: tuple[str, ...]


def read_table(path: Path, text: str, options: TextGraphOptions) -> Table:
    """The records of a delimited file.

    Raises:
        DataError: quotes that do not close, lines of different widths, or columns that cannot be told.
    """
    text = _unix(text)
    delimiter = "\t"
    if text[:4].casefold() == "sep=" and text[5:6] == "\n":  # a first line by which spreadsheets say it
        delimiter, text = text[4], "\n" + text.partition("\n")[2]
    else:
        delimiter = _delimiter(path, text)
    lines, notes = _records(path, text, delimiter, options)
    if not lines:
        raise DataError(f"{path} is empty; a corpus needs at least one document a class")
    width = len(lines[0][1])
    if width < 2:
        raise DataError(
            f"{path} has one column, {listed(lines[0][1])}; a corpus needs a text and a label, separated by a tab, a comma, "
            f"a semicolon or a bar"
        )
    columns, header = _columns(path, lines, options)
    if columns.told:
        notes += (told_note(path, columns, lines[0][1] if header else None),)
    body = lines[1:] if header else lines
    again = [number for number, fields in body if header and fields == lines[0][1]]
    if again:  # tables that were put behind each other
        notes += (f"{path}: the first line stands again on line {again[0]}; it is left out there",)
        body = [line for line in body if line[1] != lines[0][1]]
    return Table(
        [(number, _of_width(path, number, fields, width, delimiter)) for number, fields in body], columns, notes
    )


def _unix(text: str) -> str:
    """Lines that end at newlines: other carriage returns are spaces, or line ends where there is nothing else."""
    text = text.replace("\r\n", "\n")
    return text.replace("\r", " " if "\n" in text else "\n")


def _delimiter(path: Path, text: str) -> str:
    """The delimiter under which the first records name known columns, or else have the same width most often."""
    usual = {".tsv": "\t", ".tab": "\t", ".csv": ","}.get(path.suffix.lower(), "\t")

    def looks(delimiter: str) -> tuple[bool, float]:
        reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter)
        with _long_fields():
            widths, first = [], None
            for fields in _until(reader, LOOKED_AT):
                first = fields if first is None else first
                widths.append(len(fields))
        if first is None or len(first) < 2:
            return False, 0.0
        return bool(named_columns(first)), widths.count(len(first)) / len(widths)

    best = max((usual, *(other for other in DELIMITERS if other != usual)), key=looks)
    return best if looks(best)[1] else usual


def _until(reader: Iterator[list[str]], count: int) -> Iterator[list[str]]:
    """At most so many records that are not empty, and none after an error."""
    try:
        for fields in reader:
            if fields:
                yield fields
                count -= 1
            if not count:
                return
    except csv.Error:
        return


def _records(path: Path, text: str, delimiter: str, options: TextGraphOptions) -> tuple[list[Line], tuple[str, ...]]:
    """All records; quotes are taken as text where the lines only make sense that way."""
    if not options.quotes:
        return _parsed(text, delimiter, quotes=False), ()
    failure: csv.Error | None = None
    lines: list[Line] = []
    try:
        lines = _parsed(text, delimiter, quotes=True)
        if not any("\n" in field for _, fields in lines for field in fields):
            return lines, ()
    except csv.Error as error:
        failure = error
    literal = _parsed(text, delimiter, quotes=False)
    if literal and len(literal[0][1]) > 1 and len({len(fields) for _, fields in literal}) == 1:
        note = f"{path}: double quotes are taken as text, because they do not pair up within the lines"
        return literal, (note,)
    if failure is None:
        return lines, ()
    if '\\"' in text:
        try:
            return _parsed(text, delimiter, quotes=True, escape="\\"), ()
        except csv.Error:
            pass
    raise DataError(
        f"{path} cannot be read {failure}; check the double quotes there, or take all of them as text with --no-quotes"
    ) from failure


def _parsed(text: str, delimiter: str, *, quotes: bool, escape: str | None = None) -> list[Line]:
    """Records that are not empty, each with the number of its first line.

    Raises:
        csv.Error: quotes that do not close; says from which line on.
    """
    reader = csv.reader(
        io.StringIO(text, newline="\n"),
        delimiter=delimiter,
        strict=True,
        quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
        escapechar=escape,
        doublequote=escape is None,
    )
    lines: list[Line] = []
    start = 1
    with _long_fields():
        try:
            for fields in reader:
                if fields and (len(fields) > 1 or fields[0].strip()):
                    lines.append((start, fields))
                start = reader.line_num + 1
        except csv.Error as error:
            raise csv.Error(f"from line {start} on ({error})") from error
    return lines


@contextmanager
def _long_fields() -> Iterator[None]:
    """While it lasts, fields may be longer than the 128 KiB that :mod:`csv` allows."""
    limit = csv.field_size_limit(sys.maxsize if sys.maxsize < 2**31 else 2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _columns(path: Path, lines: list[Line], options: TextGraphOptions) -> tuple[Columns, bool]:
    """The columns, and whether the first line names them."""
    first = lines[0][1]
    guess = _text_and_label([fields for _, fields in lines[1:]]) if len(first) == 2 else None
    asked = [name for name in (options.text_column, options.label_column) if name is not None]
    by_name = any(not name.isdecimal() for name in asked)
    named = named_columns(first)
    if not by_name and (not named or any(_is_data(first, place, lines) for place in named)):
        numbers = [int(name) - 1 for name in asked if int(name) <= len(first)]
        label = numbers[-1] if options.label_column is not None and numbers else guess[1] if guess else None
        if label is None or _is_data(first, label, lines):
            return columns_by_number(path, first, options, guess), False
        if guess is not None and not asked:
            return Columns(*guess, None, None, True), True
    return choose_columns(path, first, options), True


def _is_data(first: list[str], place: int, lines: list[Line]) -> bool:
    """Whether the first line is a document: what it holds there is a label that other lines have too."""
    others = (fields for _, fields in lines[1:] if fields != first)
    return any(len(fields) > place and fields[place].strip() == first[place].strip() for fields in others)


def _text_and_label(rows: list[list[str]]) -> tuple[int, int] | None:
    """Of two columns the text and the label: labels repeat, or else are shorter."""
    rows = [fields for fields in rows if len(fields) == 2]
    if not rows:
        return None
    different = [len(Counter(fields[i] for fields in rows)) for i in (0, 1)]
    length = [sum(len(fields[i]) for fields in rows) for i in (0, 1)]
    return (0, 1) if (different[1], length[1]) <= (different[0], length[0]) else (1, 0)


def _of_width(path: Path, number: int, fields: list[str], width: int, delimiter: str) -> list[str]:
    """The fields of one record, short ones filled up.

    Raises:
        DataError: more fields than the first line has, and they are not empty.
    """
    if any(field.strip() for field in fields[width:]):
        raise DataError(
            f"line {number} of {path} has more fields than the first line ({len(fields)}, not {width}). Put text that holds "
            f"a {_WORD.get(delimiter, delimiter)} between double quotes"
        )
    return fields[:width] + [""] * (width - len(fields))
