"""NIR: a chain of nodes that, evaluated for one step by NIR's own equations, gives the network's output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from gcn2snn import ConvertConfig, SpikingNetwork, convert, ir
from gcn2snn.engines import bind, code_input
from gcn2snn.errors import ConfigError, InputError
from gcn2snn.formats import check, export
from gcn2snn.formats.nir_graph import write_nir

nir = pytest.importorskip("nir")


def one_step(out: Path, x: torch.Tensor) -> np.ndarray:
    """The output of a chain of NIR nodes for one step from rest: v = R I dt, a spike where v > threshold."""
    graph = nir.read(out)
    after = dict(graph.edges)
    assert len(after) == len(graph.edges)
    name = next(name for name, node in graph.nodes.items() if isinstance(node, nir.Input))
    x = x.double()
    while name in after:
        node = graph.nodes[name := after[name]]
        if isinstance(node, nir.Affine):
            x = functional.linear(x, torch.from_numpy(node.weight).double(), torch.from_numpy(node.bias).double())
        elif isinstance(node, nir.Conv2d):
            weight, bias = torch.from_numpy(node.weight).double(), torch.from_numpy(node.bias).double()
            options = (tuple(map(int, each)) for each in (node.stride, node.padding, node.dilation))
            x = functional.conv2d(x, weight, bias, *options)
        elif isinstance(node, nir.IF):
            v = x * torch.from_numpy(node.r).double() * float(graph.metadata["dt"])
            x = (v > torch.from_numpy(node.v_threshold).double()).double()
        elif isinstance(node, nir.Flatten):
            x = x.flatten(1)
        else:
            assert isinstance(node, nir.Output)
    return x.numpy()


def coded(snn: SpikingNetwork, x: torch.Tensor) -> torch.Tensor:
    (coder,) = snn.network.of(ir.Coder)
    value = code_input(coder, bind(snn.network, (x,), {})[coder.inputs[0]])
    assert isinstance(value, torch.Tensor)
    return value


NETWORKS = {
    "dense": lambda: nn.Sequential(nn.Linear(64, 9), nn.ReLU(), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 4)),
    "signed": lambda: nn.Sequential(nn.Linear(64, 9), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 4)),
    "norm": lambda: nn.Sequential(nn.Linear(64, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 4)),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("options", [{}, {"group": 2, "per": "channel", "correct": "mean"}])
def test_dense_networks_give_the_same_output(name: str, options: dict, randomised, tmp_path: Path) -> None:
    x = torch.rand(60, 64)
    model = randomised(NETWORKS[name]())
    snn = convert(model, x, ConvertConfig(**options)) if name != "signed" else convert(model, x)
    write_nir(snn, tmp_path / "net.nir")
    expected = snn(x).numpy()
    found = one_step(tmp_path / "net.nir", coded(snn, x))
    near = np.abs(found - expected).max(1) <= 1e-4 * np.abs(expected).max()
    # Weights in single precision were divided by thresholds: a value within their rounding of one may cross it.
    assert near.mean() >= 0.95
    assert (found.argmax(1) == expected.argmax(1)).mean() >= 0.98


def test_images_with_both_kinds_of_pooling_give_the_same_output(cnn, tmp_path: Path) -> None:
    snn, (x,) = cnn
    told = write_nir(snn, tmp_path / "net.nir")
    assert told["populations"] == 3
    expected = snn(x).numpy()
    found = one_step(tmp_path / "net.nir", coded(snn, x))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_the_metadata_say_what_the_file_is(cnn, tmp_path: Path) -> None:
    write_nir(cnn[0], tmp_path / "net.nir")
    about = str(nir.read(tmp_path / "net.nir").metadata["about"])
    assert "It costs T times the neurons" in about
    assert "not one" in about


def test_every_part_that_nir_cannot_carry_is_named_at_once(karate, tmp_path: Path) -> None:
    snn, graph = karate
    with pytest.raises(InputError, match=r"the format nir cannot carry this network \(5 reason") as refused:
        export(snn, "nir", graph, out=tmp_path / "net.nir")
    text = str(refused.value)
    assert text.count("an aggregation over a graph: NIR has dense weights only") == 2
    assert "those of all pairs of 34 nodes would take 0.005 MB" in text
    assert list(tmp_path.iterdir()) == []


def test_sums_groups_of_channels_and_signed_maxima_are_refused(tmp_path: Path) -> None:
    class Many(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(2, 4, 3, padding=1, groups=2), nn.Conv2d(4, 4, 3, padding=1)
            self.pool, self.head = nn.MaxPool2d(2), nn.Linear(64, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first = torch.relu(self.a(x))
            return self.head(torch.flatten(self.pool(self.b(first) + first), 1))

    x = torch.rand(4, 2, 8, 8)
    with pytest.raises(InputError) as refused:
        write_nir(convert(Many().eval(), x), tmp_path / "net.nir")
    for words in ("no grouped convolution", "a sum of branches", "a maximum of signed values"):
        assert words in str(refused.value)


def test_a_short_wait_and_another_ending_are_refused(cnn, tmp_path: Path) -> None:
    snn, _ = cnn
    with pytest.raises(ConfigError, match=r"the format nir holds the closed form"):
        write_nir(SpikingNetwork(snn.network, ConvertConfig(wait=2)), tmp_path / "net.nir")
    with pytest.raises(ConfigError, match=r"is one file of HDF5, got net.h5"):
        write_nir(snn, tmp_path / "net.h5")


def test_norse_and_spikingjelly_give_the_same_predictions(cnn, nir_python: str, tmp_path: Path) -> None:
    snn, args = cnn
    write_nir(snn, tmp_path / "net.nir")
    found = check(snn, "nir", args, out=tmp_path / "net.nir", python=nir_python)
    assert found.passed, found.sentence
    assert any(name.endswith("_predictions_differ") for name in found.facts)


def _images(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers).eval()


POPULATIONS_WITHOUT_A_SYNAPSE = {
    "pool": lambda: _images(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 3)),
    "flat": lambda: _images(nn.Conv2d(2, 3, 3), nn.AvgPool2d(2), nn.Flatten(), nn.ReLU(), nn.Linear(12, 3)),
    "input": lambda: _images(nn.ReLU(), nn.Conv2d(2, 3, 5), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3)),
    "end": lambda: _images(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "images": lambda: _images(nn.Conv2d(2, 3, 3), nn.ReLU()),
}


@pytest.mark.parametrize("name", POPULATIONS_WITHOUT_A_SYNAPSE)
@pytest.mark.parametrize("per", ["layer", "channel"])
def test_populations_that_read_no_synapse_give_the_same_output(name: str, per: str, tmp_path: Path) -> None:
    """Behind a pooled mean, a flattening or the input, thresholds are a synapse of their own."""
    torch.manual_seed(3)
    x = torch.randn(20, 2, 6, 6)
    snn = convert(POPULATIONS_WITHOUT_A_SYNAPSE[name](), x, ConvertConfig(avg_pool="spike", per=per, timesteps=8))
    write_nir(snn, tmp_path / "net.nir")
    expected = snn(x).numpy()
    found = one_step(tmp_path / "net.nir", coded(snn, x))
    assert found.shape == expected.shape
    near = np.abs(found - expected) <= 1e-4 * np.abs(expected).max()
    assert near.mean() >= 0.99  # a value within rounding of a threshold may cross it


def test_kernels_that_are_not_square_are_refused(tmp_path: Path) -> None:
    model = _images(nn.Conv2d(2, 3, (3, 1)), nn.ReLU(), nn.MaxPool2d((1, 2)), nn.Flatten(), nn.Linear(36, 3))
    with pytest.raises(InputError, match=r"\(2 reason") as refused:
        write_nir(convert(model, torch.rand(4, 2, 6, 6)), tmp_path / "net.nir")
    assert str(refused.value).count("kernels have to be square") == 2
    assert list(tmp_path.iterdir()) == []


def test_inputs_of_the_check_are_looked_at_before_the_file_is_written(cnn, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has shape \[2, 3\]"):
        export(cnn[0], "nir", torch.rand(2, 3), out=tmp_path / "net.nir")
    assert list(tmp_path.iterdir()) == []
