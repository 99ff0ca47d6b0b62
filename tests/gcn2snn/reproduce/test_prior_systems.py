"""Every number that Tables I to VIII print of the paper, of its own networks and of others, is the one in the paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gcn2snn.reproduce import image_tables
from gcn2snn.reproduce.image_paper_numbers import ROWS, WAITS
from gcn2snn.reproduce.options import ReproduceOptions
from gcn2snn.reproduce.prior_systems import CITED, PRIOR
from gcn2snn.reproduce.table5 import PAPER

Rows = list[list[str]]


def paper() -> dict[str, Rows]:
    """The paper's tables, word by word, from a file that was copied from its text and not from the package."""
    tables: dict[str, Rows] = {}
    for line in (Path(__file__).parent / "paper_tables.txt").read_text().splitlines():
        if line.startswith("TABLE"):
            tables[line.split(":")[0].removeprefix("TABLE ")] = rows = []
        elif not line.startswith("#"):
            rows.append(line.split())
    return tables


NUMBERS = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII")


def number(word: str) -> float | None:
    return None if word == "-" else float(word)


def printed(table: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """By row: the words behind each of its lines, its own first; nothing can be run, so all numbers are the paper's."""
    monkeypatch.delenv("GCN2SNN_DATA", raising=False)
    made = getattr(image_tables, table)(folder, ReproduceOptions(data_dir=folder))
    lines: dict[str, list[list[str]]] = {}
    for line in made["text"].splitlines()[1:]:
        words = line.split("not run")[0].split()
        if "/" in words[0]:
            name = words[0]
            lines[name] = [words[1:]]
        elif line.startswith("    "):
            lines[name].append(words)
    return lines


def values(words: list[str]) -> list[float | None]:
    """The numbers among words such as ``w=4``, ``SNN``, ``93.63`` and ``-``."""
    return [number(word) for word in words if re.fullmatch(r"-|\d+(\.\d+)?", word)]


@pytest.mark.parametrize(("count", "roman"), [(1, "I"), (2, "II"), (3, "III")])
def test_accuracies(count: int, roman: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected: dict[str, list[list[str]]] = {}
    for row, system, coding, ann, snn, steps in paper()[roman]:
        expected.setdefault(row, []).append([system, coding, ann, snn, steps])
    found = printed(f"table{count}", tmp_path, monkeypatch)
    found.pop("cifar10/resnet8", None)  # not in the paper
    assert found.keys() == expected.keys()
    for row, systems in expected.items():
        *others, (ours, _, ann, snn, steps) = systems
        assert values(found[row][0]) == [float(steps), float(ours.removeprefix("Ours-")), float(ann), float(snn)]
        assert len(found[row]) == 1 + len(others)
        for words, (system, coding, ann, snn, steps) in zip(found[row][1:], others, strict=True):
            assert words[0] == system
            assert words[2] == coding
            assert values(words[3:]) == [float(steps), number(ann), float(snn)]


def test_efficiency(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = printed("table4", tmp_path, monkeypatch)
    expected = paper()["IV"]
    assert len(expected) == 11 + 10
    taken = dict.fromkeys(found, 0)
    for row, system, ann, snn, steps, alpha in expected:
        if system.startswith("Ours-"):
            ours = [float(steps), float(system.removeprefix("Ours-")), float(ann), float(snn), float(alpha)]
            assert values(found[row][0]) == ours
            continue
        taken[row] += 1
        words = found[row][taken[row]]
        assert words[0] == system
        assert values(words[3:]) == [float(steps), float(ann), float(snn), float(alpha)]
    assert taken == {row: len(lines) - 1 for row, lines in found.items()}


@pytest.mark.parametrize(("count", "roman"), [(6, "VI"), (7, "VII"), (8, "VIII")])
def test_what_only_the_paper_is_compared_with(
    count: int, roman: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = printed(f"table{count}", tmp_path, monkeypatch)
    rows = paper()[roman]
    assert {row for row, *_ in rows} == found.keys() - {"cifar10/resnet8"}
    for row, *words in rows:
        expected = [number(word) for word in words]
        if roman == "VIII":  # the paper prints the source last and a dash where w > T
            expected = [*expected[:2], expected[-1], *[value for value in expected[2:-1] if value is not None]]
        assert values(found[row][0]) == expected
        assert len(found[row]) == 1


def test_text_graphs() -> None:
    expected = {row: tuple(float(word) for word in words) for row, *words in paper()["V"]}
    assert expected == PAPER


def test_the_copy_of_the_tables_is_whole() -> None:
    """As many numbers as the paper's tables have: a row that is lost here would be missed by the other tests."""
    sizes = {"I": 16, "II": 15, "III": 12, "IV": 21, "V": 5, "VI": 11, "VII": 11, "VIII": 11}
    assert {name: len(paper()[name]) for name in NUMBERS} == sizes
    assert len(ROWS) == 12
    assert all(len(row) == 3 + len(WAITS) + 1 for row in paper()["VIII"])


def test_every_other_system_has_its_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GCN2SNN_DATA", raising=False)
    used = {one.reference for rows in PRIOR.values() for systems in rows.values() for one in systems}
    assert used == CITED.keys()
    text = image_tables.table1(tmp_path, ReproduceOptions(data_dir=tmp_path))["text"]
    assert "[24] Bu et al., ICLR 2021" in text
    assert "† the source network is trained for the conversion" in text
    assert "[22]" not in text
    only = image_tables.table1(tmp_path, ReproduceOptions(data_dir=tmp_path, rows=("cifar10/resnet34",)))["text"]
    assert "[" not in only
