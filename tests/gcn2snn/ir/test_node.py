"""What every node has: its tensors by name, and sizes that meet."""

from __future__ import annotations

import pytest
import torch

from gcn2snn import ir
from gcn2snn.errors import InputError
from gcn2snn.ir.node import meet_bias, same, windows
from gcn2snn.kernels import PhaseCode


def test_same_sizes():
    assert same(None, 3)
    assert same(3, None)
    assert same(3, 3)
    assert not same(3, 4)


def test_tensors_are_the_fields_that_hold_one():
    dense = ir.Dense(name="d", inputs=("x",), weight=torch.ones(2, 3))
    assert list(dense.tensors()) == ["weight"]
    neuron = ir.Neuron(
        name="n", inputs=("x",), coding=PhaseCode(1.3, 4), scale=torch.ones(()), gain=torch.tensor([2.0, 4.0])
    )
    assert set(neuron.tensors()) == {"scale", "gain"}


def test_calibration_gives_a_scale_and_keeps_the_rest():
    gain = torch.tensor([2.0, 4.0])
    code = PhaseCode(1.3, 4, signed=True)
    before = ir.UncalibratedNeuron(name="n", inputs=("x",), coding=code, activation=ir.IDENTITY, gain=gain)
    after = before.calibrated(torch.tensor(0.5))
    assert (after.name, after.inputs, after.coding, after.activation, after.gain) == (
        "n",
        ("x",),
        code,
        ir.IDENTITY,
        gain,
    )
    assert (after.horizon, after.start) == (None, None)
    assert after.threshold_scale.tolist() == [1.0, 2.0]
    assert ir.UncalibratedNeuron(name="n", coding=code).calibrated(gain).threshold_scale is gain
    coder = ir.UncalibratedCoder(name="c", inputs=("x",), kind="single", timesteps=7, base=1.4).calibrated(gain)
    assert (coder.name, coder.inputs, coder.kind, coder.timesteps, coder.base) == ("c", ("x",), "single", 7, 1.4)
    assert coder.scale is gain


def test_a_neuron_without_a_scale_cannot_be_made():
    with pytest.raises(TypeError, match="scale"):
        ir.Neuron(name="n", inputs=("x",), coding=PhaseCode(1.3, 4))


def test_windows_and_biases_that_do_not_fit():
    node = ir.Pad(name="p", inputs=("x",), padding=(0, 0, 0, 0))
    assert windows(node, (None, 1, 7, None), (3, 3), (2, 2), (0, 0, 1, 0), (1, 1)) == (3, None)
    with pytest.raises(InputError, match=r"p \(Pad\) needs an input of at least the kernel's \(3, 3\) pixels"):
        windows(node, (None, 1, 2, 7), (3, 3), (1, 1), (0, 0, 0, 0), (1, 1))
    meet_bias(node, torch.zeros(1), 4)
    with pytest.raises(InputError, match=r"p \(Pad\) has 4 channels, its bias has 3"):
        meet_bias(node, torch.zeros(3), 4)


def test_nodes_and_networks_print_shapes_not_tensors():
    dense = ir.Dense(name="d", inputs=("x",), weight=torch.zeros(3, 4), bias=torch.zeros(3))
    assert repr(dense) == "Dense(d: x -> weight [3, 4], bias [3])"
    nodes = (ir.Input(name="x", size=(None, 4)), dense, ir.Output(name="output", inputs=("d",)))
    assert repr(ir.Network(nodes)).splitlines() == [
        "Network(", "  Input(x: size=(None, 4))", "  Dense(d: x -> weight [3, 4], bias [3])", "  Output(output: d)", ")",
    ]  # fmt: skip
