"""How tables are judged, from the records themselves and the names of their columns."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from gcn2snn.datasets import TextGraphOptions, load, tables
from gcn2snn.errors import DataError


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("long text", "a"), ("other text", "a")], (0, 1)),  # the label repeats
        ([("a", "long text"), ("a", "other text")], (1, 0)),
        ([("long text", "a"), ("other text", "b")], (0, 1)),  # neither repeats: the label is shorter
        ([("a", "long text"), ("b", "other text")], (1, 0)),
        ([], None),
    ],
)
def test_the_label_repeats_or_is_shorter(rows: list[tuple[str, str]], expected: tuple[int, int] | None) -> None:
    records = [(number, list(row)) for number, row in enumerate([("x", "y"), *rows], 1)]
    assert tables._text_and_label(iter(records)) == expected


def test_fields_may_have_134_million_characters_while_records_are_read() -> None:
    before = csv.field_size_limit()
    with tables._long_fields():
        assert csv.field_size_limit() == 134_217_728
    assert csv.field_size_limit() == before


def test_a_column_that_is_asked_for_by_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("note,note,label\na,b,one\nc,d,one\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"has 2 columns called 'note'"):
        load(path, options=TextGraphOptions(text_column="note"))


@pytest.mark.parametrize(
    ("lost", "told"),
    [(0, None), (1, "1 document has no label and is left out"), (2, "2 documents have no label and are left out")],
)
def test_documents_without_a_label_are_counted(tmp_path: Path, lost: int, told: str | None) -> None:
    path = tmp_path / "own.csv"
    path.write_text("text,label\na,one\nb,one\n" + "c,\n" * lost, encoding="utf-8")
    notes = [note for note in load(path).notes if "no label" in note]
    assert notes == ([] if told is None else [f"{path}: {told} (first 'line 4')"])
