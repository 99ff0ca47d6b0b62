"""A network for the rows of one rank: tables cut to them, and an exchange in front of each aggregation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from torch import Tensor

from gcn2snn import ir
from gcn2snn.distributed.halo import Halo, Partition
from gcn2snn.engines import Observer, Value, activate, apply, input_free, run, run_closed
from gcn2snn.errors import InputError
from gcn2snn.kernels import CSR, Spikes


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class HaloRows(ir.Wire):
    """The rows of X that the rank's part of an operator reads: spikes travel as codes, one byte each, values as numbers."""

    halo: Halo

    def shape(self, *inputs: ir.Shape) -> ir.Shape:
        return (None, *inputs[0][1:])


ir.NODE_TYPES.pop(HaloRows.__name__)  # it belongs to a process and is never saved


@apply.register
def _halo_rows(node: HaloRows, x: Tensor | Spikes, bias: bool = True) -> Tensor | Spikes:
    return x.with_code(node.halo.gather(x.code)) if isinstance(x, Spikes) else node.halo.gather(x)


LOCAL = (
    ir.Input,
    ir.OneHot,
    ir.InputCode,
    ir.Population,
    ir.Lookup,
    ir.Dense,
    ir.Relu,
    ir.BatchNorm,
    ir.Add,
    ir.Kept,
    ir.Concat,
    ir.Flatten,
    ir.View,
    ir.Output,
    ir.Result,
    ir.Sigmoid,
    ir.Scaled,
    ir.Hadamard,
    ir.InnerProduct,
    ir.Bilinear,
)
"""Nodes whose rows do not meet: each rank computes its own."""

SQUARE = (ir.Aggregate, ir.AggregateMax, ir.Rows)
"""Nodes with an operator from all rows to all rows."""


ACROSS = (ir.Membership, ir.Incidence, ir.Hyperedges, ir.SourceNodes, ir.RowIndex, ir.RowSlice)
"""Matrices that do not lead from all nodes to all nodes: to graphs, edges, hyperedges or chosen rows, and back."""


def is_local(node: ir.Node) -> bool:
    """Whether a rank can compute its rows of a node from its rows of what the node reads."""
    if isinstance(node, ir.Permute | ir.Axes):
        return node.order[0] == 0
    if isinstance(node, ir.Take):
        return node.axis != 0
    return isinstance(node, LOCAL)


def refuse_what_mixes_rows(network: ir.Network) -> None:
    """Refuse a network in which rows meet otherwise than along the edges of one graph.

    Raises:
        InputError: it names every such node and says what can be shared out.
    """
    wrong = [
        f"{node.name} ({type(node).__name__})"
        for node in network
        if isinstance(node, ACROSS) or not (is_local(node) or isinstance(node, (*SQUARE, ir.Operator)))
    ]
    if wrong:
        raise InputError(
            f"{', '.join(wrong)} cannot be shared out over ranks: it needs rows of all of them at once. Networks that give a "
            f"result for each node of one graph can be: convolutions, linear layers, ReLUs, sums and concatenations"
        )
    if not any(isinstance(node, SQUARE[:2]) for node in network):
        raise InputError(
            "the network aggregates over no graph, so no row needs another: run it on parts of the data in separate processes"
        )


def operators_of(network: ir.Network) -> list[str]:
    """Names of the matrices that aggregations multiply by, each once."""
    return list(dict.fromkeys(node.inputs[0] for node in network if isinstance(node, SQUARE)))


@dataclass(frozen=True, eq=False)
class LocalNetwork:
    """A network for one rank's rows.

    Args:
        network: with :class:`HaloRows` in front of aggregations.
        whole: the network it was made of.
        partition: rows of each rank.
        operators: own rows of each matrix, [own rows, columns read], by name.
        rank: whose rows these are.
    """

    network: ir.Network
    whole: ir.Network
    partition: Partition
    operators: Mapping[str, CSR]
    rank: int

    @classmethod
    def of(
        cls, network: ir.Network, partition: Partition, rank: int, operators: Mapping[str, tuple[CSR, Halo]]
    ) -> LocalNetwork:
        """Cut a network to the rows of a rank.

        Args:
            network: calibrated or not; :func:`refuse_what_mixes_rows` has nothing against it.
            partition, rank: whose rows.
            operators: own rows of every matrix of :func:`operators_of`, and its halo.
        """
        own, rows = partition.of(rank), partition.rows
        nodes: list[ir.Node] = []
        halos: dict[tuple[str, str], str] = {}
        for node in network:
            if isinstance(node, SQUARE[:2]):
                key = (node.inputs[0], node.inputs[1])
                if key not in halos:
                    halos[key] = f"{node.name}.halo"
                    nodes.append(HaloRows(name=halos[key], inputs=key[1:], halo=operators[key[0]][1]))
                node = replace(node, inputs=(key[0], halos[key]))
            nodes.append(_cut(node, own, rows))
        matrices = {name: matrix for name, (matrix, _) in operators.items()}
        return cls(ir.Network(tuple(nodes)), network, partition, matrices, rank)

    def run_closed(self, inputs: Mapping[str, Value], observe: Observer | None = None) -> Tensor:
        """Potentials of own rows in closed form, the same bits for any number of ranks; inputs hold own rows.

        Whether features are summed as sparse ones depends on how many are zero, which ranks would judge differently: where
        there are any, every layer is computed as with an observer, densely.
        """
        if observe is None and self.network.of(ir.Coder):
            observe = _look
        known = self._known if observe is None else None
        return run_closed(self.network, {**inputs, **self.operators}, observe, known)

    @cached_property
    def _known(self) -> dict[str, Value]:
        """Own rows of spikes that no input changes, coded once for all calls."""
        return input_free(self.network)

    def run_float(self, inputs: Mapping[str, Value]) -> Tensor:
        """What the source model gives for own rows."""
        return run(self.network, {**inputs, **self.operators}, activate, lambda _, x: x)


def _cut(node: ir.Node, own: slice, rows: int) -> ir.Node:
    """A node with the rows of its tensors that belong to a rank."""
    if isinstance(node, ir.Input):
        return replace(node, size=(None, None) if node.role == "operator" else (None, *node.size[1:]))
    if isinstance(node, ir.OneHot):
        return replace(node, count=own.stop - own.start)
    if isinstance(node, ir.Lookup):
        return replace(node, table=node.table[own].clone())
    if isinstance(node, ir.Neuron | ir.Output):
        changed: dict[str, Any] = {
            name: tensor[own].clone() for name, tensor in node.tensors().items() if _has_rows(name, tensor, rows)
        }
        return replace(node, **changed)
    return node


def _has_rows(name: str, tensor: Tensor, rows: int) -> bool:
    """Whether a tensor of a population has a row for each node: horizons and starting potentials may."""
    return name in ("horizon", "start") and tensor.dim() > 1 and tensor.shape[0] == rows


def replicated_bytes(local: LocalNetwork) -> int:
    """Bytes of the tensors that every rank holds whole."""
    cut = {id(tensor) for node in local.whole for tensor in node.tensors().values()}
    found = {id(tensor): tensor for node in local.network for tensor in node.tensors().values() if id(tensor) in cut}
    return sum(tensor.numel() * tensor.element_size() for tensor in found.values())


def _look(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
    """An observer that only looks."""
