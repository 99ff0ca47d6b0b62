"""Random networks of every node type for the property tests of both engines; checks of descriptions of models."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import convert
from gcn2snn.engines.arguments import bind
from gcn2snn.engines.interpreter import run_float
from gcn2snn.engines.readout_rules import read_out
from gcn2snn.kernels import CSR, PhaseCode
from gcn2snn.passes.calibration import calibrate
from gcn2snn.passes.fold import fold_batch_norm, merge_linear
from gcn2snn.passes.neurons import insert_neurons

sys.path.insert(0, str(Path(__file__).parent))  # tests import the kinds from network_kinds.py


class Sketch:
    """A network under construction: every step adds nodes after the last one."""

    def __init__(self, seed: int, dtype: torch.dtype):
        self.random = torch.Generator().manual_seed(seed)
        self.dtype = dtype
        self.nodes: list[ir.Node] = []
        self.shapes: dict[str, ir.Shape] = {}
        self.last = ""

    def add(self, kind: type[ir.Node], *inputs: str, **fields: object) -> str:
        """Append a node that reads the last one unless told otherwise."""
        reads = inputs or (() if issubclass(kind, ir.Source) else (self.last,))
        node = kind(name=f"n{len(self.nodes)}.{kind.__name__.lower()}", inputs=reads, **fields)
        self.shapes[node.name] = node.shape(*(self.shapes[name] for name in reads))
        self.nodes.append(node)
        self.last = node.name
        return node.name

    def normal(self, *size: int, fan_in: int = 1) -> Tensor:
        return torch.randn(*size, generator=self.random, dtype=self.dtype) * (1.5 / fan_in**0.5)

    def integer(self, low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=self.random))

    def channels(self) -> int:
        size = self.shapes[self.last][1]
        assert size is not None
        return size

    def batch_norm(self) -> None:
        c = self.channels()
        gamma = self.normal(c)
        gamma[torch.rand(c, generator=self.random) < 0.2] = 0.0
        var = torch.rand(c, generator=self.random, dtype=self.dtype) + 0.2
        self.add(ir.BatchNorm, mean=0.3 * self.normal(c), var=var, gamma=gamma, beta=0.3 * self.normal(c))

    def dense(self, out: int, bias: bool = True) -> str:
        c = self.channels()
        return self.add(ir.Dense, weight=self.normal(out, c, fan_in=c), bias=0.3 * self.normal(out) if bias else None)

    def conv(self, out: int, stride: int = 1, kernel: int = 3, groups: int = 1, plain: bool = False) -> str:
        c = self.channels()
        weight = self.normal(out, c // groups, kernel, kernel, fan_in=kernel * kernel * c // groups)
        around = kernel // 2
        uneven = not plain and self.integer(0, 1)
        padding = (around, around + 1, around + 1, around) if uneven else (around,) * 4
        dilation = 1 if plain else self.integer(1, 2) if min(self.shapes[self.last][2:]) > 4 else 1
        bias = 0.3 * self.normal(out) if self.integer(0, 1) else None
        return self.add(
            ir.Conv, weight=weight, bias=bias, stride=(stride, stride), padding=padding, groups=groups,
            dilation=(dilation, dilation),
        )  # fmt: skip

    def network(self) -> ir.Network:
        if not isinstance(self.nodes[-1], ir.Output):
            self.add(ir.Output)
        return ir.Network(tuple(self.nodes))


def _image_step(net: Sketch, kind: str) -> None:
    height, width = net.shapes[net.last][2:]
    pool = {"kernel": (2, 3), "stride": (2, 1), "padding": (1, 1), "ceil_mode": bool(net.integer(0, 1))}
    if kind in ("conv", "bn"):
        net.conv(4, stride=net.integer(1, 2), groups=net.integer(1, 2) if net.channels() % 2 == 0 else 1)
        if kind == "bn":
            net.batch_norm()
        net.add(ir.Relu)
    elif kind == "residual":
        short = net.last
        net.conv(net.channels(), plain=True)
        net.batch_norm()
        net.add(ir.Relu)
        deep = net.conv(net.channels(), plain=True)
        net.add(ir.Add, deep, short, coefficients=(1.0, 0.7), bias=0.1 * net.normal(net.channels()))
        net.add(ir.Relu)
    elif kind == "shortcut":  # as in a ResNet: batch norm is folded and both terms count once
        short = net.last
        deep = net.conv(8, plain=True)
        terms = [deep, net.add(ir.Conv, short, weight=net.normal(8, net.shapes[short][1], 1, 1))]
        net.add(ir.Add, *(terms if net.integer(0, 1) else terms[::-1]), coefficients=(1.0, 1.0))
        net.add(ir.Relu)
    elif kind == "maxpool" and min(height, width) > 2:
        net.add(ir.MaxPool, **pool)
    elif kind == "raw_maxpool" and min(height, width) > 2:  # of a membrane: the first signed spike wins
        net.conv(4)
        net.add(ir.MaxPool, **pool)
    elif kind == "avgpool" and min(height, width) > 2:
        net.add(ir.AvgPool, **pool, count_padding=bool(net.integer(0, 1)))
    elif kind == "concat":
        left = net.last
        net.conv(2, plain=True)
        right = net.add(ir.Relu)
        net.add(ir.Concat, left, right)
    elif kind == "subsample":
        net.add(ir.Subsample, stride=2, channels_before=1, channels_after=2)
    elif kind == "pad":
        net.add(ir.Pad, padding=(1, 0, 2, 1))
    elif kind == "scale":
        net.add(ir.Add, coefficients=(-1.5,))
    elif kind == "capped":
        net.conv(6)
        net.batch_norm()
        net.add(ir.Relu, activation=ir.Activation(cap=0.3 * net.integer(1, 3)))


def image_network(seed: int, kinds: Sequence[str], dtype: torch.dtype, batch: int = 2, size: int = 7) -> Case:
    """Convolutions, pools and residuals; dense at the end."""
    net = Sketch(seed, dtype)
    net.add(ir.Input, size=(None, 3, size, size))
    for kind in kinds:
        _image_step(net, kind)
    net.add(ir.Flatten)
    net.dense(5)
    data = {net.nodes[0].name: torch.randn(batch, 3, size, size, generator=net.random, dtype=dtype)}
    return net.network(), data


def _graph_step(net: Sketch, kind: str, graph: str) -> None:
    if kind in ("dense", "bn"):
        net.dense(6)
        if kind == "bn":
            net.batch_norm()
        net.add(ir.Relu)
    elif kind == "raw_dense":
        net.dense(6, bias=False)
    elif kind == "aggregate":
        net.add(ir.Aggregate, graph, net.last)
    elif kind == "max":
        net.add(ir.AggregateMax, graph, net.last)
    elif kind == "concat":
        left = net.last
        right = net.add(ir.Aggregate, graph, left)
        net.add(ir.Concat, left, right)
    elif kind == "capped":
        net.dense(6)
        net.batch_norm()
        net.add(ir.Relu, activation=ir.Activation(cap=0.3 * net.integer(1, 3)))
    elif kind == "rows":
        net.add(ir.Rows, graph, net.last)
    elif kind == "shortcut":  # as in GraphSAGE: neighbours and the node itself
        short = net.last
        near = net.dense(6)
        net.last = short
        net.dense(6, bias=False)
        terms = [near, net.add(ir.Aggregate, graph, net.last)]
        net.add(ir.Add, *(terms if net.integer(0, 1) else terms[::-1]), coefficients=(1.0, 1.0))
        net.add(ir.Relu)
    elif kind == "residual":
        short = net.last
        net.dense(8)
        net.add(ir.Relu)
        deep = net.dense(net.shapes[short][1])
        net.add(ir.Add, deep, short, coefficients=(1.0, -0.5))
        net.add(ir.Relu)


def graph_network(seed: int, kinds: Sequence[str], dtype: torch.dtype, one_hot: bool = False, nodes: int = 9) -> Case:
    """Dense layers, aggregations and maxima over a random graph with an isolated node."""
    net = Sketch(seed, dtype)
    graph = net.add(ir.Input, size=(nodes, nodes), role="operator")
    if one_hot:
        net.add(ir.OneHot, count=nodes)
        net.add(ir.Lookup, table=net.normal(nodes, 6), bias=0.3 * net.normal(6))
    else:
        net.add(ir.Input, size=(nodes, 6))
    features = net.last
    for kind in kinds:
        _graph_step(net, kind, graph)
    net.dense(4)
    net.add(ir.Aggregate, graph, net.last)
    dense = torch.randn(nodes, nodes, generator=net.random, dtype=dtype)
    dense[torch.rand(nodes, nodes, generator=net.random) < 0.6] = 0.0
    dense[3] = 0.0
    data: dict[str, object] = {graph: CSR.from_dense(dense)}
    if not one_hot:
        data[features] = torch.randn(nodes, 6, generator=net.random, dtype=dtype)
    return net.network(), data


Case = tuple[ir.Network, dict[str, object]]


def spiking(case: Case, config: ConvertConfig, mixed: int | None = None) -> ir.Network:
    """Neurons inserted and scales set; with ``mixed``, a seed, every population gets a base, T, group and horizon of its own."""
    source, data = case
    network = insert_neurons(merge_linear(fold_batch_norm(source, config.batch_norm)), config)
    if mixed is not None:
        random = torch.Generator().manual_seed(mixed)
        changes: dict[str, list[ir.Node]] = {}
        horizons: dict[str, Tensor] = {}
        for node in network.of(ir.UncalibratedNeuron):
            base, steps = 1.1 + float(torch.rand((), generator=random)), int(torch.randint(1, 13, (), generator=random))
            if steps % 3 == 0:
                horizons[node.name] = torch.randint(1, steps + 1, (1, 1), generator=random)
            coding = PhaseCode(base, steps, node.coding.signed, node.coding.shift, group=1 + steps % 4)
            changes[node.name] = [replace(node, coding=coding)]
        network = network.replace(changes)
    network = calibrate(network, lambda: [data], config)[0]
    if mixed is None:
        return network
    late = {name: [replace(network[name], horizon=horizon)] for name, horizon in horizons.items()}
    return _with_starts(network.replace(late), random)


def _with_starts(network: ir.Network, random: torch.Generator) -> ir.Network:
    """Every other membrane starts from a potential of its own."""
    changes: dict[str, list[ir.Node]] = {}
    for node in [*network.of(ir.Neuron), *network.of(ir.Output)][::2]:
        channels = network.shapes[node.name][1]
        assert channels is not None
        dtype = next(t.dtype for n in network for t in n.tensors().values() if t.is_floating_point())
        start = 0.2 * torch.randn(channels, generator=random, dtype=torch.float64).to(dtype)
        changes[node.name] = [replace(node, start=start)]
    return network.replace(changes)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors of a few hundred numbers: a second thread costs more than it does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_images() -> Callable[..., Case]:
    return image_network


@pytest.fixture(scope="session")
def make_graphs() -> Callable[..., Case]:
    return graph_network


@pytest.fixture(scope="session")
def make_spiking() -> Callable[..., ir.Network]:
    return spiking


TOLERANCE = 1e-5  # of the largest output: float32 sums of at most 60 terms in another order


def _randomised(model: nn.Module) -> nn.Module:
    """Random non-zero weights, biases and running statistics."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.5 * torch.randn_like(parameter) + 0.1)
        for name, buffer in model.named_buffers():
            if name.endswith(("running_mean", "running_var", "eps")):
                buffer.copy_(torch.rand_like(buffer) + 0.5)
    return model.eval()


