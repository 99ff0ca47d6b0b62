"""Nodes that make the sparse operand of an aggregation out of what the caller passes; ``matrices/build.py`` has the equations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gcn2snn.ir.node import Operator, Shape


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Part(Operator):
    """A part of what the caller passes: attribute ``key`` (``by`` "attribute"), item ``key`` ("item"), what method ``key``
    answers ("call").

    ``data.x`` of a PyG object, ``graph.ndata["feat"]`` of a DGL graph, ``blocks[0]`` of a list, a relation such as
    ``data["author", "writes", "paper"]``. ``role`` and ``size``: see :class:`Input`.
    """

    key: str | int | tuple[str, ...]
    by: str
    size: Shape
    role: str = "graph"

    def shape(self, *inputs: Shape) -> Shape:
        return self.size


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Fixed(Operator):
    """A tensor of the model that describes its graph: an edge index or edge weights kept as a buffer."""

    arity: ClassVar[int | None] = 0
    value: Tensor

    def shape(self, *inputs: Shape) -> Shape:
        return tuple(self.value.shape)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FixedMatrix(Operator):
    """A sparse matrix of the model [rows, num_cols] in compressed rows, such as an adjacency kept as a buffer."""

    arity: ClassVar[int | None] = 0
    rowptr: Tensor
    col: Tensor
    value: Tensor
    num_cols: int

    def shape(self, *inputs: Shape) -> Shape:
        return (self.rowptr.numel() - 1, self.num_cols)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Matrix(Operator):
    """A sparse or dense matrix A that the caller passes, as an operator; ``matrices/dense_norms.py`` has the equations.

    inputs: (matrix, lambda_max if ``given``).

    Args:
        norm: "none", "both", "right", "mean_with_self" or "chebyshev", as DGL's dense layers weigh their neighbours.
        given: the largest eigenvalue is an input ("chebyshev"); otherwise it is computed.
    """

    arity: ClassVar[int | None] = None
    norm: str = "none"
    given: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        return (None, None)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Adjacency(Operator):
    """A [targets, sources] of a graph: self-loops first, then the normalisation; ``matrices/build.py`` has the equations.

    inputs: (edges, weights if ``weighted``, relation of each edge if ``relation`` is not None, rows of the targets, rows
    of the sources); edges are an index [2, E], a sparse tensor whose rows are targets, or a DGL graph. The last two only
    tell how many nodes there are.

    Args:
        norm: "none", "gcn", "mean", "max", "degree", "cluster", "rows", "root", or DGL's "left", "right", "both", "in",
            "weights". Diagonal matrices of the targets: "any", "square_root",
            "amplification", "attenuation", "linear", "inverse_linear".
        loops: "keep", "add" one a node, "remaining" (one for each node that lacks it), "replace", "remove".
        loop_weight: weight of an added self-loop.
        flow: "source_to_target" or "target_to_source".
        factor: what the self-loops are multiplied by, less one ("cluster"), or the average degree of the scalers of PNA.
        targets: number of targets if the model fixes it.
        relation: only edges of this relation count.
    """

    arity: ClassVar[int | None] = None
    row_inputs: ClassVar[int] = 2
    norm: str = "none"
    loops: str = "keep"
    loop_weight: float = 1.0
    weighted: bool = False
    flow: str = "source_to_target"
    factor: float = 0.0
    targets: int | None = None
    relation: int | None = None

    def shape(self, *inputs: Shape) -> Shape:
        return (None, None)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Laplacian(Operator):
    """The scaled Laplacian 2 L / lambda_max - I of Chebyshev filters; its entries have both signs.

    inputs: (edges, weights if ``weighted``, lambda_max if ``given``, graph of each node if ``batched``, rows).

    Args:
        norm: "sym" L = I - D^-1/2 A D^-1/2, "rw" L = I - D^-1 A, "none" L = D - A; "dgl" as "sym" with degrees >= 1.
        lambda_max: largest eigenvalue assumed; None: twice the largest entry of L ("dgl": 2).
    """

    arity: ClassVar[int | None] = None
    row_inputs: ClassVar[int] = 1
    norm: str = "sym"
    weighted: bool = False
    given: bool = False
    batched: bool = False
    lambda_max: float | None = None

    def shape(self, *inputs: Shape) -> Shape:
        return (None, None)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Membership(Operator):
    """[graphs, nodes]: 1 where a node belongs to a graph, or 1 / (nodes of the graph) with ``mean``.

    inputs: (graph of each node or a batched DGL graph, if ``batched``; number of graphs, or what has so many rows, if
    ``counted``; rows of the nodes). Without the first all nodes are one graph. ``graphs``: their number if the model fixes it.
    """

    arity: ClassVar[int | None] = None
    row_inputs: ClassVar[int] = 1
    mean: bool = False
    batched: bool = True
    counted: bool = False
    graphs: int | None = None

    def shape(self, *inputs: Shape) -> Shape:
        return (self.graphs if self.batched else 1, None)
