"""``gcn2snn evaluate --predictions``: a line for each test document, node or image."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from command_line import failed, gcn2snn, parsed

import gcn2snn as package

TEXTS = [
    ("apple pear juice", "fruit"),
    ("ripe pear juice", "fruit"),
    ("car road jam", "traffic"),
    ("slow car jam", "traffic"),
]


def table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_documents_of_a_corpus_of_ones_own(tmp_path: Path) -> None:
    lines = [f"{text}\t{label}\t{split}\n" for split in ("train", "train", "test") for text, label in TEXTS]
    (tmp_path / "things.tsv").write_text("text\tlabel\tsplit\n" + "".join(lines), encoding="utf-8")
    run, out = tmp_path / "run", tmp_path / "out.csv"
    small = ("--epochs", 20, "--hidden", 8, "--min-count", 1)
    assert gcn2snn("train", tmp_path / "things.tsv", "--out", run, *small).returncode == 0
    assert gcn2snn("convert", run).returncode == 0
    found = parsed("evaluate", run / "snn.safetensors", "--predictions", out)
    rows = table(out)
    assert found["predictions"] == str(out)
    assert [row["row"] for row in rows] == ["8", "9", "10", "11"]
    assert [row["name"] for row in rows] == [f"line {number}" for number in range(10, 14)]
    assert [row["label"] for row in rows] == [label for _, label in TEXTS]
    right = sum(row["network"] == row["label"] for row in rows)
    assert found["snn"]["accuracy"] == 100 * right / 4
    same = sum(row["network"] == row["source"] for row in rows)
    assert found["agreement"] == 100 * same / 4
    snn, graph = (
        package.load(run / "snn.safetensors"),
        package.load_graph(tmp_path / "things.tsv", options=package.datasets.TextGraphOptions(min_count=1)),
    )
    assert snn.documents is not None
    probability = (snn.source(graph.adjacency)[8:12].double() / snn.documents.temperature).softmax(1).amax(1)
    assert [float(row["source_probability"]) for row in rows] == pytest.approx(probability.tolist(), abs=1e-6)

    counted = parsed("evaluate", run / "snn.safetensors", "--event-driven")
    assert 0 < counted["event_driven"]["updates"] < counted["updates"]
    assert counted["alpha"]["event_driven"] > counted["alpha"]["total"] == found["alpha"]["total"]
    assert "event_driven" not in found
    wanted = parsed("evaluate", run / "snn.safetensors", "--rows", "wanted")
    assert (wanted["counted_rows"], found["counted_rows"]) == ("wanted", "all")
    assert wanted["joules"]["ann"] < found["joules"]["ann"]
    assert "--rows is some; allowed are all and wanted" in failed("evaluate", run / "snn.safetensors", "--rows", "some")

    before = out.read_bytes()
    assert "exists; it is not overwritten without --force" in failed(
        "evaluate", run / "snn.safetensors", "--predictions", out
    )
    shown = gcn2snn("evaluate", run / "snn.safetensors", "--predictions", out, "--force")
    assert f"predictions written to {out}" in shown.stdout
    assert out.read_bytes() == before
    refused = failed("evaluate", run / "snn.safetensors", "--force")
    assert "--force has no meaning here: nothing is written; it goes with --predictions" in refused


def test_nodes_of_given_data(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3)).eval()
    x, y = torch.rand(12, 4), torch.arange(12) % 3
    package.save(package.convert(model, x), tmp_path / "snn.safetensors")
    torch.save({"x": x, "y": y, "test_mask": torch.arange(12) > 8}, tmp_path / "data.pt")
    parsed(
        "evaluate", tmp_path / "snn.safetensors", "--data", tmp_path / "data.pt", "--predictions", tmp_path / "out.csv"
    )
    rows = table(tmp_path / "out.csv")
    assert [(row["row"], row["name"], row["label"]) for row in rows] == [
        ("9", "", "class 0"),
        ("10", "", "class 1"),
        ("11", "", "class 2"),
    ]
    assert [row["source"] for row in rows] == [f"class {number}" for number in model(x)[9:].argmax(1).tolist()]


def test_images(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out.csv"
    assert gcn2snn("train", "digits", "--model", "small", "--epochs", 1, "--out", run).returncode == 0
    assert gcn2snn("convert", run).returncode == 0
    found = parsed("evaluate", run / "snn.safetensors", "--limit", 25, "--predictions", out)
    rows = table(out)
    assert len(rows) == 25
    right = sum(row["source"] == row["label"] for row in rows)
    assert found["ann"]["accuracy"] == pytest.approx(100 * right / 25)
    assert all(0.1 <= float(row["network_probability"]) <= 1 for row in rows)
    origin = package.load(run / "snn.safetensors").origin
    assert origin["class_names"] == [str(number) for number in range(10)]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3)).eval()
    package.save(package.convert(model, torch.rand(5, 4)), tmp_path / "snn.safetensors")
    torch.save({"x": torch.rand(5, 4), "y": torch.arange(5) % 3}, tmp_path / "data.pt")
    (tmp_path / "file").write_text("")
    given = ("evaluate", tmp_path / "snn.safetensors", "--data", tmp_path / "data.pt")
    assert "cannot write" in failed(*given, "--predictions", tmp_path / "file" / "out.csv")


def test_documents_that_no_graph_has_seen(tmp_path: Path) -> None:
    lines = [f"{text}\t{label}\t{split}\n" for split in ("train", "train", "test") for text, label in TEXTS]
    (tmp_path / "things.tsv").write_text("text\tlabel\tsplit\n" + "".join(lines), encoding="utf-8")
    run, out = tmp_path / "run", tmp_path / "out.csv"
    trained = gcn2snn("train", tmp_path / "things.tsv", "--inductive", "--out", run, "--epochs", 20, "--hidden", 8)
    assert trained.returncode == 0, trained.stderr
    assert gcn2snn("convert", run).returncode == 0
    found = parsed("evaluate", run / "snn.safetensors", "--predictions", out)
    rows = table(out)
    assert [row["name"] for row in rows] == [f"line {number}" for number in range(10, 14)]
    right = {key: sum(row[key] == row["label"] for row in rows) for key in ("source", "network")}
    assert (found["ann"]["accuracy"], found["snn"]["accuracy"]) == (25.0 * right["source"], 25.0 * right["network"])
    answers = [
        answer for text, _ in TEXTS for answer in [parsed("predict", run / "snn.safetensors", "--text", text, "--json")]
    ]
    for row, answer in zip(rows, answers, strict=True):
        assert row["network"] == answer["label"]
        assert float(row["network_probability"]) == pytest.approx(answer["probability"][answer["label"]], abs=1e-6)
