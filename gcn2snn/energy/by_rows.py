"""Counting a run that comes some rows at a time: the same counts as in one piece."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.energy.aggregation import Part
from gcn2snn.energy.count import EventCounter
from gcn2snn.energy.wanted_rows import WantedRows
from gcn2snn.engines import ByRows, Observer, Panel, Value, dense_value, matrix_value, panels
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import Spikes
from gcn2snn.memory import current_limit

COUNTED_VALUES = 1 << 22
"""Numbers that are counted at a time where a node reads all rows."""


class RowCounter:
    """Shows an :class:`EventCounter` the rows of a run as they come; what ``ByRows`` calls.

    The spikes that a later stage reads are counted from their codes again. Other values that carry spikes (binary words,
    sums of spikes) are not codes, so their counts are kept, two bytes each.

    Args:
        counter: what counts.
    """

    def __init__(self, counter: EventCounter) -> None:
        self.counter = counter
        self.known: dict[str, tuple[slice, Tensor | None]] = {}
        self.kept: dict[str, Tensor] = {}

    def __call__(self, node: ir.Node, args: tuple[Value, ...], value: Value, panel: Panel) -> None:
        self.counter.continues = not panel.first
        counts = self._counts(node, args, value, panel)
        self.known[node.name] = (panel.part, counts)
        if panel.kept and counts is not None and not isinstance(value, Spikes):
            if panel.first:
                self.kept[node.name] = torch.empty((panel.rows, *counts.shape[1:]), dtype=torch.int16)
            self.kept[node.name][panel.part] = counts.to(torch.int16)
        self.counter.continues = False

    def _counts(self, node: ir.Node, args: tuple[Value, ...], value: Value, panel: Panel) -> Tensor | None:
        """Count a node's rows; the spikes in its result, None where it is a potential."""
        if isinstance(node, ir.Aggregate):
            if panel.first:
                self.counter.add_aggregation(node, matrix_value(args[0]), self._parts(node.inputs[1], args[1]))
            return None
        if isinstance(node, ir.Lookup):
            if panel.first:  # its table has a row for each of all rows, so it is counted as a whole
                whole = self.counter.network[node.name]
                self.counter.see(whole, args, torch.empty(1).expand(panel.rows, node.table.shape[1]))
            return None
        if isinstance(node, ir.Rows | ir.PickRows) and isinstance(value, Spikes):
            return value.fired.float()
        for name, arg in zip(node.inputs, args, strict=True):
            self.counter.set_counts(name, self._spikes_of(name, arg, panel))
        return self.counter.see(node, args, value)

    def _spikes_of(self, name: str, arg: Value, panel: Panel) -> Tensor | None:
        """Spikes in these rows of a node's input, whichever stage gave it."""
        rows, counts = self.known.get(name, (slice(0, 0), None))
        if rows == panel.part or isinstance(self.counter.network[name], ir.OneHot):
            return counts
        if isinstance(arg, Spikes):
            return arg.fired.float()
        kept = self.kept.get(name)
        return None if kept is None else kept[panel.part].float()

    def _parts(self, name: str, arg: Value) -> Iterator[Part]:
        """All rows that an aggregation reads."""
        assert isinstance(arg, Tensor | Spikes)
        rows, width = arg.shape
        for part in panels(rows, max(COUNTED_VALUES // max(width, 1), 1)):
            if isinstance(arg, Spikes):
                yield part, True, arg.code[part] != 0
            elif name in self.kept:
                yield part, True, self.kept[name][part]
            else:
                yield part, False, dense_value(arg)[part]


def watching(counter: EventCounter | WantedRows, observe: Observer | None) -> Observer:
    """What shows a run to a counter, and to ``observe`` if there is one; under a memory limit some rows at a time.

    Raises:
        ConfigError: a memory limit holds, and the counter looks at whole results.
    """
    if observe is None and current_limit() is not None:
        if isinstance(counter, WantedRows) or counter.event_driven is not None:
            raise ConfigError(
                "event-driven updates, and what wanted rows alone need, are counted on whole results; leave them out, or the "
                "memory limit"
            )
        return ByRows(RowCounter(counter))
    if observe is None:
        return counter

    def seen(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        counter(node, args, value)
        observe(node, args, value)

    return seen
