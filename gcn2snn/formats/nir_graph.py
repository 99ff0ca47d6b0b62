"""NIR: the closed form of a dense or convolutional network as banks of threshold neurons, for one step of any simulator.

A population of code thresholds theta_1 > ... > theta_T becomes T integrate-and-fire neurons for each value, one a threshold:
neuron t fires if U / (scale theta_t) >= 1. The value of the one spike is then a sum over those that fire,

    scale sum_t (Q^-t - Q^-(t+1)) fired_t,    with Q^-(T+1) read as 0,

whose factors are folded into the weights behind. This costs T times the neurons and is not one spike a value.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import singledispatchmethod
from importlib.resources import files as package_files
from pathlib import Path
from typing import TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from gcn2snn import ir
from gcn2snn.engines import bind, code_input, dense_value
from gcn2snn.errors import ConfigError, MissingPackageError
from gcn2snn.files import replacing
from gcn2snn.formats.linear_maps import array
from gcn2snn.formats.nir_refusals import refusals_of
from gcn2snn.formats.other_python import answer_of, check_modules, interpreter
from gcn2snn.formats.refusals import check_closed_form, package, refuse_parts
from gcn2snn.spiking_network import SpikingNetwork

PYTHON_VARIABLE = "GCN2SNN_NIR_PYTHON"
"""Environment variable that names a Python interpreter with simulators that import NIR."""

INSTALL = (
    "Make one: python3 -m venv nirenv && nirenv/bin/pip install norse spikingjelly nir nirtorch, then give --python "
    f"nirenv/bin/python or set {PYTHON_VARIABLE}"
)

PROGRAM = "nir_program.py"

STEP = 1e-4
"""Seconds of the one step, the customary dt of importers. R = 1 / dt makes a neuron add its input once."""

THRESHOLD = float(np.nextafter(np.float32(1.0), np.float32(0.0)))
"""One unit of rounding below 1, because importers fire where v > threshold and a tie has to fire."""

ABOUT = (
    "A one-spike network in closed form: each value is a bank of T threshold neurons (2 T where values have a sign). It costs "
    "T times the neurons of the one-spike network, and a value is up to T spikes, not one. Run it for one step from rest; "
    "inputs are the values that the input coder sends."
)

Floats = NDArray[np.float64]
Array32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Carried:
    """A value in the graph: its node, its shape without the batch, and what its channels mean.

    Args:
        node: name in the NIR graph.
        shape: of the value, (C,) or (C, H, W), channels of the network.
        worth: [C, B], what each of the B neurons of a channel is worth; [C, 1] of ones where the node carries values.
        area: elements of a channel, H W before and after flattening.
    """

    node: str
    shape: tuple[int, ...]
    worth: Floats
    area: int

    @property
    def bank(self) -> int:
        return self.worth.shape[1]


@dataclass(eq=False)
class _Builder:
    """Nodes and edges of the NIR graph, node after node of the description."""

    network: ir.Network
    nodes: dict[str, object] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    values: dict[str, Carried] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nir = package("nir")

    def put(self, name: str, node: object, source: str | None) -> str:
        """Add a node behind another; dots in names would be read as parts of a module, and each node has its own name."""
        plain = name.replace(".", "_")
        while plain in self.nodes:
            plain += "_"
        self.nodes[plain] = node
        if source is not None:
            self.edges.append((source, plain))
        return plain

    @singledispatchmethod
    def add(self, node: ir.Node) -> None:
        raise AssertionError(f"no rule for {type(node).__name__}")

    def feed(self, node: ir.Node) -> Carried:
        return self.values[node.inputs[0]]

    @add.register
    def _input(self, node: ir.Input) -> None:
        shape = tuple(int(size or 0) for size in node.size[1:])
        name = self.put(node.name, self.nir.Input(input_type={"input": np.array(shape)}), None)
        area = int(np.prod(shape[1:]))
        self.values[node.name] = Carried(name, shape, np.ones((shape[0], 1)), area)

    @add.register
    def _coder(self, node: ir.Coder) -> None:
        self.values[node.name] = self.feed(node)  # the caller passes what the coder sends

    @add.register
    def _dense(self, node: ir.Dense) -> None:
        reader = self._bank_behind(node)
        bias = np.zeros(len(node.weight)) if node.bias is None else array(node.bias.expand(len(node.weight)))
        self._affine(node, array(node.weight), bias, reader)

    def _affine(self, node: ir.Node, weight: Floats, bias: Floats, reader: ir.Neuron | None) -> None:
        x = self.feed(node)
        worth = x.worth[None, :, :, None]
        folded = weight.reshape(len(weight), -1, 1, x.area) * worth
        folded, bias = folded.reshape(len(weight), -1), bias
        if reader is not None:
            factor, worth_out = self._ladder(reader, len(weight))
            folded = (factor[:, :, None] * folded[:, None, :]).reshape(-1, folded.shape[1])
            bias = (factor * self._started(reader, bias)[:, None]).ravel()
        name = self.put(node.name, self.nir.Affine(_single(folded), _single(bias)), x.node)
        if reader is None:
            self.values[node.name] = Carried(name, (len(weight),), np.ones((len(weight), 1)), 1)
        else:
            self._fires(reader, name, (len(weight),), worth_out)
            self.values[node.name] = self.values[reader.name]

    @add.register
    def _conv(self, node: ir.Conv) -> None:
        bias = np.zeros(len(node.weight)) if node.bias is None else array(node.bias.expand(len(node.weight)))
        left, _, top, _ = node.padding
        self._convolve(node, array(node.weight), bias, node.stride, (top, left), node.dilation, self._bank_behind(node))

    def _convolve(
        self,
        node: ir.Node,
        weight: Floats,
        bias: Floats,
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int],
        reader: ir.Neuron | None,
    ) -> None:
        x = self.feed(node)
        size = tuple(int(each or 0) for each in node.shape((1, *x.shape))[1:])
        folded = (weight[:, :, None] * x.worth[None, :, :, None, None]).reshape(len(weight), -1, *weight.shape[2:])
        if reader is not None:
            factor, worth = self._ladder(reader, len(weight))
            folded = (factor[:, :, None, None, None] * folded[:, None]).reshape(-1, *folded.shape[1:])
            bias = (factor * self._started(reader, bias)[:, None]).ravel()
        conv = self.nir.Conv2d(x.shape[1:], _single(folded), stride, padding, dilation, 1, _single(bias))
        name = self.put(node.name, conv, x.node)
        if reader is None:
            self.values[node.name] = Carried(name, size, np.ones((size[0], 1)), size[1] * size[2])
        else:
            self._fires(reader, name, size, worth)
            self.values[node.name] = self.values[reader.name]

    def _bank_behind(self, node: ir.Node) -> ir.Neuron | None:
        """The population that alone reads a synapse: its thresholds go into the weights."""
        readers = self.network.readers(node.name)
        return readers[0] if len(readers) == 1 and isinstance(readers[0], ir.Neuron) else None

    def _ladder(self, node: ir.Neuron, channels: int) -> tuple[Floats, Floats]:
        """[C, B] what a potential is multiplied by for each neuron of the bank, and what the neuron is worth."""
        coding = node.coding
        threshold, levels = coding.thresholds().numpy(), coding.levels().numpy()
        scale = np.broadcast_to(array(node.threshold_scale).reshape(-1, 1), (channels, 1))
        factor = 1.0 / (scale * threshold)
        sent = np.broadcast_to(array(node.scale).reshape(-1, 1), (channels, 1))
        worth = sent * (levels - np.append(levels[1:], 0.0))
        if coding.signed:
            factor, worth = np.concatenate([factor, -factor], axis=1), np.concatenate([worth, -worth], axis=1)
        return factor, worth

    @staticmethod
    def _started(node: ir.Neuron, bias: Floats) -> Floats:
        return bias if node.start is None else bias + array(node.start)

    def _fires(self, node: ir.Neuron, source: str, shape: tuple[int, ...], worth: Floats) -> None:
        neurons = (shape[0] * worth.shape[1], *shape[1:])
        name = self._integrate(node.name, source, neurons)
        self.values[node.name] = Carried(name, shape, worth, int(np.prod(shape[1:])))

    def _integrate(self, name: str, source: str, neurons: tuple[int, ...]) -> str:
        every = np.ones(neurons, dtype=np.float32)
        unit = self.nir.IF(r=every / np.float32(STEP), v_threshold=every * np.float32(THRESHOLD), v_reset=0 * every)
        return self.put(name, unit, source)

    @add.register
    def _neuron(self, node: ir.Neuron) -> None:
        """Only where no synapse has taken the thresholds: a population behind a pooled mean, for example."""
        if node.name not in self.values:
            self._pointwise(node, np.zeros(self.feed(node).shape[0]), node)

    def _pointwise(self, node: ir.Node, bias: Floats, reader: ir.Neuron | None) -> None:
        """A synapse that passes each value on with a constant for its channel."""
        expanded = np.eye(len(bias))
        if len(self.feed(node).shape) == 1:
            self._affine(node, expanded, bias, reader)
        else:
            self._convolve(node, expanded[:, :, None, None], bias, (1, 1), (0, 0), (1, 1), reader)

    @add.register
    def _max_pool(self, node: ir.MaxPool) -> None:
        """The largest value has all the thresholds that any member reaches, so each neuron of a bank asks: any fired?"""
        x = self.feed(node)
        size = tuple(int(each or 0) for each in node.shape((1, *x.shape))[1:])
        channels = x.shape[0] * x.bank
        kernel = np.eye(channels)[:, :, None, None] * np.ones((1, 1, *node.kernel))
        options = (node.stride, node.padding, node.dilation, 1, _single(np.zeros(channels)))
        counted = self.put(f"{node.name}.any", self.nir.Conv2d(x.shape[1:], _single(kernel), *options), x.node)
        name = self._integrate(node.name, counted, (channels, *size[1:]))
        self.values[node.name] = Carried(name, size, x.worth, size[1] * size[2])

    @add.register
    def _avg_pool(self, node: ir.AvgPool) -> None:
        x = self.feed(node)
        kernel = np.eye(x.shape[0])[:, :, None, None] * np.ones((1, 1, *node.kernel)) / np.prod(node.kernel)
        self._convolve(node, kernel, np.zeros(x.shape[0]), node.stride, node.padding, (1, 1), None)

    @add.register
    def _flatten(self, node: ir.Flatten) -> None:
        x = self.feed(node)
        if len(x.shape) == 1:
            self.values[node.name] = x
            return
        neurons = np.array([x.shape[0] * x.bank, *x.shape[1:]])
        flat = self.nir.Flatten(input_type={"input": neurons}, start_dim=-3, end_dim=-1)
        name = self.put(node.name, flat, x.node)
        self.values[node.name] = Carried(name, (int(np.prod(x.shape)),), x.worth, x.area)

    @add.register
    def _output(self, node: ir.Output) -> None:
        x = self.feed(node)
        source = x.node
        if node.start is not None or x.bank > 1:
            self._pointwise(node, np.zeros(x.shape[0]) if node.start is None else array(node.start), None)
            source = self.values[node.name].node
        self.put("potentials", self.nir.Output(output_type={"output": np.array(x.shape)}), source)


def _single(value: Floats) -> Array32:
    """Importers compute in single precision."""
    return np.ascontiguousarray(value, dtype=np.float32)


def write_nir(snn: SpikingNetwork, out: Path) -> dict[str, int | str]:
    """Write the graph, in single precision; its metadata say what it is. Returns numbers of nodes and neurons.

    Raises:
        ConfigError: ``out`` does not end with .nir, or the wait is too short for the closed form.
        InputError: parts that NIR cannot carry, all at once.
        MissingPackageError: nir is not installed.
    """
    if out.suffix != ".nir":
        raise ConfigError(f"the NIR export is one file of HDF5, got {out.name}; choose a name that ends with .nir")
    check_closed_form(snn, "nir")
    refuse_parts("nir", refusals_of(snn.network))
    builder = _Builder(snn.network)
    for node in snn.network:
        builder.add(node)
    populations = [(node.name, node.coding.timesteps) for node in snn.network.of(ir.Neuron)]
    coders = {node.name: {"kind": node.kind, "timesteps": node.timesteps} for node in snn.network.of(ir.Coder)}
    notes = {"about": ABOUT, "dt": STEP, "phases": json.dumps(dict(populations)), "input coders": json.dumps(coders)}
    graph = builder.nir.NIRGraph(nodes=builder.nodes, edges=builder.edges, metadata=notes)
    with replacing(out) as temporary:
        builder.nir.write(temporary, graph)
    sizes = (node.v_threshold.size for node in builder.nodes.values() if isinstance(node, builder.nir.IF))
    return {"nodes": len(builder.nodes), "neurons": sum(sizes), "populations": len(populations)}


class SimulatorCheck(TypedDict):
    """What one simulator gave."""

    name: str
    version: str
    predictions_differ: int
    largest_difference: float


def nir_ready(python: str | None) -> None:
    """Refuse where no interpreter with NIR and one of its simulators is there.

    Raises:
        MissingPackageError: as said.
    """
    check_modules(interpreter(python, PYTHON_VARIABLE, INSTALL), ["nir", "norse|spikingjelly"], INSTALL)


def check_nir(snn: SpikingNetwork, args: Sequence[object], out: Path, python: str | None) -> list[SimulatorCheck]:
    """Run the file in the simulators of another interpreter for one step and compare the output.

    Raises:
        MissingPackageError: there is no interpreter, or it has neither Norse nor SpikingJelly.
        ConfigError: a simulator refuses the file.
    """
    command = [interpreter(python, PYTHON_VARIABLE, INSTALL), str(package_files("gcn2snn.formats") / PROGRAM), str(out)]
    inputs = bind(snn.network, args, {})
    (coder,) = snn.network.of(ir.Coder)
    coded = dense_value(code_input(coder, dense_value(inputs[coder.inputs[0]])))
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npz"
        np.savez(data, inputs=coded.cpu().numpy(), expected=snn(*args).cpu().numpy())
        found = cast(list[SimulatorCheck], answer_of([*command, str(data)], "nir", INSTALL)["simulators"])
    if not found:
        raise MissingPackageError(f"{command[0]} has neither Norse nor SpikingJelly. {INSTALL}")
    return found
