"""What each linear or pooling node computes, once, for every engine: on floats, on spikes, with or without its bias."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from gcn2snn import ir
from gcn2snn.errors import InputError
from gcn2snn.kernels import (
    CSR,
    Spikes,
    decode,
    per_channel,
    phase_conv2d,
    phase_gemm,
    phase_spmm,
    spmm,
    spmm_features,
)
from gcn2snn.matrices import build_operand

Value: TypeAlias = Tensor | Spikes | CSR | float | None
"""What a node gives: a dense value, the spikes of a population, a sparse operand (or sparse features), the one value of all
one-hot inputs.

What a caller passes for a graph (a list, an object of PyG or DGL) travels the same way from an Input to the operators
that make matrices of it; only ``matrices/`` looks at it. None stands for no value.
"""


def dense_value(value: Value, dtype: torch.dtype | None = None) -> Tensor:
    """Spikes as the values they carry, by default in the dtype of their scale; a tensor as it is."""
    if isinstance(value, Spikes):
        return decode(value, dtype or value.scale.dtype)
    assert isinstance(value, Tensor), f"{type(value).__name__} is no dense value"
    return value


def spike_value(value: Value) -> Spikes:
    """The spikes that a population sent, where nothing else can be."""
    assert isinstance(value, Spikes), f"{type(value).__name__} is no spikes"
    return value


def matrix_value(value: Value) -> CSR:
    """A sparse operand, where nothing else can be."""
    assert isinstance(value, CSR), f"{type(value).__name__} is no sparse matrix"
    return value


def without_gain(node: ir.Population | ir.Relu | ir.Kept, x: Value) -> Tensor:
    """x / gain: the potential of a membrane in the units of the source model's activation."""
    x = dense_value(x)
    return x if node.gain is None else x / per_channel(node.gain.to(x.dtype), x.dim())


def activate(node: ir.Population | ir.Relu | ir.Kept, potential: Value) -> Tensor:
    """What the source model has in a population's place: its activation of x / gain."""
    return node.activation(without_gain(node, potential))


@singledispatch
def apply(node: ir.Node, *inputs: Value, bias: bool = True) -> Value:
    """Result of one node that does not fire.

    Args:
        node: a Synapse, a Wire, a max node, an Operator, the Output; before calibration also a population or a coder,
            which then does what the source model does in its place.
        inputs: values of its inputs. Synapses read :class:`Spikes` without decoding them first where a kernel allows.
        bias: add the node's bias; False gives the linear part, which the temporal engine feeds step by step.
    """
    raise AssertionError(f"no rule for {type(node).__name__}")


@apply.register
def _operator(node: ir.Operator, *inputs: Value, bias: bool = True) -> Value:
    return build_operand(node, *inputs)


@apply.register
def _lookup(node: ir.Lookup, one_hot: float, bias: bool = True) -> Tensor:
    table = node.table if one_hot == 1.0 else node.table * one_hot
    return table + node.bias if bias and node.bias is not None else table


@apply.register
def _dense(node: ir.Dense, x: Tensor | Spikes | CSR, bias: bool = True) -> Tensor:
    constant = node.bias if bias else None
    if isinstance(x, CSR):  # sparse features
        product = spmm(x, node.weight.t().contiguous())
        return product if constant is None else product + constant
    if isinstance(x, Spikes):
        return phase_gemm(x, node.weight, constant)
    return functional.linear(x, node.weight, constant)


@apply.register
def _conv(node: ir.Conv, x: Tensor | Spikes, bias: bool = True) -> Tensor:
    constant = node.bias if bias else None
    if isinstance(x, Spikes):
        return phase_conv2d(x, node.weight, constant, node.stride, node.padding, node.dilation, node.groups)
    if (
        node.is_diagonal
    ):  # torch takes a convolution of single channels and pixels for one, which costs many times as much
        product = x * per_channel(node.weight.flatten(), 4)
        return product if constant is None else product + per_channel(constant.expand(x.shape[1]), 4)
    left, right, top, bottom = node.padding
    if left != right or top != bottom:
        x, left, top = functional.pad(x, node.padding), 0, 0
    # Channels last from the first layer on, as convolutions of spikes read them: else each reader would copy the spikes.
    x = x.contiguous(memory_format=torch.channels_last)
    return functional.conv2d(x, node.weight, constant, node.stride, (top, left), node.dilation, node.groups)


@apply.register
def _aggregate(node: ir.Aggregate, operator: CSR, x: Tensor | Spikes | CSR, bias: bool = True) -> Tensor:
    if isinstance(x, CSR):  # sparse features
        return spmm_features(operator, x)
    return phase_spmm(operator, x, x.scale.dtype) if isinstance(x, Spikes) else spmm(operator, x)


@apply.register
def _aggregate_max(node: ir.AggregateMax, operator: CSR, x: Value, bias: bool = True) -> Tensor:
    x = dense_value(x)
    index = operator.row[:, None].expand(-1, x.shape[1])
    result = torch.full((operator.shape[0], x.shape[1]), -torch.inf, dtype=x.dtype, device=x.device)
    result = result.scatter_reduce(0, index, x[operator.col.long()], "amax")
    return torch.where(torch.isinf(result), 0.0, result)


@apply.register
def _batch_norm(node: ir.BatchNorm, x: Tensor, bias: bool = True) -> Tensor:
    view = [1, -1] + [1] * (x.dim() - 2)
    factor = node.gamma / torch.sqrt(node.var + node.eps)
    shift = node.beta - node.mean * factor
    return x * factor.view(view) + (shift.view(view) if bias else 0.0)


