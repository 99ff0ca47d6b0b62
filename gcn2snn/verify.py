"""Where a spiking network departs from its source model, population by population, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines import (
    Observer,
    Value,
    apply,
    choose_engine,
    constants,
    dense_value,
    matrix_value,
    network_dtype,
    path,
    run_bucketed,
    run_closed,
    run_float,
    spike_value,
    start_of,
    started,
    without_gain,
)
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import CSR, Spikes, reference


@dataclass(frozen=True)
class LayerCheck:
    """One population, or the output. Errors are root mean squares, as a share of the source activation's.

    Args:
        name: population or output.
        neurons, spikes: how many, and how many fired.
        error: spiking value against the source model's activation.
        inherited: source activation function of the true weighted sum of the spikes that came in, against the source
            model's activation: what the layers before have lost.
        encoding: what the phase code loses on that weighted sum.
        own: what it would lose on the source model's own activation, with nothing inherited.
        timing: late and false spikes of a wait below T - 1; 0 otherwise.
        rounding: the engine's weighted sum against the same sum in double precision.
        outside: percent of the neurons whose sum is off by more than rounding can be, or whose value is not what
            Eq. 4 allows for their input although all of it had arrived. Anything but 0 is a bug.
        verdict: "exact", "encoding", "timing" or "bug".
    """

    name: str
    neurons: int
    spikes: int
    error: float
    inherited: float
    encoding: float
    own: float
    timing: float
    rounding: float
    outside: float
    verdict: str


@dataclass(frozen=True)
class VerifyReport:
    """What ``verify`` found.

    Args:
        layers: in order of evaluation; the output is last.
        tolerance: error from which a layer counts as departed.
        same_class: percent of the outputs with the source model's class.
    """

    layers: tuple[LayerCheck, ...]
    tolerance: float
    same_class: float

    @property
    def first_departure(self) -> LayerCheck | None:
        """The first layer whose error is above the tolerance, or None."""
        return next((layer for layer in self.layers if layer.error > self.tolerance), None)

    @property
    def bugs(self) -> tuple[LayerCheck, ...]:
        """Layers whose error is explained neither by their code nor by the timing."""
        return tuple(layer for layer in self.layers if layer.verdict == "bug")

    def table(self) -> list[dict[str, Any]]:
        """A row per layer, as JSON values."""
        return [asdict(layer) for layer in self.layers]

    def __str__(self) -> str:
        first = self.first_departure
        if self.bugs:
            bad = self.bugs[0]
            end = f"{bad.name}: {bad.outside:.3g} % of its values are not what its input and code allow. This is a bug"
        elif first is None:
            end = f"no layer departs by more than {100 * self.tolerance:.3g} %"
        else:
            why = {"encoding": "the encoding error explains it", "timing": "its wait is too short for all input"}
            end = f"{first.name} departs first, by {100 * first.error:.3g} %: {why[first.verdict]}"
        head = f"{'layer':<32}{'error':>9}{'inherited':>11}{'encoding':>10}{'own':>8}{'timing':>8}  verdict"
        lines = [
            f"{x.name:<32}{x.error:>9.4f}{x.inherited:>11.4f}{x.encoding:>10.4f}{x.own:>8.4f}{x.timing:>8.4f}  {x.verdict}"
            for x in self.layers
        ]
        return "\n".join([head, *lines, f"same class as the source model: {self.same_class:.2f} %", end])


def verify(
    network: ir.Network, inputs: Mapping[str, Value], wait: int | None = None, tolerance: float = 0.0
) -> VerifyReport:
    """Walk the populations and compare each with the source model.

    The engine's spikes are judged by a second computation that shares none of its fast code: the spikes that reach a
    membrane are decoded by the reference and summed in double precision. The engine's own sum may differ by

    |error| <= (n + 8) eps sum_i |w_i x_i|,   n the terms of the sum, eps of the engine's precision,

    and the value sent must be one that Eq. 3 or 4 gives within that range, unless the wait was too short for all input.

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
    truth: dict[str, Tensor] = {}
    with torch.no_grad():
        output = run_float(network, inputs, _keep_activations(truth))
        on_time = choose_engine(network, wait, "auto") == "closed"
        sent, sums, got = _engine(network, inputs, wait, on_time)
        second = _Second(network, inputs, sent)
        checks: list[LayerCheck] = []
        for node in network:
            if isinstance(node, ir.Neuron):
                exact, slack = second.sum(node)
                spikes = spike_value(sent[node.name])
                checks.append(_neuron(node, exact, slack, sums[node.name], spikes, truth[node.name], on_time))
            elif isinstance(node, ir.Output):
                checks.append(_output(node, *second.sum(node), got, truth[node.name]))
    same = 100 * float((got.argmax(1) == output.argmax(1)).double().mean()) if output.numel() else 100.0
    return VerifyReport(tuple(checks), tolerance, same)


