"""Functions that look at the sizes of a value, give it others, or move its axes -> description."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.call_numbers import Number, plain
from gcn2snn.frontends.example_inputs import part
from gcn2snn.frontends.layouts import is_value, known_sizes, layout_of, permuted, value_with, viewed
from gcn2snn.frontends.registry import follows_layouts, follows_numbers, lowers, lowers_function
from gcn2snn.frontends.row_sizes import elements_of, size_of


@lowers_function("size")
@follows_layouts
def lower_size(builder: Builder, path: str, input: Ref, dim: int | None = None) -> object:
    """The sizes: those that a call may change as numbers of the call (``frontends/call_numbers.py``)."""
    sizes = tuple(size_of(builder, input, axis, size) for axis, size in enumerate(builder.shape(input)))
    return sizes if dim is None else sizes[dim]


@lowers_function("numel", "nelement", torch.numel)
@follows_layouts
def lower_numel(builder: Builder, path: str, input: Ref) -> Number:
    """The number of elements, as a number of the call."""
    return elements_of(builder, input)


@lowers_function("dim", "ndimension")
@follows_layouts
def lower_dim(builder: Builder, path: str, input: Ref) -> int:
    """Number of axes."""
    return len(builder.shape(input))


@lowers_function(getattr)
@follows_layouts
def lower_getattr(builder: Builder, path: str, input: Ref, name: str, *default: object) -> object:
    """``shape`` and the like of a value; an attribute of a graph input."""
    if builder.example(input) is not None and not isinstance(builder.example(input), torch.Tensor):
        return part(builder, input, "attribute", name)
    known: dict[str, Callable[[], object]] = {
        "shape": lambda: lower_size(builder, path, input),
        "ndim": lambda: len(builder.shape(input)),
        "T": lambda: lower_permute(builder, path, input, *reversed(range(len(builder.shape(input))))),
        "mT": lambda: lower_transpose(builder, path, input, -2, -1),
        "device": lambda: builder.number_kind().device,
        "dtype": lambda: builder.number_kind().dtype,
    }
    if name in known and not (name in ("device", "dtype") and not is_value(builder, input)):
        return known[name]()
    why = "no handler knows this attribute."
    return builder.refuse(path, f".{name}", why, "Use layers and functions that are supported.", of=input)


def opened(builder: Builder, path: str, x: Ref) -> tuple[Ref, int, list[int]]:
    """A value with its rows on axis 0 and the other axes as the model orders them; the model's axis of the rows; other sizes.

    Raises:
        LookupError: a size is only known to a call.
    """
    layout = layout_of(builder, builder.as_value(x))
    place = layout.order.index(0)
    if layout.is_vector:
        return layout.base, 0, []
    base = permuted(builder, f"{path}.rows_first", layout.base, (0, *(axis for axis in layout.order if axis)))
    return base, place, known_sizes(builder, base)


def closed(builder: Builder, path: str, x: Ref, place: int, sizes: Sequence[int], *, loose: bool = False) -> Ref:
    """What :func:`opened` gave, with other sizes and another axis for the rows."""
    value = viewed(builder, path, x, sizes or (1,))
    if not sizes:
        return value_with(builder, path, value, (0,), loose=loose)
    order = list(range(1, len(sizes) + 1))
    return value_with(builder, path, value, (*order[:place], 0, *order[place:]))


@lowers_function("view", "reshape", torch.reshape)
@follows_numbers
@follows_layouts
def lower_view(builder: Builder, path: str, input: Ref, *shape: object, **named: Any) -> Ref:
    """Other sizes of each row's values, such as x.view(x.size(0), -1); what mixes rows is refused."""
    sizes: Sequence[object] = shape[0] if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    sizes = list(named.get("shape", named.get("size", sizes)))
    shown = ["*" if size is None else size for size in builder.shape(input)]
    rest = _row_sizes(builder, path, input, sizes) if is_value(builder, input) and sizes else None
    if rest is None:
        why = f"turns {shown} into {sizes}."
        return builder.refuse(path, "view", why, "Keep the rows: x.view(x.size(0), -1) or x.flatten(1).", input)
    return closed(builder, path, opened(builder, path, input)[0], 0, rest)


