"""The whole network on one clock: layer l starts w steps after layer l - 1, and the inputs follow each other (Fig. 10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines.choose import check_wait
from gcn2snn.engines.emission import Emission, SpikeTrain
from gcn2snn.engines.membrane import Membrane
from gcn2snn.engines.node_rules import Value
from gcn2snn.engines.temporal import constants, emissions_of_inputs
from gcn2snn.engines.topology import check_calibrated, check_kept_wait, depths, keepers, timesteps_of, wait_of
from gcn2snn.errors import InputError


@dataclass(frozen=True)
class Slot:
    """Clock steps in which one layer works on one input: ``first`` to ``last``, both included, counted from 1."""

    layer: int
    name: str
    item: int
    first: int
    last: int


@dataclass(frozen=True)
class PipelineRun:
    """What a pipelined run gave.

    Args:
        outputs: potentials of each input, in order.
        steps: clock steps simulated, N (T + w) + w (N_L - 1).
        timesteps: T, the longest of all populations and coders.
        wait: w.
        layers: N_L, the depth of the network counted in membranes, the output among them.
        slots: the clock steps of each layer and input, for a picture like Fig. 10.
    """

    outputs: list[Tensor]
    steps: int
    timesteps: int
    wait: int
    layers: int
    slots: list[Slot]


def latency(inputs: int, timesteps: int, wait: int, layers: int) -> int:
    """Clock steps of N inputs through N_L layers: N (T + w) + w (N_L - 1). Source: Section V-C2."""
    return inputs * (timesteps + wait) + wait * (layers - 1)


class _Item:
    """One input in the pipeline: a membrane for each layer that works on it, or whose spikes are still to be read."""

    def __init__(self, network: ir.Network, inputs: Mapping[str, Value], wait: int):
        self.network = network
        self.fixed = constants(network, inputs)
        self.emissions = emissions_of_inputs(network, self.fixed)
        self.membranes: dict[str, Membrane] = {}
        self.wait = wait

    def step(self, node: ir.Neuron | ir.Output, n: int) -> None:
        """Advance one membrane to its step n with what its sources send at their phase n (delayed until they meet)."""
        if n == 1:
            self.membranes[node.name] = Membrane(self.network, node, self.fixed, self.wait)
        membrane = self.membranes[node.name]
        membrane.step(n, {name: self._emission(name) for name in membrane.feeds})

    def _emission(self, name: str) -> Emission:
        keeper = keepers(self.network).get(name)
        if keeper is not None:
            return self.membranes[keeper.name].kept(self.network[name])
        # The spikes of a population that is still firing are read as it fires; phase n is sent by the reader's step n.
        return self.emissions[name] if name in self.emissions else SpikeTrain(self.membranes[name].spikes)


def run_pipeline(network: ir.Network, items: Sequence[Mapping[str, Value]], wait: int | None) -> PipelineRun:
    """N inputs through the network on one clock.

    Layer l starts l w steps after an input has entered and holds it for T + w steps; the next input enters T + w steps
    after the last. A source more than one layer above its reader is read through a delay line of (distance - 1) w
    steps. All membranes share T (the longest) and w.

    Args:
        network: calibrated.
        items: inputs by Input name, one mapping each.
        wait: w; None is the shortest wait after which all input has arrived, T - 1.

    Returns:
        Outputs equal to those of ``run_temporal`` on each input alone, and the number of steps.

    Raises:
        ConfigError: wait is negative or too long, or the network is not calibrated.
        InputError: there are no inputs.

    Source: Section V-C2, Fig. 10.
    """
    check_wait(wait)
    if not items:
        raise InputError("a pipeline needs at least one input")
    check_calibrated(network)
    layers = [node for node in network if isinstance(node, ir.Neuron | ir.Output)]
    depth = depths(network)
    longest = max(timesteps_of(node) for node in network if isinstance(node, ir.Neuron | ir.Coder | ir.OneHot))
    shared = max(wait_of(network, node, wait) for node in layers) - (1 if wait is None else 0)
    check_kept_wait(network, shared)
    period, count = longest + shared, 1 + max(depth.values())
    slots = [
        Slot(depth[node.name], node.name, item, start + 1, start + period)
        for item in range(len(items))
        for node in layers
        for start in [item * period + depth[node.name] * shared]
    ]
    outputs: list[Tensor] = []
    working: dict[int, _Item] = {}
    clock = 0
    while len(outputs) < len(items):
        clock += 1
        if (clock - 1) % period == 0 and (entering := (clock - 1) // period) < len(items):
            working[entering] = _Item(network, items[entering], shared)
        for index, item in list(working.items()):
            for node in layers:
                n = clock - index * period - depth[node.name] * shared
                if 1 <= n <= period:
                    item.step(node, n)
            if clock == index * period + shared * (count - 1) + period:
                outputs.append(item.membranes[network.output.name].potential)
                del working[index]
    return PipelineRun(outputs, clock, longest, shared, count, slots)
