"""The network in time, one membrane after the other, each step by step: the independent reference for the other engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines.emission import Emission, OneHotSpikes, SpikeTrain, emission_of_coder
from gcn2snn.engines.interpreter import Observer, replay
from gcn2snn.engines.membrane import Membrane, Recording
from gcn2snn.engines.node_rules import Value, apply, dense_value
from gcn2snn.engines.readout_rules import heads_of
from gcn2snn.engines.topology import check_calibrated, check_kept_wait, keepers, kept_of, sources, wait_of
from gcn2snn.kernels import Spikes


def constants(network: ir.Network, inputs: Mapping[str, Value]) -> dict[str, Value]:
    """Values that do not change in time: what the caller passed, and the sparse operands made from it."""
    values = dict(inputs)
    for node in network.of(ir.Operator):
        values[node.name] = apply(node, *(values[name] for name in node.inputs))
    return values


def emissions_of_inputs(network: ir.Network, fixed: Mapping[str, Value]) -> dict[str, Emission]:
    """Sources that do not wait for a membrane: input coders and one-hot inputs; ``fixed`` as :func:`constants` gives it."""
    coders = {n.name: emission_of_coder(n, dense_value(fixed[n.inputs[0]])) for n in network.of(ir.Coder)}
    return coders | {n.name: OneHotSpikes(n) for n in network.of(ir.OneHot)}


def run_temporal(
    network: ir.Network,
    inputs: Mapping[str, Value],
    wait: int | None,
    recordings: dict[str, Recording] | None = None,
    emitted: dict[str, Spikes] | None = None,
    observe: Observer | None = None,
    heads: dict[str, Tensor] | None = None,
) -> Tensor:
    """The first head of the result, after all layers have run in time, one membrane after the other.

    A layer reads its sources step by step; since a neuron fires at most once, its spike train is its phase, and
    memory stays at one byte per neuron and one potential for the membrane at work.

    Args:
        network: calibrated.
        inputs: by Input name.
        wait: w; None waits for all input.
        recordings: filled with potentials, spikes and thresholds of the populations that are keys of it.
        emitted: filled with the spikes of every population.
        observe: shown every node afterwards, as :func:`replay` says.
        heads: filled with every head, by name.

    Raises:
        ConfigError: the network is not calibrated.

    Source: Algorithm 1; Section V-C2 for the wait.
    """

    def step(membrane: Membrane, emissions: Mapping[str, Emission]) -> None:
        recording = None if recordings is None else recordings.get(membrane.node.name)
        for n in range(1, membrane.last_step + 1):
            membrane.step(n, emissions, recording)

    return run_membranes(network, inputs, wait, step, emitted, observe, heads)


def run_membranes(
    network: ir.Network,
    inputs: Mapping[str, Value],
    wait: int | None,
    work: Callable[[Membrane, Mapping[str, Emission]], None],
    emitted: dict[str, Spikes] | None = None,
    observe: Observer | None = None,
    heads: dict[str, Tensor] | None = None,
) -> Tensor:
    """The first head of the result; ``work`` takes one membrane after the other to its last step.

    The spikes of a population are dropped after its last reader. The other arguments are those of :func:`run_temporal`.
    """
    check_calibrated(network)
    check_kept_wait(network, wait)
    if observe is not None and emitted is None:
        emitted = {}
    fixed = constants(network, inputs)
    emissions = emissions_of_inputs(network, fixed)
    potentials: dict[str, Value] = {}
    for node, dropped in _membranes(network):
        membrane = Membrane(network, node, fixed, wait_of(network, node, wait))
        work(membrane, emissions)
        if isinstance(node, ir.Output):
            potentials[node.name] = membrane.potential
        else:
            emissions[node.name] = SpikeTrain(membrane.spikes)
            if emitted is not None:
                emitted[node.name] = membrane.spikes
            for name, keeper in keepers(network).items():
                if keeper.name == node.name:
                    emissions[name] = membrane.kept(network[name])
        for name in dropped:
            del emissions[name]
    found = heads_of(network, fixed | potentials)
    if heads is not None:
        heads |= found
    if observe is not None and emitted is not None:
        replay(network, inputs, emitted, observe)
    return found[network.heads[0]]


@ir.once_per_network
def _membranes(network: ir.Network) -> tuple[tuple[ir.Neuron | ir.Output, tuple[str, ...]], ...]:
    """Every membrane in order, and the sources that none after it hears."""
    nodes = [node for node in network if isinstance(node, ir.Neuron | ir.Output)]
    heard = {node.name: (*sources(network, node), *kept_of(network, node)) for node in nodes}
    last_reader = {name: reader for reader, names in heard.items() for name in names}
    return tuple((node, tuple(name for name in heard[node.name] if last_reader[name] == node.name)) for node in nodes)
