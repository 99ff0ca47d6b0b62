"""Steps that change no value -> nothing: other devices, other number types of the same values, copies."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.layouts import is_value
from gcn2snn.frontends.registry import follows_layouts, lowers_function

EXACT = (torch.float32, torch.float64)
"""Number types that a network computes in."""

WHOLE = (torch.int64, torch.int32)
"""Number types that hold every node number."""


@lowers_function("float", "double")
@follows_layouts
def lower_float(builder: Builder, path: str, input: Ref) -> Ref:
    """Nothing; whole numbers that the caller passes, such as the bytes of an image, become values of the network."""
    return _as_floats(builder, input)


def _as_floats(builder: Builder, x: Ref) -> Ref:
    return x if builder.held(x) is not None else builder.as_value(x)


@lowers_function("long", "int")
def lower_long(builder: Builder, path: str, input: Ref) -> Ref:
    """Nothing for the whole numbers of a graph; values of the network are refused."""
    return _cast(builder, path, input, torch.int64)


@lowers_function("contiguous", "clone", "detach", torch.clone, "cpu", "cuda", "requires_grad_", "detach_")
@follows_layouts
def lower_nothing(builder: Builder, path: str, input: Ref, *args: object, **kwargs: object) -> Ref:
    """Nothing: the values stay as they are."""
    return input


@lowers_function("to", "type")
@follows_layouts
def lower_to(builder: Builder, path: str, input: Ref, *args: object, **kwargs: object) -> Ref:
    """Nothing: a network computes where its input is, in float32 or float64; other number types are refused."""
    dtype = None
    for value in (*args, kwargs.get("dtype"), kwargs.get("other")):
        if isinstance(value, Ref):
            return lower_type_as(builder, path, input, value)
        if isinstance(value, torch.dtype | Tensor):
            dtype = value if isinstance(value, torch.dtype) else value.dtype
        elif isinstance(value, str) and value.startswith("torch."):
            why = "names a type of tensor."
            return builder.refuse(path, f"type({value!r})", why, "Use x.float(), or x.to(torch.float32).", input)
    return input if dtype is None else _cast(builder, path, input, dtype)


@lowers_function("type_as")
@follows_layouts
def lower_type_as(builder: Builder, path: str, input: Ref, other: Any) -> Ref:
    """Nothing, where the other tensor holds float32 or float64."""
    if isinstance(other, Tensor):
        return _cast(builder, path, input, other.dtype)
    if is_value(builder, other):
        return _as_floats(builder, input)
    example = builder.example(other)
    return _cast(builder, path, input, example.dtype) if isinstance(example, Tensor) else input


def _cast(builder: Builder, path: str, x: Ref, dtype: torch.dtype) -> Ref:
    example = builder.example(x)
    if isinstance(example, Tensor) and (example.dtype == dtype or _widens(example.dtype, dtype)):
        return x
    if dtype in EXACT:
        return _as_floats(builder, x)
    why = "rounds values of the network, or cuts them off."
    return builder.refuse(path, f"number type {dtype}", why, "Keep float32, and round outside of the model.", x)


def _widens(before: torch.dtype, after: torch.dtype) -> bool:
    """Whether whole numbers stay what they are and stay whole."""
    whole = not before.is_floating_point and before not in (torch.bool, torch.complex64, torch.complex128)
    return whole and after in WHOLE
