"""Any wait without T passes: potentials at the moments that neurons look at, and the first crossing."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from gcn2snn import ir
from gcn2snn.fused import fire_synapse_in_time
from gcn2snn.kernels import Spikes
from gcn2snn.synapse import Value, apply
from gcn2snn.temporal import Emission, Membrane, run_membranes


def run_bucketed(
    network: ir.Network,
    inputs: Mapping[str, Value],
    wait: int | None,
    emitted: dict[str, Spikes] | None = None,
) -> Tensor:
    """Potentials of the output, equal to those of ``run_temporal`` but for the order of sums.

    A neuron decides phase k by U(min(k + w, T_in)), so only the moments min(1 + w, T_in) .. T_in are ever looked at. Where one
    dense synapse or aggregation brings the spikes of one population, a kernel keeps the sums of all moments and finds the first crossing in
    one pass over the spikes. Any other membrane goes from moment to moment: what arrives until the first one is summed at
    once, each spike is still added once, and the rules of the nodes (races, coders, sums) are those of the temporal engine.

    Args:
        network: calibrated.
        inputs: by Input name.
        wait: w; None waits for all input.
        emitted: filled with the spikes of every population.

    Source: Algorithm 1; docs/method.md.
    """
    return run_membranes(network, inputs, wait, _work, emitted)


def _work(membrane: Membrane, emissions: Mapping[str, Emission]) -> None:
    spikes = _in_one_pass(membrane, emissions)
    if spikes is None:
        go_by_moments(membrane, emissions)
    else:
        membrane.code = spikes.code


def go_by_moments(membrane: Membrane, emissions: Mapping[str, Emission]) -> None:
    """Take a membrane to its end, one evaluation of its synapses for each moment that its neurons look at."""
    node, wait, last = membrane.node, membrane.wait, membrane.steps_in
    if isinstance(node, ir.Output):
        membrane.arriving(1, last, emissions)
        return
    heard, phase = 0, 1
    while phase <= node.coding.timesteps:
        moment = min(phase + wait, last)
        until = (
            phase if moment < last else node.coding.timesteps
        )  # all is there: later phases look at the same potential
        membrane.fire(phase, membrane.arriving(heard + 1, moment, emissions) if moment > heard else None, until)
        heard, phase = moment, until + 1


def _in_one_pass(membrane: Membrane, emissions: Mapping[str, Emission]) -> Spikes | None:
    """Spikes of a population that reads one synapse on single spikes; None where no kernel has a rule for it."""
    node, path = membrane.node, membrane.path
    if not isinstance(node, ir.Neuron) or len(membrane.feeds) != 1 or not path or not isinstance(path[-1], ir.Synapse):
        return None
    values: dict[str, Value] = {**membrane.constants, membrane.feeds[0]: emissions[membrane.feeds[0]].spikes}
    for wire in path[:-1]:
        # Maxima and views of spikes are spikes again, at the same phases: the earliest of a window is the one that wins.
        if not isinstance(values[wire.inputs[-1]], Spikes):
            return None
        values[wire.name] = apply(wire, *(values[name] for name in wire.inputs))
    return fire_synapse_in_time(path[-1], node, tuple(values[name] for name in path[-1].inputs), membrane.wait)
