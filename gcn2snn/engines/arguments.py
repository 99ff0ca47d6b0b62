"""What a call passes -> the values of the network's inputs by name, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gcn2snn import ir
from gcn2snn.errors import InputError


def bind(network: ir.Network, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The call's arguments by name of Input node, in the order of the source model's signature.

    Raises:
        InputError: too many, unknown or missing arguments, or a value of the wrong size.
    """
    inputs: list[ir.Input] = network.of(ir.Input)
    names = [node.name for node in inputs]
    if len(args) > len(names):
        raise InputError(f"{len(args)} arguments, but the network takes {names}")
    bound = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name not in names or name in bound:
            raise InputError(
                f"argument {name!r} is {'given twice' if name in bound else 'unknown'}; the network takes {names}"
            )
        bound[name] = value
    for node in inputs:
        if node.name not in bound:
            raise InputError(f"argument {node.name!r} is missing; the network takes {names}")
        _check_size(node, bound[node.name])
    return bound


def _check_size(node: ir.Input, value: Any) -> None:
    shape = getattr(value, "shape", None)
    if shape is None or node.role not in ("dense", "operator"):
        return
    fits = len(shape) == len(node.size) and all(s is None or s == g for s, g in zip(node.size, shape, strict=True))
    if not fits:
        needed = ["*" if s is None else s for s in node.size]
        raise InputError(f"{node.name} has shape {list(shape)}; the network needs {needed}")
