"""Evaluating a network layer by layer and some rows at a time, so that its values keep to a memory limit.

Rows of a result depend on the same rows of the inputs, but for aggregations and the like, which gather any rows. So a
network falls into stages: each goes through its rows in panels of a size that fits, and results that a later stage reads
are kept whole (``row_store.py``), spikes as one byte each. Every row is computed by the same kernels as in one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines.node_evaluation import Closing, Coding, Firing, Fuse, evaluate_node
from gcn2snn.engines.node_rules import Value, dense_value
from gcn2snn.engines.row_plan import GATHERS, RowStep, Stage, goes_by_rows, needed_nodes, read_whole, row_stages
from gcn2snn.engines.row_store import KEPT_SHARE, RowStore, rows_of
from gcn2snn.engines.topology import network_dtype
from gcn2snn.errors import InputError
from gcn2snn.kernels import CSR, Spikes
from gcn2snn.memory import MemoryLimit

LEAST_ROWS = 256
"""Rows of a panel, however small the limit: BLAS sums the rows of very small matrices in another order."""

BYTES_OF_A_VALUE = 16
"""Working memory of a number while its layer is computed: itself, what it is made of, and what an observer makes of it."""


@dataclass(frozen=True)
class Panel:
    """Which rows of a node's result are shown.

    Args:
        rows: of how many.
        part: first and behind the last.
        kept: whether later stages read the result.
    """

    rows: int
    part: slice
    kept: bool = False

    @property
    def first(self) -> bool:
        """Whether it is the first of the node in this run."""
        return self.part.start == 0


@dataclass(frozen=True, eq=False)
class ByRows:
    """An observer that takes results some rows at a time, in order: node, inputs, result, and which rows these are.

    Inputs of which the node reads all rows are whole, and so are operators; the others are the same rows as the result.
    """

    seen: Callable[[ir.Node, tuple[Value, ...], Value, Panel], None]

    def __call__(self, node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        """A whole result."""
        rows = value.shape[0] if isinstance(value, Tensor | Spikes) and value.shape else 1
        self.seen(node, args, value, Panel(rows, slice(0, rows)))


@dataclass(frozen=True, eq=False)
class Rules:
    """What a run makes of the nodes: arguments of ``run`` by their names there."""

    population: Firing
    coder: Coding
    observe: ByRows | None = None
    fuse: Fuse | None = None
    output: Closing | None = None


def run_by_rows(
    network: ir.Network,
    inputs: Mapping[str, Value],
    rules: Rules,
    limit: MemoryLimit,
    known: Mapping[str, Value] | None = None,
    wanted: tuple[str, ...] | None = None,
) -> dict[str, Value]:
    """The wanted results, the heads by default, by name; equal to those of ``run``.

    Args:
        network: any whose rules go by rows: what ``population`` and ``coder`` give for a row depends on that row alone.
        inputs: by Input name.
        rules: what populations, coders and outputs do, and who looks on.
        limit: for values of layers; operators are not counted.
        known: results that are there.
        wanted: names of nodes.

    Raises:
        InputError: values that meet have different numbers of rows.
        ConfigError: the file system has no room for what does not fit.
    """
    run = _Run(network, rules, limit)
    names = tuple(dict.fromkeys(wanted or network.heads))
    run.prepare(inputs, dict(known or {}), names)
    stages = row_stages(network, names, rules.fuse is not None, frozenset(run.values), run.rows)
    for stage in stages:
        run.go_through(stage, inputs)
    return {name: run.values[name] if name in run.values else run.store.kept[name].value for name in names}


class _Run:
    def __init__(self, network: ir.Network, rules: Rules, limit: MemoryLimit) -> None:
        self.network, self.rules, self.limit = network, rules, limit
        self.store = RowStore(limit)
        self.values: dict[str, Value] = {}
        self.rows: dict[str, int] = {}

    def prepare(self, inputs: Mapping[str, Value], known: dict[str, Value], wanted: tuple[str, ...]) -> None:
        """Inputs, operators and constants as they are, and the number of rows of everything else."""
        self.values = known
        needed = needed_nodes(self.network, wanted, frozenset(known))
        dtype = network_dtype(self.network)
        for node in needed:
            if isinstance(node, ir.Input | ir.Operator | ir.OneHot) or not node.inputs:
                if all(name in self.values or name in self.rows for name in node.inputs):
                    args = tuple(self._or_rows(name, dtype) for name in node.inputs)
                    self._whole(node, args, inputs)
            else:
                self.rows[node.name] = self._count(node)

    def _or_rows(self, name: str, dtype: torch.dtype) -> Value:
        """A value, or for an operator that only counts rows a stand-in with as many that takes no memory."""
        if name in self.values:
            return self.values[name]
        return torch.empty((1, 1), dtype=dtype).expand(self.rows[name], 1)

    def _whole(self, node: ir.Node, args: tuple[Value, ...], inputs: Mapping[str, Value]) -> None:
        if isinstance(node, ir.Input) and node.name not in inputs:  # an optional argument that was left out
            return
        value = evaluate_node(node, args, inputs, self.rules.population, self.rules.coder)
        self.values[node.name] = value
        if self.rules.observe is not None:
            self.rules.observe(node, args, value)

    def _count(self, node: ir.Node) -> int:
        """Rows of a node's result.

        Raises:
            InputError: values that meet have different numbers of them.
        """
        if isinstance(node, ir.Lookup):
            return node.table.shape[0]
        names = node.inputs[:1] if isinstance(node, GATHERS) else node.inputs
        counts = {name: self._rows_of(name) for name in names}
        if len(set(counts.values())) > 1 and goes_by_rows(node):
            told = ", ".join(f"{name} has {count}" for name, count in counts.items())
            raise InputError(f"{node.name} needs values with the same number of rows: {told}")
        return next(iter(counts.values()))

    def _rows_of(self, name: str) -> int:
        if name in self.rows:
            return self.rows[name]
        value = self.values.get(name)
        return value.shape[0] if isinstance(value, Tensor | Spikes | CSR) and value.shape else 1

    def go_through(self, stage: Stage, inputs: Mapping[str, Value]) -> None:
        """Evaluate a stage, panel after panel."""
        if stage.whole:
            (node,) = stage.steps[0].nodes
            self._whole(node, tuple(self._read(name) for name in node.inputs), inputs)
        else:
            rows = self.rows[stage.steps[0].name]
            gathered = frozenset(name for step in stage.steps for node in step.nodes for name in read_whole(node))
            for part in panels(rows, self._panel_rows(stage, rows)):
                self._panel(stage, Panel(rows, part))
                self.store.release(gathered)
        for name in stage.dropped:
            self.store.drop(name)
            self.values.pop(name, None)
        self.store.release()

    def _read(self, name: str) -> Value:
        return self.values[name] if name in self.values else self.store.kept[name].value

    def _panel(self, stage: Stage, panel: Panel) -> None:
        local: dict[str, Value] = {}
        for step in stage.steps:
            if not self._fused(step, panel, local):
                for node in step.nodes:
                    self._node(node, stage, panel, local)
            for name in {node.name for node in step.nodes} & stage.kept & local.keys():
                value = local[name]
                assert isinstance(value, Tensor | Spikes)
                kept = self.store.begin(name, panel.rows, value) if panel.first else self.store.kept[name]
                kept.write(panel.part, value)

    def _args(self, node: ir.Node, panel: Panel, local: Mapping[str, Value]) -> tuple[Value, ...]:
        """The node's inputs for these rows, and whole where it gathers any rows."""
        whole = read_whole(node)
        found = []
        for name in node.inputs:
            if name in local:
                found.append(local[name])
            else:
                value = self._read(name)
                gathered = name in whole and not isinstance(node, ir.Rows)
                found.append(value if gathered or not self._has_rows(name) else rows_of(value, panel.part))
        return tuple(found)

    def _has_rows(self, name: str) -> bool:
        return isinstance(self._read(name), Tensor | Spikes | CSR)

    def _fused(self, step: RowStep, panel: Panel, local: dict[str, Value]) -> bool:
        """Whether one kernel did the step; then its spikes are there."""
        fusion, fuse = step.fusion, self.rules.fuse
        if fusion is None or fuse is None:
            return False
        beside: Value = None
        if fusion.beside is not None:
            beside = local[fusion.beside] if fusion.beside in local else rows_of(self._read(fusion.beside), panel.part)
        synapse, neuron = _own_rows(fusion.synapse, panel), _own_rows(fusion.neuron, panel)
        assert isinstance(synapse, ir.Synapse)
        assert isinstance(neuron, ir.Neuron)
        own = replace(fusion, synapse=synapse, neuron=neuron)
        sent = fuse(own, self._args(fusion.synapse, panel, local), beside)
        if sent is not None:
            local[step.name] = sent
        return sent is not None

    def _node(self, node: ir.Node, stage: Stage, panel: Panel, local: dict[str, Value]) -> None:
        args = self._args(node, panel, local)
        own = _own_rows(node, panel)
        value = evaluate_node(own, args, {}, self.rules.population, self.rules.coder)
        if self.rules.output is not None and isinstance(own, ir.Output):
            value = self.rules.output(own, dense_value(value))
        local[node.name] = value
        if self.rules.observe is not None:
            operators = tuple(
                self.values[name] if isinstance(self.network[name], ir.Operator) else arg
                for name, arg in zip(node.inputs, args, strict=True)
            )
            self.rules.observe.seen(own, operators, value, replace(panel, kept=node.name in stage.kept))

    def _panel_rows(self, stage: Stage, rows: int) -> int:
        """Rows that fit into the working share of the limit."""
        values = sum(self._width(node, rows) for step in stage.steps for node in step.nodes)
        working = self.limit.size * (1 - KEPT_SHARE)
        return max(int(working / (BYTES_OF_A_VALUE * max(values, 1.0))), LEAST_ROWS)

    def _width(self, node: ir.Node, rows: int) -> float:
        """Numbers of one row while a node is computed: its result, and for a maximum what its neighbours send."""
        width = float(prod(size or 1 for size in self.network.shapes[node.name][1:]))
        if isinstance(node, ir.AggregateMax):
            operator = self.values[node.inputs[0]]
            assert isinstance(operator, CSR)
            width *= 1 + operator.nnz / max(rows, 1)
        return width


def panels(rows: int, most: int) -> list[slice]:
    """Slices that cover the rows in order, as few as possible with at most so many rows, and of nearly equal size.

    >>> panels(10, 4)
    [slice(0, 4, None), slice(4, 7, None), slice(7, 10, None)]
    """
    count = max(-(-rows // most), 1)
    ends = [0]
    for number in range(count):
        ends.append(ends[-1] + rows // count + (number < rows % count))
    return [slice(first, last) for first, last in pairwise(ends)]


def _own_rows(node: ir.Node, panel: Panel) -> ir.Node:
    """The node with what it holds for each row cut to these rows."""
    if panel.rows <= 1:
        return node
    if isinstance(node, ir.Lookup):
        return replace(node, table=node.table[panel.part])
    if isinstance(node, ir.Neuron):
        horizon, start = node.horizon, node.start
        if horizon is not None and horizon.dim() and horizon.shape[0] == panel.rows:
            node = replace(node, horizon=horizon[panel.part])
        if start is not None and start.dim() == 2 and start.shape[0] == panel.rows:
            node = replace(node, start=start[panel.part])
    return node
