"""The opponents of a spiking network: the same trained network with activations and weights on uniform grids of a few bits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.energy import EnergyReport, EventCounter
from gcn2snn.engines import Value, activate, dense_value, operators, run, run_float
from gcn2snn.kernels import CSR, binary_values, per_channel
from gcn2snn.passes import round_weights

INPUT_BITS = 8
"""Width of input data, and of the entries of a graph's matrix."""

CLIPS = tuple(i / 40 for i in range(8, 41))
"""Shares of a channel's largest value among which its largest level is found."""

SAMPLE = 20_000
"""Values of a population that its largest levels are fitted to, at most so many rows times pixels."""


def fit_clips(network: ir.Network, batches: Iterable[Mapping[str, Value]], bits: int) -> dict[str, Tensor]:
    """The largest level of each channel of each population, [C], of least mean squared error on the source's activations.

    c* = argmin_c mean (x - q_c(x))^2,  c in {0.2, 0.225, ..., 1} max |x|,  q_c(x) = s round(clip(x / s)),  s = c / levels

    Args:
        network: converted; its scales are not used.
        batches: calibration inputs by Input name.
        bits: b; 2^b - 1 levels above zero, of a signed population 2^(b - 1) - 1 on each side.
    """
    seen: dict[str, list[Tensor]] = {}

    def observe(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if isinstance(node, ir.Neuron):
            x = dense_value(value).transpose(0, 1).flatten(1)
            seen.setdefault(node.name, []).append(x[:, :: -(-x.shape[1] // SAMPLE)].clone())

    for inputs in batches:
        run_float(network, inputs, observe)
    return {node.name: _clips(torch.cat(seen[node.name], 1), levels_of(node, bits)) for node in network.of(ir.Neuron)}


def _clips(x: Tensor, levels: int) -> Tensor:
    """Of least squared error for each row of x, [C, values]."""
    largest = x.abs().amax(1)
    best, error = largest.clone(), torch.full_like(largest, torch.inf)
    for share in CLIPS:
        clip = share * largest
        found = (x - on_grid(x, clip[:, None], levels)).square().mean(1)
        best, error = torch.where(found < error, clip, best), torch.minimum(found, error)
    return best


def levels_of(node: ir.Neuron, bits: int) -> int:
    """Levels above zero of a population of so many bits."""
    return 2 ** (bits - 1) - 1 if node.coding.signed else 2**bits - 1


def on_grid(x: Tensor, clip: Tensor, levels: int) -> Tensor:
    """The nearest of the levels k clip / levels, |k| <= levels; where the clip is 0, nothing."""
    step = torch.where(clip > 0, clip / levels, 1.0)
    return torch.where(clip > 0, (x / step).round().clamp(-levels, levels) * step, 0.0)


@dataclass(frozen=True)
class UniformRun:
    """Output potentials, and the operations: all of them, and those where neither activation nor weight is zero."""

    output: Tensor
    energy: EnergyReport


def run_uniform(
    network: ir.Network, inputs: Mapping[str, Value], bits: int, clips: Mapping[str, Tensor], prune: float = 0.0
) -> UniformRun:
    """The network with a uniform grid where the spiking network has a population.

    Args:
        network: converted, its weights on a grid already (``round_weights``, :func:`ternary`).
        inputs: by Input name.
        bits: of activations.
        clips: of :func:`fit_clips`.
        prune: share of each graph matrix's entries, the smallest, that are left out.
    """
    nonzero: dict[str, Tensor] = {}

    def population(node: ir.Neuron, potential: Value) -> Tensor:
        x = activate(node, potential)
        x = on_grid(x, per_channel(clips[node.name], x.dim()), levels_of(node, bits))
        nonzero[node.name] = (x != 0).float()
        return x

    def coder(node: ir.Coder, x: Tensor) -> Tensor:
        x = dense_value(binary_values(x, node.scale, INPUT_BITS, node.name))
        nonzero[node.name] = (x != 0).float()
        return x

    matrices = {name: pruned_matrix(rounded(matrix), prune) for name, matrix in operators(network, inputs).items()}
    counter = EventCounter(network, sent=nonzero, steps=1)
    one_hot = {node.name: torch.ones(node.count) for node in network.of(ir.OneHot)}
    nonzero |= one_hot
    output = run(network, inputs, population, coder, counter, matrices)
    return UniformRun(output, counter.report())


def ternary(network: ir.Network) -> ir.Network:
    """Weights in {-a, 0, a} for each output channel: a the mean magnitude of those above 0.7 of the mean magnitude.

    The first layer that reads input data and the last one keep 8 bits, as is customary.

    Source: Li and Liu 2016, Ternary Weight Networks, without retraining.
    """
    kept = _outer_layers(network)
    narrow = _with_weights(network, lambda name, weight: _ternary_rows(weight))
    rounded_network = round_weights(network)
    return narrow.replace({name: [rounded_network[name]] for name in kept})


def _outer_layers(network: ir.Network) -> set[str]:
    synapses = [node for node in network if isinstance(node, ir.Dense | ir.Conv)]
    first = [node.name for node in synapses if any(isinstance(network[name], ir.Coder) for name in node.inputs)]
    return {*first, *(node.name for node in synapses[-1:])}


def _ternary_rows(weight: Tensor) -> Tensor:
    flat = weight.flatten(1)
    large = flat.abs() > 0.7 * flat.abs().mean(1, keepdim=True)
    size = (flat.abs() * large).sum(1, keepdim=True) / large.sum(1, keepdim=True).clamp(min=1)
    return (flat.sign() * large * size).view_as(weight)


def pruned(network: ir.Network, share: float) -> ir.Network:
    """Weights of 8 bits of which a share of each tensor, the smallest, is zero."""
    return _with_weights(round_weights(network), lambda name, weight: _without_smallest(weight, share))


def _without_smallest(weight: Tensor, share: float) -> Tensor:
    count = int(share * weight.numel())
    if not count:
        return weight
    limit = weight.abs().flatten().kthvalue(count).values
    return torch.where(weight.abs() > limit, weight, 0.0)


def _with_weights(network: ir.Network, change: Callable[[str, Tensor], Tensor]) -> ir.Network:
    """Weights [out, ...] changed; ``change`` gets the node's name too."""
    changes: dict[str, list[ir.Node]] = {}
    for node in network:
        if isinstance(node, ir.Dense | ir.Conv):
            changes[node.name] = [replace(node, weight=change(node.name, node.weight))]
        elif isinstance(node, ir.Lookup):  # table [count, out]
            changes[node.name] = [replace(node, table=change(node.name, node.table.t()).t().contiguous())]
    return network.replace(changes)


def rounded(matrix: CSR) -> CSR:
    """Entries of 8 bits, a step for each row."""
    largest = matrix.value.new_zeros(matrix.shape[0]).scatter_reduce(0, matrix.row, matrix.value.abs(), "amax")
    return CSR(matrix.rowptr, matrix.col, on_grid(matrix.value, largest[matrix.row], 127), matrix.num_cols)


def pruned_matrix(matrix: CSR, share: float) -> CSR:
    """Without a share of the entries, the smallest."""
    if not share:
        return matrix
    stays = _without_smallest(matrix.value, share) != 0
    return CSR.from_coo(matrix.row[stays], matrix.col[stays], matrix.value[stays], matrix.shape)
