"""What stands between the sources of a membrane and the membrane, as sparse matrices: one column for each source neuron.

Between two populations a network only adds, weighs and re-arranges, so a potential is

    U = constant + sum over sources s of  M_s e_s

with e_s the values that the neurons of s send, in units of their scale. The entries of M_s are the synapses. Maxima are
no such node: they become relays, which are sources of their own (``wiring.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, eye_array, kron, vstack

from gcn2snn import ir
from gcn2snn.engines import apply
from gcn2snn.kernels import CSR

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LinearMap:
    """constant + sum of parts: how one value depends on the spikes of its sources.

    Args:
        shape: of the value, [N, C, ...].
        parts: source -> matrix [numel, neurons of the source].
        constant: what does not depend on spikes, [numel].
    """

    shape: tuple[int, ...]
    parts: Mapping[str, csr_array]
    constant: Floats

    @property
    def synapses(self) -> int:
        """Entries of all parts."""
        return sum(part.nnz for part in self.parts.values())

    def through(self, matrix: csr_array, shape: tuple[int, ...]) -> LinearMap:
        """matrix times the value."""
        parts = {name: csr_array(matrix @ part) for name, part in self.parts.items()}
        return LinearMap(shape, parts, matrix @ self.constant)

    def picked(self, index: Rows, shape: tuple[int, ...]) -> LinearMap:
        """Elements ``index`` of the value, counted from 1; 0 picks the constant 0."""
        empty = index == 0
        at = np.where(empty, 0, index - 1)
        keep = diags_array((~empty).astype(np.float64)) if empty.any() else None
        parts = {name: part[at] if keep is None else csr_array(keep @ part[at]) for name, part in self.parts.items()}
        for part in parts.values():
            part.eliminate_zeros()
        return LinearMap(shape, parts, np.where(empty, 0.0, self.constant[at]))

    def rearranged(self, change: Callable[[torch.Tensor], torch.Tensor]) -> LinearMap:
        """The value after an operation that only moves elements and fills with zeros."""
        places = torch.arange(1, self.constant.size + 1, dtype=torch.float64).reshape(self.shape)
        moved = change(places)
        return self.picked(moved.flatten().long().numpy(), tuple(moved.shape))

    def plus(self, constant: torch.Tensor | None) -> LinearMap:
        """The value with a constant for each channel added."""
        if constant is None:
            return self
        view = array(constant).reshape(-1, *[1] * (len(self.shape) - 2))
        added = np.broadcast_to(view, self.shape).ravel()
        return LinearMap(self.shape, self.parts, self.constant + added)

    def times(self, factor: float) -> LinearMap:
        """The value multiplied by a number."""
        return LinearMap(self.shape, {k: csr_array(v * factor) for k, v in self.parts.items()}, self.constant * factor)


def array(tensor: torch.Tensor) -> Floats:
    """A tensor as a float64 array."""
    return tensor.detach().double().cpu().numpy()


def of_source(name: str, shape: tuple[int, ...], scale: torch.Tensor) -> LinearMap:
    """What the neurons of a population send: its scale, one or one for each channel, times their phase value."""
    each = np.broadcast_to(array(scale).reshape(-1, *[1] * (len(shape) - 2)), shape).ravel()
    return LinearMap(shape, {name: csr_array(diags_array(each))}, np.zeros(each.size))


def of_constant(value: torch.Tensor) -> LinearMap:
    """A value that no spike carries."""
    return LinearMap(tuple(value.shape), {}, array(value).ravel())


def sparse(matrix: CSR) -> csr_array:
    """An operand of an aggregation as a SciPy matrix; entries at the same place stay synapses of their own until summed."""
    parts = (array(matrix.value), matrix.col.cpu().numpy(), matrix.rowptr.cpu().numpy())
    return csr_array(parts, shape=matrix.shape)


@singledispatch
def follow(node: ir.Node, *inputs: LinearMap | csr_array) -> LinearMap:
    """The map of a node's value from the maps of its inputs; an aggregation takes its matrix first.

    Lookups, maxima, coders and populations are not followed: they begin a map of their own.
    """
    raise AssertionError(f"no rule for {type(node).__name__}")


@follow.register
def _dense(node: ir.Dense, x: LinearMap) -> LinearMap:
    matrix = kron(eye_array(x.shape[0]), csr_array(array(node.weight)), format="csr")
    return x.through(csr_array(matrix), (x.shape[0], node.weight.shape[0])).plus(node.bias)


@follow.register
def _aggregate(node: ir.Aggregate, operator: csr_array, x: LinearMap) -> LinearMap:
    matrix = kron(operator, eye_array(x.shape[1]), format="csr")
    return x.through(csr_array(matrix), (operator.shape[0], *x.shape[1:]))


@follow.register
def _conv(node: ir.Conv, x: LinearMap) -> LinearMap:
    shape = concrete(node, x.shape)
    kernels = _ungrouped(array(node.weight), node.groups)
    left, _, top, _ = node.padding
    tall = [_taken(x.shape[2], shape[2], k * node.dilation[0] - top, node.stride[0]) for k in range(kernels.shape[2])]
    wide = [_taken(x.shape[3], shape[3], k * node.dilation[1] - left, node.stride[1]) for k in range(kernels.shape[3])]
    total = csr_array((shape[1] * shape[2] * shape[3], x.shape[1] * x.shape[2] * x.shape[3]))
    for i, down in enumerate(tall):
        for j, across in enumerate(wide):
            total = total + kron(csr_array(kernels[:, :, i, j]), kron(down, across), format="csr")
    return x.through(csr_array(kron(eye_array(x.shape[0]), total, format="csr")), shape).plus(node.bias)


def _ungrouped(weight: Floats, groups: int) -> Floats:
    """Weights [out, in, kh, kw] with zeros between the groups."""
    out, inside = weight.shape[0] // groups, weight.shape[1]
    full = np.zeros((weight.shape[0], inside * groups, *weight.shape[2:]))
    for g in range(groups):
        full[g * out : (g + 1) * out, g * inside : (g + 1) * inside] = weight[g * out : (g + 1) * out]
    return full


def _taken(length: int, count: int, offset: int, stride: int) -> csr_array:
    """[count, length] with a 1 where output i reads input i stride + offset, if that lies inside."""
    at = np.arange(count) * stride + offset
    inside = (at >= 0) & (at < length)
    ones = np.ones(int(inside.sum()))
    return csr_array((ones, (np.arange(count)[inside], at[inside])), shape=(count, length))


def window_members(node: ir.MaxPool | ir.AvgPool, size: tuple[int, ...], shape: tuple[int, ...]) -> csr_array:
    """[windows, pixels] of one channel with a 1 for each pixel of a window."""
    axes = []
    dilation = node.dilation if isinstance(node, ir.MaxPool) else (1, 1)
    for axis in (0, 1):
        steps = range(node.kernel[axis])
        reads = (
            _taken(size[2 + axis], shape[2 + axis], k * dilation[axis] - node.padding[axis], node.stride[axis])
            for k in steps
        )
        axes.append(sum(reads, start=csr_array((shape[2 + axis], size[2 + axis]))))
    return csr_array(kron(*axes, format="csr"))


@follow.register
def _avg_pool(node: ir.AvgPool, x: LinearMap) -> LinearMap:
    shape = concrete(node, x.shape)
    members = window_members(node, x.shape, shape)
    counted = apply(node, torch.ones(1, 1, *x.shape[2:], dtype=torch.float64))
    assert isinstance(counted, torch.Tensor)
    # The mean of ones is (pixels inside) / divisor, so this is 1 / divisor for each window.
    inverse = array(counted).ravel() / np.maximum(members.sum(axis=1), 1)
    window = diags_array(inverse) @ members
    return x.through(csr_array(kron(eye_array(x.shape[0] * x.shape[1]), window, format="csr")), shape)


@follow.register
def _add(node: ir.Add, *inputs: LinearMap) -> LinearMap:
    parts: dict[str, csr_array] = {}
    constant = np.zeros(inputs[0].constant.size)
    for coefficient, x in zip(node.coefficients, inputs, strict=True):
        scaled = x.times(coefficient)
        constant = constant + scaled.constant
        for name, part in scaled.parts.items():
            parts[name] = csr_array(parts[name] + part) if name in parts else part
    return LinearMap(inputs[0].shape, parts, constant).plus(node.bias)


@follow.register
def _concat(node: ir.Concat, *inputs: LinearMap) -> LinearMap:
    starts = np.cumsum([0, *(x.constant.size for x in inputs)])
    places = [np.arange(x.constant.size).reshape(x.shape) + start for x, start in zip(inputs, starts[:-1], strict=True)]
    index = np.concatenate(places, axis=1)
    names = list(dict.fromkeys(name for x in inputs for name in x.parts))
    neurons = {name: part.shape[1] for x in inputs for name, part in x.parts.items()}
    stacked = {}
    for name in names:
        blocks = [x.parts.get(name, csr_array((x.constant.size, neurons[name]))) for x in inputs]
        stacked[name] = csr_array(vstack(blocks, format="csr"))
    whole = LinearMap((int(starts[-1]),), stacked, np.concatenate([x.constant for x in inputs]))
    return whole.picked(index.ravel() + 1, index.shape)


@follow.register(ir.Flatten)
@follow.register(ir.Subsample)
@follow.register(ir.Pad)
@follow.register(ir.View)
@follow.register(ir.Permute)
@follow.register(ir.Take)
def _rearrange(node: ir.Node, x: LinearMap) -> LinearMap:
    def change(places: torch.Tensor) -> torch.Tensor:
        moved = apply(node, places)
        assert isinstance(moved, torch.Tensor)
        return moved

    return x.rearranged(change)


def concrete(node: ir.Node, size: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of a node's value where the shape of its input is known."""
    return tuple(int(each or 0) for each in node.shape(size))
