"""Tables fit the terminal and never cut a number; energies have the unit that suits them."""

from __future__ import annotations

import io
import json
import sys

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from rich.console import Console

from gcn2snn.cli.output import emit, joules, table

numbers = st.integers(0, 10**9).map(lambda number: f"{number:,}")


def drawn(width: int, *args: object, **options: object) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(table(*args, **options))  # type: ignore[arg-type]
    return stream.getvalue().splitlines()


@given(st.lists(st.lists(numbers, min_size=5, max_size=5), min_size=1, max_size=4), st.sampled_from([40, 80, 120]))
@settings(max_examples=40, deadline=None)
def test_numbers_are_whole_or_their_column_is_named_as_left_out(cells: list[list[str]], width: int) -> None:
    columns = [f"column{index}" for index in range(5)]
    rows = [[f"a.rather.long.layer.{index}", *row] for index, row in enumerate(cells)]
    lines = drawn(width, "Title", ["layer", *columns], rows, ["column2", "column0"])
    assert all(len(line) <= width for line in lines)
    text = "\n".join(lines)
    said = " ".join(text.partition("left out at this width:")[2].split())
    for index, name in enumerate(columns):
        kept = all(row[index] in text for row in cells)
        assert kept or name in said
    if said:
        assert "column2" in said  # the first to leave
    if "column0" not in said:
        assert said.count("column") <= 1


def test_texts_go_on_in_the_next_line_without_losing_a_word() -> None:
    words = "one two three four five six seven eight nine ten eleven twelve"
    lines = drawn(40, "Title", ["what", "found"], [["name", words]], texts=["found"])
    assert " ".join(" ".join(lines[3:]).split()) == f"name {words}"
    assert all(len(line) <= 40 for line in lines)


@pytest.mark.parametrize(
    ("energy", "said"),
    [(5.2e-8, "52 nJ"), (0.05e-6, "50 nJ"), (7.59e-6, "7.59 uJ"), (0, "0 J"), (2.5, "2.5 J"), (1e-15, "0.001 pJ")],
)
def test_joules_have_the_unit_that_suits(energy: float, said: str) -> None:
    assert joules(energy) == said


def test_json_has_escapes_where_the_stream_cannot_take_a_character(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    emit({"text": "äpple ☃"})
    sys.stdout.flush()
    assert json.loads(raw.getvalue()) == {"text": "äpple ☃"}
