"""What a call passes -> the values of the network's inputs by name, checked and in the network's number type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines.node_rules import Value
from gcn2snn.engines.topology import network_dtype
from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import CSR

OPTIONS = ("counter", "engine", "observe", "preset", "recordings", "tolerance", "wait")
"""Keywords that methods of a spiking network keep for themselves."""


def bind(network: ir.Network, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, Value]:
    """The call's arguments by name of Input node, in the order of the source model's signature.

    A value of the network (features, images) becomes a dense tensor of the network's number type: other real types are
    cast (half, bfloat16, integers and booleans exactly, double rounded to single in a network of single precision), NumPy
    arrays and nested lists of numbers are read, sparse tensors are made dense. What describes a graph is passed on, with
    NumPy arrays read as tensors.

    Raises:
        InputError: too many, unknown or missing arguments, a value of the wrong size, or one on another device.
        InputTypeError: a value that is no array of real numbers.
    """
    inputs = network.of(ir.Input)
    names = [node.name for node in inputs]
    if len(args) > len(names):
        raise InputError(f"{len(args)} arguments, but the network takes {names}")
    bound: dict[str, object] = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name not in names or name in bound:
            raise InputError(
                f"argument {name!r} is {'given twice' if name in bound else 'unknown'}; the network takes {names}"
            )
        bound[name] = value
    dtype = network_dtype(network)
    for node in inputs:
        if node.name not in bound:
            option = node.name in OPTIONS
            hint = "; give it by position, for a keyword of that name is an option of the method" if option else ""
            raise InputError(f"argument {node.name!r} is missing; the network takes {names}{hint}")
        bound[node.name] = _value_of(node, bound[node.name], dtype)
        _check_size(node, bound[node.name])
    return cast(dict[str, Value], bound)  # what a graph input may be, only matrices/ knows


def _value_of(node: ir.Input, value: object, dtype: torch.dtype) -> object:
    if node.role == "dense":
        return as_value(node.name, value, dtype)
    if node.role == "operator" and not isinstance(value, CSR):
        raise InputTypeError(
            f"{node.name} is {_told(value)}; the network needs a gcn2snn.CSR there, such as graph.adjacency or "
            f"CSR.from_coo(row, col, value, shape)"
        )
    if isinstance(value, CSR):
        return value.validate_contents()
    return torch.from_numpy(value) if isinstance(value, np.ndarray) and value.dtype != object else value


def as_value(name: str, value: object, dtype: torch.dtype) -> Tensor:
    """A value of the network as a dense tensor of ``dtype``; what it may be: :func:`bind`.

    Raises:
        InputError: a tensor without values (device "meta"), or rows of unequal length.
        InputTypeError: something else than an array of real numbers.
    """
    wanted = "a tensor, a NumPy array or a nested list of real numbers is needed"
    if not isinstance(value, Tensor):
        if not isinstance(value, np.ndarray | list | tuple):
            raise InputTypeError(f"{name} is {_told(value)}; {wanted}")
        try:
            array = np.asarray(value)
        except ValueError:
            raise InputError(f"{name} is a list with rows of unequal length; {wanted}") from None
        if array.dtype.kind not in "fiub":
            raise InputTypeError(f"{name} holds values of type {array.dtype}; {wanted}")
        value = torch.as_tensor(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)))
    if value.is_nested:
        raise InputTypeError(f"{name} is a nested tensor; {wanted}")
    if value.is_complex() or value.is_quantized:
        raise InputTypeError(f"{name} has dtype {value.dtype}; {wanted}")
    if value.device.type == "meta":
        raise InputError(f"{name} is on the device 'meta', so it has no values; {wanted}")
    if value.layout is not torch.strided:
        value = value.to_dense()
    return value if value.dtype == dtype else value.to(dtype)


def _told(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"


def _check_size(node: ir.Input, value: object) -> None:
    shape = getattr(value, "shape", None)
    if shape is None or node.role not in ("dense", "operator"):
        return
    fits = len(shape) == len(node.size) and all(s is None or s == g for s, g in zip(node.size, shape, strict=True))
    if not fits:
        needed = ["*" if s is None else s for s in node.size]
        raise InputError(f"{node.name} has shape {list(shape)}; the network needs {needed}")
