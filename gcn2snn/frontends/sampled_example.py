"""A large graph's call -> the same call on a small graph: whole neighbourhoods of some nodes, on which a model is cheap to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.frontends.call_cut import Call, Cut, GraphSize, NotSampledError, graph_size, num_edges

SEEDS = 256
"""Nodes whose neighbourhoods are taken, chosen by a fixed generator."""

FAN = 32
"""Edges into one node at most. A hub with a million of them would otherwise bring the whole graph along."""

SAMPLED_VALUES = 1 << 24
"""Values of all messages of a layer in the sample at most: 64 MiB in single precision, of which PyG holds two or three copies."""

SMALL_NODES = 2048
"""Nodes of the part of a graph on which a model is read under a memory limit."""


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
    size = graph_size(args, kwargs)
    source, target = size.ends if _along_the_edges(network) else size.ends[::-1]
    limit = max(SAMPLED_VALUES // _width(network), FAN)
    nodes, edges, seeds, left_out = _neighbourhoods(source, target, size.count, _hops(network), limit)
    shorter = Cut(size, nodes, edges).call(args, kwargs)
    return SampledCall(*shorter, seeds, nodes.numel(), edges.numel(), left_out, size.edges)


def small_call(args: tuple[object, ...], kwargs: Mapping[str, object]) -> Call:
    """The call on a few nodes and all edges between them, which is enough to read a model on; as it is where it has none.

    The nodes are the ends of edges spread over the list, at most :data:`SMALL_NODES`. No network needs to be known.

    >>> x, edges = torch.rand(9000, 3), torch.arange(9000).repeat(2, 2).roll(1, 1)
    >>> (part, inside), _ = small_call((x, edges), {})
    >>> len(part) <= SMALL_NODES, int(inside.max()) < len(part)
    (True, True)
    """
    try:
        size = graph_size(args, kwargs)
        if size.count <= SMALL_NODES:
            return args, dict(kwargs)
        return Cut(size, *_inside(size)).call(args, kwargs)
    except NotSampledError:
        return args, dict(kwargs)


def _inside(size: GraphSize) -> tuple[Tensor, Tensor]:
    """Ends of edges spread over the list, ascending, and the numbers of all edges between them."""
    step = max(size.edges // (SMALL_NODES // 2), 1)
    nodes = torch.cat([end[::step][: SMALL_NODES // 2] for end in size.ends]).long().unique()
    among = torch.zeros(size.count, dtype=torch.bool, device=nodes.device)
    among[nodes] = True
    source, target = size.ends
    return nodes, (among[source.long()] & among[target.long()]).nonzero().flatten()


WHOLE_GRAPHS: dict[type[ir.Node], str] = {
    ir.Membership: "its outputs belong to whole graphs",
    ir.OneHot: "its input is one-hot, so its first weights are those of these very nodes",
    ir.Fixed: "the model holds a graph of its own",
    ir.FixedMatrix: "the model holds a graph of its own",
}
"""Steps of a network that know the whole graph, and why there is no sample for them."""


AGGREGATIONS = (ir.Aggregate, ir.AggregateMax)
"""Steps that go one edge further into the graph."""


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
