"""ir -> ir: bias correction, shifts initial potentials to remove each channel's mean encoding error."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines import Value, activate, code_input, dense_value, evaluate_node, fire, run, started, without_gain
from gcn2snn.kernels import per_channel
from gcn2snn.memory import current_limit
from gcn2snn.passes.calibration import Batches
from gcn2snn.passes.over_ranks import largest_over_ranks, total_over_ranks
from gcn2snn.passes.some_rows import some_rows

STEPS = 4
"""Steps for each population's shift. The mean is nearly linear in it: on ResNet-20 and on a DenseNet a fifth step moves nothing."""

Sums: TypeAlias = tuple[Tensor, int]
"""Of one batch: the sum of each channel and the number of its values."""

SUM_UNITS = 2**24
"""Sums of a batch become whole multiples of the population's scale / 2^24, so that the batches have no order."""


@dataclass(frozen=True, eq=False)
class Goals:
    """What a source has where populations and outputs will be, on some inputs.

    Args:
        sums: of the values of each channel, [C] float64, and their number, for each input, by population.
        outputs: values, for each input, by output.
        most: values of a channel that were looked at; None: all.
    """

    sums: Mapping[str, Sequence[Sums]]
    outputs: Mapping[str, Sequence[Tensor]]
    most: int | None = None


