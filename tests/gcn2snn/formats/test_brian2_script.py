"""Brian2: what is written, what it says when Brian2 is missing, and every spike where it is there."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gcn2snn import ConvertConfig, convert
from gcn2snn.errors import ArtefactError, ConfigError, InputError, MissingPackageError
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
    expected = next(name for name, array in arrays.items() if name.endswith(".expected") and array.dtype == np.int8)
    scale = expected.replace(".expected", ".scale")
    arrays[scale] = np.where(np.arange(arrays[scale].size) == np.flatnonzero(arrays[expected])[0], 1e9, arrays[scale])
    np.savez(tmp_path / "net.npz", **arrays)  # one neuron that fires has a threshold that nothing reaches
    found = check(snn, "brian2", x, out=tmp_path / "net.py", python=brian2_python)
    assert not found.passed
    assert found.facts["differ"] == 1


def test_data_of_another_network_other_inputs_or_rows_are_no_witness(tmp_path: Path) -> None:
    """The script compares with what its data expect, so it would find nothing wrong."""
    models = [torch.nn.Sequential(torch.nn.Linear(3, n), torch.nn.ReLU(), torch.nn.Linear(n, 2)).eval() for n in (4, 5)]
    x, out = torch.rand(5, 3), tmp_path / "net.py"
    snn, other = (convert(model, x) for model in models)
    write_brian2(snn, (x,), out)
    for network, inputs, rows in ((other, x, None), (snn, 2 * x, None), (snn, x[:2], None), (snn, x, [1])):
        with pytest.raises(
            ArtefactError, match=r"net.npz was exported from another network, or for other inputs or rows"
        ):
            check(network, "brian2", inputs, out=out, rows=rows, python=sys.executable)
    np.savez(tmp_path / "net.npz", other=np.zeros(3))
    with pytest.raises(ArtefactError, match=r"net.npz is not what the Brian2 export writes"):
        check(snn, "brian2", x, out=out, python=sys.executable)


def test_a_script_may_have_the_name_of_a_module_that_it_imports(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).eval()
    x, out = torch.rand(2, 3), tmp_path / "brian2.py"
    snn = convert(model, x)
    write_brian2(snn, (x,), out)
    (tmp_path / "numpy.py").write_text("raise SystemExit('not this one')")
    with pytest.raises(MissingPackageError, match="has no module brian2"):  # and not: partially initialised
        check(snn, "brian2", x, out=out, python=sys.executable)


def test_a_name_that_begins_with_a_dash_is_no_option_of_the_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).eval()
    x = torch.rand(2, 3)
    snn = convert(model, x)
    monkeypatch.chdir(tmp_path)
    write_brian2(snn, (x,), Path("-m.py"))
    with pytest.raises(MissingPackageError, match="has no module brian2"):
        check(snn, "brian2", x, out="-m.py", python=sys.executable)


def test_rows_that_no_neighbour_reaches_leave_no_empty_groups(tmp_path: Path) -> None:
    """Brian2 refuses groups and synapses without members."""
    pyg = pytest.importorskip("torch_geometric.nn")

    class Neighbours(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = pyg.SAGEConv(3, 4), pyg.GCNConv(4, 2, add_self_loops=False)

        def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
            return self.b(torch.relu(self.a(x, edge_index)), edge_index)

    call = (torch.rand(4, 3), torch.tensor([[0, 1], [1, 2]]))
    snn, out = convert(Neighbours().eval(), call), tmp_path / "net.py"
    for row, hidden in ((0, 0), (1, 4), (3, 0)):  # nobody sends to 0 and 3; 1 hears node 0, which hears nobody
        export(snn, "brian2", call, out=out, rows=[row], force=True)
        with np.load(tmp_path / "net.npz") as data:
            told = json.loads(str(data["description"]))
            weights = [data[f"{each['id']}.weight"].size for each in told["projections"]]
        groups = [each for kind in ("trains", "cells", "relays") for each in told[kind]]
        assert all(each["size"] for each in groups)
        assert all(weights)
        assert sum(each["size"] for each in told["cells"] if each["name"] == "relu") == hidden
        python = os.environ.get("GCN2SNN_BRIAN2_PYTHON")
        if python:
            assert check(snn, "brian2", call, out=out, rows=[row], python=python).passed
    with pytest.raises(InputError, match="the output has no rows, so there is nothing to run"):
        export(snn, "brian2", (call[0][:0], call[1][:, :0]), out=tmp_path / "none.py")
