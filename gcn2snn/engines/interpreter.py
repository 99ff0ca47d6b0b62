"""Running a network description node after node, and as the source model (floats).

The closed form is in ``engines/closed.py``. The engines in time are in ``engines/temporal.py`` (step by step) and
``engines/bucketed.py`` (only the moments that neurons look at).
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from gcn2snn import ir
from gcn2snn.encoding import check_finite
from gcn2snn.engines.fused import as_sent, firing
from gcn2snn.engines.layerwise import ByRows, Rules, run_by_rows
from gcn2snn.engines.node_evaluation import Closing, Coding, Firing, Fuse, Observer, evaluate_node
from gcn2snn.engines.node_rules import Value, activate, apply, dense_value
from gcn2snn.engines.plan import steps_to_heads
from gcn2snn.engines.sparse_inputs import sparse_values
from gcn2snn.kernels import CSR, PhaseCode, Spikes, binary_values, encode, per_channel
from gcn2snn.memory import current_limit


def run(
    network: ir.Network,
    inputs: Mapping[str, Value],
    population: Firing,
    coder: Coding,
    observe: Observer | None = None,
    known: Mapping[str, Value] | None = None,
    fuse: Fuse | None = None,
    output: Closing | None = None,
    heads: dict[str, Tensor] | None = None,
) -> Tensor:
    """Evaluate every node that the heads need once; ``population`` and ``coder`` say what neurons and input coders do.

    Values are dropped after their last reader, so memory holds only the values that are still to be read.
    ``known`` holds results that need no evaluation; ``fuse`` may compute a synapse and its only reader at once; ``output``
    says what an output makes of its potentials, by default nothing.

    Returns:
        The first head. ``heads`` is filled with all of them, by name.
    """
    values: dict[str, Value] = dict(known or {})
    for step in steps_to_heads(network, fuse is not None, frozenset(values)):
        fused = None
        if fuse is not None and step.fusion is not None:
            args = tuple(values[name] for name in step.fusion.synapse.inputs)
            beside = step.fusion.beside
            fused = fuse(step.fusion, args, None if beside is None else values[beside])
        if fused is not None:
            values[step.nodes[-1].name] = fused
        else:
            for node in step.nodes:
                args = tuple(values[name] for name in node.inputs)
                values[node.name] = evaluate_node(node, args, inputs, population, coder)
                if output is not None and isinstance(node, ir.Output):
                    values[node.name] = output(node, dense_value(values[node.name]))
                if observe is not None:
                    observe(node, args, values[node.name])
        for name in step.dropped:
            values.pop(name, None)
    found = {name: dense_value(values[name]) for name in network.heads}
    if heads is not None:
        heads |= found
    return found[network.heads[0]]


def run_float(
    network: ir.Network,
    inputs: Mapping[str, Value],
    observe: Observer | None = None,
    heads: dict[str, Tensor] | None = None,
) -> Tensor:
    """The source model's own result: ReLU or nothing where the neurons are, input data as they are; heads as for :func:`run`."""
    known = sparse_values(network, inputs) if observe is None else None
    return run_or_by_rows(network, inputs, activate, _as_it_is, observe, known, None, None, heads)


def run_or_by_rows(
    network: ir.Network,
    inputs: Mapping[str, Value],
    population: Firing,
    coder: Coding,
    observe: Observer | None,
    known: Mapping[str, Value] | None,
    fuse: Fuse | None,
    output: Closing | None,
    heads: dict[str, Tensor] | None,
) -> Tensor:
    """:func:`run`, or some rows at a time where a memory limit holds and whoever looks on can take that."""
    limit = current_limit()
    if limit is None or not (observe is None or isinstance(observe, ByRows)):
        return run(network, inputs, population, coder, observe, known, fuse, output, heads)
    found = run_by_rows(network, inputs, Rules(population, coder, observe, fuse, output), limit, known)
    results = {name: dense_value(value) for name, value in found.items()}
    if heads is not None:
        heads |= results
    return results[network.heads[0]]


def _as_it_is(node: ir.Coder, x: Tensor) -> Value:
    """Input data as the source model reads them."""
    return x


def replay(network: ir.Network, inputs: Mapping[str, Value], sent: Mapping[str, Spikes], observe: Observer) -> None:
    """Show an observer every node of a run in time, as it is when everything has arrived.

    A population gives the spikes that it sent in that run, late and false ones included; a synapse or sum behind it
    gives the whole weighted sum of these spikes.

    Args:
        network: calibrated.
        inputs: by Input name.
        sent: the spikes of every population in that run.
        observe: called with each node, its inputs and its result.
    """
    run(network, inputs, lambda node, potential: sent[node.name], code_input, observe)


def operators(network: ir.Network, inputs: Mapping[str, Value]) -> dict[str, CSR]:
    """The matrix of every operator, by name: operators read inputs and other operators only.

    Args:
        network: any; it need not be calibrated.
        inputs: by Input name.
    """
    values: dict[str, Value] = {node.name: inputs[node.name] for node in network.of(ir.Input)}
    for node in (node for node in network.of(ir.Operator) if values.keys() >= set(node.inputs)):
        values[node.name] = apply(node, *(values[name] for name in node.inputs))
    return {name: value for name, value in values.items() if isinstance(value, CSR)}


def constant_values(network: ir.Network, population: Firing | None = None) -> dict[str, Value]:
    """Results that do not depend on any input, by node: a one-hot input's look-up, and the spikes of its population.

    Args:
        network: calibrated, unless ``population`` says what to do with neurons.
        population: what a population makes of its potential; default: :func:`fire`.
    """
    values: dict[str, Value] = {}
    for node in network:
        if isinstance(node, ir.OneHot) or (node.inputs and values.keys() >= set(node.inputs)):
            args = tuple(values[name] for name in node.inputs)
            values[node.name] = evaluate_node(node, args, {}, population or fire, code_input)
    return values


def input_free(network: ir.Network) -> dict[str, Value]:
    """Spikes that do not depend on any input, by population."""
    values = constant_values(network)
    return {node.name: values[node.name] for node in network.of(ir.Neuron) if node.name in values}


def started(node: ir.Neuron | ir.Output, potential: Tensor) -> Tensor:
    """The potential with what the membrane started from."""
    return potential if node.start is None else potential + start_of(node.start.to(potential.dtype), potential.dim())


def start_of(start: Tensor, dims: int) -> Tensor:
    """What membranes start from, [C] or already [N, C], so that it broadcasts to potentials of so many dimensions."""
    return start if start.dim() == 2 else per_channel(start, dims)


def fire(node: ir.Neuron, potential: Value) -> Spikes:
    """Spikes of a population: phase of potential / (scale gain)."""
    return fire_started(node, started(node, dense_value(potential)))


def fire_started(node: ir.Neuron, potential: Tensor) -> Spikes:
    """The same of potentials that hold what the membranes started from."""
    rule = firing(node)
    return as_sent(node, encode(potential, rule.scale, rule.coding, rule.horizon))


def code_input(node: ir.Coder, x: Tensor) -> Value:
    """Input data as spikes: the sum a binary word carries, or one signed spike per value, or the value."""
    if node.kind == "binary":
        return binary_values(x, node.scale, node.timesteps, node.name)
    check_finite(node.name, x)
    return x if node.kind == "analog" else encode(x, node.scale, single_coding(node))


def single_coding(node: ir.Coder) -> PhaseCode:
    """Phase code of a single-spike input coder (Table VII)."""
    return PhaseCode(node.base, node.timesteps, signed=True)
