"""How many rows a value has, and its other sizes, as numbers of the call."""

from __future__ import annotations

import math

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


def elements_of(builder: Builder, x: Ref) -> Number:
    """The number of elements, which a call may change as it does the number of rows."""
    sizes = [size_of(builder, x, axis, size) for axis, size in enumerate(builder.shape(x))]
    rows = [size for size in sizes if isinstance(size, Number)]
    if len(rows) == 1 and math.prod(size for size in sizes if not isinstance(size, Number)) == 1:
        return rows[0]
    return Number(builder, x, f"the number of elements of {x}", axis=-1)