def _engine(
    network: ir.Network, inputs: Mapping[str, Value], wait: int | None, on_time: bool
) -> tuple[dict[str, Value], dict[str, Tensor], Tensor]:
    """What the engine sends, its weighted sums, and its output."""
    sent: dict[str, Value] = {}
    sums: dict[str, Tensor] = {}
    if on_time:
        return sent, sums, run_closed(network, inputs, _keep(sent, sums))
    output = run_bucketed(network, inputs, wait, observe=_keep(sent, sums))
    return sent, sums, output


class _Second:
    """The second computation: reference decoding, double precision, and a bound on what rounding can do to a sum."""

    def __init__(self, network: ir.Network, inputs: Mapping[str, Value], sent: Mapping[str, Value]):
        self.double = network.map_tensors(_double_tensor)
        self.positive = _magnitude(self.double)
        self.known = {name: _double(value) for name, value in constants(network, inputs).items()}
        self.known |= {name: _double(value) for name, value in sent.items()}
        self.sizes = {name: _absolute(value) for name, value in self.known.items()}
        self.eps = torch.finfo(network_dtype(network)).eps

    def sum(self, node: ir.Neuron | ir.Output) -> tuple[Tensor, Tensor]:
        """The weighted sum of a membrane, and how far rounding can move it."""
        values, sizes, terms = dict(self.known), dict(self.sizes), 8
        for step, positive in zip(path(self.double, node), path(self.positive, node), strict=True):
            values[step.name] = apply(step, *(values[name] for name in step.inputs))
            sizes[step.name] = apply(positive, *(sizes[name] for name in step.inputs))
            terms += _terms(step, values)
        feed = node.inputs[0]
        total, size = started(node, dense_value(values[feed])), dense_value(sizes[feed])
        if node.start is not None:
            size = size + start_of(node.start.abs().double(), size.dim())
        return total, terms * self.eps * size


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


def _neuron(
    node: ir.Neuron, exact: Tensor, slack: Tensor, summed: Tensor, spikes: Spikes, truth: Tensor, on_time: bool
) -> LayerCheck:
    off = started(node, summed.double()) - exact
    wrong = off.abs() > slack
    z, slack, truth = without_gain(node, exact), without_gain(node, slack), truth.double()
    value = reference.decode(spikes, torch.float64)
    expected, own = _coded(node, z), _coded(node, truth)
    ends = torch.stack([_coded(node, z - slack), expected, _coded(node, z + slack)])
    if on_time:
        wrong |= (value < ends.amin(0)) | (value > ends.amax(0))
    active = node.activation(z)
    timing = 0.0 if on_time else _share(value - expected, truth)
    error = _share(value - truth, truth)
    outside = 100 * float(wrong.double().mean()) if wrong.numel() else 0.0
    return LayerCheck(
        name=node.name,
        neurons=value.numel(),
        spikes=int(spikes.fired.sum()),
        error=error,
        inherited=_share(active - truth, truth),
        encoding=_share(expected - active, truth),
        own=_share(own - truth, truth),
        timing=timing,
        rounding=_share(off, exact),
        outside=outside,
        verdict="bug" if outside else "timing" if timing else "encoding" if error else "exact",
    )


def _output(node: ir.Output, exact: Tensor, slack: Tensor, got: Tensor, truth: Tensor) -> LayerCheck:
    off = got.double() - exact
    outside = 100 * float((off.abs() > slack).double().mean()) if got.numel() else 0.0
    error = _share(got.double() - truth, truth)
    inherited = _share(exact - truth, truth)
    verdict = "bug" if outside else "encoding" if error else "exact"
    rounding = _share(off, exact)
    return LayerCheck(node.name, got.numel(), 0, error, inherited, 0.0, 0.0, 0.0, rounding, outside, verdict)


def _coded(node: ir.Neuron, z: Tensor) -> Tensor:
    """Value that Eq. 3 or 4 sends for z, by the reference."""
    spikes = reference.encode(z, node.scale, node.coding, node.horizon)
    return reference.decode(spikes, torch.float64)


def _keep_activations(truth: dict[str, Tensor]) -> Observer:
    """Keeps what the source model has in the place of each population, and its result."""

    def observe(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if isinstance(node, ir.Neuron | ir.Output):
            truth[node.name] = dense_value(value)

    return observe


def _keep(sent: dict[str, Value], sums: dict[str, Tensor]) -> Observer:
    """Keeps what every source sends, and what flows into each population."""

    def observe(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if isinstance(node, ir.Neuron | ir.Coder | ir.OneHot):
            sent[node.name] = value
        if isinstance(node, ir.Neuron):
            sums[node.name] = dense_value(args[0])

    return observe


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


def _magnitude(network: ir.Network) -> ir.Network:
    """The network with the magnitudes of all weights, biases and coefficients."""
    network = network.map_tensors(_absolute_tensor)
    sums: dict[str, list[ir.Node]] = {
        node.name: [replace(node, coefficients=tuple(map(abs, node.coefficients)))] for node in network.of(ir.Add)
    }
    return network.replace(sums)


def _share(x: Tensor, of: Tensor) -> float:
    """Root mean square of x over that of ``of``."""
    if not x.numel():
        return 0.0
    size = float(of.double().square().mean().sqrt())
    return float(x.double().square().mean().sqrt()) / max(size, 1e-30)
