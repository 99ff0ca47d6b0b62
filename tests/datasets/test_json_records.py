"""Values of JSON records as texts, and what is refused with the number of its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gcn2snn.datasets import Corpus, load
from gcn2snn.errors import DataError


def read(folder: Path, text: str, name: str = "own.jsonl") -> Corpus:
    (folder / name).write_text(text, encoding="utf-8")
    return load(folder / name)


def lines(*values: Any) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


@pytest.mark.parametrize(
    ("label", "told"), [("one", "one"), (3, "3"), (3.0, "3"), (3.5, "3.5"), (True, "true"), (False, "false")]
)
def test_labels_are_texts_numbers_and_truths(tmp_path: Path, label: object, told: str) -> None:
    assert read(tmp_path, lines({"text": "a b", "label": label}, {"text": 2.0, "label": label})).class_names == (told,)


def test_blank_lines_are_passed_over_and_counted(tmp_path: Path) -> None:
    good = lines({"text": "a b", "label": "x"})
    assert read(tmp_path, f"\n{good}  \n{good}").documents == ("a b", "a b")
    with pytest.raises(DataError, match=r"line 4 of .* is not JSON"):
        read(tmp_path, f"\n{good}\n{{")
    with pytest.raises(DataError, match=r"line 2 of .* is not a JSON object"):
        read(tmp_path, f"{good}[1]\n")


def test_a_list_of_objects_counts_them_from_one(tmp_path: Path) -> None:
    record = {"text": "a", "label": "x"}
    assert read(tmp_path, f"\n {json.dumps([record, record])}", "own.json").documents == ("a", "a")
    with pytest.raises(DataError, match=r"line 2 of .* is not a JSON object"):
        read(tmp_path, json.dumps([record, 1]), "own.json")


@pytest.mark.parametrize(("length", "cut"), [(56, False), (57, True)])
def test_values_that_are_no_texts_are_shown_as_far_as_there_is_room(tmp_path: Path, length: int, cut: bool) -> None:
    value = ["y" * length]  # four more characters: brackets and quotes
    with pytest.raises(DataError, match=r"line 1 of .*'text' is \['yyy") as found:
        read(tmp_path, lines({"text": value, "label": "x"}))
    assert ("..." in str(found.value).split("'text' is")[1]) == cut
    assert "--text-column" in str(found.value)
    with pytest.raises(DataError, match=r"'label' is \[1\]; .*--label-column"):
        read(tmp_path, lines({"text": "a", "label": [1]}))
    with pytest.raises(DataError, match=r"'text' is True; a text or a number"):
        read(tmp_path, lines({"text": True, "label": "x"}))


def test_a_key_twice_in_one_object_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 1 of .* has the key 'label' twice"):
        read(tmp_path, '{"text": "a", "label": "x", "label": "y"}\n')


def test_a_list_that_is_no_json_is_refused_from_its_first_line_on(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 1 of .*own.json is not JSON"):
        read(tmp_path, '[{"text": "a",\n "label": "x"}', "own.json")
