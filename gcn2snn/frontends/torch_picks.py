"""Indexing and its kin -> description: items of graph inputs, some of the rows, some of the channels or pixels."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.call_numbers import Number, plain
from gcn2snn.frontends.example_inputs import part
from gcn2snn.frontends.frames import frame_of, written
from gcn2snn.frontends.graph_steps import graph_input, reversed_edges
from gcn2snn.frontends.layouts import Layout, is_value, layout_of, taken, value_with
from gcn2snn.frontends.registry import follows_layouts, follows_numbers, lowers_function
from gcn2snn.frontends.row_sizes import size_of
from gcn2snn.frontends.torch_shapes import lower_squeeze, lower_unsqueeze

ORIGINAL = torch._C._VariableFunctions
"""Functions of torch under their own names: a graph library puts its own in the place of some, which call these."""

KEEP_ROWS = "Keep the axis of the rows, or index the network's result instead."


@dataclass(frozen=True)
class TargetRows:
    """The number of target nodes of a graph; ``of(x)`` is an operator with so many rows over the rows of x."""

    of: Callable[[Ref], Ref]


@lowers_function(operator.setitem)
def lower_setitem(builder: Builder, path: str, input: Ref, key: object, value: Any) -> None:
    """``graph.ndata["h"] = h`` keeps a value for a later readout."""
    if builder.example(input) is None or isinstance(builder.example(input), Tensor) or not isinstance(key, str):
        builder.refuse(path, "item assignment", "changes a value in place.", "Use operations that give a new tensor.")
    else:
        builder.frames[frame_of(builder, input), key] = value


@lowers_function(operator.getitem)
@follows_numbers
@follows_layouts
def lower_getitem(builder: Builder, path: str, input: object, key: object) -> Any:
    """An item of a graph input, such as ``blocks[0]`` or ``graph.ndata["feat"]``; some rows, channels or pixels of a value."""
    if not isinstance(input, Ref):
        why = "looks up rows of a constant by numbers that come with the call."
        return builder.refuse(path, "indexing", why, "Pass the looked-up features.", of=key)
    whole = builder.example(input)
    if isinstance(key, str) and (known := written(builder, input, key)) is not None:
        return known
    if isinstance(key, slice) and isinstance(key.stop, TargetRows) and (key.start, key.step) == (None, None):
        return builder.add(ir.Rows(name=path, inputs=(key.stop.of(input), input)))
    if whole is not None and not isinstance(whole, Tensor) and isinstance(key, str | int | tuple):
        return part(builder, input, "item", key)
    if isinstance(whole, Tensor) and not is_value(builder, input):
        if isinstance(key, int) and not isinstance(key, bool) and whole.dim() == 2 and not whole.is_floating_point():
            return part(builder, input, "item", key)  # one end of each edge
        why = "takes a description of the graph apart inside the model."
        return builder.refuse(path, "indexing", why, "Do it before the model is called.", of=input)
    if (stride := _pixel_stride(builder, input, key)) is not None:
        return builder.add(ir.Subsample(name=path, inputs=(input,), stride=stride, channels_before=0, channels_after=0))
    return _part_of_value(builder, path, input, key)


def _pixel_stride(builder: Builder, x: Ref, key: object) -> int | None:
    """s > 1 for ``x[:, :, ::s, ::s]`` of an image, else None."""
    whole = slice(None)
    if not isinstance(key, tuple) or len(key) != 4 or len(builder.shape(x)) != 4 or key[:2] != (whole, whole):
        return None
    stride = key[2].step if isinstance(key[2], slice) else None
    return stride if isinstance(stride, int) and stride > 1 and key[2:] == (slice(None, None, stride),) * 2 else None


def _part_of_value(builder: Builder, path: str, x: Ref, key: object) -> Ref:
    """``x[key]`` with slices, numbers, None, an ellipsis, and at most one list of numbers or mask."""
    keys = list(key) if isinstance(key, tuple) else [key]
    dims = len(builder.shape(x))
    if any(item is Ellipsis for item in keys):
        at = next(i for i, item in enumerate(keys) if item is Ellipsis)
        named = sum(item is not None for item in keys) - 1
        keys[at : at + 1] = [slice(None)] * (dims - named)
    lists = [item for item in keys if not isinstance(item, slice | int) and item is not None]
    numbers = [item for item in keys if isinstance(item, int | Number) and not isinstance(item, bool)]
    if len(lists) > 1 or (lists and numbers) or any(isinstance(item, bool) for item in keys):
        return builder.refuse(
            path, "indexing", "picks by several lists at once.", "Pick along one axis after another.", x
        )
    axis = 0
    for item in keys:
        if item is None:
            x = lower_unsqueeze(builder, path, x, axis)
        elif isinstance(item, int | Number):
            x = _one(builder, path, x, axis, int(item))
            continue
        else:
            x = _some(builder, path, x, axis, item)
        axis += 1
    return x


def _some(builder: Builder, path: str, x: Ref, axis: int, key: object) -> Ref:
    """The part of an axis that a slice, numbers or a mask name; the axis stays."""
    layout = layout_of(builder, x)
    where = layout.axis(axis)
    if where == 0:
        picked = _rows_by(builder, path, layout.base, x, key)
        return picked if builder.is_refused(picked) else _with_base(builder, path, layout, picked)
    if isinstance(key, Ref):
        why = "picks channels or pixels by numbers that come with the call."
        return builder.refuse(path, "indexing", why, "Keep the numbers in the model.", x)
    size = builder.shape(layout.base)[where]
    if size is None:
        return builder.refuse(path, "indexing", "takes a part of an unknown size.", "Index another axis.", x)
    ends = [plain(end) for end in (key.start, key.stop, key.step)] if isinstance(key, slice) else []
    numbers = list(range(*slice(*ends).indices(size))) if ends else _numbers(key, size)
    if not numbers:
        return builder.refuse(path, "indexing", "leaves nothing of the value.", "Leave it out.", x)
    return _along(builder, path, x, axis, numbers)


def _numbers(key: object, size: int) -> list[int]:
    """Numbers along an axis from a list, a tensor of the model, or a mask.

    Raises:
        ValueError: it has several axes, or a number is out of range.
    """
    index = torch.as_tensor(key)
    index = index.nonzero().view(-1) if index.dtype is torch.bool and index.numel() == size else index
    if index.dim() != 1 or index.dtype is torch.bool or index.is_floating_point():
        raise ValueError(f"an index of shape {list(index.shape)} and dtype {index.dtype}")
    numbers = [int(i) for i in index]
    if not all(-size <= i < size for i in numbers):
        raise ValueError(f"the numbers {numbers} for {size} places")
    return [i % size for i in numbers]


def _along(builder: Builder, path: str, x: Ref, axis: int, numbers: Sequence[int]) -> Ref:
    layout = layout_of(builder, builder.as_value(x))
    return _with_base(builder, path, layout, taken(builder, path, layout.base, layout.axis(axis), numbers))


def _with_base(builder: Builder, path: str, layout: Layout, base: Ref) -> Ref:
    return value_with(builder, path, base, layout.order)


def _one(builder: Builder, path: str, x: Ref, axis: int, number: int) -> Ref:
    """One place of an axis; the axis goes."""
    layout = layout_of(builder, x)
    where = layout.axis(axis)
    size = builder.shape(layout.base)[where]
    if where == 0:
        return builder.refuse(path, "indexing", "takes a single row out of a value of the network.", KEEP_ROWS, x)
    if size is None or not -size <= number < size:
        raise IndexError(f"place {number} of an axis of {size}")
    return lower_squeeze(builder, path, _along(builder, path, x, axis, [number % size]), axis)


def _rows_by(builder: Builder, path: str, x: Ref, seen: Ref, key: object) -> Ref:
    """Some of the rows: a slice, numbers or a mask of the model or of the call."""
    rows = builder.rows(x)
    if not isinstance(key, slice):
        if isinstance(key, Ref) and is_value(builder, key) and builder.example(key) is None:
            return builder.refuse(path, "indexing", "picks rows by a value of the network.", KEEP_ROWS, x)
        index = graph_input(builder, path, key if isinstance(key, Ref) else torch.as_tensor(key))
        picking = builder.operator(ir.RowIndex(name=f"{path}.rows", inputs=(index, rows)))
        return builder.add(ir.PickRows(name=path, inputs=(picking, x)))
    stop = key.stop
    if isinstance(stop, Number) and stop.is_same(size_of(builder, seen, layout_of(builder, seen).order.index(0), None)):
        stop = None
    start, step = plain(key.start), plain(key.step)
    if stop is None and start in (None, 0) and step in (None, 1):
        return x
    counted = isinstance(stop, Number) and stop.axis == 0
    inputs = (rows, stop.ref) if counted else (rows,)
    last = None if counted else _whole(plain(stop))
    node = ir.RowSlice(
        name=f"{path}.rows", inputs=inputs, start=_whole(start), stop=last, step=_whole(step), counted=counted
    )
    return builder.add(ir.PickRows(name=path, inputs=(builder.operator(node), x)))


@lowers_function("index_select", ORIGINAL.index_select)
@follows_layouts
def lower_index_select(builder: Builder, path: str, input: Ref, dim: int, index: object) -> Ref:
    """Rows, channels or pixels by their numbers."""
    return _some(builder, path, input, range(len(builder.shape(input)))[dim], index)


@lowers_function("narrow", torch.narrow)
@follows_layouts
def lower_narrow(builder: Builder, path: str, input: Ref, dim: int, start: int, length: int) -> Ref:
    """A run of rows, channels or pixels."""
    axis = range(len(builder.shape(input)))[dim]
    if start < 0:
        return builder.refuse(path, "narrow", "counts from the end.", "Use a slice: x[:, -2:].", input)
    if builder.shape(input)[axis] is None:
        why = "takes a number of rows that a call may not have."
        return builder.refuse(path, "narrow", why, "Use a slice: x[start:stop].", input)
    return _some(builder, path, input, axis, slice(start, start + length))


@lowers_function("select", ORIGINAL.select)
@follows_layouts
def lower_select(builder: Builder, path: str, input: Ref, dim: int, index: int) -> Ref:
    """One place of an axis, which goes."""
    return _one(builder, path, input, range(len(builder.shape(input)))[dim], index)


@lowers_function("chunk", torch.chunk)
@follows_layouts
def lower_chunk(builder: Builder, path: str, input: Ref, chunks: int, dim: int = 0) -> object:
    """Runs of channels of one size, the last perhaps smaller."""
    size = builder.shape(input)[dim]
    if size is None:
        return _refuse_rows_apart(builder, path, "chunk", input)
    return lower_split(builder, path, input, -(-size // chunks), dim)


@lowers_function("split", torch.split, "split_with_sizes", torch.split_with_sizes)
@follows_layouts
def lower_split(builder: Builder, path: str, input: Ref, split_size: int | Sequence[int], dim: int = 0) -> object:
    """Runs of channels of these sizes."""
    axis = range(len(builder.shape(input)))[dim]
    size = builder.shape(input)[axis]
    if size is None:
        return _refuse_rows_apart(builder, path, "split", input)
    if isinstance(split_size, int):
        bounds = [*range(0, size, split_size), size]
    else:
        bounds = [sum(split_size[:i]) for i in range(len(split_size) + 1)]
    if bounds[-1] != size:
        raise ValueError(f"the sizes {split_size} for an axis of {size}")
    pairs = itertools.pairwise(bounds)
    return tuple(_along(builder, f"{path}.{k}", input, axis, range(*pair)) for k, pair in enumerate(pairs))


@lowers_function("tensor_split", torch.tensor_split)
@follows_layouts
def lower_tensor_split(
    builder: Builder, path: str, input: Ref, indices_or_sections: int | Sequence[int], dim: int = 0
) -> object:
    """Runs of channels, as even as can be, or between these places."""
    size = builder.shape(input)[dim]
    if size is None:
        return _refuse_rows_apart(builder, path, "tensor_split", input)
    parts = indices_or_sections
    if isinstance(parts, int):
        sizes = [size // parts + (k < size % parts) for k in range(parts)]
    else:
        sizes = [len(range(size)[a:b]) for a, b in itertools.pairwise((0, *parts, size))]
    if 0 in sizes:
        return builder.refuse(path, "tensor_split", "leaves nothing in one of its parts.", "Use fewer parts.", input)
    return lower_split(builder, path, input, sizes, dim)


@lowers_function("roll", torch.roll)
@follows_layouts
def lower_roll(builder: Builder, path: str, input: Ref, shifts: int, dims: int) -> Ref:
    """Channels or pixels moved round in a circle."""
    axis = range(len(builder.shape(input)))[dims]
    size = builder.shape(input)[axis]
    if size is None:
        return _refuse_rows_apart(builder, path, "roll", input)
    return _along(builder, path, input, axis, [(k - shifts) % size for k in range(size)])


@lowers_function("unbind", torch.unbind)
@follows_layouts
def lower_unbind(builder: Builder, path: str, input: Ref, dim: int = 0) -> object:
    """Every place of an axis by itself."""
    axis = range(len(builder.shape(input)))[dim]
    size = builder.shape(input)[axis]
    if size is None:
        return _refuse_rows_apart(builder, path, "unbind", input)
    return tuple(_one(builder, f"{path}.{k}", input, axis, k) for k in range(size))


@lowers_function("flip", torch.flip)
@follows_layouts
def lower_flip(builder: Builder, path: str, input: Ref, *dims: Any) -> Ref:
    """Channels or pixels in reverse order; ``edge_index.flip([0])``: every edge turned round."""
    asked = tuple(dims[0]) if len(dims) == 1 and isinstance(dims[0], Sequence) else dims
    if not is_value(builder, input):
        if asked in ((0,), (-2,)):
            return reversed_edges(builder, path, input)
        why = "changes the order of what describes the graph."
        return builder.refuse(path, f"flip{asked}", why, "Only edge_index.flip([0]) is known.", input)
    for dim in asked:
        axis = range(len(builder.shape(input)))[dim]
        size = builder.shape(input)[axis]
        if size is None:
            return _refuse_rows_apart(builder, path, "flip", input)
        input = _along(builder, path, input, axis, range(size - 1, -1, -1))
    return input


def _refuse_rows_apart(builder: Builder, path: str, what: str, x: Ref) -> Ref:
    why = "takes the rows apart, whose number only a call knows."
    return builder.refuse(path, what, why, "Take channels apart: dim=1.", x)


def _whole(value: object) -> int | None:
    """A bound of a slice."""
    return None if value is None else operator.index(value)  # type: ignore[arg-type]
