from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import gcn2snn
from gcn2snn import artefact, network_file
from gcn2snn.config import ConvertConfig, TrainConfig
from gcn2snn.datasets import load_graph
from gcn2snn.errors import ArtefactError, InputError
from gcn2snn.passes import Choice, RefitReport, Trial
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.textgcn.training import Trainer, fit


@pytest.fixture(scope="module")
def snn() -> SpikingNetwork:
    graph = load_graph("karate")
    model = fit(Trainer(graph, TrainConfig(hidden=8, epochs=5)))
    return gcn2snn.convert(model, graph, ConvertConfig(per="channel", one_hot="binary"))


def test_save_load_gives_the_same_network(snn: SpikingNetwork, tmp_path: Path) -> None:
    path = gcn2snn.save(snn, tmp_path / "snn.safetensors")
    again = gcn2snn.load(path)
    adjacency = load_graph("karate").adjacency
    assert torch.equal(snn(adjacency), again(adjacency))
    assert again.config == snn.config
    assert again.report == snn.report
    assert again.choice == snn.choice is not None
    assert [type(a) for a in again.network] == [type(b) for b in snn.network]


def test_an_artefact_of_another_version_says_how_to_convert_again(
    snn: SpikingNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_file, "SNN_FORMAT", network_file.SNN_FORMAT - 1)
    path = gcn2snn.save(snn, tmp_path / "snn.safetensors")
    monkeypatch.undo()
    with pytest.raises(ArtefactError, match=r"has format version .*Convert again .*`gcn2snn convert RUN --force`"):
        gcn2snn.load(path)


def test_load_with_origin_returns_what_was_kept(snn: SpikingNetwork, tmp_path: Path) -> None:
    path = artefact.save(snn, tmp_path / "snn.safetensors", {"run": "here"})
    assert artefact.load_with_origin(path)[1] == {"run": "here"}


def test_load_refuses_a_node_type_of_another_release(
    snn: SpikingNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = gcn2snn.save(snn, tmp_path / "snn.safetensors")
    monkeypatch.delitem(artefact.ir.NODE_TYPES, "Lookup")
    with pytest.raises(ArtefactError, match="node type 'Lookup' is unknown"):
        gcn2snn.load(path)


def test_load_refuses_a_run_folder(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({}))
    with pytest.raises(ArtefactError, match="is a folder; the file in it is needed"):
        gcn2snn.load(tmp_path)


def test_save_reports_an_unwritable_place(snn: SpikingNetwork, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtefactError, match="cannot write"):
        gcn2snn.save(snn, tmp_path / "file" / "snn.safetensors")


@pytest.mark.parametrize("name", ["snn.json", "snn.PT", "snn.csv", "snn.onnx"])
def test_save_refuses_the_ending_of_another_format(snn: SpikingNetwork, tmp_path: Path, name: str) -> None:
    with pytest.raises(
        ArtefactError, match=r"ends in \.\w+, but a .safetensors file is written. Give a name that ends in"
    ):
        gcn2snn.save(snn, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["snn", "snn.SAFETENSORS", "snn.v1.2"])
def test_save_takes_names_that_name_no_other_format(snn: SpikingNetwork, tmp_path: Path, name: str) -> None:
    assert gcn2snn.load(gcn2snn.save(snn, tmp_path / name)).config == snn.config


def test_save_does_not_overwrite_unasked(snn: SpikingNetwork, tmp_path: Path) -> None:
    path = gcn2snn.save(snn, tmp_path / "snn.safetensors")
    before = path.read_bytes()
    with pytest.raises(ArtefactError, match=r"exists; it is not overwritten without force=True"):
        gcn2snn.save(snn, path, {"run": "another"})
    assert path.read_bytes() == before
    gcn2snn.save(snn, path, {"run": "another"}, force=True)
    assert gcn2snn.load(path).origin == {"run": "another"}


def test_measurements_that_are_not_finite_are_kept(snn: SpikingNetwork, tmp_path: Path) -> None:
    """A population that is silent before a refit has an infinite error, and a network that diverges a measure without end."""
    endless = float("inf")
    report = [replace(row, mape=endless) for row in snn.report]
    refits = [RefitReport("layer1.message.neuron", 4, 3, 40, 30, endless, 0.5)]
    choice = Choice((Trial("one", endless, 0.0), Trial("other", 0.25, 1.0)), 1, "squared", 34)
    whole = SpikingNetwork(snn.network, snn.config, report, refits, choice)
    again = gcn2snn.load(gcn2snn.save(whole, tmp_path / "snn.safetensors"))
    assert again.report == tuple(report)
    assert again.refits == tuple(refits)
    assert again.choice == choice
    bare = SpikingNetwork(snn.network, snn.config)
    again = gcn2snn.load(gcn2snn.save(bare, tmp_path / "bare.safetensors"))
    assert (again.report, again.refits, again.choice, again.documents, again.origin) == ((), (), None, None, {})


def test_a_network_that_could_not_be_loaded_is_not_written(tmp_path: Path) -> None:
    snn = gcn2snn.convert(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval(), torch.rand(6, 6))
    with torch.no_grad():
        dict(snn.named_buffers())["0.weight"][0, 0] = torch.nan
    with pytest.raises(InputError, match="weight with values that are NaN or infinite"):
        gcn2snn.save(snn, tmp_path / "network.safetensors")
    with pytest.raises(InputError, match="weight with values that are NaN or infinite"):
        snn.save_pretrained(tmp_path / "folder")
    assert not list(tmp_path.iterdir())
