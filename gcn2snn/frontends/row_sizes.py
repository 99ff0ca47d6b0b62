"""How many rows a value has, and its other sizes, as numbers of the call."""

from __future__ import annotations

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.call_numbers import Number
from gcn2snn.frontends.layouts import layout_of


def size_of(builder: Builder, x: Ref, axis: int, size: int | None) -> int | Number:
    """The size of one axis: a number of the call where a call may change it."""
    layout = layout_of(builder, x)
    if layout.order[axis] == 0:
        return Number(builder, builder.rows(x), f"the number of rows of {x}")
    if size is None:
        return Number(builder, x, f"size({axis}) of {x}", axis=axis)
    if isinstance(builder.nodes.get(x), ir.Input | ir.Part):  # a later layer may find that it describes the graph
        return Number(builder, x, f"size({axis}) of {x}", size, axis)
    return size
