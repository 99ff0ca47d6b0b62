"""object wait without T passes: potentials at the moments that neurons look at, and the first crossing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines.emission import Emission
from gcn2snn.engines.fused import fire_synapse_in_time
from gcn2snn.engines.interpreter import Observer
from gcn2snn.engines.membrane import Membrane
from gcn2snn.engines.node_rules import Value, apply
from gcn2snn.engines.temporal import run_membranes
from gcn2snn.engines.topology import keepers
from gcn2snn.kernels import Spikes

KEEP_SPIKES = (ir.MaxPool, ir.Flatten, ir.Rows, ir.PickRows, ir.View, ir.Permute, ir.Take)
"""Maxima and views of spikes are spikes again, at the same phases: the earliest of a window is the one that wins."""

MOST_BYTES = 1 << 28
"""Memory for the potentials of a membrane's other terms at all moments; beyond it the membrane goes moment by moment."""


def run_bucketed(
    network: ir.Network,
    inputs: Mapping[str, Value],
    wait: int | None,
    emitted: dict[str, Spikes] | None = None,
    observe: Observer | None = None,
    heads: dict[str, Tensor] | None = None,
) -> Tensor:
    """The first head of the result, equal to those of ``run_temporal`` but for the order of sums.

    A neuron decides step k by U(min(k + w, T_in)), so only the moments min(1 + w, T_in) .. T_in are ever looked at. Where one
    synapse brings the spikes of one population, a kernel keeps the sums of all moments and finds the first crossing in
    one pass over the spikes. object other membrane goes from moment to moment: what arrives until the first one is summed at
    once, each spike is still added once, and the rules of the nodes (races, coders, sums) are those of the temporal engine.

    Args:
        network: calibrated.
        inputs: by Input name.
        wait: w; None waits for all input.
        emitted: filled with the spikes of every population.
        observe: shown every node afterwards, as :func:`replay` says.
        heads: filled with every head, by name.

    Raises:
        ConfigError: the network is not calibrated.

    Source: Algorithm 1; docs/method.md.
    """
    return run_membranes(network, inputs, wait, partial(_work, network), emitted, observe, heads)


def _work(network: ir.Network, membrane: Membrane, emissions: Mapping[str, Emission]) -> None:
    kept = any(keeper.name == membrane.node.name for keeper in keepers(network).values())
    spikes = None if kept else in_one_pass(network, membrane, emissions)  # kernels do not give potentials
    if spikes is None:
        go_by_moments(membrane, emissions, kept)
    else:
        membrane.send(spikes)


def go_by_moments(membrane: Membrane, emissions: Mapping[str, Emission], whole: bool = False) -> None:
    """Run one membrane to its last step: its synapses are evaluated once for each moment at which its neurons look.

    ``whole``: add what arrives after the last of these moments as well, for a potential that is kept.
    """
    node, wait, last = membrane.node, membrane.wait, membrane.steps_in
    if isinstance(node, ir.Output):
        membrane.arriving(1, last, emissions)
        return
    heard, step = 0, 1
    while step <= node.coding.steps:
        moment = min(step + wait, last)
        until = step if moment < last else node.coding.steps  # all input is there: the potential stays
        membrane.fire(step, membrane.arriving(heard + 1, moment, emissions) if moment > heard else None, until)
        heard, step = moment, until + 1
    late = membrane.arriving(heard + 1, last, emissions) if whole and heard < last else None
    if late is not None:
        membrane.potential.add_(late)


def in_one_pass(network: ir.Network, membrane: Membrane, emissions: Mapping[str, Emission]) -> Spikes | None:
    """Spikes of a population that a kernel takes through all moments at once; None where none has a rule for its input."""
    node = membrane.node
    if not isinstance(node, ir.Neuron):
        return None
    feed = network[node.inputs[0]]
    if isinstance(feed, ir.Synapse):
        heard = _heard_by(network, feed, membrane, emissions)
        return None if heard is None else fire_synapse_in_time(feed, node, heard, membrane.wait)
    return _beside_others(network, feed, node, membrane, emissions) if isinstance(feed, ir.Add) else None


def _heard_by(
    network: ir.Network, synapse: ir.Node, membrane: Membrane, emissions: Mapping[str, Emission]
) -> tuple[Value, ...] | None:
    """Arguments of a synapse that reads the spikes of one population while the membrane receives input, else None."""
    wires: list[ir.Node] = []
    name = synapse.inputs[-1]
    while name not in emissions:
        wires.append(network[name])
        if not isinstance(wires[-1], KEEP_SPIKES):
            return None
        name = wires[-1].inputs[-1]
    value: Value = emissions[name].spikes
    constants = membrane.constants
    for wire in reversed(wires):
        if not isinstance(value, Spikes):
            return None
        value = apply(wire, *(constants[i] for i in wire.inputs[:-1]), value)
    if not isinstance(value, Spikes) or value.coding.steps != membrane.steps_in:
        return None
    return (*(constants[i] for i in synapse.inputs[:-1]), value)


def _beside_others(
    network: ir.Network, total: ir.Add, node: ir.Neuron, membrane: Membrane, emissions: Mapping[str, Emission]
) -> Spikes | None:
    """A sum of a convolution and other terms, such as a residual branch: these are worked out moment by moment beforehand."""
    split = _split(network, total)
    if split is None:
        return None
    conv, others = split
    heard = _heard_by(network, conv, membrane, emissions)
    if heard is None:
        return None
    rest = _at_moments(Membrane(others, node, membrane.constants, membrane.wait), membrane, emissions)
    if rest is None:
        return None
    return fire_synapse_in_time(conv, replace(node, start=None), (*heard, rest), membrane.wait)


@ir.once_per_network
def _split(network: ir.Network, total: ir.Add) -> tuple[ir.Conv, ir.Network] | None:
    """The largest convolution of a sum, and the network whose sum has the other terms alone; None where there is none."""
    terms = list(zip(total.inputs, total.coefficients, strict=True))
    convolutions = [x for x in (network[name] for name, c in terms if c == 1.0) if isinstance(x, ir.Conv)]
    if not convolutions or len(terms) < 2:
        return None
    conv = max(convolutions, key=lambda x: x.weight[0].numel())
    terms.remove((conv.name, 1.0))
    names, coefficients = zip(*terms, strict=True)
    return conv, network.replace({total.name: [replace(total, inputs=names, coefficients=coefficients)]})


def _at_moments(rest: Membrane, membrane: Membrane, emissions: Mapping[str, Emission]) -> Tensor | None:
    """[M, ...], sum of the terms of ``rest`` at each moment of a membrane; None where that is too much memory."""
    last, steps = membrane.steps_in, membrane.neuron.coding.steps
    moments = list(range(min(1 + membrane.wait, last), min(steps + membrane.wait, last) + 1))
    rest.arriving(1, moments[0], emissions)
    potential = rest.potential
    if len(moments) * potential.numel() * potential.element_size() > MOST_BYTES:
        return None
    channels_last = potential.permute(0, 2, 3, 1)  # in memory, as convolutions leave them
    found = potential.new_empty(len(moments), *channels_last.shape).permute(0, 1, 4, 2, 3)
    found[0] = potential
    for before, moment in enumerate(moments[1:]):
        found[before + 1] = found[before]
        current = rest.arriving(moment, moment, emissions)
        if current is not None:
            found[before + 1] += current
    return found
