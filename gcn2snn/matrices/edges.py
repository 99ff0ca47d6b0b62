"""What a caller passes as a graph -> a checked list of edges, with self-loops as a layer wants them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import CSR, all_finite


@dataclass(frozen=True, eq=False)
class Edges:
    """A list of edges [E] before normalisation: entry (target, source) with its weight, None for ones."""

    target: Tensor
    source: Tensor
    weight: Tensor | None
    targets: int
    sources: int
    sparse: bool = False

    def weights(self, dtype: torch.dtype) -> Tensor:
        """The weights, ones if there are none."""
        return self.target.new_ones(self.target.shape, dtype=dtype) if self.weight is None else self.weight.to(dtype)


def edges_of(edges: Any, weight: Tensor | None, flow: str, targets: int, sources: int) -> Edges:
    """Edges of an index [2, E], a sparse tensor [targets, sources] or a DGL graph, checked against the features' rows.

    Raises:
        InputError: indices out of range, sizes that do not meet, weights that are not finite.
        InputTypeError: an index that is not of whole numbers, or an object that is no graph.
    """
    if isinstance(edges, Tensor) and edges.layout is not torch.strided:
        if tuple(edges.shape) != (targets, sources):
            raise InputError(
                f"the sparse adjacency is {list(edges.shape)}, but there are {targets} target and {sources} source nodes. "
                "Its rows are targets; pass the transposed adjacency of the nodes in x"
            )
        target, source, values = coordinates(edges)
        return Edges(target, source, values, targets, sources, sparse=True)
    if isinstance(edges, Tensor):
        first, second = _index(edges)
    elif hasattr(edges, "num_src_nodes"):
        targets = int(edges.num_dst_nodes())
        if edges.num_src_nodes() != sources:
            raise InputError(
                f"the graph has {edges.num_src_nodes()} source nodes, but the features have {sources} rows"
            )
        first, second = edges_by_number(edges)
    else:
        raise InputTypeError(
            f"the graph is {type(edges).__name__}; pass an edge index [2, edges], a sparse tensor or a DGL graph"
        )
    source, target = (first, second) if flow == "source_to_target" else (second, first)
    for index, count in ((source, sources), (target, targets)):
        least, most = map(int, index.aminmax()) if index.numel() else (0, -1)
        if least < 0 or most >= count:
            allowed = f"allowed are 0 to {count - 1}" if count else "only an empty edge_index is allowed"
            raise InputError(f"edge_index holds nodes {least} to {most}, but there are {count} nodes: {allowed}")
    return Edges(target.long(), source.long(), _checked_weight(weight, source), targets, sources)


def of_relation(edges: Edges, relations: object, relation: int) -> Edges:
    """The edges of one relation.

    Args:
        relations: relation of each edge [E], whole numbers.

    Raises:
        InputError: another number of them than of edges.
        InputTypeError: they are not whole numbers.
    """
    if not isinstance(relations, Tensor) or relations.dtype not in INDEX_TYPES:
        got = relations.dtype if isinstance(relations, Tensor) else type(relations).__name__
        raise InputTypeError(f"the relations of the edges are {got}; a tensor of whole numbers [edges] is needed")
    if relations.numel() != edges.target.numel():
        raise InputError(
            f"there are {relations.numel()} relations for {edges.target.numel()} edges; one each is needed"
        )
    kept = plain(relations).reshape(-1) == relation
    weight = None if edges.weight is None else edges.weight[kept]
    return replace(edges, target=edges.target[kept], source=edges.source[kept], weight=weight)


def count_rows(value: Any) -> int:
    """Rows of a tensor or operator; a whole number that the caller passes counts itself.

    Raises:
        InputTypeError: what is passed is neither.
    """
    if isinstance(value, Tensor) and value.dim() == 0 and not value.is_floating_point():
        value = value.item()
    shape = getattr(value, "shape", None)
    if not shape and (isinstance(value, bool) or not isinstance(value, int)):
        raise InputTypeError(f"a number of rows is {type(value).__name__}; a whole number is needed")
    return int(shape[0]) if shape else int(value)


def edges_by_number(graph: Any) -> tuple[Tensor, Tensor]:
    """(sources, targets) of a DGL graph in the order of its edge frames, whatever formats it is restricted to."""
    formats = graph.formats()
    if "coo" in (*formats["created"], *formats["not created"]):
        return graph.edges()
    source, target, number = graph.edges(form="all", order="srcdst")
    order = torch.argsort(number)
    return source[order], target[order]


INDEX_TYPES = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
"""Number types that node numbers may have."""


def _index(edges: Tensor) -> tuple[Tensor, Tensor]:
    if edges.numel() == 0 and edges.dim() == 2:
        edges = edges.long()  # an empty list has no numbers that could be wrong, and torch.empty(2, 0) is of float32
    if edges.dtype not in INDEX_TYPES:
        raise InputTypeError(f"edge_index has dtype {edges.dtype}; node numbers must be whole, such as torch.int64")
    if edges.dim() != 2 or edges.shape[0] != 2:
        raise InputError(f"edge_index has shape {list(edges.shape)}; [2, edges] is needed")
    index = plain(edges)
    return index[0], index[1]


def plain(tensor: Tensor) -> Tensor:
    """The tensor behind PyG's EdgeIndex or Index, which have no memory of their own that a kernel could read."""
    return tensor.as_tensor() if hasattr(tensor, "as_tensor") else tensor


UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)
"""Number types that PyTorch stores but does not compute with."""


def _checked_weight(weight: Tensor | None, index: Tensor) -> Tensor | None:
    if weight is None:
        return None
    if not isinstance(weight, Tensor) or weight.is_complex() or weight.dtype in UNSIGNED:
        got = f"of dtype {weight.dtype}" if isinstance(weight, Tensor) else type(weight).__name__
        raise InputTypeError(f"the edge weights are {got}; a tensor of real numbers is needed, one for each edge")
    if weight.numel() != index.numel():
        raise InputError(f"there are {weight.numel()} edge weights for {index.numel()} edges; one each is needed")
    if not all_finite(weight):
        raise InputError("an edge weight is NaN or infinite; all must be finite")
    return weight.detach().reshape(-1)


def with_loops(edges: Edges, loops: str, loop_weight: float = 1.0) -> Edges:
    """The edges with self-loops as the layer wants them; a sparse tensor gets them on top of those it has."""
    if loops == "keep":
        return edges
    loop = edges.target == edges.source
    every = torch.arange(min(edges.targets, edges.sources), device=edges.target.device)
    if loops == "add" or (loops == "remaining" and edges.sparse):
        return _append(edges, every, loop_weight)
    kept = _without(edges, loop) if bool(loop.any()) else edges
    if loops == "remove":
        return kept
    appended = _append(kept, every, loop_weight)
    if loops == "remaining" and edges.weight is not None:
        assert appended.weight is not None
        appended.weight[kept.target.numel() + edges.target[loop]] = edges.weight[loop]
    return appended


def _without(edges: Edges, loop: Tensor) -> Edges:
    weight = None if edges.weight is None else edges.weight[~loop]
    return replace(edges, target=edges.target[~loop], source=edges.source[~loop], weight=weight)


def _append(edges: Edges, loops: Tensor, value: float) -> Edges:
    weight = None if edges.weight is None else torch.cat([edges.weight, edges.weight.new_full(loops.shape, value)])
    return replace(
        edges, target=torch.cat([edges.target, loops]), source=torch.cat([edges.source, loops]), weight=weight
    )


def sum_at(index: Tensor, value: Tensor, count: int) -> Tensor:
    return value.new_zeros(count).index_add_(0, index, value)


def to_matrix(edges: Edges, value: Tensor) -> CSR:
    return CSR.from_coo(edges.target, edges.source, value, (edges.targets, edges.sources))


def coordinates(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    coo = matrix.detach().to_sparse_coo().coalesce()
    target, source = coo.indices()
    return target, source, coo.values()