def _assert_same(network: ir.Network, model: nn.Module, call: dict[str, Any]) -> None:
    with torch.no_grad():
        expected = model(**call)
    got = read_out(network, run_float(network, bind(network, (), call)))
    assert got.shape == expected.shape
    assert float((got - expected).abs().max()) <= TOLERANCE * max(float(expected.abs().max()), 1e-3)


FIXED = ConvertConfig.paper(scale="mse", per="channel", correct="mean")
"""What many conversions take where their result does not depend on the setting: nothing is measured."""


def _assert_engines_agree(model: nn.Module, call: dict[str, Any]) -> None:
    """In float64 the engines could differ only where a sum is exactly on a threshold; random sums are not."""
    snn = convert(model, call, FIXED).double()
    double = {k: _double(v) for k, v in call.items()}
    closed, temporal = (snn.simulate(**double, engine=e) for e in ("closed", "temporal"))
    torch.testing.assert_close(closed, temporal, rtol=1e-9, atol=1e-9)


def _double(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_double(v) for v in value)
    return value.double() if isinstance(value, Tensor) and value.is_floating_point() else value


@pytest.fixture
def randomised() -> Callable[[nn.Module], nn.Module]:
    """Gives a model random non-zero weights, biases and running statistics, in evaluation mode."""
    return _randomised


@pytest.fixture
def assert_same() -> Callable[[ir.Network, nn.Module, dict[str, Any]], None]:
    """Compares a description with its source model on a call."""
    return _assert_same


@pytest.fixture
def assert_engines_agree() -> Callable[[nn.Module, dict[str, Any]], None]:
    """Converts a model and compares the two engines on a call."""
    return _assert_engines_agree
