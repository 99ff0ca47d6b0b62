"""Counting only what the asked-for rows need: the nodes from which they can be reached, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.energy.count import EventCounter
from gcn2snn.engines import Value, matrix_value
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import CSR, Spikes

ROW_BY_ROW = (
    ir.Input,
    ir.OneHot,
    ir.InputCode,
    ir.Lookup,
    ir.Dense,
    ir.BatchNorm,
    ir.Relu,
    ir.Add,
    ir.Kept,
    ir.Concat,
    ir.Population,
    ir.Output,
)
"""Nodes whose row i is made of row i of what they read."""


def needed_rows(network: ir.Network, matrices: Mapping[str, CSR], wanted: Tensor) -> dict[str, Tensor]:
    """Which rows of each node the wanted rows of the output need, by node, bool.

    A node that works row by row needs the same rows of what it reads; an aggregation needs the columns in which its rows have
    entries.

    Args:
        network: whose rows are the nodes of one graph.
        matrices: of the call, by operator.
        wanted: rows of the output, bool.

    Raises:
        ConfigError: a layer that is neither, such as pooling over graphs.
    """
    needed: dict[str, Tensor] = {}

    def need(name: str, rows: Tensor) -> None:
        needed[name] = needed[name] | rows if name in needed else rows

    for node in reversed([*network]):
        if isinstance(node, ir.Output):
            need(node.name, wanted)
        rows = needed.get(node.name)
        if rows is None or isinstance(node, ir.Operator):
            continue
        if isinstance(node, ir.Aggregate | ir.AggregateMax):
            matrix = matrices[node.inputs[0]]
            columns = torch.zeros(matrix.num_cols, dtype=torch.bool)
            columns[matrix.col[rows[matrix.row]].long()] = True
            need(node.inputs[1], columns)
        elif isinstance(node, ROW_BY_ROW):
            for name in node.inputs:
                need(name, rows)
        else:
            raise ConfigError(
                f"what the wanted rows need is counted where rows are the nodes of one graph; {node.name} is a "
                f"{type(node).__name__}. Count all rows"
            )
    return needed


class WantedRows:
    """An observer that shows a counter the needed rows alone, of every layer: as if the others were not there.

    Args:
        counter: counts what it is shown, for the source and the spiking network alike.
        needed: of :func:`needed_rows`.
    """

    def __init__(self, counter: EventCounter, needed: Mapping[str, Tensor]):
        self.counter, self.wait = counter, counter.wait
        self._rows = {name: rows.nonzero().flatten() for name, rows in needed.items()}
        self._sizes = {name: rows.numel() for name, rows in needed.items()}

    def __call__(self, node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if isinstance(value, CSR) or node.name not in self._rows:
            return
        rows = self._rows[node.name]
        if isinstance(node, ir.Aggregate | ir.AggregateMax):
            columns = self._rows[node.inputs[1]]
            number = torch.full((self._sizes[node.inputs[1]],), -1, dtype=torch.int64)
            number[columns] = torch.arange(columns.numel())
            part = matrix_value(args[0]).rows(rows)
            matrix = CSR(part.rowptr, number[part.col.long()].int(), part.value, columns.numel())
            seen: tuple[Value, ...] = (matrix, _taken(args[1], columns))
        else:
            seen = tuple(_taken(arg, self._rows[name]) for arg, name in zip(args, node.inputs, strict=True))
        self.counter(_smaller(node, rows), seen, _taken(value, rows))


def _smaller(node: ir.Node, rows: Tensor) -> ir.Node:
    """Nodes that hold a row for each node of the graph, with the needed ones alone."""
    if isinstance(node, ir.OneHot):
        return replace(node, count=rows.numel())
    return replace(node, table=node.table[rows]) if isinstance(node, ir.Lookup) else node


def _taken(value: Value, rows: Tensor) -> Value:
    if isinstance(value, Spikes):
        return value.with_code(value.code[rows])
    return value[rows] if isinstance(value, Tensor) else value
