"""A synapse and the population that reads it in one kernel: potentials never reach memory."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines.node_rules import Value, dense_value
from gcn2snn.engines.plan import Fusion
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


def fire_synapse(fusion: Fusion, args: tuple[Value, ...], beside: Value = None) -> Spikes | None:
    """Spikes of the population, the same as one node after the other; None where no kernel does it at once.

    Args:
        fusion: what to do.
        args: of the synapse.
        beside: the other term of the sum, if there is one.
    """
    neuron = fusion.neuron
    add = None if beside is None else dense_value(beside)
    spikes = _fire(fusion.synapse, firing(neuron), neuron.start, add, *args)
    return None if spikes is None else as_sent(neuron, spikes)


def firing(node: ir.Neuron) -> Fire:
    """What makes a population fire: the scale of its potentials, its code and its horizon."""
    return Fire(node.threshold_scale, node.coding, node.horizon)


def as_sent(neuron: ir.Neuron, spikes: Spikes) -> Spikes:
    """Spikes as their readers see them: a gain scales what arrives, not what is sent."""
    return spikes if neuron.gain is None else replace(spikes, scale=neuron.scale)


def _constant(bias: Tensor | None, start: Tensor | None, channels: int) -> Tensor | None:
    """What the kernel adds to the sum; the order of two additions would be another one in the kernel, so not both."""
    return bias if start is None else start.expand(channels)


@singledispatch
def _fire(node: ir.Node, fire: Fire, start: Tensor | None, add: Tensor | None, *args: Value) -> Spikes | None:
    return None


@_fire.register
def _aggregate(
    node: ir.Aggregate, fire: Fire, start: Tensor | None, add: Tensor | None, operator: CSR, x: Value
) -> Spikes | None:
    if not isinstance(x, Spikes):
        return None
    return phase_spmm_fire(operator, x, fire, x.scale.dtype, bias=_constant(None, start, x.shape[1]), add=add)


@_fire.register
def _dense(node: ir.Dense, fire: Fire, start: Tensor | None, add: Tensor | None, x: Value) -> Spikes | None:
    if not isinstance(x, Spikes) or (start is not None and node.bias is not None):
        return None
    return phase_gemm_fire(x, node.weight, fire, _constant(node.bias, start, node.weight.shape[0]), add=add)


@_fire.register
def _conv(node: ir.Conv, fire: Fire, start: Tensor | None, add: Tensor | None, x: Value) -> Spikes | None:
    if not isinstance(x, Spikes) or (start is not None and node.bias is not None):
        return None
    bias = _constant(node.bias, start, node.weight.shape[0])
    where = (node.stride, node.padding, node.dilation, node.groups)
    return phase_conv2d_fire(x, node.weight, fire, bias, *where, add=add)


def fire_synapse_in_time(node: ir.Synapse, neuron: ir.Neuron, args: tuple[Value, ...], wait: int) -> Spikes | None:
    """Spikes of ``neuron`` that reads ``node`` phase by phase after ``wait`` steps; None where no kernel does both.

    Args:
        node, neuron: as in :class:`Fusion`.
        args: of the synapse; a convolution may have one argument more, what else has come into the
            membrane by each moment that neurons look, [M, N, C, H, W].
        wait: w.
    """
    spikes = _fire_in_time(node, firing(neuron), wait, neuron.start, *args)
    return None if spikes is None else as_sent(neuron, spikes)


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
    return phase_spmm_bucketed(operator, x, fire, wait, x.scale.dtype, bias=_sum(None, start, x.shape[1]))


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
    if wait >= x.coding.steps - 1:  # one moment for all phases: the first crossing is the encoding of the sum
        return phase_conv2d_fire(x, node.weight, fire, bias, *where, add=None if add is None else add[-1])
    return phase_conv2d_bucketed(x, node.weight, fire, wait, bias, *where, add=add)
