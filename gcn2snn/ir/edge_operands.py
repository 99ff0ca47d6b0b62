"""Nodes that make operands of single edges, hyperedges and degrees; ``matrices/edge_matrices.py`` has the equations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gcn2snn.ir.node import Operator, Shape


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Reversed(Operator):
    """The edge index [2, E] with the direction of every edge turned round."""

    def shape(self, *inputs: Shape) -> Shape:
        return (None, None)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class SourceNodes(Operator):
    """[sources, 0]: only tells how many source nodes a DGL graph has, for layers that read values of edges alone.

    inputs: (graph, rows of some values); the second gives the number type.
    """

    arity: ClassVar[int | None] = 2
    row_inputs: ClassVar[int] = 1

    def shape(self, *inputs: Shape) -> Shape:
        return (None, 0)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class EdgeWeights(Operator):
    """Normalised edge weights [E] of a DGL graph. inputs: (graph, weights [E]).

    Args:
        norm: "both" w_ij ((sum_k w_kj + eps) (sum_k w_ik + eps))^-1/2, "right" w_ij / (sum_k w_ik + eps), "none" w_ij.
        eps: added to the sums.
    """

    arity: ClassVar[int | None] = 2
    norm: str = "both"
    eps: float = 0.0

    def shape(self, *inputs: Shape) -> Shape:
        return (None,)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Incidence(Operator):
    """Which node is an end of which edge, as a matrix [E, nodes], or [targets, E] with ``onto_nodes``.

    It lets a network have neurons of single edges: [E, nodes] hands the values of nodes to their edges, and [targets, E]
    gathers the results. inputs: (edges, weights if ``weighted``, rows of the targets, rows of the sources).

    Args:
        end: "source" or "target", the end that an edge reads.
        onto_nodes: gather at the targets, weighed by ``norm`` of :class:`gcn2snn.ir.Adjacency` ("none", "mean", "max").
        loops, flow, targets: as for :class:`gcn2snn.ir.Adjacency`.
    """

    arity: ClassVar[int | None] = None
    row_inputs: ClassVar[int] = 2
    end: str = "source"
    onto_nodes: bool = False
    norm: str = "none"
    weighted: bool = False
    loops: str = "keep"
    flow: str = "source_to_target"
    targets: int | None = None

    def shape(self, *inputs: Shape) -> Shape:
        return (None, None)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Hyperedges(Operator):
    """Means over hypergraphs: [hyperedges, nodes] of 1 / |e| for nodes in e, or with ``onto_nodes`` [nodes, hyperedges].

    The second has 1 / (sum of the weights of the hyperedges of i). inputs: (index [2, M] of nodes and hyperedges, weights
    of the hyperedges if ``weighted``, rows of the nodes).

    Args:
        count: number of hyperedges if the model fixes it; None: the largest in the index, plus one.
    """

    arity: ClassVar[int | None] = None
    row_inputs: ClassVar[int] = 1
    onto_nodes: bool = False
    weighted: bool = False
    count: int | None = None

    def shape(self, *inputs: Shape) -> Shape:
        return (None, None)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class OfGraphs(Operator):
    """[nodes, graphs] with 1 where a node belongs to a graph, or with ``root_size`` a diagonal of (nodes of its graph)^-1/2.

    inputs: (graph of each node if ``batched``, rows of the nodes). Without it all nodes are one graph.
    """

    arity: ClassVar[int | None] = None
    row_inputs: ClassVar[int] = 1
    root_size: bool = False
    batched: bool = True

    def shape(self, *inputs: Shape) -> Shape:
        return (None, None if self.batched or self.root_size else 1)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class OfDegree(Operator):
    """The diagonal matrix [targets, targets] with 1 for targets of ``degree`` edges, counted up to ``cap``.

    inputs: (edges, rows of the targets, rows of the sources).
    """

    arity: ClassVar[int | None] = 3
    row_inputs: ClassVar[int] = 2
    degree: int
    cap: int
    flow: str = "source_to_target"
    targets: int | None = None

    def shape(self, *inputs: Shape) -> Shape:
        return (None, None)