@apply.register
def _avg_pool(node: ir.AvgPool, x: Value, bias: bool = True) -> Tensor:
    x = dense_value(x)
    return functional.avg_pool2d(x, node.kernel, node.stride, node.padding, node.ceil_mode, node.count_padding)


@apply.register
def _max_pool(node: ir.MaxPool, x: Tensor | Spikes, bias: bool = True) -> Tensor | Spikes:
    if isinstance(x, Spikes):
        # Earlier positive phases are larger values, later negative ones too: order by a key, pool, and read the phase back.
        top = x.coding.timesteps + 1
        code = x.code.to(torch.float32)
        key = torch.where(code == 0, 0.0, code.sign() * (top - code.abs()))
        key = pool_max(node, key)
        return x.with_code(torch.where(key == 0, 0.0, key.sign() * (top - key.abs())).to(x.code.dtype))
    return pool_max(node, x)


def pool_max(node: ir.MaxPool, x: Tensor) -> Tensor:
    """Largest value of each window of the node."""
    return functional.max_pool2d(x, node.kernel, node.stride, node.padding, node.dilation, node.ceil_mode)


@apply.register
def _add(node: ir.Add, *inputs: Value, bias: bool = True) -> Tensor:
    _check_rows(node, inputs)
    total: Tensor | None = None
    for coefficient, value in zip(node.coefficients, inputs, strict=True):
        x = dense_value(value)
        if coefficient != 1.0:
            x = coefficient * x
        total = x if total is None else total + x
    assert total is not None
    if bias and node.bias is not None:
        total = total + node.bias.view([1, -1] + [1] * (total.dim() - 2))
    return total


def _check_rows(node: ir.Node, values: tuple[Value, ...]) -> None:
    """Values that meet have as many rows in this call as each other; broadcasting is not what the source model had."""
    rows = [value.shape[0] for value in values if isinstance(value, Tensor | Spikes)]
    if len(set(rows)) > 1:
        told = ", ".join(f"{name} has {count}" for name, count in zip(node.inputs, rows, strict=True))
        raise InputError(f"{node.name} needs values with the same number of rows: {told}")


@apply.register
def _concat(node: ir.Concat, *inputs: Value, bias: bool = True) -> Tensor:
    _check_rows(node, inputs)
    return torch.cat([dense_value(x) for x in inputs], dim=1)


@apply.register
def _flatten(node: ir.Flatten, x: Tensor | Spikes, bias: bool = True) -> Tensor | Spikes:
    if isinstance(x, Spikes) and x.scale.dim() == 0:
        return x.with_code(x.code.flatten(1))
    return dense_value(x).flatten(1)


@apply.register
def _kept(node: ir.Kept, x: Value, bias: bool = True) -> Tensor:
    return activate(node, x)


@apply.register
def _subsample(node: ir.Subsample, x: Value, bias: bool = True) -> Tensor:
    x = dense_value(x)[:, :, :: node.stride, :: node.stride]
    return functional.pad(x, (0, 0, 0, 0, node.channels_before, node.channels_after))


@apply.register
def _pad(node: ir.Pad, x: Value, bias: bool = True) -> Tensor:
    return functional.pad(dense_value(x), node.padding)


@apply.register
def _rows(node: ir.Rows, operator: CSR, x: Tensor | Spikes, bias: bool = True) -> Tensor | Spikes:
    count = operator.shape[0]
    return x.with_code(x.code[:count]) if isinstance(x, Spikes) else x[:count]


@apply.register
def _pick_rows(node: ir.PickRows, operator: CSR, x: Tensor | Spikes, bias: bool = True) -> Tensor | Spikes:
    picked = operator.col.long()
    return x.with_code(x.code[picked]) if isinstance(x, Spikes) else x[picked]


@apply.register
def _view(node: ir.View, x: Tensor | Spikes, bias: bool = True) -> Tensor | Spikes:
    return _moved(x, lambda values: values.reshape(values.shape[0], *node.sizes))


@apply.register
def _permute(node: ir.Permute, x: Tensor | Spikes, bias: bool = True) -> Tensor | Spikes:
    return _moved(x, lambda values: values.permute(node.order).contiguous(), keeps_channels=node.order[1] == 1)


@apply.register
def _take(node: ir.Take, x: Tensor | Spikes, bias: bool = True) -> Tensor | Spikes:
    return _moved(x, lambda values: values.index_select(node.axis, node.index), keeps_channels=node.axis != 1)


def _moved(x: Tensor | Spikes, move: Callable[[Tensor], Tensor], *, keeps_channels: bool = False) -> Tensor | Spikes:
    """Values or codes in another arrangement; where channels move away from their own scales, the values they stand for."""
    if isinstance(x, Spikes) and (x.scale.dim() == 0 or keeps_channels):
        return x.with_code(move(x.code))
    return move(dense_value(x))


@apply.register
def _relu(node: ir.Relu, x: Value, bias: bool = True) -> Tensor:
    return activate(node, x)


@apply.register
def _uncalibrated_neuron(node: ir.UncalibratedNeuron, x: Value, bias: bool = True) -> Tensor:
    return activate(node, x)


@apply.register
def _uncalibrated_coder(node: ir.UncalibratedCoder, x: Value, bias: bool = True) -> Value:
    return x


@apply.register
def _output(node: ir.Output, x: Value, bias: bool = True) -> Tensor:
    return dense_value(x)
