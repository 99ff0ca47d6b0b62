"""What a call passes -> the values of the network's inputs by name, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from gcn2snn import ir
from gcn2snn.engines.node_rules import Value
from gcn2snn.errors import InputError


def bind(network: ir.Network, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, Value]:
    """The call's arguments by name of Input node, in the order of the source model's signature.

    Raises:
        InputError: too many, unknown or missing arguments, or a value of the wrong size.
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
    for node in inputs:
        if node.name not in bound:
            raise InputError(f"argument {node.name!r} is missing; the network takes {names}")
        _check_size(node, bound[node.name])
    return cast(dict[str, Value], bound)  # what a graph input may be, only matrices/ knows


def _check_size(node: ir.Input, value: object) -> None:
    shape = getattr(value, "shape", None)
    if shape is None or node.role not in ("dense", "operator"):
        return
    fits = len(shape) == len(node.size) and all(s is None or s == g for s, g in zip(node.size, shape, strict=True))
    if not fits:
        needed = ["*" if s is None else s for s in node.size]
        raise InputError(f"{node.name} has shape {list(shape)}; the network needs {needed}")
