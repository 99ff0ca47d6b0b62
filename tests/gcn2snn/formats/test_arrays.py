"""npz: every array and the description come back, and from them alone the network can be computed again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gcn2snn import ConvertConfig, SpikingNetwork
from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.formats import check, export
from gcn2snn.formats.arrays import check_arrays, write_arrays
from gcn2snn.formats.clock import windows_of


def test_a_dense_layer_is_computed_again_from_the_arrays_alone(karate, tmp_path: Path) -> None:
    """U = A S W; the population fires at the first threshold that U / scale reaches."""
    snn, graph = karate
    export(snn, "npz", out=tmp_path / "net.npz")
    told = json.loads((tmp_path / "net.json").read_text())
    nodes = {node["name"]: node for node in told["nodes"]}
    with np.load(tmp_path / "net.npz") as data:
        assert json.loads(str(data["description"])) == told
        population = next(node for node in told["nodes"] if node["type"] == "Neuron")
        feed = nodes[population["inputs"][0]]
        assert feed["type"] == "Lookup"
        z = data[f"{feed['name']}.table"] / data[f"{population['name']}.scale"]
        thresholds = data[f"{population['name']}.thresholds"].astype(z.dtype)
        reached = (np.abs(z)[..., None] >= thresholds).sum(-1)
        code = np.where(reached > 0, population["coding"]["timesteps"] + 1 - reached, 0) * np.sign(z)
    expected = snn.spikes(graph.adjacency)[population["name"]].code.numpy()
    assert np.array_equal(code, expected)


def test_the_clock_of_each_membrane_is_that_of_the_paper(karate, tmp_path: Path) -> None:
    snn, _ = karate
    short = SpikingNetwork(snn.network, ConvertConfig(wait=3))
    windows = windows_of(short.network, 3)
    assert [window.opens for window in windows.values()] == [0, 3, 6, 9]  # layer l begins at step l w
    write_arrays(short, tmp_path / "net.npz")
    told = json.loads((tmp_path / "net.json").read_text())
    clocks = {node["name"]: node["clock"] for node in told["nodes"] if "clock" in node}
    assert {name: clock["opens"] for name, clock in clocks.items()} == {n: w.opens for n, w in windows.items()}


def test_a_changed_array_fails_the_check(cnn, tmp_path: Path) -> None:
    snn, _ = cnn
    write_arrays(snn, tmp_path / "net.npz")
    assert check(snn, "npz", out=tmp_path / "net.npz").passed
    with np.load(tmp_path / "net.npz") as data:
        arrays = {name: data[name] for name in data.files}
    name = next(name for name in arrays if name.endswith(".weight"))
    arrays[name] = arrays[name] + 1
    np.savez(tmp_path / "net.npz", **arrays)
    found = check(snn, "npz", out=tmp_path / "net.npz")
    assert not found.passed
    assert found.facts["differ"] == 1


def test_wrong_endings_and_broken_files_are_refused(cnn, tmp_path: Path) -> None:
    snn, _ = cnn
    with pytest.raises(ConfigError, match=r"is a NumPy archive, got net.zip"):
        write_arrays(snn, tmp_path / "net.zip")
    (tmp_path / "net.npz").write_bytes(b"nothing")
    with pytest.raises(ArtefactError, match=r"net.npz cannot be read"):
        check_arrays(snn, tmp_path / "net.npz")