def _row_sizes(builder: Builder, path: str, x: Ref, sizes: Sequence[object]) -> list[int] | None:
    """Sizes beside the rows after a view, or None where the rows do not stay on axis 0."""
    layout = layout_of(builder, builder.as_value(x))
    own = builder.shape(layout.base)[1:]
    if None in own or layout.order[0] != 0 or isinstance(sizes[0], torch.dtype):
        return None
    count = math.prod(size for size in own if size is not None)
    rows = isinstance(sizes[0], Number) and sizes[0].is_same(size_of(builder, x, 0, None))
    rest = [plain(size) for size in sizes[1:]]
    if not all(isinstance(size, int) for size in rest):
        return None
    given = [int(size) for size in rest if isinstance(size, int)]
    if rows and given.count(-1) == 1:
        others = math.prod(size for size in given if size != -1)
        given = [count // others if size == -1 else size for size in given] if others else given
    fits = math.prod(given) == count and min(given, default=1) > 0
    return given if fits and (rows or plain(sizes[0]) == -1) else None


@lowers_function(torch.flatten, "flatten")
@follows_layouts
def lower_flatten_function(builder: Builder, path: str, input: Ref, start_dim: int = 0, end_dim: int = -1) -> Ref:
    """Neighbouring axes as one: [N, C, ...] -> [N, C * ...]; the rows stay by themselves."""
    dims = len(builder.shape(input))
    start, end = start_dim % dims, end_dim % dims
    x, place, sizes = opened(builder, path, input)
    whole: list[int] = [*sizes[:place], 0, *sizes[place:]]
    merged = whole[start : end + 1]
    if start <= place <= end and any(size > 1 for size in merged):
        why = "does not keep the batch axis and flatten all others."
        return builder.refuse(path, f"flatten({start_dim}, {end_dim})", why, "Use flatten(x, 1).", input)
    joined = [*whole[:start], 0 if 0 in merged else math.prod(merged), *whole[end + 1 :]]
    at = joined.index(0)
    return closed(builder, path, x, at, joined[:at] + joined[at + 1 :])


@lowers(nn.Flatten)
@follows_layouts
def lower_flatten(builder: Builder, path: str, module: nn.Flatten, input: Ref) -> Ref:
    """[N, C, ...] -> [N, C * ...]."""
    return lower_flatten_function(builder, path, input, module.start_dim, module.end_dim)


@lowers_function("unflatten", torch.unflatten)
@follows_layouts
def lower_unflatten_function(builder: Builder, path: str, input: Ref, dim: int, sizes: Sequence[int]) -> Ref:
    """One axis as several; not that of the rows."""
    dims = len(builder.shape(input))
    x, place, own = opened(builder, path, input)
    axis = dim % dims
    if axis == place:
        return builder.refuse(path, f"unflatten({dim})", "takes the rows apart.", "Unflatten another axis.", input)
    at = axis - (axis > place)
    others = math.prod(size for size in sizes if size != -1)
    parts = [own[at] // others if size == -1 else size for size in sizes]
    return closed(builder, path, x, place + (len(parts) - 1) * (axis < place), [*own[:at], *parts, *own[at + 1 :]])


@lowers(nn.Unflatten)
@follows_layouts
def lower_unflatten(builder: Builder, path: str, module: nn.Unflatten, input: Ref) -> Ref:
    """One axis as several; not that of the rows."""
    if not isinstance(module.dim, int):
        return builder.refuse(path, "Unflatten", "names its axis.", "Use a number as dim.")
    return lower_unflatten_function(builder, path, input, module.dim, [int(size) for size in module.unflattened_size])


@lowers_function("squeeze", torch.squeeze)
@follows_layouts
def lower_squeeze(builder: Builder, path: str, input: Ref, dim: int | tuple[int, ...] | None = None) -> Ref:
    """Axes of size one left out; the value itself where there is none. The rows stay."""
    if not is_value(builder, input):
        why = "changes the layout of an input inside the model."
        return builder.refuse(path, "squeeze", why, "Do it before the model is called.", input)
    dims = len(builder.shape(input))
    x, place, own = opened(builder, path, input)
    asked = set(range(dims)) if dim is None else {d % dims for d in ([dim] if isinstance(dim, int) else dim)}
    if dim is not None and place in asked:
        why = "leaves out the rows of a call with one row, and keeps those of any other."
        return builder.refuse(path, f"squeeze({dim})", why, "Index the network's result instead.", input)
    whole = [*own[:place], 0, *own[place:]]
    kept = [size for axis, size in enumerate(whole) if not (axis in asked and size == 1)]
    if len(kept) == dims:
        return input
    at = kept.index(0)
    return closed(builder, path, x, at, kept[:at] + kept[at + 1 :], loose=dim is None)


@lowers_function("unsqueeze", torch.unsqueeze)
@follows_layouts
def lower_unsqueeze(builder: Builder, path: str, input: Ref, dim: int) -> Ref:
    """One more axis, of size one."""
    if not is_value(builder, input):
        why = "changes the layout of an input inside the model."
        return builder.refuse(path, "unsqueeze", why, "Do it before the model is called.", input)
    dims = len(builder.shape(input)) + 1
    x, place, own = opened(builder, path, input)
    whole = [*own[:place], 0, *own[place:]]
    whole.insert(range(dims)[dim], 1)
    at = whole.index(0)
    return closed(builder, path, x, at, whole[:at] + whole[at + 1 :])


@lowers_function("permute", torch.permute)
@follows_layouts
def lower_permute(builder: Builder, path: str, input: Ref, *dims: object, **named: Any) -> Ref:
    """Axes in another order, such as images [N, H, W, C] -> [N, C, H, W]."""
    if not is_value(builder, input):
        why = "changes the layout of an input inside the model."
        return builder.refuse(path, "layout change", why, "Do it before the model is called.")
    order = named.get("dims", dims[0] if len(dims) == 1 and isinstance(dims[0], Sequence) else dims)
    layout = layout_of(builder, builder.as_value(input))
    axes = tuple(layout.axis(axis) for axis in order)
    if sorted(axes) != sorted(layout.order):
        raise ValueError(f"{list(order)} does not name each axis once")
    return value_with(builder, path, layout.base, axes)


@lowers_function("transpose", torch.transpose, "swapaxes", torch.swapaxes, "swapdims", torch.swapdims)
@follows_layouts
def lower_transpose(builder: Builder, path: str, input: Ref, dim0: int, dim1: int) -> Ref:
    """Two axes change places."""
    order = list(range(len(builder.shape(input))))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return lower_permute(builder, path, input, *order)


@lowers_function("movedim", torch.movedim, "moveaxis", torch.moveaxis)
@follows_layouts
def lower_movedim(builder: Builder, path: str, input: Ref, source: int, destination: int) -> Ref:
    """One axis moves to another place."""
    order = list(range(len(builder.shape(input))))
    axis = order.pop(source)
    order.insert(range(len(order) + 1)[destination], axis)
    return lower_permute(builder, path, input, *order)


@lowers_function("t", torch.t)
@follows_layouts
def lower_t(builder: Builder, path: str, input: Ref) -> Ref:
    """Rows and channels change places, until they do so again."""
    return lower_permute(builder, path, input, *reversed(range(len(builder.shape(input)))))


@lowers(nn.ChannelShuffle)
def lower_channel_shuffle(builder: Builder, path: str, module: nn.ChannelShuffle, input: Ref) -> Ref:
    """Channels of several groups in turn."""
    channels, *rest = known_sizes(builder, input)
    grouped = viewed(builder, f"{path}.groups", input, (module.groups, channels // module.groups, *rest))
    turned = permuted(builder, f"{path}.turned", grouped, (0, 2, 1, *range(3, len(rest) + 3)))
    return viewed(builder, path, turned, (channels, *rest))
