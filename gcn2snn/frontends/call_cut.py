"""The arguments of a call on a graph -> those of the same call on some of its nodes and edges."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gcn2snn.errors import InputError

Call = tuple[tuple[object, ...], dict[str, object]]
"""Positional and keyword arguments of a model."""


class NotSampledError(InputError):
    """A call from which no smaller one can be made; the message is the reason."""


def num_edges(value: object) -> int:
    """Edges of a graph object or edge index; 0 for everything else."""
    if isinstance(value, Tensor):
        index = value.layout is torch.strided and not value.is_floating_point() and value.dim() == 2
        return value.shape[1] if index and value.shape[0] == 2 else 0
    if _is_data(value):
        return num_edges(getattr(value, "edge_index", None))
    return _dgl_edges(value) if hasattr(value, "num_src_nodes") else 0


def _dgl_edges(graph: Any) -> int:
    """Edges of a DGL graph of one kind of nodes and edges; 0 for all others. DGL may be absent, so it has no type here."""
    single = len(graph.ntypes) == 1 and len(getattr(graph, "etypes", ())) == 1
    return int(graph.num_edges()) if single and not graph.is_block else 0


def _is_data(value: object) -> bool:
    """Whether it is PyG's ``Data`` of one kind of nodes."""
    return hasattr(value, "is_edge_attr") and not hasattr(value, "edge_types")


@dataclass(frozen=True, eq=False)
class GraphSize:
    """The graph of a call.

    Args:
        graph: the argument that has it.
        ends: source and target of each edge.
        count: nodes.
        edges: how many.
    """

    graph: Any
    ends: tuple[Tensor, Tensor]
    count: int
    edges: int


def graph_size(args: tuple[object, ...], kwargs: Mapping[str, object]) -> GraphSize:
    """The one graph of a call: an edge index [2, E], ``Data`` of PyG, or a homogeneous graph of DGL.

    Raises:
        NotSampledError: there is none or another one, it does not say how many nodes there are, or nodes and edges cannot be
            told apart by their number.
    """
    values = (*args, *kwargs.values())
    found: list[Any] = [value for value in values if num_edges(value)]
    if len(found) != 1:
        raise NotSampledError(f"the call has {len(found)} lists of edges, and a sample is made of one")
    (graph,) = found
    if hasattr(graph, "num_src_nodes"):
        ends, count = graph.edges(), int(graph.num_nodes())
    else:
        index = graph if isinstance(graph, Tensor) else graph.edge_index
        index = index.as_tensor() if hasattr(index, "as_tensor") else index
        rows = {value.shape[0] for value in values if isinstance(value, Tensor) and _is_feature(value)}
        rows = rows if isinstance(graph, Tensor) else {int(graph.num_nodes)}
        rows.discard(index.shape[1])
        if len(rows) != 1:
            raise NotSampledError("the call does not say by one matrix of features how many nodes there are")
        ends, count = (index[0], index[1]), rows.pop()
    edges = ends[0].numel()
    if count == edges:
        raise NotSampledError("there are as many nodes as edges, so a tensor's rows could be either")
    if any(bool((end.amin() < 0) | (end.amax() >= count)) for end in ends):
        raise NotSampledError("an edge has an end outside the nodes")
    return GraphSize(graph, (ends[0], ends[1]), count, edges)


def _is_feature(value: Tensor) -> bool:
    return value.is_floating_point() and value.dim() >= 2


class Cut:
    """Some nodes and edges of a call's graph.

    Args:
        size: of the graph.
        nodes: their numbers; the new ones are their places.
        edges: numbers of edges between these nodes.
    """

    def __init__(self, size: GraphSize, nodes: Tensor, edges: Tensor):
        self.nodes, self.edges, self.size = nodes, edges, size
        self.number = nodes.new_full((size.count,), -1)
        self.number[nodes] = torch.arange(len(nodes), device=nodes.device)

    def call(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> Call:
        """The arguments of the call on them alone.

        Raises:
            NotSampledError: an argument may be a number of nodes or edges, or cannot be cut.
        """
        return tuple(map(self._part, args)), {name: self._part(value) for name, value in kwargs.items()}

    def _part(self, value: Any) -> object:
        if value is not self.size.graph:
            return self._rows(value)
        if isinstance(value, Tensor):
            return self._index(value)
        return self._data(value) if _is_data(value) else self._dgl(value)

    def _rows(self, value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool) and value in (self.size.count, self.size.edges):
            raise NotSampledError(f"{value} is an argument, and may be the number of nodes or edges")
        if not isinstance(value, Tensor) or value.dim() == 0:
            return value
        kept = {self.size.count: self.nodes, self.size.edges: self.edges}.get(value.shape[0])
        if kept is None:
            return value
        if value.layout not in (torch.strided, torch.sparse_coo):
            raise NotSampledError(f"an argument is a tensor of layout {value.layout}")
        return value.index_select(0, kept)

    def _index(self, index: Tensor) -> Tensor:
        index = index.as_tensor() if hasattr(index, "as_tensor") else index
        return self.number[index[:, self.edges].long()].to(index.dtype)

    def _data(self, data: Any) -> object:
        sub = copy.copy(data)
        for key, value in data.to_dict().items():
            sub[key] = self._index(value) if key == "edge_index" else self._rows_of(key, value)
        return sub

    def _rows_of(self, key: str, value: object) -> object:
        return len(self.nodes) if key == "num_nodes" else self._rows(value)

    def _dgl(self, graph: Any) -> object:
        import dgl

        ends = tuple(self.number[end[self.edges].long()].to(graph.idtype) for end in self.size.ends)
        sub = dgl.graph(ends, num_nodes=len(self.nodes))
        for frame, own in ((graph.ndata, sub.ndata), (graph.edata, sub.edata)):
            own.update({key: self._rows(frame[key]) for key in frame})
        return sub
