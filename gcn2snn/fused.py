"""A synapse and the population that reads it in one kernel: potentials never reach memory."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

from torch import Tensor

from gcn2snn import ir
from gcn2snn.kernels import (
    CSR,
    Fire,
    Spikes,
    phase_conv2d_bucketed,
    phase_conv2d_fire,
    phase_gemm_bucketed,
    phase_gemm_fire,
    phase_spmm_bucketed,
    phase_spmm_fire,
)
from gcn2snn.synapse import Value


def lone_readers(network: ir.Network) -> dict[str, ir.Neuron]:
    """Synapses whose result only one population reads, and that population."""
    found = {}
    for node in network.of(ir.Synapse):
        readers = network.readers(node.name)
        if len(readers) == 1 and isinstance(readers[0], ir.Neuron):
            found[node.name] = readers[0]
    return found


def fire_synapse(node: ir.Node, neuron: ir.Neuron, args: tuple[Value, ...]) -> Spikes | None:
    """Spikes of ``neuron`` behind ``node``, the same as applying one after the other; None where no kernel does both."""
    assert neuron.scale is not None
    scale = neuron.scale if neuron.gain is None else neuron.scale * neuron.gain
    spikes = _fire(node, Fire(scale, neuron.coding, neuron.horizon), neuron.start, *args)
    return spikes if spikes is None or neuron.gain is None else replace(spikes, scale=neuron.scale)


def _constant(bias: Tensor | None, start: Tensor | None, channels: int) -> Tensor | None:
    """What the kernel adds to the sum; the order of two additions would be another one in the kernel, so not both."""
    return bias if start is None else start.expand(channels)


@singledispatch
def _fire(node: ir.Node, fire: Fire, start: Tensor | None, *args: Value) -> Spikes | None:
    return None


@_fire.register
def _aggregate(node: ir.Aggregate, fire: Fire, start: Tensor | None, operator: CSR, x: Value) -> Spikes | None:
    if not isinstance(x, Spikes):
        return None
    return phase_spmm_fire(operator, x, fire, operator.dtype, bias=_constant(None, start, x.shape[1]))


@_fire.register
def _dense(node: ir.Dense, fire: Fire, start: Tensor | None, x: Value) -> Spikes | None:
    if not isinstance(x, Spikes) or (start is not None and node.bias is not None):
        return None
    return phase_gemm_fire(x, node.weight, fire, _constant(node.bias, start, node.weight.shape[0]))


@_fire.register
def _conv(node: ir.Conv, fire: Fire, start: Tensor | None, x: Value) -> Spikes | None:
    if not isinstance(x, Spikes) or (start is not None and node.bias is not None):
        return None
    bias = _constant(node.bias, start, node.weight.shape[0])
    return phase_conv2d_fire(x, node.weight, fire, bias, node.stride, node.padding, node.dilation, node.groups)


def fire_synapse_in_time(node: ir.Synapse, neuron: ir.Neuron, args: tuple[Value, ...], wait: int) -> Spikes | None:
    """Spikes of ``neuron`` that reads ``node`` phase by phase after ``wait`` steps; None where no kernel does both.

    Args:
        node, neuron, args: as for :func:`fire_synapse`; a convolution may have one argument more, what else has come into the
            membrane by each moment that neurons look, [M, N, C, H, W].
        wait: w.
    """
    assert neuron.scale is not None
    scale = neuron.scale if neuron.gain is None else neuron.scale * neuron.gain
    spikes = _fire_in_time(node, Fire(scale, neuron.coding, neuron.horizon), wait, neuron.start, *args)
    return spikes if spikes is None or neuron.gain is None else replace(spikes, scale=neuron.scale)


def _sum(bias: Tensor | None, start: Tensor | None, channels: int) -> Tensor | None:
    """What is there from the start, [channels]; engines in time need not agree in the order of sums."""
    constants = [x.expand(channels) for x in (bias, start) if x is not None]
    return sum(constants[1:], start=constants[0]) if constants else None


@singledispatch
def _fire_in_time(node: ir.Node, fire: Fire, wait: int, start: Tensor | None, *args: Value) -> Spikes | None:
    return None


@_fire_in_time.register
def _aggregate_in_time(
    node: ir.Aggregate, fire: Fire, wait: int, start: Tensor | None, operator: CSR, x: Value
) -> Spikes | None:
    if not isinstance(x, Spikes):
        return None
    return phase_spmm_bucketed(operator, x, fire, wait, operator.dtype, bias=_sum(None, start, x.shape[1]))


@_fire_in_time.register
def _dense_in_time(node: ir.Dense, fire: Fire, wait: int, start: Tensor | None, x: Value) -> Spikes | None:
    if not isinstance(x, Spikes):
        return None
    return phase_gemm_bucketed(x, node.weight, fire, wait, _sum(node.bias, start, node.weight.shape[0]))


@_fire_in_time.register
def _conv_in_time(
    node: ir.Conv, fire: Fire, wait: int, start: Tensor | None, x: Value, add: Tensor | None = None
) -> Spikes | None:
    if not isinstance(x, Spikes):
        return None
    bias = _sum(node.bias, start, node.weight.shape[0])
    where = (node.stride, node.padding, node.dilation, node.groups)
    if wait >= x.coding.timesteps - 1:  # one moment for all phases: the first crossing is the encoding of the sum
        return phase_conv2d_fire(x, node.weight, fire, bias, *where, add=None if add is None else add[-1])
    return phase_conv2d_bucketed(x, node.weight, fire, wait, bias, *where, add=add)
