"""A large graph's call -> the same call on a small graph: whole neighbourhoods of some nodes, on which a model is cheap to run."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.errors import InputError

SEEDS = 256
"""Nodes whose neighbourhoods are taken, chosen by a fixed generator."""

FAN = 32
"""Edges into one node at most. A hub with a million of them would otherwise bring the whole graph along."""

SAMPLED_VALUES = 1 << 24
"""Values of all messages of a layer in the sample at most: 64 MiB in single precision, of which PyG holds two or three copies."""

Call = tuple[tuple[object, ...], dict[str, object]]
"""Positional and keyword arguments of a model."""


class NotSampledError(InputError):
    """A call from which no smaller one can be made; the message is the reason."""


@dataclass(frozen=True)
class SampledCall:
    """A smaller call.

    Args:
        args, kwargs: of the model. Nodes are numbered anew, the seeds first.
        seeds, nodes, edges: how many the sample has.
        left_out: edges of its neighbourhoods that are not in it, because of hubs or of its size.
        of: edges of the call.
    """

    args: tuple[object, ...]
    kwargs: dict[str, object]
    seeds: int
    nodes: int
    edges: int
    left_out: int
    of: int


def message_values(network: ir.Network, args: tuple[object, ...], kwargs: Mapping[str, object]) -> int:
    """Values that the widest layer's messages have together, one row for each edge: what PyG holds in memory.

    0 where the call has no list of edges, such as a sparse matrix, whose product needs no messages.
    """
    edges = max((num_edges(value) for value in (*args, *kwargs.values())), default=0)
    return edges * _width(network)


def sampled_call(network: ir.Network, args: tuple[object, ...], kwargs: Mapping[str, object]) -> SampledCall:
    """The call on complete neighbourhoods of :data:`SEEDS` nodes, as many hops deep as the network aggregates.

    Of a node with more than :data:`FAN` edges only the first so many are kept, and the outermost hop is cut where the sample
    would exceed :data:`SAMPLED_VALUES`. The sample is a graph of its own: degrees are counted in it.

    Args:
        network: the description of the model, which says what is aggregated.
        args, kwargs: with an edge index [2, E], PyG ``Data``, or a homogeneous DGL graph; tensors with a row for each node
            or edge are cut to the rows that are kept.

    Raises:
        NotSampledError: the call has no such graph, or the network's outputs or its own tensors belong to whole graphs.
    """
    for kind, why in WHOLE_GRAPHS.items():
        if network.of(kind):
            raise NotSampledError(why)
    found = [value for value in (*args, *kwargs.values()) if num_edges(value)]
    if len(found) != 1:
        raise NotSampledError(f"the call has {len(found)} lists of edges, and a sample is made of one")
    reader = _reader_of(found[0], (*args, *kwargs.values()))
    source, target = reader.ends if _along_the_edges(network) else reader.ends[::-1]
    limit = max(SAMPLED_VALUES // _width(network), FAN)
    nodes, edges, seeds, left_out = _neighbourhoods(source, target, reader.count, _hops(network), limit)
    cut = _Cut(found[0], nodes, edges, reader)
    shorter = tuple(cut(value) for value in args), {name: cut(value) for name, value in kwargs.items()}
    return SampledCall(*shorter, seeds, nodes.numel(), edges.numel(), left_out, reader.edges)


WHOLE_GRAPHS: dict[type[ir.Node], str] = {
    ir.Membership: "its outputs belong to whole graphs",
    ir.OneHot: "its input is one-hot, so its first weights are those of these very nodes",
    ir.Fixed: "the model holds a graph of its own",
    ir.FixedMatrix: "the model holds a graph of its own",
}
"""Steps of a network that know the whole graph, and why there is no sample for them."""


AGGREGATIONS = (ir.Aggregate, ir.AggregateMax)
"""Steps that go one edge further into the graph."""


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


def _width(network: ir.Network) -> int:
    """Values in the widest row that an aggregation reads."""
    widest = 1
    for node in network:
        if not isinstance(node, AGGREGATIONS):
            continue
        size = 1
        for length in network.shapes[node.inputs[1]][1:]:
            size *= length or 1
        widest = max(widest, size)
    return widest


def _hops(network: ir.Network) -> int:
    """Aggregations one behind the other, on the longest way through the network."""
    depth: dict[str, int] = {}
    for node in network:
        before = max((depth[name] for name in node.inputs), default=0)
        depth[node.name] = before + isinstance(node, AGGREGATIONS)
    return max(depth.values(), default=0)


def _along_the_edges(network: ir.Network) -> bool:
    return all(node.flow == "source_to_target" for node in network.of(ir.Adjacency))


@dataclass(frozen=True)
class _Reader:
    """The ends of the edges, and how many nodes and edges there are."""

    ends: tuple[Tensor, Tensor]
    count: int
    edges: int


def _reader_of(graph: Any, values: tuple[object, ...]) -> _Reader:
    """Ends and counts of a graph.

    Raises:
        NotSampledError: it does not say how many nodes there are, or nodes and edges cannot be told apart by their number.
    """
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
    return _Reader((ends[0], ends[1]), count, edges)


def _is_feature(value: Tensor) -> bool:
    return value.is_floating_point() and value.dim() >= 2


def _neighbourhoods(
    source: Tensor, target: Tensor, count: int, hops: int, limit: int
) -> tuple[Tensor, Tensor, int, int]:
    """(nodes with the seeds first, numbers of the edges that are kept, seeds, edges that were left out)."""
    generator = torch.Generator().manual_seed(0)
    frontier = torch.randperm(count, generator=generator)[:SEEDS].to(source.device)
    seen, wanted = (torch.zeros(count, dtype=torch.bool, device=source.device) for _ in range(2))
    seen[frontier] = True
    nodes, edges, left_out = [frontier], [source.new_empty(0, dtype=torch.int64)], 0
    for _ in range(hops):
        wanted.zero_()[frontier] = True
        into = wanted[target.long()].nonzero().flatten()
        kept = _first_of_each(target[into], into)[: max(limit - sum(map(len, edges)), 0)]
        left_out += len(into) - len(kept)
        edges.append(kept)
        frontier = source[kept].long().unique()
        frontier = frontier[~seen[frontier]]
        seen[frontier] = True
        nodes.append(frontier)
    rim = (seen & ~_visited(nodes[:-1], count))[target.long()] & seen[source.long()]
    into = (
        rim.nonzero().flatten()
    )  # among the outermost nodes: self-loops, and edges back, so that they have neighbours too
    edges.append(_first_of_each(target[into], into)[: max(limit - sum(map(len, edges)), 0)])
    return torch.cat(nodes), torch.cat(edges).sort().values, len(nodes[0]), left_out


def _visited(nodes: list[Tensor], count: int) -> Tensor:
    found = torch.zeros(count, dtype=torch.bool, device=nodes[0].device)
    found[torch.cat(nodes)] = True
    return found


def _first_of_each(target: Tensor, number: Tensor) -> Tensor:
    """Of the edges into each node the first :data:`FAN`, by target."""
    order = torch.sort(target, stable=True).indices
    grouped = target[order]
    start = torch.searchsorted(grouped, grouped)
    rank = torch.arange(len(grouped), device=grouped.device) - start
    return number[order[rank < FAN]]


class _Cut:
    """An argument -> what stands for it in the sample."""

    def __init__(self, graph: object, nodes: Tensor, edges: Tensor, reader: _Reader):
        self.graph, self.nodes, self.edges, self.reader = graph, nodes, edges, reader
        self.number = nodes.new_full((reader.count,), -1)
        self.number[nodes] = torch.arange(len(nodes), device=nodes.device)

    def __call__(self, value: Any) -> object:
        if value is not self.graph:
            return self._rows(value)
        if isinstance(value, Tensor):
            return self._index(value)
        return self._data(value) if _is_data(value) else self._dgl(value)

    def _rows(self, value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool) and value in (self.reader.count, self.reader.edges):
            raise NotSampledError(f"{value} is an argument, and may be the number of nodes or edges")
        if not isinstance(value, Tensor) or value.dim() == 0:
            return value
        kept = {self.reader.count: self.nodes, self.reader.edges: self.edges}.get(value.shape[0])
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

        ends = tuple(self.number[end[self.edges].long()].to(graph.idtype) for end in self.reader.ends)
        sub = dgl.graph(ends, num_nodes=len(self.nodes))
        for frame, own in ((graph.ndata, sub.ndata), (graph.edata, sub.edata)):
            own.update({key: self._rows(frame[key]) for key in frame})
        return sub
