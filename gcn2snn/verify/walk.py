"""Where a spiking network departs from its source model, population by population, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines import (
    Value,
    activate,
    apply,
    choose_engine,
    dense_value,
    evaluate_node,
    matrix_value,
    network_dtype,
    path,
    run_bucketed,
    run_closed,
    spike_value,
    start_of,
    started,
    steps_to_heads,
    without_gain,
)
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import CSR, Spikes, reference
from gcn2snn.verify.report import VerifyReport
from gcn2snn.verify.sums import HeadSums, LayerSums

PART = 1 << 22
"""Values of the widest node that are looked at together, where rows do not depend on each other; the sums of all parts add up."""

BLOCK = 1 << 22
"""Weights that are in double precision at a time."""


def verify(
    network: ir.Network, inputs: Mapping[str, Value], wait: int | None = None, tolerance: float = 0.0
) -> VerifyReport:
    """Walk the populations and compare each with the source model.

    The engine's spikes are judged by a second computation that shares none of its fast code: the spikes that reach a
    membrane are decoded by the reference and summed in double precision. The engine's own sum may differ by

    |error| <= (n + 8) eps sum_i |w_i x_i|,   n the terms of the sum, eps of the engine's precision,

    and the value sent must be one that Eq. 3 or 4 gives within that range, unless the wait was too short for all input.

    Source, engine and second computation go from node to node together, and every value is dropped after its last reader.
    Where rows do not depend on each other (images), they are taken in parts.

    Args:
        network: calibrated.
        inputs: by Input name.
        wait: w of the run to judge.
        tolerance: error from which a layer counts as departed.

    Returns:
        A report; ``str(report)`` is a table and one sentence.

    Raises:
        ConfigError: wait or tolerance is negative.
    """
    if tolerance < 0:
        raise ConfigError(f"tolerance is {tolerance}; allowed are 0 and more")
    on_time = choose_engine(network, wait, "auto") == "closed"
    layers = {node.name: LayerSums() for node in network if isinstance(node, ir.Neuron | ir.Output)}
    heads = [HeadSums(scores=_are_scores(network.shapes[name])) for name in network.heads]
    with torch.no_grad():
        for part in _parts(network, inputs):
            judge = _Judge(network, part, on_time, layers)
            if on_time:
                run_closed(network, part, judge, heads=judge.heads)
            else:
                run_bucketed(network, part, wait, observe=judge, heads=judge.heads)
            for name, sums in zip(network.heads, heads, strict=True):
                sums.add(judge.heads[name], dense_value(judge.truth[name]))
    ways = [ir.told(way) for way in ir.paths(network.structure)]
    found = tuple(sums.check(way) for way, sums in zip(ways, heads, strict=True))
    return VerifyReport(tuple(sums.check(name, on_time) for name, sums in layers.items()), tolerance, found)


def _are_scores(shape: ir.Shape) -> bool:
    return len(shape) == 2 and shape[1] is not None


def _parts(network: ir.Network, inputs: Mapping[str, Value]) -> Iterator[dict[str, Value]]:
    """The inputs in parts of some rows each, where no row depends on another; else as they are."""
    rows = {value.shape[0] for value in inputs.values() if isinstance(value, Tensor)}
    meet = any(isinstance(node, ir.Operator | ir.OneHot | ir.Aggregate | ir.Product) for node in network)
    dense = all(isinstance(value, Tensor) for value in inputs.values())
    widest = max((_row_size(shape) for shape in network.shapes.values()), default=1)
    step = max(PART // widest, 1)
    if meet or not dense or len(rows) != 1 or max(rows) <= step:
        yield dict(inputs)
        return
    for start in range(0, max(rows), step):
        yield {name: value[start : start + step] for name, value in inputs.items() if isinstance(value, Tensor)}


def _row_size(shape: ir.Shape) -> int:
    size = 1
    for length in shape[1:]:
        size *= length or 1
    return size


class _Judge:
    """An observer of a run: at each node it goes on with the source model and with the second computation, and compares.

    ``heads``: filled by the engine.
    """

    def __init__(self, network: ir.Network, inputs: Mapping[str, Value], on_time: bool, layers: dict[str, LayerSums]):
        self.network, self.inputs, self.on_time, self.layers = network, inputs, on_time, layers
        self.heads: dict[str, Tensor] = {}
        self.truth: dict[str, Value] = {}
        self.exact: dict[str, Value] = {}
        self.sizes: dict[str, Value] = {}
        self.terms: dict[str, int] = {}
        self.eps = torch.finfo(network_dtype(network)).eps
        self.dropped = {step.nodes[-1].name: step.dropped for step in steps_to_heads(network, False, frozenset())}

    def __call__(self, node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        true = tuple(self.truth[name] for name in node.inputs)
        self.truth[node.name] = evaluate_node(node, true, self.inputs, activate, lambda node, x: x)
        if isinstance(node, ir.Neuron):
            self._neuron(node, dense_value(args[0]), spike_value(value))
        elif isinstance(node, ir.Output):
            got = value if self.on_time else self.heads.get(node.name, started(node, dense_value(value)))
            self._output(node, dense_value(got))
        if isinstance(node, ir.Neuron | ir.InputCode | ir.Source | ir.Operator):
            self.exact[node.name] = _double(value)
            self.sizes[node.name] = _absolute(self.exact[node.name])
        elif not isinstance(node, ir.Output | ir.Readout):
            exact, sizes = ([values[name] for name in node.inputs] for values in (self.exact, self.sizes))
            self.terms[node.name] = self._terms_kept(node) if isinstance(node, ir.Kept) else _terms(node, self.exact)
            self.exact[node.name], self.sizes[node.name] = _second(node, exact, sizes)
        for name in self.dropped[node.name]:
            for values in (self.truth, self.exact, self.sizes):
                values.pop(name, None)

    def _sum(self, node: ir.Neuron | ir.Output) -> tuple[Tensor, Tensor]:
        """The weighted sum of a membrane, and how far rounding can move it."""
        feed = node.inputs[0]
        total, size = started(node, dense_value(self.exact[feed])), dense_value(self.sizes[feed])
        if node.start is not None:
            size = size + start_of(node.start.abs().double(), size.dim())
        terms = 8 + sum(self.terms[step.name] for step in path(self.network, node))
        return total, terms * self.eps * size

    def _terms_kept(self, node: ir.Kept) -> int:
        """Terms of the potential that is kept, and of what that began with."""
        return 8 + sum(self.terms[step.name] for step in path(self.network, node))

    def _neuron(self, node: ir.Neuron, summed: Tensor, spikes: Spikes) -> None:
        exact, slack = self._sum(node)
        off = started(node, summed.double()) - exact
        wrong = off.abs() > slack
        z, slack = without_gain(node, exact), without_gain(node, slack)
        truth = dense_value(self.truth[node.name]).double()
        value = reference.decode(spikes, torch.float64)
        expected = _coded(node, z)
        if self.on_time:
            low, high = _coded(node, z - slack), _coded(node, z + slack)
            least = torch.minimum(torch.minimum(low, high), expected)
            wrong |= (value < least) | (value > torch.maximum(torch.maximum(low, high), expected))
        active = node.activation(z)
        self.layers[node.name] += LayerSums(
            neurons=value.numel(),
            spikes=int(spikes.fired.sum()),
            error=_square(value - truth),
            inherited=_square(active - truth),
            encoding=_square(expected - active),
            own=_square(_coded(node, truth) - truth),
            timing=0.0 if self.on_time else _square(value - expected),
            rounding=_square(off),
            outside=int(wrong.sum()),
            of_truth=_square(truth),
            of_sum=_square(exact),
        )

    def _output(self, node: ir.Output, got: Tensor) -> None:
        exact, slack = self._sum(node)
        off, truth = got.double() - exact, dense_value(self.truth[node.name]).double()
        self.layers[node.name] += LayerSums(
            neurons=got.numel(),
            error=_square(got.double() - truth),
            inherited=_square(exact - truth),
            rounding=_square(off),
            outside=int((off.abs() > slack).sum()),
            of_truth=_square(truth),
            of_sum=_square(exact),
        )


def _second(node: ir.Node, exact: list[Value], sizes: list[Value]) -> tuple[Value, Value]:
    """A node's sum in double precision, and the sum of the magnitudes of its terms; large weights block by block."""
    if isinstance(node, ir.Dense) or (isinstance(node, ir.Conv) and node.groups == 1):
        step = max(BLOCK // node.weight[0].numel(), 1)
        if step < len(node.weight):
            blocks = [_second(_rows_of(node, i, i + step), exact, sizes) for i in range(0, len(node.weight), step)]
            values, magnitudes = ([dense_value(x) for x in found] for found in zip(*blocks, strict=True))
            return torch.cat(values, 1), torch.cat(magnitudes, 1)
    double = _changed(node, _double_tensor)
    if isinstance(double, ir.Kept):  # a cap bounds the value, and not the rounding of the sum
        return apply(double, *exact), without_gain(double, *sizes)
    return apply(double, *exact), apply(_magnitude(double), *sizes)


def _rows_of(node: ir.Dense | ir.Conv, start: int, stop: int) -> ir.Node:
    """The layer with some of its output channels."""
    bias = node.bias if node.bias is None or node.bias.numel() == 1 else node.bias[start:stop]
    return replace(node, weight=node.weight[start:stop], bias=bias)


def _terms(node: ir.Node, values: Mapping[str, Value]) -> int:
    """Terms of the sum that makes one value of a node."""
    if isinstance(node, ir.Dense):
        return node.weight.shape[1] + 1
    if isinstance(node, ir.Conv):
        return node.weight[0].numel() + 1
    if isinstance(node, ir.Aggregate):
        entries = matrix_value(values[node.inputs[0]]).rowptr.diff()
        return int(entries.max()) if entries.numel() else 0
    return node.kernel[0] * node.kernel[1] + 1 if isinstance(node, ir.AvgPool) else 1 + len(node.inputs)


def _coded(node: ir.Neuron, z: Tensor) -> Tensor:
    """Value that Eq. 3 or 4 sends for z, by the reference."""
    spikes = reference.encode(z, node.scale, node.coding, node.horizon)
    return reference.decode(spikes, torch.float64)


def _double_tensor(x: Tensor) -> Tensor:
    return x.double() if x.is_floating_point() else x


def _double(value: Value) -> Value:
    if isinstance(value, Spikes):
        return reference.decode(value, torch.float64)
    if isinstance(value, CSR):
        return value.to(torch.float64)
    return _double_tensor(value) if isinstance(value, Tensor) else value


def _absolute_tensor(x: Tensor) -> Tensor:
    return x.abs() if x.is_floating_point() else x


def _absolute(value: Value) -> Value:
    if isinstance(value, CSR):
        return replace(value, value=value.value.abs())
    return _absolute_tensor(value) if isinstance(value, Tensor) else value


def _changed(node: ir.Node, change: Callable[[Tensor], Tensor]) -> ir.Node:
    changes: dict[str, Any] = {name: change(tensor) for name, tensor in node.tensors().items()}
    return replace(node, **changes) if changes else node


def _magnitude(node: ir.Node) -> ir.Node:
    """The node with the magnitudes of its weights, bias and coefficients."""
    node = _changed(node, _absolute_tensor)
    return replace(node, coefficients=tuple(map(abs, node.coefficients))) if isinstance(node, ir.Add) else node


def _square(x: Tensor) -> float:
    """Sum of squares."""
    return float(x.double().square().sum())
