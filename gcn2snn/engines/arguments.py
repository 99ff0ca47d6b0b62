"""What a call passes -> the values of the network's inputs by name, checked and in the network's number type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines.node_rules import Value
from gcn2snn.engines.sparse_inputs import may_be_sparse
from gcn2snn.engines.topology import network_dtype
from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import CSR
from gcn2snn.matrices import build_operand, sparse_features

OPTIONS = ("counter", "engine", "observe", "preset", "recordings", "tolerance", "wait")
"""Keywords that methods of a spiking network keep for themselves."""


def bind(
    network: ir.Network, args: Sequence[object], kwargs: Mapping[str, object], *, sparse: bool = False
) -> dict[str, Value]:
    """The call's arguments by name of Input node, in the order of the source model's signature.

    A value of the network (features, images) becomes a dense tensor of the network's number type: other real types are
    cast (half, bfloat16, integers and booleans exactly, double rounded to single in a network of single precision), NumPy
    arrays and nested lists of numbers are read, sparse tensors are made dense (with ``sparse``: become a CSR where the first
    layers can read one). What describes a graph is passed on, with
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
    kept = may_be_sparse(network) if sparse else frozenset()
    for node in inputs:
        if node.name not in bound and node.optional:
            continue
        if node.name not in bound:
            option = node.name in OPTIONS
            hint = "; give it by position, for a keyword of that name is an option of the method" if option else ""
            raise InputError(f"argument {node.name!r} is missing; the network takes {names}{hint}")
        check_fixed(node, bound[node.name])
        bound[node.name] = _value_of(network, node, bound[node.name], dtype, kept)
        _check_size(node, bound[node.name])
    for part in network.of(ir.Part):
        if part.role == "dense":
            value = _features(part, build_operand(part, bound.get(part.inputs[0])), dtype, kept)
            _check_size(part, value)
        else:
            value = build_operand(part, bound.get(part.inputs[0]))
        bound[part.name] = value
    return cast(dict[str, Value], bound)  # what a graph input may be, only matrices/ knows


ABSENT = object()
"""What stands at the end of a way that the caller's argument does not have."""


def check_fixed(node: ir.Input, value: object) -> None:
    """Plain values that reading the model depended on are those of the example again.

    Raises:
        InputError: one differs; the message names it, the value it was fixed to, and the caller's.
    """
    for steps, wanted in node.fixed:
        found = _along(value, steps)
        if not _is_same(found, wanted):
            told = "missing" if found is ABSENT else repr(found) if _is_plain(found) else _told(found)
            raise InputError(
                f"{_name_of(node.name, steps)} is {told}; this network was converted with {wanted!r}, which is fixed in it. "
                f"Pass that, or convert the model with an example that has the other value"
            )


def _along(value: object, steps: Sequence[ir.Step]) -> object:
    """What lies at the end of a way from an argument."""
    for by, key in steps:
        try:
            if by == "length":
                value = len(value)  # type: ignore[arg-type]
            elif by == "contains":
                value = key in value  # type: ignore[operator]
            elif by == "present":
                value = hasattr(value, str(key))
            elif by == "size":
                value = value.shape[key]  # type: ignore[attr-defined]
            elif by == "item":
                value = value[key]  # type: ignore[index]
            else:
                value = getattr(value, str(key))
                value = value() if by == "call" else value  # type: ignore[operator]
        except (AttributeError, KeyError, IndexError, TypeError):
            return ABSENT
    return value


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _is_same(found: object, wanted: ir.Plain) -> bool:
    """Whether the caller's value is the one that was fixed: 1, 1.0 and a tensor of one 1 are the same."""
    if isinstance(found, torch.dtype | torch.device):
        found = str(found)
    if isinstance(found, np.generic) or (
        isinstance(found, Tensor) and found.dim() == 0 and found.device.type != "meta"
    ):
        found = found.item()
    if isinstance(wanted, float) and wanted != wanted:
        return isinstance(found, float) and found != found
    is_text = isinstance(wanted, str) or wanted is None
    return _is_plain(found) and found == wanted and isinstance(found, str | None) == is_text


def _name_of(name: str, steps: Sequence[ir.Step]) -> str:
    """An argument's part as one would write it in Python."""
    for by, key in steps:
        forms = {
            "length": f"len({name})",
            "contains": f"{key!r} in {name}",
            "present": f"hasattr({name}, {key!r})",
            "size": f"{name}.size({key})",
            "item": f"{name}[{key!r}]",
            "call": f"{name}.{key}()",
        }
        name = forms.get(by, f"{name}.{key}")
    return name