def goals_of(source: ir.Network, items: Sequence[Mapping[str, Value]], most: int | None = None) -> Goals:
    """What the populations of a network are to send on average, and what its outputs are to be.

    Args:
        source: the network whose activations are the goal.
        items: inputs.
        most: look at no more than about so many values of a channel, the same ones as :func:`correct_means` with these goals.
    """
    sums: dict[str, list[Sums]] = {node.name: [] for node in source.of(ir.Neuron)}
    outputs: dict[str, list[Tensor]] = {node.name: [] for node in source.of(ir.Output)}

    def observe(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if isinstance(node, ir.Neuron):
            sums[node.name].append(_sums(_some(some_rows(dense_value(value)), most, len(items))))
        elif isinstance(node, ir.Output):
            outputs[node.name].append(some_rows(dense_value(value)))

    with torch.no_grad():
        for item in items:
            run(source, item, activate, code_input, observe)
    return Goals(sums, outputs, most)


def correct_means(
    network: ir.Network, batches: Batches, source: ir.Network | None = None, goals: Goals | None = None
) -> ir.Network:
    """The same network with initial potentials shifted so that each channel sends its source's mean activation.

    For each population, from the input to the output, with what the already shifted layers before it send:

        find b_c with  mean of decode(encode(U + b_c)) = mean of the source's activation a       (channel c)
        output: b_c = mean of (U_source - U)

    The shift adds to v(0); a neuron still fires at most once. The description keeps it apart from the bias, so that it
    still gives the source's own result. No labels, no gradients.

    Args:
        network: calibrated.
        batches: calibration inputs, held in memory with the values of a cut of the network.
        source: the network whose activations are the goal, node by node the same (float weights where ``network`` has
            rounded ones); default: ``network`` itself.
        goals: what was worked out of the source on these inputs already; one that looked at a part of the values makes the
            correction look at the same part.

    Source: ours; bias correction as in Nagel et al., "Data-Free Quantization", 2019, but behind the code, not before it.
    """
    items = list(batches())
    limit = current_limit()
    if limit is not None:
        from gcn2snn.passes.correction_by_rows import correct_by_rows

        return correct_by_rows(network, items, source or network, limit)
    return corrected_run(network, items, goals or goals_of(source or network, items), fire)[0]


@torch.no_grad()
def corrected_run(
    network: ir.Network,
    items: Sequence[Mapping[str, Value]],
    goals: Goals,
    population: Callable[[ir.Neuron, Value], Value],
) -> tuple[ir.Network, list[dict[str, Tensor]]]:
    """The network with its means corrected, and what its heads then give for each item.

    Args:
        network, items, goals: as for :func:`correct_means`.
        population: what a population passes on; :func:`gcn2snn.engines.fire`, or the values of its spikes.
    """
    have: dict[str, list[Value]] = {}
    changes: dict[str, list[ir.Node]] = {}
    last_reader = {name: node.name for node in network for name in node.inputs}
    for node in network:
        if isinstance(node, ir.Neuron) and (
            node.start is None or node.start.dim() < 2
        ):  # a refit is its own correction
            node = replace(node, start=None)
            potentials = [dense_value(x) for x in have[node.inputs[0]]]
            seen = [_some(some_rows(x), goals.most, len(items)) for x in potentials]
            shift = _shift_of_population(node, seen, goals.sums[node.name]).to(potentials[0].dtype)
            node = replace(node, start=shift)
            changes[node.name] = [node]
            have[node.name] = [population(node, x) for x in potentials]
        else:
            have[node.name] = [_value(node, have, i, item, population) for i, item in enumerate(items)]
        if isinstance(node, ir.Output):
            potentials = [dense_value(x) for x in have[node.name]]
            shift = _mean_difference(goals.outputs[node.name], [some_rows(x) for x in potentials])
            node = replace(node, start=shift)
            changes[node.name] = [node]
            have[node.name] = [started(node, x) for x in potentials]
        for name in set(node.inputs):
            if last_reader[name] == node.name and name not in network.heads:
                del have[name]
    heads = [{name: dense_value(have[name][i]) for name in network.heads} for i in range(len(items))]
    return network.replace(changes), heads


def _some(x: Tensor, most: int | None, batches: int) -> Tensor:
    """About ``most / batches`` values of each channel, evenly spread over rows and pixels; all where there are no more."""
    if most is None or x.dim() < 2 or x.numel() * batches <= most * x.shape[1]:
        return x
    pixels = x.flatten(2) if x.dim() > 2 else x[:, :, None]
    wanted = max(1, most // (batches * pixels.shape[0]))
    rows, step = max(1, batches * pixels.shape[0] // most), max(1, pixels.shape[2] // wanted)
    while math.gcd(step, x.shape[-1]) > 1 and x.dim() > 2:  # else it would meet some columns alone, borders perhaps
        step -= 1
    return pixels[::rows, :, ::step].contiguous()


def _value(
    node: ir.Node,
    values: dict[str, list[Value]],
    index: int,
    inputs: Mapping[str, Value],
    population: Callable[[ir.Neuron, Value], Value],
) -> Value:
    """Result of a node for one batch, with the coded input data."""
    args = tuple(values[name][index] for name in node.inputs)
    return evaluate_node(node, args, inputs, population, code_input)


def _shift_of_population(node: ir.Neuron, potentials: Sequence[Tensor], goal: Sequence[Sums]) -> Tensor:
    """b [C] with mean(decode(fire(U + b))) = mean of the goal; the slope of the mean is the share of active neurons at b = 0."""
    if node.horizon is None:
        potentials = [_by_channel(x) for x in potentials]
    else:
        node = replace(node, horizon=some_rows(node.horizon))
    gain = torch.ones_like(node.scale) if node.gain is None else node.gain
    unit = float(node.scale.max())
    wanted = _mean_of(goal, unit)
    shift = torch.zeros_like(wanted)
    slope = _mean([moves(node, x) for x in potentials], 1.0).clamp(min=0.05)
    for _ in range(STEPS):
        moved = [x + per_channel(shift.to(x.dtype), x.dim()) for x in potentials]
        sent = _mean([dense_value(fire(node, x)) for x in moved], unit)
        shift = shift + gain * (wanted - sent) / slope
    limit = node.threshold_scale
    return torch.minimum(torch.maximum(shift, -limit), limit).to(potentials[0].dtype)


def _by_channel(x: Tensor) -> Tensor:
    """Maps [N, C, ...] as rows [values, C] where channels are last in memory, else as [1, C, values]: what codes and sums read fastest."""
    if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):
        return x.permute(0, 2, 3, 1).flatten(0, 2)
    return x.transpose(0, 1).flatten(1).contiguous()[None] if x.dim() > 2 else x


def moves(node: ir.Neuron, potential: Tensor) -> Tensor:
    """1 where what a neuron sends changes with its potential, 0 where it is silent or saturated by a cap."""
    x = without_gain(node, potential)
    follows = node.activation.follows(x)
    return (follows if node.coding.signed else follows & (x > 0)).to(potential.dtype)


def _mean_difference(goal: Sequence[Tensor], have: Sequence[Tensor]) -> Tensor:
    differences = [a - b for a, b in zip(goal, have, strict=True)]
    highest = max(float(x.abs().max()) if x.numel() else 0.0 for x in differences)
    unit = float(largest_over_ranks(torch.tensor(highest, dtype=torch.float64))) or 1.0
    return _mean(differences, unit).to(differences[0].dtype)


def _mean(values: Sequence[Tensor], unit: float) -> Tensor:
    """Mean over all but the channel axis, [C] float64."""
    return _mean_of([_sums(x) for x in values], unit)


def _sums(x: Tensor) -> Sums:
    """Sum of each channel, [C] float64, and how many values it has."""
    maps = (
        x.flatten(2).sum(2) if x.dim() > 2 else x
    )  # torch adds one piece up in pairs, and in double precision far slower
    return maps.sum(0, dtype=torch.float64), x.numel() // x.shape[1]


def _mean_of(sums: Sequence[Sums], unit: float) -> Tensor:
    """Mean from the sums of batches, taken in whole units, so that their order changes nothing."""
    total = torch.stack([(part * (SUM_UNITS / unit)).round().long() for part, _ in sums]).sum(0)
    count = int(total_over_ranks(torch.tensor(sum(count for _, count in sums))))
    return total_over_ranks(total).double() * (unit / SUM_UNITS) / max(count, 1)
