"""The example's arguments -> Input nodes: which are values, which describe a graph, and which are only options."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.errors import InputError
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.kernels import CSR

PLAIN = (type(None), bool, int, float, str, torch.dtype, torch.device)
"""Arguments that are no values of the network: the trace is for the ones the example has."""


def declare(
    builder: Builder, model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """An Input node for every argument of the example call, in the order of the model's signature.

    Floating matrices (and images) are values; edge indices, vectors, sparse tensors and other objects describe a graph.

    Returns:
        The call's arguments with references in place of values.

    Raises:
        InputError: the model cannot be called like this.
    """
    try:
        bound = inspect.signature(model.forward).bind(*args, **kwargs)
    except TypeError as error:
        wanted = f"{type(model).__name__}.forward{inspect.signature(model.forward)}"
        raise InputError(f"the example does not fit {wanted}: {error}. Pass what the model is called with") from None
    for name, parameter in inspect.signature(model.forward).parameters.items():
        if name not in bound.arguments:
            continue
        value = bound.arguments[name]
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            bound.arguments[name] = tuple(_input(builder, f"{name}{i}", item) for i, item in enumerate(value))
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            bound.arguments[name] = {key: _input(builder, key, item) for key, item in value.items()}
        else:
            bound.arguments[name] = _input(builder, name, value)
    return bound.args, bound.kwargs


def _input(builder: Builder, name: str, value: Any) -> Any:
    role, size = role_of(value)
    ref = builder.input(name, size, role, value)
    if isinstance(value, PLAIN):
        return value
    return _items(builder, ref, value)


def _items(builder: Builder, ref: Ref, value: Any) -> Any:
    """Lists and dicts of the example, however deep, with a reference for each thing that they hold; other things as they are."""
    if isinstance(value, tuple | list):
        return type(value)(_items(builder, part(builder, ref, "item", i), item) for i, item in enumerate(value))
    if isinstance(value, dict):
        return {key: _items(builder, part(builder, ref, "item", key), item) for key, item in value.items()}
    return ref


def role_of(value: Any) -> tuple[str, ir.Shape]:
    """Role and sizes of an input with this example value."""
    if isinstance(value, CSR):
        return "operator", (None, None)
    if not isinstance(value, Tensor):
        return "graph", (None, None)
    dense = value.layout is torch.strided and value.is_floating_point() and value.dim() >= 2
    return ("dense", (None, *value.shape[1:])) if dense else ("graph", (None,) * value.dim())


def part(builder: Builder, source: Ref, by: str, key: str | int | tuple[str, ...]) -> Any:
    """A reference to an attribute or item of an input; plain values, such as None, are taken from the example."""
    whole = builder.example(source)
    value = getattr(whole, str(key)) if by == "attribute" else whole[key]
    if isinstance(value, PLAIN):
        return value
    role, size = role_of(value)
    name = f"{source}.{key}" if by == "attribute" else f"{source}[{key}]"
    ref = builder.operator(ir.Part(name=name, inputs=(source,), key=key, by=by, size=size, role=role))
    builder.examples[ref] = value
    return ref
