"""Operations that a hardware without zeros makes: a non-zero input times a non-zero weight."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from gcn2snn import ir
from gcn2snn.engines import Value, dense_value
from gcn2snn.kernels import CSR


def reach(length: int, padding: tuple[int, int], kernel: int, stride: int, dilation: int) -> Tensor:
    """How many windows along one axis hold each of ``length`` pixels, [length]."""
    windows = (length + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1
    taps = torch.arange(windows)[:, None] * stride + torch.arange(kernel) * dilation - padding[0]
    inside = taps[(taps >= 0) & (taps < length)]
    return torch.bincount(inside, minlength=length).double()


def windows_at(node: ir.Conv, size: torch.Size) -> Tensor:
    """How many windows of a convolution hold each pixel of an input [N, C, H, W], as [H, W]."""
    left, right, top, bottom = node.padding
    kernel = node.weight.shape[2:]
    rows = reach(size[2], (top, bottom), kernel[0], node.stride[0], node.dilation[0])
    columns = reach(size[3], (left, right), kernel[1], node.stride[1], node.dilation[1])
    return rows[:, None] * columns


def dense_operations(node: ir.Dense, counts: Tensor) -> int:
    """Spikes (or values) [N, in] times the weights of their column that are not 0."""
    kept = (node.weight != 0).sum(0, dtype=torch.float64)
    return int(counts.sum(0, dtype=torch.float64) @ kept)


def lookup_operations(node: ir.Lookup, counts: Tensor) -> int:
    """Spikes [count] of the one-hot inputs times the entries of their row that are not 0."""
    return int(counts.double() @ (node.table != 0).sum(1, dtype=torch.float64))


def convolution_operations(node: ir.Conv, counts: Tensor) -> int:
    """Spikes (or values) [N, C, H, W] times the taps that meet them and are not 0: a convolution of counts of both."""
    groups, inner = node.groups, node.weight.shape[1]
    kept = (node.weight != 0).double().view(groups, -1, inner, *node.weight.shape[2:]).sum(1)
    at_pixel = functional.pad(counts.sum(0, keepdim=True, dtype=torch.float64), node.padding)
    met = functional.conv2d(at_pixel, kept, stride=node.stride, dilation=node.dilation, groups=groups)
    return int(met.sum().round())


def nonzero_counts(matrix: CSR) -> Tensor:
    """Entries of each column that are not 0, [columns], float64."""
    column = matrix.col[matrix.value != 0].long()
    return torch.bincount(column, minlength=matrix.num_cols).double()


def handed_over(network: ir.Network, total: ir.Add, values: tuple[Value, ...]) -> int:
    """Values that are not 0 among those with which membranes begin because a population keeps them, one addition each.

    Args:
        network: that ``total`` is a node of.
        values: of the inputs of ``total``.
    """
    return sum(
        int(torch.count_nonzero(dense_value(value)))
        for name, value in zip(total.inputs, values, strict=True)
        if isinstance(_origin(network, name), ir.Kept)
    )


def _origin(network: ir.Network, name: str) -> ir.Node:
    """The first node on the way back from a value that does more than to move it."""
    node = network[name]
    while isinstance(node, ir.Subsample | ir.Pad):
        node = network[node.inputs[0]]
    return node
