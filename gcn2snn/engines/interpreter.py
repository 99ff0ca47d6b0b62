"""Running a network description: as the source model (floats) or in closed form (Eq. 4); and which engine is to run it.

The engines in time are in ``engines/temporal.py`` (step by step) and ``engines/bucketed.py`` (only the moments that neurons look at).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.encoding import check_finite, encode_binary
from gcn2snn.engines.fused import Fusion, as_sent, fire_synapse, firing, fusions
from gcn2snn.engines.node_rules import Value, apply, dense_value
from gcn2snn.kernels import PhaseCode, Spikes, encode, per_channel

Observer = Callable[[ir.Node, tuple[Value, ...], Value], None]
"""Called with each node, its inputs and its result."""

Fuse = Callable[[Fusion, tuple[Value, ...], Value], Spikes | None]
"""Called with what may be done at once, the synapse's inputs and the other term of its sum; None: not at once."""


def run(
    network: ir.Network,
    inputs: Mapping[str, Value],
    population: Callable[[ir.Neuron, Value], Value],
    coder: Callable[[ir.Coder, Tensor], Value],
    observe: Observer | None = None,
    known: Mapping[str, Value] | None = None,
    fuse: Fuse | None = None,
) -> Tensor:
    """Evaluate every node once; ``population`` and ``coder`` say what neurons and input coders do.

    Values are dropped after their last reader, so the peak is the largest cut of the network, not its sum.
    ``known`` holds results that need no evaluation; ``fuse`` may compute a synapse and its only reader at once.
    """
    values: dict[str, Value] = dict(known or {})
    found = fusions(network) if fuse is not None else {}
    plan = {name: fusion for name, fusion in found.items() if fusion.synapse.name not in values}
    waiting = {fusion.synapse.name: name for name, fusion in plan.items() if fusion.beside is not None}
    last_reader = _last_readers(network, waiting)
    result: Value = None
    for node in _needed(network, values):
        if node.name in values or node.name in waiting:
            continue
        made = [node]
        if node.name in plan:
            assert fuse is not None
            fusion = plan[node.name]
            args = tuple(values[name] for name in fusion.synapse.inputs)
            fused = fuse(fusion, args, None if fusion.beside is None else values[fusion.beside])
            if fused is not None:
                values[fusion.neuron.name] = fused
                _drop(values, node, last_reader)
                continue
            made = [node] if fusion.beside is None else [fusion.synapse, node]
        for each in made:
            args = tuple(values[name] for name in each.inputs)
            values[each.name] = _evaluate(each, args, inputs, population, coder)
            if observe is not None:
                observe(each, args, values[each.name])
        if isinstance(node, ir.Output):
            result = values[node.name]
        _drop(values, node, last_reader)
    return result


def _last_readers(network: ir.Network, waiting: Mapping[str, str]) -> dict[str, str]:
    """After which node each value may go. A synapse that waits for the other term of its sum reads its inputs there."""
    place = {node.name: index for index, node in enumerate(network)}
    found: dict[str, str] = {}
    for node in network:
        reader = waiting.get(node.name, node.name)
        for name in node.inputs:
            found[name] = max(found.get(name, reader), reader, key=place.__getitem__)
    return found


def _needed(network: ir.Network, known: Mapping[str, Value]) -> list[ir.Node]:
    """Nodes that the output depends on, other than through known results, in order."""
    wanted = {node.name for node in network.of(ir.Output)}
    found = []
    for node in reversed(network.nodes):
        if node.name in wanted and node.name not in known:
            found.append(node)
            wanted.update(node.inputs)
    return found[::-1]


def _evaluate(
    node: ir.Node,
    args: tuple[Value, ...],
    inputs: Mapping[str, Value],
    population: Callable[[ir.Neuron, Value], Value],
    coder: Callable[[ir.Coder, Tensor], Value],
) -> Value:
    if isinstance(node, ir.Input):
        return inputs[node.name]
    if isinstance(node, ir.OneHot):
        return 1.0 - 2.0**-node.binary if node.binary else 1.0
    if isinstance(node, ir.Neuron):
        return population(node, args[0])
    if isinstance(node, ir.Coder):
        return coder(node, args[0])
    return apply(node, *args)


