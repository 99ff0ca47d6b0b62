"""Tables as people save them: tabs, commas or semicolons, quotes that belong to the text, with or without a header."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from gcn2snn.datasets.columns import Columns, choose_columns, columns_by_number, listed, named_columns, told_note
from gcn2snn.datasets.file_bytes import kind_of
from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.datasets.text_file import TextFile
from gcn2snn.errors import DataError

Line = tuple[int, list[str]]
"""Number of the line on which a record begins, and its fields."""

DELIMITERS = ("\t", ",", ";", "|")
_WORD = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}
LOOKED_AT = 50
"""Records by which the delimiter is chosen."""

JUDGED = 10_000
"""Records by which it is judged which of two columns is the label."""

LONGEST_FIELD = 1 << 27
"""Characters of one field; quotes that never close would gather the rest of a file in one."""


@dataclass(frozen=True)
class Table:
    """Records of a file and the places of their columns.

    Args:
        lines: gives the records, without the header and without empty lines, as often as it is called.
        columns: which field is which.
        notes: what was chosen, one sentence each.
    """

    lines: Callable[[], Iterator[Line]]
    columns: Columns
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Dialect:
    """How a table is written: its delimiter, and whether quotes belong to the format."""

    delimiter: str
    quotes: bool = True
    escape: str | None = None


@dataclass(frozen=True)
class Survey:
    """What all records of a table, read in one dialect, look like.

    Args:
        first: the first one, None where there is none.
        count: how many there are.
        narrowest, widest: fewest and most fields.
        broken: some field goes over more than one line.
        repeated: places at which another record, unlike the first, holds what the first holds.
        again: line on which the first stands again, 0 for none.
    """

    first: Line | None
    count: int
    narrowest: int
    widest: int
    broken: bool
    repeated: frozenset[int]
    again: int


def read_table(file: TextFile, options: TextGraphOptions) -> Table:
    """The records of a delimited file, which is read through to choose how and again whenever they are asked for.

    Raises:
        DataError: quotes that do not close, lines of different widths, or columns that cannot be told.
    """
    path = file.path
    lines, delimiter = _lines_and_delimiter(file)
    dialect, survey, notes = _dialect(path, lines, delimiter, options)
    if survey.first is None:
        raise DataError(f"{path} is empty; a corpus needs at least one document a class")
    first = survey.first[1]
    width = len(first)
    if width < 2:
        raise DataError(
            f"{path} has one column, {listed(first)}; a corpus needs a text and a label, separated by a tab, a comma, "
            f"a semicolon or a bar"
        )
    columns, header = _columns(path, survey, lambda: _parsed(lines(), dialect), options)
    if columns.told:
        notes += (told_note(path, columns, first if header else None),)
    if header and survey.again:  # tables that were put behind each other
        notes += (f"{path}: the first line stands again on line {survey.again}; it is left out there",)

    def records() -> Iterator[Line]:
        for number, fields in _parsed(lines(), dialect):
            if not (header and fields == first):
                yield number, _of_width(path, number, fields, width, delimiter)

    return Table(records, columns, notes)


def _lines_and_delimiter(file: TextFile) -> tuple[Callable[[], Iterator[str]], str]:
    """The lines, and the delimiter that stands in the first one as spreadsheets write it, or else looks right."""
    said = next(file.lines(), "")
    if said[:4].casefold() != "sep=" or said[5:6] != "\n":
        return file.lines, _delimiter(file.path, file.lines)

    def others() -> Iterator[str]:
        lines = file.lines()
        next(lines)
        yield "\n"  # so that lines keep their numbers
        yield from lines

    return others, said[4]


def _delimiter(path: Path, lines: Callable[[], Iterator[str]]) -> str:
    """The delimiter under which the first records name known columns, or else have the same width most often."""
    usual = {".tsv": "\t", ".tab": "\t", ".csv": ","}.get(kind_of(path), "\t")

    def looks(delimiter: str) -> tuple[bool, float]:
        reader = csv.reader(lines(), delimiter=delimiter)
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


def _dialect(
    path: Path, lines: Callable[[], Iterator[str]], delimiter: str, options: TextGraphOptions
) -> tuple[Dialect, Survey, tuple[str, ...]]:
    """How the records are read; quotes are taken as text where the lines only make sense that way."""
    literal = Dialect(delimiter, quotes=False)
    if not options.quotes:
        return literal, _surveyed(lines(), literal), ()
    failure: csv.Error | None = None
    quoted = Dialect(delimiter)
    survey = None
    try:
        survey = _surveyed(lines(), quoted)
        if not survey.broken:
            return quoted, survey, ()
    except csv.Error as error:
        failure = error
    plain = _surveyed(lines(), literal)
    if plain.first is not None and len(plain.first[1]) > 1 and plain.narrowest == plain.widest:
        return (
            literal,
            plain,
            (f"{path}: double quotes are taken as text, because they do not pair up within the lines",),
        )
    if survey is not None:
        return quoted, survey, ()
    if any('\\"' in line for line in lines()):
        escaped = Dialect(delimiter, escape="\\")
        with suppress(csv.Error):
            return escaped, _surveyed(lines(), escaped), ()
    raise DataError(
        f"{path} cannot be read {failure}; check the double quotes there, or take all of them as text with --no-quotes"
    ) from failure


def _surveyed(lines: Iterator[str], dialect: Dialect) -> Survey:
    """The look of all records.

    Raises:
        csv.Error: as :func:`_parsed`.
    """
    first: Line | None = None
    count = narrowest = widest = again = 0
    broken, repeated = False, set[int]()
    known: list[str] = []
    for number, fields in _parsed(lines, dialect):
        if first is None:
            first, narrowest, known = (number, fields), len(fields), [field.strip() for field in fields]
        elif fields == first[1]:
            again = again or number
        else:
            repeated.update(i for i, field in enumerate(fields[: len(known)]) if field.strip() == known[i])
        count += 1
        narrowest, widest = min(narrowest, len(fields)), max(widest, len(fields))
        broken = broken or any("\n" in field for field in fields)
    return Survey(first, count, narrowest, widest, broken, frozenset(repeated), again)


def _parsed(lines: Iterator[str], dialect: Dialect) -> Iterator[Line]:
    """Records that are not empty, each with the number of its first line.

    Raises:
        csv.Error: quotes that do not close; says from which line on.
    """
    reader = csv.reader(
        lines,
        delimiter=dialect.delimiter,
        strict=True,
        quoting=csv.QUOTE_MINIMAL if dialect.quotes else csv.QUOTE_NONE,
        escapechar=dialect.escape,
        doublequote=dialect.escape is None,
    )
    start = 1
    while True:
        with _long_fields():  # around each record alone: others may read tables while these are waited for
            try:
                fields = next(reader, None)
            except csv.Error as error:
                raise csv.Error(f"from line {start} on ({error})") from error
        if fields is None:
            return
        if fields and (len(fields) > 1 or fields[0].strip()):
            yield start, fields
        start = reader.line_num + 1


@contextmanager
def _long_fields() -> Iterator[None]:
    """While it lasts, fields may be longer than the 128 KiB that :mod:`csv` allows."""
    limit = csv.field_size_limit(LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _columns(
    path: Path, survey: Survey, records: Callable[[], Iterator[Line]], options: TextGraphOptions
) -> tuple[Columns, bool]:
    """The columns, and whether the first line names them."""
    assert survey.first is not None
    first = survey.first[1]
    asked = [name for name in (options.text_column, options.label_column) if name is not None]
    by_name = any(not name.isdecimal() for name in asked)
    named = named_columns(first)
    # What the first line holds at the place of the label and other lines have too makes it a document, not a header.
    if not by_name and (not named or any(place in survey.repeated for place in named)):
        guess = _text_and_label(records()) if len(first) == 2 else None
        numbers = [int(name) - 1 for name in asked if int(name) <= len(first)]
        label = numbers[-1] if options.label_column is not None and numbers else guess[1] if guess else None
        if label is None or label in survey.repeated:
            return columns_by_number(path, first, options, guess), False
        if guess is not None and not asked:
            return Columns(*guess, None, None, True), True
    return choose_columns(path, first, options), True


def _text_and_label(lines: Iterator[Line]) -> tuple[int, int] | None:
    """Of two columns the text and the label, judged by the first records: labels repeat, or else are shorter."""
    rows = [fields for _, fields in islice(lines, 1, 1 + JUDGED) if len(fields) == 2]
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
