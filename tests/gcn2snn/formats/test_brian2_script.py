"""Brian2: what is written, what it says when Brian2 is missing, and every spike where it is there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gcn2snn import ConvertConfig, convert
from gcn2snn.errors import ConfigError, MissingPackageError
from gcn2snn.formats import check, export
from gcn2snn.formats.brian2_script import write_brian2


def test_the_files_hold_the_description_and_the_expected_spikes(cnn, tmp_path: Path) -> None:
    snn, (x,) = cnn
    told = export(snn, "brian2", x[:1], out=tmp_path / "net.py")
    assert told.files == (tmp_path / "net.py", tmp_path / "net.npz")
    compile((tmp_path / "net.py").read_text(), "net.py", "exec")
    with np.load(tmp_path / "net.npz") as data:
        description = json.loads(str(data["description"]))
        assert description["synapses"] == told.facts["synapses"] > 0
        spikes = sum(int((data[f"{cells['id']}.expected"] != 0).sum()) for cells in description["cells"][:-1])
    assert spikes == told.facts["spikes"] > 0


def test_another_ending_is_refused(cnn, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is a Python script, got net.txt; choose a name that ends with .py"):
        write_brian2(*cnn, tmp_path / "net.txt")
    assert list(tmp_path.iterdir()) == []


def test_without_brian2_the_check_says_how_to_get_it(cnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snn, (x,) = cnn
    monkeypatch.delenv("GCN2SNN_BRIAN2_PYTHON", raising=False)
    write_brian2(snn, (x[:1],), tmp_path / "net.py")
    with pytest.raises(MissingPackageError, match=r"pip install brian2 'numpy<2.3'.*--python"):
        check(snn, "brian2", x[:1], out=tmp_path / "net.py")
    with pytest.raises(MissingPackageError, match="cannot start /no/python: No such file"):
        check(snn, "brian2", x[:1], out=tmp_path / "net.py", python="/no/python")
    (tmp_path / "net.py").write_text("import brian2_that_is_not_there")
    with pytest.raises(ConfigError, match=r"net.py failed in .*ModuleNotFoundError"):
        check(snn, "brian2", x[:1], out=tmp_path / "net.py", python=sys.executable)


@pytest.mark.parametrize("wait", [None, 0, 4])
def test_brian2_sends_every_spike_of_a_graph_network(karate, brian2_python: str, tmp_path: Path, wait) -> None:
    snn, graph = karate
    snn = type(snn)(snn.network, ConvertConfig(wait=wait))
    export(snn, "brian2", graph, out=tmp_path / "net.py", rows=[0, 5, 33])
    found = check(snn, "brian2", graph, out=tmp_path / "net.py", rows=[0, 5, 33], python=brian2_python)
    assert found.passed, found.sentence
    assert found.facts["spikes"] > 100
    assert found.facts["most_spikes_of_a_neuron"] == 1
    assert found.facts["rows"] == 3


@pytest.mark.parametrize("seed", [1, 5, 9, 17])
def test_brian2_sends_every_spike_of_random_networks(draw, brian2_python: str, tmp_path: Path, seed: int) -> None:
    """Maxima, residuals, groups, signed pairs, mixed bases, last phases, any input."""
    for images in (False, True):
        snn, args = draw(seed, images, torch.float64, wait=seed % 4)
        write_brian2(snn, args, tmp_path / f"net{images}.py")
        found = check(snn, "brian2", args, out=tmp_path / f"net{images}.py", python=brian2_python)
        assert found.passed, found.sentence


def test_a_spike_that_differs_fails_the_check(brian2_python: str, tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).eval()
    x = torch.rand(5, 3)
    snn = convert(model, x)
    write_brian2(snn, (x,), tmp_path / "net.py")
    with np.load(tmp_path / "net.npz") as data:
        arrays = {name: data[name] for name in data.files}
    name = next(name for name, array in arrays.items() if name.endswith(".expected") and array.dtype == np.int8)
    arrays[name] = arrays[name].copy()
    arrays[name][0] = 16 if arrays[name][0] != 16 else 15
    np.savez(tmp_path / "net.npz", **arrays)
    found = check(snn, "brian2", x, out=tmp_path / "net.py", python=brian2_python)
    assert not found.passed
    assert found.facts["differ"] == 1
