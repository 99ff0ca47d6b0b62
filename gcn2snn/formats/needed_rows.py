"""Which rows (nodes of a graph, images of a batch) of each value some rows of the output depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from gcn2snn import ir
from gcn2snn.engines import Value, matrix_value
from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.formats.linear_maps import Rows


def needed_rows(network: ir.Network, constants: Mapping[str, Value], wanted: Rows) -> dict[str, Rows]:
    """Rows of the value of every node that the output's rows ``wanted`` depend on, ascending, by name.

    An aggregation needs the neighbours of its rows; every other node needs the same rows of its inputs. So the part of
    the network that is left gives the same spikes as the whole.

    Args:
        network: calibrated.
        constants: values that do not change in time, among them the matrices (``engines.constants``).
        wanted: rows of the output.
    """
    needed: dict[str, Rows] = {network.output.name: np.unique(wanted)}
    for node in reversed(network.nodes):
        if node.name not in needed or isinstance(node, ir.Source | ir.Operator | ir.InputCode):
            continue
        rows = needed[node.name]
        readers = node.inputs
        if isinstance(node, ir.Aggregate | ir.AggregateMax | ir.Rows | ir.PickRows):
            readers = node.inputs[1:]
        if isinstance(node, ir.Aggregate | ir.AggregateMax | ir.PickRows):
            matrix = matrix_value(constants[node.inputs[0]])
            rows = np.unique(matrix.rows(torch.from_numpy(rows)).col.long().numpy())
        for name in readers:
            needed[name] = np.union1d(needed[name], rows) if name in needed else rows
    return needed


def chosen_rows(rows: Sequence[int] | None, count: int) -> Rows:
    """Rows of the output to keep, ascending and each once; all of them for None.

    Raises:
        InputError: there are none, or one does not exist.
        InputTypeError: ``rows`` is no list of whole numbers.
    """
    if not count:
        raise InputError("the output has no rows, so there is nothing to run. Give inputs with at least one row")
    if rows is None:
        return np.arange(count)
    given = np.asarray(rows)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise InputTypeError(f"rows are {rows!r}; a list of whole numbers is needed, such as [0, 5, 7]")
    chosen = np.unique(given.astype(np.int64))
    wrong = [int(row) for row in chosen if not 0 <= row < count]
    if wrong or not chosen.size:
        got = f"rows {wrong} were asked for" if wrong else "no rows were asked for"
        raise InputError(f"{got}; the output has the rows 0 to {count - 1}. Choose some of these")
    return chosen
