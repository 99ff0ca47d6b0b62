"""Records of a JSON file: one object a line, or a list of objects."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

from gcn2snn.datasets.columns import choose_columns, told_note
from gcn2snn.datasets.file_bytes import kind_of
from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.datasets.tables import Line, Table
from gcn2snn.datasets.text_file import TextFile
from gcn2snn.errors import DataError
from gcn2snn.json_text import RepeatedNameError, parsed

Record = tuple[int, dict[str, object]]
"""Number of the line (or of the object in a list), and the values by key."""


def read_records(file: TextFile, options: TextGraphOptions) -> Table:
    """The records as rows of text; a key that is missing or null is an empty text.

    Lines are read one after the other; a list of objects is held whole, since JSON cannot be cut elsewhere than at lines.

    Raises:
        DataError: no JSON, nested too deeply, no objects, a key that stands twice, or a value that is no text or number.
    """
    path = file.path
    start = next((line.lstrip() for line in file.lines() if line.strip()), "")
    if start.startswith("[") and kind_of(path) == ".json":
        whole = _whole(path, file.text())
        return table_of(path, lambda: iter(whole), options)
    return table_of(path, lambda: _lines(path, file.lines()), options)


def table_of(path: Path, records: Callable[[], Iterator[Record]], options: TextGraphOptions) -> Table:
    """A table of records, whose columns are all keys that some record has.

    Raises:
        DataError: there is no record, or its columns cannot be told.
    """
    header = list(dict.fromkeys(key for _, record in records() for key in record))
    if not header:
        raise DataError(f"{path} is empty; a corpus needs at least one document a class")
    columns = choose_columns(path, header, options)
    used = {
        index: header[index]
        for index in (columns.text, columns.label, columns.split, columns.name)
        if index is not None
    }

    def lines() -> Iterator[Line]:
        for number, record in records():
            row = [""] * len(header)
            for index, key in used.items():
                row[index] = _as_text(path, number, key, record.get(key), text=index == columns.text)
            yield number, row

    return Table(lines, columns, (told_note(path, columns, header),) if columns.told else ())


def _lines(path: Path, lines: Iterator[str]) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, _object(path, number, _parsed(path, number, line))


def _whole(path: Path, text: str) -> list[Record]:
    values = _parsed(path, 1, text)
    if not isinstance(values, list):
        raise DataError(f"{path} is not a list of JSON objects; [{{'text': ..., 'label': ...}}, ...] is needed")
    return [(number, _object(path, number, value)) for number, value in enumerate(values, 1)]


def _parsed(path: Path, number: int, line: str) -> object:
    try:
        return parsed(line)
    except RepeatedNameError as error:
        raise DataError(
            f"line {number} of {path} has the key {error.name!r} twice in one object; keep one of them"
        ) from error
    except RecursionError as error:
        raise DataError(
            f"line {number} of {path} is nested too deeply to be read; one flat object a line is needed, with a text and a label"
        ) from error
    except ValueError as error:
        raise DataError(f"line {number} of {path} is not JSON ({error}); one object a line is needed") from error


def _object(path: Path, number: int, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise DataError(f"line {number} of {path} is not a JSON object; {{'text': ..., 'label': ...}} is needed")
    return value


def _as_text(path: Path, number: int, key: str, value: object, *, text: bool) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool) and not text:
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        shown = str(value)
        raise DataError(
            f"line {number} of {path}: {key!r} is {shown if len(shown) <= 60 else shown[:57] + '...'}; a text or a number is "
            f"needed there. Write flat objects, or name another key with --{'text' if text else 'label'}-column"
        )
    return str(value)
