"""The last aggregation of a graph network for some of its rows: only rows with labels are scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.energy import EventCounter
from gcn2snn.engines import Value, dense_value, run_float
from gcn2snn.kernels import CSR

ROWS = "rows that are scored"
"""Name of the input that holds the last aggregation's rows."""


@dataclass(frozen=True, eq=False)
class Example:
    """One input of a network, and which rows of its result are scored.

    Args:
        inputs: by name of Input node.
        rows: [k] int64.
        operators: every sparse operand, by name of its node.
        whole: the operator of which ``inputs`` holds these rows alone, or None where the result is not an aggregation.
    """

    inputs: Mapping[str, Value]
    rows: Tensor
    operators: Mapping[str, CSR]
    whole: CSR | None

    def scored(self, result: Tensor) -> Tensor:
        """The scored rows of what a network gave."""
        return result if self.whole is not None else result[self.rows]

    def count(self, counter: EventCounter, node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        """Tell a counter of a node; of an aggregation in part, as if it had been made as a whole."""
        if self.whole is not None and ROWS in node.inputs:
            args = (self.whole, *args[1:])
            value = torch.empty((self.whole.shape[0], dense_value(value).shape[1]), device="meta")
        counter(node, args, value)


def last_aggregation(network: ir.Network) -> ir.Aggregate | None:
    """The aggregation that the output shows and nothing else reads, or None."""
    last = network[network.output.inputs[0]]
    return last if isinstance(last, ir.Aggregate) and network.readers(last.name) == [network.output] else None


def in_rows(network: ir.Network) -> ir.Network:
    """The network with its last aggregation reading the operator :data:`ROWS`; unchanged where there is none."""
    last = last_aggregation(network)
    if last is None:
        return network
    rows = ir.Input(name=ROWS, size=(None, None), role="operator")
    return network.replace({last.name: [rows, replace(last, inputs=(ROWS, last.inputs[1]))]})


def read(network: ir.Network, inputs: Mapping[str, Value], rows: Tensor) -> tuple[Example, Tensor]:
    """An example for :func:`in_rows` of this network, and the source model's scores [k, classes] of its rows."""
    last = last_aggregation(network)
    operators: dict[str, CSR] = {}

    def observe(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if isinstance(value, CSR):
            operators[node.name] = value

    with torch.no_grad():
        scores = run_float(network, inputs, observe)[rows]
    if last is None:
        return Example(inputs, rows, operators, None), scores
    whole = operators[last.inputs[0]]
    return Example({**inputs, ROWS: whole.rows(rows)}, rows, operators, whole), scores
