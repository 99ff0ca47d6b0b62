"""Functions that look at sizes or end a model -> description: view, size, attributes, softmax; and what is refused."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from gcn2snn import ir
from gcn2snn.errors import Refusal
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.call_numbers import Number, plain
from gcn2snn.frontends.example_inputs import part
from gcn2snn.frontends.frames import frame_of, written
from gcn2snn.frontends.registry import follows_numbers, lowers, lowers_function


@dataclass(frozen=True)
class TargetRows:
    """The number of target nodes of a graph; ``of(x)`` is an operator with so many rows over the rows of x."""

    of: Callable[[Ref], Ref]


@lowers_function(operator.setitem)
def lower_setitem(builder: Builder, path: str, input: Ref, key: Any, value: Any) -> None:
    """``graph.ndata["h"] = h`` keeps a value for a later readout."""
    if builder.example(input) is None or isinstance(builder.example(input), torch.Tensor) or not isinstance(key, str):
        builder.refuse(path, "item assignment", "changes a value in place.", "Use operations that give a new tensor.")
    else:
        builder.frames[frame_of(builder, input), key] = value


@lowers_function("size")
def lower_size(builder: Builder, path: str, input: Ref, dim: int | None = None) -> Any:
    """The sizes: those that a call may change as numbers of the call (``frontends/call_numbers.py``)."""
    sizes = tuple(_size(builder, input, axis, size) for axis, size in enumerate(builder.shape(input)))
    return sizes if dim is None else sizes[dim]


def _size(builder: Builder, x: Ref, axis: int, size: int | None) -> int | Number:
    if axis == 0:
        return Number(builder, builder.rows(x), f"the number of rows of {x}")
    if size is None:
        return Number(builder, x, f"size({axis}) of {x}", axis=axis)
    if isinstance(builder.nodes[x], ir.Input | ir.Part):  # a later layer may find that it describes the graph
        return Number(builder, x, f"size({axis}) of {x}", size, axis)
    return size


@lowers_function("dim", "ndimension")
def lower_dim(builder: Builder, path: str, input: Ref) -> int:
    """Number of axes."""
    return len(builder.shape(input))


@lowers_function(getattr)
def lower_getattr(builder: Builder, path: str, input: Ref, name: str, *default: Any) -> Any:
    """``shape`` and the like of a value; an attribute of a graph input."""
    if builder.example(input) is not None and not isinstance(builder.example(input), torch.Tensor):
        return part(builder, input, "attribute", name)
    known = {"shape": lambda: lower_size(builder, path, input), "ndim": lambda: len(builder.shape(input))}
    if name in known:
        return known[name]()
    why = "no handler knows this attribute."
    return builder.refuse(path, f".{name}", why, "Use layers and functions that are supported.", of=input)


@lowers_function(operator.getitem)
@follows_numbers
def lower_getitem(builder: Builder, path: str, input: Any, key: Any) -> Any:
    """An item of a graph input, such as ``blocks[0]`` or ``graph.ndata["feat"]``, or the target rows of a block."""
    if not isinstance(input, Ref):
        why = "looks up rows of a constant by numbers that come with the call."
        return builder.refuse(path, "indexing", why, "Pass the looked-up features.", of=key)
    if isinstance(key, slice) and isinstance(key.stop, Number) and (key.start, key.step) == (None, None):
        if key.stop.is_same(_size(builder, input, 0, None)):
            return input  # all rows
        key = slice(None, key.stop.fixed())
    whole = builder.example(input)
    if (known := written(builder, input, key)) is not None:
        return known
    if isinstance(key, slice) and isinstance(key.stop, TargetRows) and (key.start, key.step) == (None, None):
        return builder.add(ir.Rows(name=path, inputs=(key.stop.of(input), input)))
    if whole is not None and not isinstance(whole, torch.Tensor) and isinstance(key, str | int | tuple):
        return part(builder, input, "item", key)
    if (stride := _pixel_stride(builder, input, key)) is not None:
        return builder.add(ir.Subsample(name=path, inputs=(input,), stride=stride, channels_before=0, channels_after=0))
    if isinstance(whole, torch.Tensor) and builder.nodes[input].role == "graph":  # type: ignore[attr-defined]
        why = "takes a description of the graph apart inside the model."
        return builder.refuse(path, "indexing", why, "Do it before the model is called.", of=input)
    why = "takes a part of a value of the network."
    return builder.refuse(path, "indexing", why, "Index the network's result instead.", of=input)


def _pixel_stride(builder: Builder, x: Ref, key: Any) -> int | None:
    """s for ``x[:, :, ::s, ::s]`` of an image, else None."""
    whole = slice(None)
    if not isinstance(key, tuple) or len(key) != 4 or len(builder.shape(x)) != 4 or key[:2] != (whole, whole):
        return None
    stride = key[2].step if isinstance(key[2], slice) else None
    return stride if isinstance(stride, int) and stride > 0 and key[2:] == (slice(None, None, stride),) * 2 else None


@lowers_function("view", "reshape", torch.reshape)
@follows_numbers
def lower_view(builder: Builder, path: str, input: Ref, *shape: Any, **named: Any) -> Ref:
    """Flattening all axes but the first; anything else is refused."""
    sizes: Sequence[Any] = shape[0] if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    sizes = named.get("shape", named.get("size", sizes))
    own = builder.shape(input)
    known = [size for size in own[1:] if size is not None]
    channels = math.prod(known)
    if len(sizes) == 2 and len(known) == len(own) - 1:
        rows = isinstance(sizes[0], Number) and sizes[0].is_same(_size(builder, input, 0, None))
        first = sizes[0] if rows else plain(sizes[0])
        flat = (rows and plain(sizes[1]) in (-1, channels)) or (
            not rows and first == -1 and plain(sizes[1]) == channels
        )
        if flat:
            return input if len(own) == 2 else builder.add(ir.Flatten(name=path, inputs=(input,)))
    why = f"turns {['*' if size is None else size for size in own]} into {list(sizes)}."
    return builder.refuse(path, "view", why, "Only flattening all axes but the first is known: x.flatten(1).", input)


@lowers_function("squeeze", torch.squeeze)
def lower_squeeze(builder: Builder, path: str, input: Ref, dim: int | tuple[int, ...] | None = None) -> Ref:
    """[N, C, 1, 1] -> [N, C]; the value itself where there is no axis of size one."""
    own = builder.shape(input)
    dims = range(1, len(own)) if dim is None else [d % len(own) for d in ([dim] if isinstance(dim, int) else dim)]
    gone = [d for d in dims if own[d] == 1]
    if not gone:
        return input
    if len(own) == 4 and gone == [2, 3]:
        return builder.add(ir.Flatten(name=path, inputs=(input,)))
    return builder.refuse(
        path, f"squeeze({dim})", "removes an axis that the network needs.", "Use x.flatten(1).", input
    )


@lowers_function(functional.log_softmax, torch.log_softmax, "log_softmax")
def lower_log_softmax(builder: Builder, path: str, input: Ref, dim: int = -1, *args: Any, **kwargs: Any) -> Ref:
    """Left out at the very end, for the largest potential stays the largest; refused elsewhere."""
    return _read_out(builder, path, input, dim, "log_softmax")


@lowers_function(functional.softmax, torch.softmax, "softmax")
def lower_softmax(builder: Builder, path: str, input: Ref, dim: int = -1, *args: Any, **kwargs: Any) -> Ref:
    """Left out at the very end, for the largest potential stays the largest; refused elsewhere."""
    return _read_out(builder, path, input, dim, "softmax")


@lowers(nn.LogSoftmax, nn.Softmax)
def lower_softmax_module(builder: Builder, path: str, module: nn.LogSoftmax | nn.Softmax, input: Ref) -> Ref:
    """Left out at the very end, for the largest potential stays the largest; refused elsewhere."""
    kind = "log_softmax" if isinstance(module, nn.LogSoftmax) else "softmax"
    return _read_out(builder, path, input, -1 if module.dim is None else module.dim, kind)


def _read_out(builder: Builder, path: str, x: Ref, dim: int, kind: str) -> Ref:
    if dim % len(builder.shape(x)) != 1:
        return builder.refuse(path, f"{kind}(dim={dim})", "does not normalise each row's classes.", "Use dim=1.")
    why = "divides by a sum over the layer, which no single neuron knows."
    instead = "It is allowed as the model's last step only."
    return builder.read_out(path, x, kind, Refusal(path, f"{kind} in the middle", why, instead, "impossible"))
