"""The table of unseen documents: means, goals, and rows that are kept from one command to the next."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from gcn2snn.datasets import TextGraphOptions, load, load_graph
from gcn2snn.files import read_json
from gcn2snn.reproduce import inductive as item
from gcn2snn.reproduce import inductive_choice as choice
from gcn2snn.reproduce.options import ReproduceOptions
from gcn2snn.textgcn import UnseenDocuments

OPTIONS = TextGraphOptions(min_count=1, stop_words="none", documents="training")


def things(folder: Path) -> Path:
    """A corpus of two classes that words tell apart."""
    draw = random.Random(0)
    lines = ["text\tlabel\tsplit"]
    for number in range(40):
        label = ("fruit", "traffic")[number % 2]
        words = {"fruit": ["apple", "pear", "juice"], "traffic": ["car", "road", "jam"]}[label]
        lines.append(f"{' '.join(draw.choices(words, k=4))} new old\t{label}\t{'test' if number % 4 == 3 else 'train'}")
    file = folder / "things.tsv"
    file.write_text("\n".join(lines) + "\n")
    return file


def row(source: float, spiking: float, validation: float) -> dict[str, Any]:
    snn = {
        "snn": {"accuracy": spiking},
        "loss": source - spiking,
        "agreement": 99.0,
        "additions": 1000.0,
        "steps": 76.0,
    }
    conversions = {name: dict(snn) for name in item.CONFIGS}
    return {"ann": {"accuracy": source}, "conversions": conversions, "validation": {"accuracy": validation}}


def test_table_says_which_goals_are_met() -> None:
    lines = item.table(
        {"mr": [row(76.0, 75.8, 77.0), row(75.0, 74.6, 76.0)], "r8": [row(97.0, 96.9, 98.0)]}
    ).splitlines()
    assert lines[2] == "| mr | 2 | 75.50 ± 0.71 | 76.3, missed by 0.80 | 76.50 ± 0.71 |"
    assert lines[3] == "| r8 | 1 | 97.00 | 97.0, met | 98.00 |"
    assert lines[7] == "| mr | measured | 75.20 ± 0.85 | 0.30 ± 0.14, met | 99.00 ± 0.00 | 1,000 | 76 |"
    assert lines[8] == "| mr | measured, T = 24 | 75.20 ± 0.85 | 0.30 ± 0.14 | 99.00 ± 0.00 | 1,000 | 76 |"
    assert len(lines) == 7 + 2 * len(item.CONFIGS)


def test_rows_are_kept_from_one_command_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def run_seed(graph: object, unseen: object, seed: int, folder: Path) -> dict[str, Any]:
        asked.append(seed)
        return row(90.0 + seed, 90.0, 91.0)

    monkeypatch.setattr(item, "available", lambda names, data: (dict.fromkeys(names), {}))
    monkeypatch.setattr(item, "load_graph", lambda *args: None)
    monkeypatch.setattr(item, "load", lambda *args: None)
    monkeypatch.setattr(item.UnseenDocuments, "of", lambda corpus: None)
    monkeypatch.setattr(item, "run_seed", run_seed)
    item.inductive(tmp_path, ReproduceOptions(datasets=("mr",), seeds=2))
    found = item.inductive(tmp_path, ReproduceOptions(datasets=("mr",), seeds=3))
    assert asked == [0, 1, 2]
    assert [each["ann"]["accuracy"] for each in found["results"]["mr"]] == [90.0, 91.0, 92.0]
    assert set(read_json(tmp_path / "inductive-rows.json")["rows"]) == {"mr/0", "mr/1", "mr/2"}


def test_run_seed_measures_source_and_spikes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = things(tmp_path)
    make = item.TrainConfig.for_new_documents
    monkeypatch.setattr(
        item.TrainConfig, "for_new_documents", lambda **given: make(hidden=8, epochs=8, validation=0.2, **given)
    )
    graph = load_graph(str(file), options=OPTIONS, cache=False)
    folder = tmp_path / "run"
    found = item.run_seed(graph, UnseenDocuments.of(load(str(file))), 1, folder)
    assert found["seed"] == 1
    assert [*found["conversions"]] == [*item.CONFIGS]
    measured = found["conversions"]["measured"]
    assert measured["documents"] == 10
    assert found["ann"]["accuracy"] == 100.0
    assert measured["loss"] == found["ann"]["accuracy"] - measured["snn"]["accuracy"]
    assert measured["additions"] > 0
    assert found["validation"]["documents"] == 6
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert item.run_seed(graph, UnseenDocuments.of(load(str(file))), 1, folder) == found
    assert (folder / "model.safetensors").stat().st_mtime_ns == before  # nothing was trained again


def test_variants_are_compared_on_held_out_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = load_graph(str(things(tmp_path)), options=OPTIONS, cache=False)
    make = choice.TrainConfig.for_new_documents
    monkeypatch.setattr(
        choice.TrainConfig, "for_new_documents", lambda **given: make(epochs=4, validation=0.2, **given)
    )
    monkeypatch.setattr(choice, "VARIANTS", {"2 units": {"hidden": 2}, "3 units": {"hidden": 3}})
    monkeypatch.setattr(choice, "available", lambda names, data: (dict.fromkeys(names), {}))
    monkeypatch.setattr(choice, "load_graph", lambda *args: graph)
    found = choice.inductive_choice(tmp_path, ReproduceOptions(datasets=("mr",), seeds=2))
    assert {*found["results"]} == {"2 units", "3 units"}
    rows = found["results"]["3 units"]["mr"]
    assert [row["documents"] for row in rows] == [6, 6]
    assert found["text"].splitlines()[3].startswith("| 3 units | ")
    monkeypatch.setattr(choice, "held_out", lambda *args: pytest.fail("kept rows are not made again"))
    assert choice.inductive_choice(tmp_path, ReproduceOptions(datasets=("mr",), seeds=2))["results"] == found["results"]
