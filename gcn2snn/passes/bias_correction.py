"""ir -> ir: bias correction, shifts initial potentials to remove each channel's mean encoding error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines import Value, activate, code_input, dense_value, evaluate_node, fire, without_gain
from gcn2snn.kernels import per_channel
from gcn2snn.passes.calibration import Batches
from gcn2snn.passes.over_ranks import largest_over_ranks, total_over_ranks

STEPS = 6
"""Newton steps for each population's shift; the mean is piecewise linear in it, and four are enough on ResNet-20."""

SUM_UNITS = 2**24
"""Sums of a batch become whole multiples of the population's scale / 2^24, so that the batches have no order."""


def correct_means(network: ir.Network, batches: Batches, source: ir.Network | None = None) -> ir.Network:
    """The same network with initial potentials shifted so that each channel sends its source's mean activation.

    For each population, from the input to the output, with what the already shifted layers before it send:

        find b_c with  mean of decode(encode(U + b_c)) = mean of the source's activation a       (channel c)
        output: b_c = mean of (U_source - U)

    The shift adds to v(0); a neuron still fires at most once. The description keeps it apart from the bias, so that it
    still gives the source's own result. No labels, no gradients.

    Args:
        network: calibrated.
        batches: calibration inputs, held in memory with the values of two cuts of the network.
        source: the network whose activations are the goal, node by node the same (float weights where ``network`` has
            rounded ones); default: ``network`` itself.

    Source: ours; bias correction as in Nagel et al., "Data-Free Quantization", 2019, but behind the code, not before it.
    """
    source = source or network
    items = list(batches())
    goal: dict[str, list[Value]] = {}
    have: dict[str, list[Value]] = {}
    changes: dict[str, list[ir.Node]] = {}
    last_reader = {name: node.name for node in network for name in node.inputs}
    with torch.no_grad():
        for node, original in zip(network, source, strict=True):
            goal[node.name] = [_value(original, goal, i, item, activate) for i, item in enumerate(items)]
            if isinstance(node, ir.Neuron) and (
                node.start is None or node.start.dim() < 2
            ):  # a refit is its own correction
                node = replace(node, start=None)
                potentials = [dense_value(x) for x in have[node.inputs[0]]]
                shift = _shift_of_population(node, potentials, goal[node.name])
                changes[node.name] = [replace(node, start=shift)]
                have[node.name] = [fire(node, x + per_channel(shift, x.dim())) for x in potentials]
            else:
                have[node.name] = [_value(node, have, i, item, fire) for i, item in enumerate(items)]
            if isinstance(node, ir.Output):
                shift = _mean_difference(goal[node.name], have[node.name])
                changes[node.name] = [replace(node, start=shift)]
            for name in set(node.inputs):
                if last_reader[name] == node.name:
                    del goal[name], have[name]
    return network.replace(changes)


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


def _shift_of_population(node: ir.Neuron, potentials: list[Tensor], goal: list[Value]) -> Tensor:
    """b [C] with mean(decode(fire(U + b))) = mean(goal); the slope of the mean is the share of active neurons."""
    gain = torch.ones_like(node.scale) if node.gain is None else node.gain
    unit = float(node.scale.max())
    wanted = _mean([dense_value(x) for x in goal], unit)
    shift = torch.zeros_like(wanted)
    for _ in range(STEPS):
        moved = [x + per_channel(shift.to(x.dtype), x.dim()) for x in potentials]
        sent = _mean([dense_value(fire(node, x)) for x in moved], unit)
        active = _mean([_moves(node, x) for x in moved], 1.0)
        shift = shift + gain * (wanted - sent) / active.clamp(min=0.05)
    limit = node.threshold_scale
    return torch.minimum(torch.maximum(shift, -limit), limit).to(potentials[0].dtype)


def _moves(node: ir.Neuron, potential: Tensor) -> Tensor:
    """1 where what a neuron sends changes with its potential, 0 where it is silent or saturated by a cap."""
    x = without_gain(node, potential)
    follows = node.activation.follows(x)
    return (follows if node.coding.signed else follows & (x > 0)).to(potential.dtype)


def _mean_difference(goal: list[Value], have: list[Value]) -> Tensor:
    differences = [dense_value(a) - dense_value(b) for a, b in zip(goal, have, strict=True)]
    highest = max(float(x.abs().max()) if x.numel() else 0.0 for x in differences)
    unit = float(largest_over_ranks(torch.tensor(highest, dtype=torch.float64))) or 1.0
    return _mean(differences, unit).to(differences[0].dtype)


def _mean(values: list[Tensor], unit: float) -> Tensor:
    """Mean over all but the channel axis, [C] float64; sums in whole units, so that their order changes nothing."""
    total = torch.zeros(values[0].shape[1], dtype=torch.int64, device=values[0].device)
    count = 0
    for x in values:
        axes = [axis for axis in range(x.dim()) if axis != 1]
        total += (x.sum(axes, dtype=torch.float64) * (SUM_UNITS / unit)).round().long()
        count += x.numel() // x.shape[1]
    count = int(total_over_ranks(torch.tensor(count)))
    return total_over_ranks(total).double() * (unit / SUM_UNITS) / max(count, 1)
