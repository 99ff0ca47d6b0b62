"""The table of unseen documents: means, goals, and rows that are kept from one command to the next."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from gcn2snn.datasets import TextGraphOptions, load, load_graph
from gcn2snn.files import read_json
from gcn2snn.reproduce import inductive as item
from gcn2snn.reproduce.options import ReproduceOptions
from gcn2snn.textgcn import UnseenDocuments


def row(source: float, spiking: float, validation: float) -> dict[str, Any]:
    return {
        "ann": {"accuracy": source},
        "snn": {"accuracy": spiking},
        "loss": source - spiking,
        "validation": {"accuracy": validation},
        "additions": 1000.0,
    }


def test_table_says_which_goals_are_met() -> None:
    lines = item.table(
        {"mr": [row(76.0, 75.8, 77.0), row(75.0, 74.6, 76.0)], "r8": [row(97.0, 96.9, 98.0)]}
    ).splitlines()
    assert (
        lines[2]
        == "| mr | 2 | 75.50 ± 0.71 | 76.3, missed by 0.80 | 75.20 ± 0.85 | 0.30 ± 0.14, met | 76.50 ± 0.71 | 1,000 |"
    )
    assert lines[3] == "| r8 | 1 | 97.00 | 97.0, met | 96.90 | 0.10, met | 98.00 | 1,000 |"


def test_rows_are_kept_from_one_command_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def run_seed(graph: object, unseen: object, seed: int) -> dict[str, Any]:
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
    draw = random.Random(0)
    lines = ["text\tlabel\tsplit"]
    for number in range(40):
        label = ("fruit", "traffic")[number % 2]
        words = {"fruit": ["apple", "pear", "juice"], "traffic": ["car", "road", "jam"]}[label]
        lines.append(f"{' '.join(draw.choices(words, k=4))} new old\t{label}\t{'test' if number % 4 == 3 else 'train'}")
    file = tmp_path / "things.tsv"
    file.write_text("\n".join(lines) + "\n")
    options = TextGraphOptions(min_count=1, stop_words="none", documents="training")
    make = item.TrainConfig.for_new_documents
    monkeypatch.setattr(
        item.TrainConfig, "for_new_documents", lambda **given: make(hidden=8, epochs=8, validation=0.2, **given)
    )
    graph = load_graph(str(file), options=options, cache=False)
    found = item.run_seed(graph, UnseenDocuments.of(load(str(file))), seed=1)
    assert found["seed"] == 1
    assert found["documents"] == 10
    assert found["ann"]["accuracy"] == 100.0
    assert found["loss"] == found["ann"]["accuracy"] - found["snn"]["accuracy"]
    assert found["additions"] > 0
    assert found["validation"]["documents"] == 6
