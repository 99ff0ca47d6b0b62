"""The table of what source and network say of each row: its values, its batches, and the file it makes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

import gcn2snn
from gcn2snn.errors import ArtefactError, InputError
from gcn2snn.prediction import RowPredictions
from gcn2snn.spiking_network import SpikingNetwork


@pytest.fixture(scope="module")
def snn() -> SpikingNetwork:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3)).eval()
    return gcn2snn.convert(model, torch.rand(30, 4), gcn2snn.ConvertConfig(base=2.0, timesteps=3))


def test_rows_are_those_of_the_mask_with_both_predictions(snn: SpikingNetwork) -> None:
    x, labels = torch.rand(30, 4), torch.arange(30) % 3
    mask = torch.arange(30) % 4 == 1
    result = gcn2snn.evaluate(snn, x, labels, mask)
    rows = result.rows
    assert rows is not None
    assert rows.row.tolist() == mask.nonzero().flatten().tolist()
    assert torch.equal(rows.label, labels[mask])
    for predicted, probability, scores in (
        (rows.source, rows.source_probability, snn.source(x)),
        (rows.network, rows.network_probability, snn(x)),
    ):
        assert torch.equal(predicted, scores[mask].argmax(1))
        assert torch.equal(probability, scores[mask].double().softmax(1).amax(1))
    assert result.snn.accuracy == 100 * float((rows.network == rows.label).double().mean())
    assert "rows" not in result.to_dict()


def test_rows_of_a_loader_count_on_over_its_batches(snn: SpikingNetwork) -> None:
    x, labels = torch.rand(10, 4), torch.arange(10) % 3
    whole = gcn2snn.evaluate(snn, x, labels).rows
    parts = gcn2snn.evaluate(snn, [(x[:4], labels[:4]), (x[4:], labels[4:])]).rows
    assert whole is not None
    assert parts is not None
    assert parts.row.tolist() == list(range(10))
    assert torch.equal(parts.network, whole.network)
    # PyTorch may sum the products of four rows in another order than those of ten, and rounds to 24 bits.
    torch.testing.assert_close(parts.source_probability, whole.source_probability, rtol=0, atol=1e-6)


def test_probabilities_of_a_text_network_use_its_temperature() -> None:
    scores = torch.tensor([[2.0, 0.0]])
    rows = RowPredictions.of(torch.tensor([7]), torch.tensor([1]), scores, -scores, temperature=4.0)
    assert float(rows.source_probability) == pytest.approx(1 / (1 + 2.718281828459045**-0.5))
    assert (rows.row.item(), rows.source.item(), rows.network.item()) == (7, 0, 1)


def test_save_writes_names_where_they_are_known(tmp_path: Path) -> None:
    rows = RowPredictions.of(
        torch.tensor([0, 2]), torch.tensor([0, 1]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.zeros(2, 2)
    )
    file = rows.save(tmp_path / "out.csv", ["a, b"], ["first", "second", "third"])
    with file.open(newline="", encoding="utf-8") as stream:
        found = list(csv.DictReader(stream))
    assert found[1] == {
        "row": "2",
        "name": "third",
        "label": "class 1",
        "source": "class 1",
        "network": "a, b",
        "source_probability": "0.731059",
        "network_probability": "0.500000",
    }
    nameless = rows.save(file, ["a", "b"]).read_text(encoding="utf-8").splitlines()[1:]
    assert [line.split(",")[:3] for line in nameless] == [["0", "", "a"], ["2", "", "b"]]
    with pytest.raises(InputError, match="1 names for row 2"):
        rows.save(tmp_path / "other.csv", ["a", "b"], ["first"])
    assert not (tmp_path / "other.csv").exists()
    with pytest.raises(ArtefactError, match=r"out.json ends in .json, but a .csv file is written"):
        rows.save(tmp_path / "out.json", ["a", "b"])
