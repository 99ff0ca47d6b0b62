"""The example's arguments -> Input nodes: which are values, which describe a graph, and which are only options."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.errors import InputError
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.call_numbers import Number
from gcn2snn.kernels import CSR

PLAIN = (type(None), bool, int, float, str, torch.dtype, torch.device)
"""Arguments that are no values of the network: the reading is for the ones the example has, and every call must repeat them."""

COUNTS = ("num_nodes", "number_of_nodes", "num_edges", "number_of_edges", "num_src_nodes", "number_of_src_nodes")
"""Methods of graph objects that only count, so that a call may ask them."""


def declare(
    builder: Builder, model: nn.Module, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> tuple[tuple[object, ...], dict[str, object]]:
    """An Input node for every argument of the example call, in the order of the model's signature.

    Floating matrices (and images) are values; edge indices, vectors, sparse tensors and other objects describe a graph.

    Returns:
        The call's arguments with references in place of values, and numbers of the call in place of whole numbers.

    Raises:
        InputError: the model cannot be called like this.
    """
    signature = inspect.signature(model.forward)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        wanted = f"{type(model).__name__}.forward{signature}"
        raise InputError(f"the example does not fit {wanted}: {error}. Pass what the model is called with") from None
    for name, parameter in signature.parameters.items():
        if name not in bound.arguments:
            continue
        value = bound.arguments[name]
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            bound.arguments[name] = tuple(_input(builder, f"{name}{i}", item) for i, item in enumerate(value))
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            bound.arguments[name] = {key: _input(builder, key, item) for key, item in value.items()}
        else:
            optional = (
                isinstance(value, PLAIN) and type(value) is type(parameter.default) and value == parameter.default
            )
            bound.arguments[name] = _input(builder, name, value, optional)
    return bound.args, bound.kwargs


def _input(builder: Builder, name: str, value: object, optional: bool = False) -> object:
    value = value.item() if isinstance(value, np.generic) else value
    role, size = role_of(value)
    return _passed(builder, builder.input(name, size, role, value, optional), value)


def _passed(builder: Builder, ref: Ref, value: object) -> object:
    """What stands for an argument or a part of one while the model is read."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Number(builder, ref, str(ref), value)
    if isinstance(value, PLAIN):
        builder.fix(ref, as_plain(value))
        return value
    if isinstance(value, tuple | list):
        builder.fix_part(ref, "length", "", len(value))
        items = [part(builder, ref, "item", i) for i in range(len(value))]
        if hasattr(value, "_fields"):
            return type(value)(*items)
        return tuple(items) if isinstance(value, tuple) else items
    if type(value) is dict:
        builder.fix_part(ref, "length", "", len(value))
        return {key: part(builder, ref, "item", key) for key in value}
    return ref


def as_plain(value: bool | int | float | str | torch.dtype | torch.device | None) -> ir.Plain:
    """A plain value as a description keeps it."""
    return str(value) if isinstance(value, torch.dtype | torch.device) else value


def role_of(value: object) -> tuple[str, ir.Shape]:
    """Role and sizes of an input with this example value."""
    if isinstance(value, CSR):
        return "operator", (None, None)
    if not isinstance(value, Tensor):
        return "graph", (None, None)
    dense = value.layout is torch.strided and value.is_floating_point() and value.dim() >= 2
    return ("dense", (None, *value.shape[1:])) if dense else ("graph", (None,) * value.dim())


def part(builder: Builder, source: Ref, by: str, key: str | int | tuple[str, ...]) -> Any:
    """What stands for an attribute or item of an input: a reference, a number of the call, or the example's plain value.

    Raises:
        InputError: the example has no such part.
    """
    whole = builder.example(source)
    try:
        value = whole[key] if by == "item" else getattr(whole, str(key))
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise InputError(f"{source} of the example has no {by} {key!r} ({type(error).__name__}: {error})") from None
    return _part(builder, source, by, key, value)


def _part(builder: Builder, source: Ref, by: str, key: str | int | tuple[str, ...], value: object) -> object:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, PLAIN) and (isinstance(value, bool) or not isinstance(value, int)):
        builder.fix_part(source, by, key, as_plain(value))
        return value
    role, size = role_of(value)
    name = f"{source}[{key}]" if by == "item" else f"{source}.{key}" + "()" * (by == "call")
    ref = builder.operator(ir.Part(name=name, inputs=(source,), key=key, by=by, size=size, role=role))
    builder.examples[ref] = value
    return _passed(builder, ref, value)


def contains(builder: Builder, source: Ref, key: Any) -> bool:
    """Whether the example's object holds a key, as every call's must from then on."""
    found = bool(key in builder.example(source))
    builder.fix_part(source, "contains", key, found)
    return found


def method_result(builder: Builder, source: Ref, name: str) -> object:
    """The answer of a method that only counts; None for any other method."""
    if name not in COUNTS:
        return None
    return _part(builder, source, "call", name, getattr(builder.example(source), name)())
