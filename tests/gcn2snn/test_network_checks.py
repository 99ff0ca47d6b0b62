from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import gcn2snn
from gcn2snn import ir, network_checks, network_file
from gcn2snn.errors import ArtefactError, InputError
from gcn2snn.kernels import PhaseCode
from gcn2snn.network_checks import check_network
from gcn2snn.network_file import SNN_FORMAT, write_network
from gcn2snn.spiking_network import SpikingNetwork


@pytest.fixture(scope="module")
def snn() -> SpikingNetwork:
    layers = (nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64, 3))
    torch.manual_seed(0)
    return gcn2snn.convert(nn.Sequential(*layers).eval(), torch.rand(4, 1, 8, 8))


def changed(network: ir.Network, of: type[ir.Node], fields: dict[str, object]) -> ir.Network:
    node = network.of(of)[0]
    return network.replace({node.name: [replace(node, **fields)]})  # type: ignore[arg-type]


NAN = float("nan")


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (ir.Neuron, {"scale": torch.tensor(0.0)}, r"scale torch.float32 \[\], least 0.0; positive numbers are needed"),
        (ir.Neuron, {"scale": torch.tensor(-1.0)}, "least -1.0; positive"),
        (ir.Neuron, {"scale": torch.tensor(NAN)}, "scale with values that are NaN or infinite"),
        (ir.Neuron, {"scale": torch.ones(5)}, r"scale torch.float32 \[5\] for 4 channels; \[\] or \[4\] is needed"),
        (ir.Neuron, {"gain": torch.zeros(4)}, "gain .* positive numbers"),
        (ir.Neuron, {"start": torch.zeros(3)}, "start"),
        (ir.Neuron, {"horizon": torch.tensor(17)}, "a horizon from 17 to 17; phases are 0 to 16"),
        (ir.Neuron, {"horizon": torch.tensor(1.5)}, "whole numbers are needed"),
        (ir.Coder, {"scale": torch.tensor(NAN)}, "NaN or infinite"),
        (ir.Coder, {"kind": "rate"}, "kind 'rate'; allowed are 'binary', 'single', 'analog'"),
        (ir.Coder, {"timesteps": 25}, "25 bits; allowed are 1 to 24"),
        (ir.Coder, {"base": 1.0}, "base 1.0; a base is above 1"),
        (ir.Conv, {"weight": torch.full((4, 1, 3, 3), NAN)}, "weight with values that are NaN or infinite"),
        (ir.Conv, {"stride": (1, 0), "padding": (1, 1, 1, 1)}, ""),
        (ir.Conv, {"padding": (-1, 3, 1, 1)}, "padding is not negative"),
        (ir.Dense, {"weight": torch.zeros(3, 64, dtype=torch.int64)}, "2 axes of real numbers are needed"),
        (ir.Dense, {"weight": torch.zeros(3, 64, dtype=torch.float64)}, "all must be float32, or all float64"),
        (ir.AvgPool, {"stride": (2, 2), "kernel": (2, 2), "padding": (-1, 1)}, ""),
        (ir.Output, {"readout": "argmax"}, "readout 'argmax'; allowed are"),
        (ir.Input, {"role": "secret"}, "role 'secret'; allowed are"),
    ],
)
def test_values_that_no_conversion_gives(
    snn: SpikingNetwork, kind: type[ir.Node], fields: dict[str, object], message: str, tmp_path: Path
) -> None:
    check_network(snn.network)
    try:
        wrong = changed(snn.network, kind, fields)
    except (InputError, ZeroDivisionError):
        assert not message  # the description itself refuses it
        return
    with pytest.raises(InputError, match=message):
        check_network(wrong)
    other = SpikingNetwork(wrong, snn.config)
    with pytest.raises(InputError, match=message):
        write_network(tmp_path / "snn.safetensors", other, {})
    with pytest.MonkeyPatch.context() as unchecked:  # a file as somebody else may make it
        unchecked.setattr(network_file, "check_network", lambda network: None)
        path = write_network(tmp_path / "snn.safetensors", other, {})
    with pytest.raises(ArtefactError, match="does not hold a whole network"):
        gcn2snn.load(path)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (ir.Coder, {"kind": "binary", "timesteps": 1}),
        (ir.Coder, {"kind": "binary", "timesteps": 24}),
        (ir.Coder, {"kind": "single", "timesteps": 255}),
        (ir.Neuron, {"start": torch.zeros(4)}),
        (ir.Neuron, {"start": torch.zeros(1, 4)}),
        (ir.Neuron, {"horizon": torch.tensor(0)}),
        (ir.Neuron, {"horizon": torch.zeros(1, 4, 1, 1, dtype=torch.int16)}),
        (ir.Neuron, {"horizon": torch.tensor(16)}),
        (ir.Conv, {"padding": (63, 63, 63, 63), "stride": (64, 64)}),
    ],
)
def test_values_at_their_bounds_are_taken(snn: SpikingNetwork, kind: type[ir.Node], fields: dict[str, object]) -> None:
    node = replace(snn.network.of(kind)[0], **fields)  # type: ignore[arg-type]
    network_checks._check(node)
    if isinstance(node, ir.Neuron):
        network_checks._check_neuron(node, snn.network.shapes[node.name])


def test_values_just_beyond_their_bounds_are_refused(snn: SpikingNetwork) -> None:
    (neuron, *_) = snn.network.of(ir.Neuron)
    for horizon in (torch.tensor(-1), torch.zeros(1, 1, 4, 1, 1, dtype=torch.int16)):
        with pytest.raises(InputError, match="horizon"):
            network_checks._check_neuron(replace(neuron, horizon=horizon), snn.network.shapes[neuron.name])
    one_hot = ir.OneHot(name="one_hot", inputs=("x",), count=2**31 - 1)
    network_checks._check(one_hot)
    for count in (0, 2**31):
        with pytest.raises(InputError, match=f"count {count}; 1 and more rows are needed"):
            network_checks._check(replace(one_hot, count=count))


def test_the_format_of_networks_is_the_fourth() -> None:
    """Another number says that no release before can read the file; it changes together with what is written."""
    assert SNN_FORMAT == 4


def test_nodes_that_are_not_spiking_yet_and_hidden_attributes(snn: SpikingNetwork) -> None:
    neuron = snn.network.of(ir.Neuron)[0]
    waiting = ir.UncalibratedNeuron(name=neuron.name, inputs=neuron.inputs, coding=PhaseCode(1.3, 16))
    with pytest.raises(InputError, match="has no spikes yet"):
        check_network(snn.network.replace({neuron.name: [waiting]}))
    whole = ir.Input(name="data", size=(), role="graph")
    part = ir.Part(name="data.x", inputs=("data",), key="__class__", by="attribute", size=(None, 3), role="dense")
    with pytest.raises(InputError, match="names that begin with _ are not read"):
        check_network(ir.Network((whole, part, ir.Output(name="out", inputs=("data.x",)))))
    take = ir.Take(name="take", inputs=("x",), axis=1, index=torch.tensor([0, 3]))
    with pytest.raises(InputError, match="indices from 0 to 3; the axis has 3"):
        check_network(ir.Network((ir.Input(name="x", size=(None, 3)), take, ir.Output(name="out", inputs=("take",)))))