def _drop(values: dict[str, Value], reader: ir.Node, last_reader: Mapping[str, str]) -> None:
    for name in [name for name in values if last_reader.get(name) == reader.name]:
        del values[name]


def run_float(network: ir.Network, inputs: Mapping[str, Value], observe: Observer | None = None) -> Tensor:
    """The source model's own result: ReLU or nothing where the neurons are, input data as they are."""
    return run(network, inputs, activate, lambda node, x: x, observe)


def activate(node: ir.Neuron, x: Value) -> Tensor:
    """What the source model has in a population's place: max(x / gain, 0), or x / gain where it has no ReLU."""
    x = dense_value(x)
    if node.gain is not None:
        x = x / per_channel(node.gain, x.dim())
    return torch.relu(x) if node.activation == "relu" else x


def run_closed(
    network: ir.Network,
    inputs: Mapping[str, Value],
    observe: Observer | None = None,
    known: Mapping[str, Value] | None = None,
) -> Tensor:
    """One evaluation per synapse: each population sends the phase of Eq. 4 of its exact potential.

    Equal to the temporal engine for every wait >= T - 1 of the layers that feed it: all input has arrived before
    phase 1 decides (docs/method.md). Costs one synapse evaluation where the temporal engine makes T.
    """
    fuse = fire_synapse if observe is None else None  # an observer wants to see the potentials between the two
    return started(network.of(ir.Output)[0], run(network, inputs, fire, code_input, observe, known, fuse))


def input_free(network: ir.Network) -> dict[str, Value]:
    """Spikes that do not depend on any input, by population: those of a one-hot input's look-up."""
    free: list[ir.Node] = []
    names: set[str] = set()
    for node in network:
        if isinstance(node, ir.OneHot) or (node.inputs and names.issuperset(node.inputs)):
            free.append(node)
            names.add(node.name)
    values: dict[str, Value] = {}
    for node in free:
        args = tuple(values[name] for name in node.inputs)
        values[node.name] = _evaluate(node, args, {}, fire, code_input)
    return {node.name: values[node.name] for node in free if isinstance(node, ir.Neuron)}


def started(node: ir.Neuron | ir.Output, potential: Tensor) -> Tensor:
    """The potential with what the membrane started from."""
    return potential if node.start is None else potential + per_channel(node.start.to(potential.dtype), potential.dim())


def fire(node: ir.Neuron, potential: Value) -> Value:
    """Spikes of a population: phase of potential / (scale gain)."""
    rule = firing(node)
    return as_sent(node, encode(started(node, dense_value(potential)), rule.scale, rule.coding, rule.horizon))


def code_input(node: ir.Coder, x: Tensor) -> Value:
    """Input data as spikes: the sum a binary word carries, or one signed spike per value, or the value."""
    check_finite(node.name, x)
    if node.kind == "analog":
        return x
    assert node.scale is not None, f"{node.name} is not calibrated"
    if node.kind == "single":
        return encode(x, node.scale, single_coding(node))
    code = encode_binary(x, node.scale, node.timesteps)
    return code.to(x.dtype) * (2.0**-node.timesteps * per_channel(node.scale, x.dim()))


def single_coding(node: ir.Coder) -> PhaseCode:
    """Phase code of a single-spike input coder (Table VII)."""
    return PhaseCode(node.base, node.timesteps, signed=True)


def read_out(network: ir.Network, potentials: Tensor) -> Tensor:
    """What the source model makes of the potentials at its very end: itself, or their softmax or log-softmax."""
    kinds = {"": lambda x: x, "softmax": lambda x: x.softmax(1), "log_softmax": lambda x: x.log_softmax(1)}
    return kinds[network.of(ir.Output)[0].readout](potentials)