def _features(node: ir.Input | ir.Part, value: object, dtype: torch.dtype, kept: frozenset[str]) -> Tensor | CSR:
    """A value of the network: sparse if it came so and ``kept`` names the node, else dense."""
    if node.name in kept and isinstance(value, Tensor) and value.layout is not torch.strided and value.dim() == 2:
        _check_tensor(node.name, value)
        return sparse_features(value, dtype)
    return as_value(node.name, value, dtype)


def _value_of(network: ir.Network, node: ir.Input, value: object, dtype: torch.dtype, kept: frozenset[str]) -> object:
    if node.role == "dense":
        return _features(node, value, dtype, kept)
    if node.role == "operator" and not isinstance(value, CSR):
        raise InputTypeError(
            f"{node.name} is {_told(value)}; the network needs a gcn2snn.CSR there, such as graph.adjacency or "
            f"CSR.from_coo(row, col, value, shape)"
        )
    if isinstance(value, CSR):
        return value.validate_contents()
    if value is None and node.role != "unused":
        raise InputError(
            f"{node.name} is None; the network was converted with a value there, which it needs at every call"
        )
    readers = network.readers(node.name)
    if isinstance(value, list | tuple | np.ndarray) and not any(isinstance(reader, ir.Part) for reader in readers):
        value = _array_of(node.name, value)
    if isinstance(value, Tensor) and node.role != "unused":
        _check_tensor(node.name, value)
        if any(isinstance(reader, ir.Matrix) for reader in readers):
            value = value.to(dtype)
    return value


def as_value(name: str, value: object, dtype: torch.dtype) -> Tensor:
    """A value of the network as a dense tensor of ``dtype``; what it may be: :func:`bind`.

    Raises:
        InputError: a tensor without values (device "meta"), or rows of unequal length.
        InputTypeError: something else than an array of real numbers.
    """
    if not isinstance(value, Tensor):
        value = _array_of(name, value)
    _check_tensor(name, value)
    if value.layout is not torch.strided:
        value = value.to_dense()
    value = value.resolve_neg()  # kernels read what lies in memory
    return value if value.dtype == dtype else value.to(dtype)


WANTED = "a tensor, a NumPy array or a nested list of real numbers is needed"


def _array_of(name: str, value: object) -> Tensor:
    """An array or nested list of numbers as a tensor; an empty list is one of edges and the like, so of whole numbers."""
    if not isinstance(value, np.ndarray | list | tuple):
        raise InputTypeError(f"{name} is {_told(value)}; {WANTED}")
    try:
        array = np.asarray(value)
    except (ValueError, RuntimeError, TypeError):
        raise InputError(f"{name} is a list with rows of unequal length; {WANTED}") from None
    if array.dtype.kind not in "fiub":
        raise InputTypeError(f"{name} holds values of type {array.dtype}; {WANTED}")
    return torch.as_tensor(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)))


def _check_tensor(name: str, value: Tensor) -> None:
    """A tensor of real numbers that can be read here.

    Raises:
        InputError: it has no values (device "meta").
        InputTypeError: it is nested, complex or quantised, or stands for many in ``torch.vmap`` and the like.
    """
    if torch._C._functorch.is_functorch_wrapped_tensor(value):
        raise InputTypeError(
            f"{name} stands for many tensors or for a derivative (torch.vmap, torch.func); a spiking network reads values. "
            f"Call it with plain tensors"
        )
    if value.is_nested:
        raise InputTypeError(f"{name} is a nested tensor; {WANTED}")
    if value.is_complex() or value.is_quantized:
        raise InputTypeError(f"{name} has dtype {value.dtype}; {WANTED}")
    if value.device.type == "meta":
        raise InputError(f"{name} is on the device 'meta', so it has no values; {WANTED}")


def _told(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"


def _check_size(node: ir.Input | ir.Part, value: object) -> None:
    shape = getattr(value, "shape", None)
    if shape is None or node.role not in ("dense", "operator"):
        return
    fits = len(shape) == len(node.size) and all(s is None or s == g for s, g in zip(node.size, shape, strict=True))
    if not fits:
        needed = ["*" if s is None else s for s in node.size]
        raise InputError(f"{node.name} has shape {list(shape)}; the network needs {needed}")
