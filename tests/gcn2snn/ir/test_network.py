"""The description: names, shapes, and errors for shapes that do not fit."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from gcn2snn import ir
from gcn2snn.errors import InputError
from gcn2snn.kernels import PhaseCode

X = ir.Input(name="x", size=(None, 3))
IMAGE = ir.Input(name="x", size=(None, 2, 8, 8))
OUT = ir.Output(name="output", inputs=("y",))


def shape_of(source: ir.Node, node: ir.Node) -> ir.Shape:
    return ir.Network((source, node, OUT)).shapes["y"]


def test_shapes_of_every_layer_are_those_of_torch():
    x = torch.zeros(2, 2, 9, 7)
    image = ir.Input(name="x", size=(None, 2, 9, 7))
    for stride in (1, 2, 3):
        for dilation in (1, 2):
            conv = ir.Conv(
                name="y", inputs=("x",), weight=torch.zeros(4, 1, 3, 2), groups=2, stride=(stride, 1),
                padding=(1, 0, 2, 1), dilation=(dilation, 1),
            )  # fmt: skip
            padded = torch.nn.functional.pad(x, (1, 0, 2, 1))
            got = torch.nn.functional.conv2d(padded, conv.weight, None, (stride, 1), 0, (dilation, 1), 2)
            assert shape_of(image, conv) == (None, *got.shape[1:])
        for ceil in (False, True):
            fields = {"kernel": (3, 2), "stride": (stride, 2), "padding": (1, 1), "ceil_mode": ceil}
            largest = ir.MaxPool(name="y", inputs=("x",), **fields)
            mean = ir.AvgPool(name="y", inputs=("x",), **fields)
            expected = torch.nn.functional.max_pool2d(x, (3, 2), (stride, 2), (1, 1), 1, ceil).shape[1:]
            assert shape_of(image, largest) == shape_of(image, mean) == (None, *expected)
    assert shape_of(image, ir.Flatten(name="y", inputs=("x",))) == (None, 126)
    assert shape_of(image, ir.Subsample(name="y", inputs=("x",), stride=2, channels_before=1, channels_after=2)) == (
        None, 5, 5, 4,
    )  # fmt: skip


def test_unknown_sizes_pass():
    free = ir.Input(name="x", size=(None, None))
    assert shape_of(free, ir.Dense(name="y", inputs=("x",), weight=torch.zeros(4, 3))) == (None, 4)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((X, ir.Dense(name="y", inputs=("x",), weight=torch.zeros(4, 5)), OUT), r"y \(Dense\) needs .*5.*got \[None, 3\]"),
        (
            (X, ir.Dense(name="y", inputs=("x",), weight=torch.zeros(4, 3), bias=torch.zeros(5)), OUT),
            "has 4 channels, its bias has 5",
        ),
        ((IMAGE, ir.Conv(name="y", inputs=("x",), weight=torch.zeros(4, 3, 3, 3)), OUT), "needs an input of"),
        ((IMAGE, ir.Conv(name="y", inputs=("x",), weight=torch.zeros(4, 2, 9, 9)), OUT), "kernel's"),
        ((X, ir.Conv(name="y", inputs=("x",), weight=torch.zeros(4, 3, 3, 3)), OUT), r"\[None, 3\]"),
        ((X, ir.Dense(name="y", inputs=("z",), weight=torch.zeros(4, 3)), OUT), r"y reads \['z'\]"),
        ((X, ir.Relu(name="x", inputs=("x",)), OUT), "two nodes are called 'x'"),
        ((X, ir.Relu(name="y", inputs=("x", "x")), OUT), "with 2 inputs; it takes 1"),
        ((X, ir.Relu(name="y", inputs=("x",))), "no Output"),
        ((X, ir.Add(name="y", inputs=("x", "x"), coefficients=(1.0,)), OUT), "1 inputs"),
        (
            (X, ir.Input(name="z", size=(None, 4)), ir.Add(name="y", inputs=("x", "z"), coefficients=(1.0, 1.0)), OUT),
            r"got \[None, 4\]",
        ),
        ((X, IMAGE.__class__(name="z", size=(None, 3, 2, 2)), ir.Concat(name="y", inputs=("x", "z")), OUT), "needs"),
        (
            (ir.Input(name="x", size=(4, 3)), ir.Input(name="z", size=(5, 3)), ir.Concat(name="y", inputs=("x", "z")), OUT),
            r"got \[5, 3\]",
        ),
        (
            (ir.Input(name="a", size=(5, 6), role="operator"), ir.Input(name="x", size=(5, 3)),
             ir.Aggregate(name="y", inputs=("a", "x")), OUT),
            r"needs an input of \[6, \*\], got \[5, 3\]",
        ),
        (
            (ir.Input(name="a", size=(5, 6), role="operator"), ir.Input(name="x", size=(5, 3)),
             ir.AggregateMax(name="y", inputs=("a", "x")), OUT),
            r"y \(AggregateMax\)",
        ),
        ((ir.OneHot(name="x", count=4), ir.Lookup(name="y", inputs=("x",), table=torch.zeros(5, 2)), OUT), r"\[\*, 5\]"),
    ],
)  # fmt: skip
def test_what_does_not_meet_is_said(nodes, message):
    with pytest.raises(InputError, match=message):
        ir.Network(nodes)


def test_an_unknown_name_lists_the_known_ones():
    network = ir.Network((X, ir.Relu(name="y", inputs=("x",)), OUT))
    with pytest.raises(InputError, match=r"no node is called 'z'.*'x', 'y', 'output'"):
        network["z"]


def test_nodes_are_frozen_and_networks_are_values():
    neuron = ir.UncalibratedNeuron(name="y", inputs=("x",), coding=PhaseCode(1.3, 16))
    with pytest.raises(AttributeError):
        neuron.name = "z"  # type: ignore[misc]
    network = ir.Network((X, neuron, OUT))
    draft = ir.Draft(network)
    draft.insert_after("x", ir.Relu(name="r", inputs=("x",)))
    other = draft.network()
    assert [node.name for node in network] == ["x", "y", "output"]
    assert [node.name for node in other] == ["x", "r", "y", "output"]
    assert other["y"].inputs == ("r",)


def test_every_node_type_is_registered():
    assert {"Dense", "Conv", "Aggregate", "Neuron", "Output"} <= set(ir.NODE_TYPES)


def test_map_tensors_reaches_every_tensor():
    dense = ir.Dense(name="y", inputs=("x",), weight=torch.ones(2, 3), bias=torch.ones(2))
    network = ir.Network((X, dense, OUT)).map_tensors(lambda t: t.double())
    assert network["y"].weight.dtype == network["y"].bias.dtype == torch.float64


def test_readers_are_in_order_and_once_each():
    nodes = (
        X,
        ir.Relu(name="r", inputs=("x",)),
        ir.Add(name="y", inputs=("x", "x", "r"), coefficients=(1.0, 1.0, 1.0)),
        OUT,
    )
    network = ir.Network(nodes)
    assert [node.name for node in network.readers("x")] == ["r", "y"]
    assert network.readers("output") == []
    assert network.output is OUT
    assert "r" in network
    assert "z" not in network


def test_what_is_worked_out_of_a_network_is_kept_with_it_and_not_with_its_copies():
    made = []

    @ir.once_per_network
    def count(network: ir.Network, factor: int) -> int | None:
        made.append(factor)
        return len(network.nodes) * factor if factor else None

    network = ir.Network((X, ir.Relu(name="y", inputs=("x",)), OUT))
    assert [count(network, 2), count(network, 2), count(network, 3)] == [6, 6, 9]
    assert [count(network, 0), count(network, 0)] == [None, None]
    assert made == [2, 3, 0]
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert other.shapes == network.shapes
        assert [node.name for node in other.readers("x")] == ["y"]
        assert count(other, 2) == 6
    assert made == [2, 3, 0, 2, 2]
