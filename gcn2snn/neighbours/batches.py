"""Batches of a PyTorch Geometric graph that need no compiled package beside it: around seed nodes, and by clusters."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from gcn2snn.errors import InputError, InputTypeError, kind_of, refuses_misfits
from gcn2snn.neighbours.hops import incoming, neighbourhood

if TYPE_CHECKING:
    from torch_geometric.data import Data


class NeighbourBatches:
    """Some nodes at a time with the neighbourhoods that their results depend on; a loader for training and ``evaluate``.

    The batches are those of PyTorch Geometric's ``NeighborLoader`` (seeds first, ``batch_size`` of them, ``n_id`` and
    ``e_id`` in the graph), which needs pyg-lib or torch-sparse; this one needs neither, and is slower where few
    neighbours are drawn. The same seed gives the same batches at each pass, unless ``shuffle``.

    >>> import torch, gcn2snn
    >>> from torch_geometric.data import Data
    >>> graph = Data(x=torch.eye(4), edge_index=torch.tensor([[0, 1, 2], [1, 2, 3]]))
    >>> [batch.n_id.tolist() for batch in gcn2snn.NeighbourBatches(graph, [-1], 2)]
    [[0, 1], [2, 3, 1]]

    Args:
        data: a graph with ``edge_index`` and ``num_nodes``, on the CPU.
        fan_out: for each layer of the network, how many neighbours of a node are drawn; -1: all. A GCN needs one step
            more than it has layers for the very results of the whole graph, for it divides by degrees of sources.
        batch_size: seeds of a batch.
        nodes: the seeds, as numbers or a mask; default: all nodes.
        shuffle: another order of the seeds, and other neighbours, at each pass.
        seed: of what is drawn.

    Raises:
        InputError: no fan-out, a batch size below 1, or seeds that are not in the graph.
        InputTypeError: ``data`` is no graph of PyTorch Geometric.
    """

    @refuses_misfits
    def __init__(
        self,
        data: Data,
        fan_out: Sequence[int],
        batch_size: int,
        nodes: Tensor | Sequence[int] | None = None,
        *,
        shuffle: bool = False,
        seed: int = 0,
    ) -> None:
        edge_index, count = _graph_of(data)
        numbers = [operator.index(most) for most in fan_out]
        if not numbers or any(isinstance(most, bool) for most in fan_out) or min(numbers) < -1:
            raise InputError(f"fan_out is {list(fan_out)}; for each layer a number of neighbours, or -1 for all")
        batch_size, shuffle = operator.index(batch_size), bool(shuffle)
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}; a batch has 1 node or more")
        numbers = [min(most, max(edge_index.shape[1], 1)) for most in numbers]
        self.data, self.fan_out, self.batch_size, self.shuffle = data, tuple(numbers), batch_size, shuffle
        self.nodes = _seeds(nodes, count)
        self._edge_index, self._edges = edge_index, incoming(edge_index, count)
        self._source = torch.Generator().manual_seed(seed)
        self._seed = seed

    def __len__(self) -> int:
        """Number of batches."""
        return -(-self.nodes.numel() // self.batch_size)

    def __iter__(self) -> Iterator[Data]:
        if not self.shuffle:
            self._source.manual_seed(self._seed)
        order = torch.randperm(self.nodes.numel(), generator=self._source) if self.shuffle else None
        numbers = torch.arange(self.nodes.numel()) if order is None else order
        for chosen in numbers.split(min(self.batch_size, max(1, numbers.numel()))):
            yield self._batch(chosen)

    @refuses_misfits
    def _batch(self, chosen: Tensor) -> Data:
        seeds = self.nodes[chosen]
        found = neighbourhood(self._edges, self._edge_index, seeds, self.fan_out, self._source)
        batch = _part_of(self.data, found.nodes, found.edges)
        batch.edge_index, batch.num_nodes = found.edge_index, found.nodes.numel()
        batch.n_id, batch.e_id = found.nodes, found.edges
        batch.batch_size, batch.input_id = seeds.numel(), chosen
        return batch


class ClusterBatches:
    """Parts of a graph with the edges inside them; a loader for training and ``evaluate`` on graphs that do not fit.

    Nodes are put in an order in which neighbours are near each other (reverse Cuthill-McKee), which is cut into parts of
    one size. PyTorch Geometric's ``ClusterData`` cuts fewer edges, and needs pyg-lib or torch-sparse. What a network
    computes for a part is not what it computes on the whole graph: edges between parts are left out.

    >>> import torch, gcn2snn
    >>> from torch_geometric.data import Data
    >>> path = Data(x=torch.eye(4), edge_index=torch.tensor([[0, 1, 2], [1, 2, 3]]))
    >>> [sorted(batch.n_id.tolist()) for batch in gcn2snn.ClusterBatches(path, 2)]
    [[2, 3], [0, 1]]

    Args:
        data: a graph with ``edge_index`` and ``num_nodes``, on the CPU.
        parts: how many.
        together: so many parts, drawn at random, make a batch with the edges between them.
        seed: of what is drawn; the order is another one at each pass where parts are put together.

    Raises:
        InputError: parts or together below 1, or more parts than nodes.
        InputTypeError: ``data`` is no graph of PyTorch Geometric.

    Source: Chiang et al., "Cluster-GCN", 2019; the order: Cuthill and McKee, 1969.
    """

    @refuses_misfits
    def __init__(self, data: Data, parts: int, together: int = 1, *, seed: int = 0) -> None:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import reverse_cuthill_mckee

        edge_index, count = _graph_of(data)
        parts, together = operator.index(parts), operator.index(together)
        if parts < 1 or together < 1:
            raise InputError(f"parts is {parts} and together is {together}; both are 1 or more")
        if parts > max(1, count):
            raise InputError(
                f"parts is {kind_of(parts)}; the graph has {count} nodes, and a part needs one. Ask for fewer"
            )
        source, target = (end.numpy() for end in edge_index)
        ones = np.ones(source.size, dtype=np.int8)
        both = coo_array((np.concatenate([ones, ones]), (np.r_[source, target], np.r_[target, source])), (count, count))
        order = torch.arange(count)
        if count:
            order = torch.from_numpy(reverse_cuthill_mckee(both.tocsr(), symmetric_mode=True).astype(np.int64))
        self.data, self.parts, self.together = data, order.tensor_split(parts), together
        self._edge_index = edge_index
        self._source = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        """Number of batches."""
        return -(-len(self.parts) // self.together)

    def __iter__(self) -> Iterator[Data]:
        count = len(self.parts)
        numbers = torch.randperm(count, generator=self._source) if self.together > 1 else torch.arange(count)
        for chosen in numbers.split(min(self.together, count)):
            yield self._batch(chosen)

    @refuses_misfits
    def _batch(self, chosen: Tensor) -> Data:
        nodes = torch.cat([self.parts[number] for number in chosen.tolist()])
        place = torch.full((self.data.num_nodes or 0,), -1, dtype=torch.int64)
        place[nodes] = torch.arange(nodes.numel())
        ends = place[self._edge_index]
        edges = (ends >= 0).all(0).nonzero().flatten()
        batch = _part_of(self.data, nodes, edges)
        batch.edge_index, batch.num_nodes = ends[:, edges], nodes.numel()
        batch.n_id, batch.e_id = nodes, edges
        return batch


def seeds_of(data: object) -> Tensor | None:
    """Which rows of a batch around seed nodes are the seeds, bool [nodes]; None for data of another kind.

    PyTorch Geometric's ``NeighborLoader`` and :class:`NeighbourBatches` put the seeds first and say how many they are;
    ``input_id`` tells such a batch from one of whole graphs, whose ``batch_size`` is a number of graphs.
    """
    count, nodes = getattr(data, "batch_size", None), getattr(data, "n_id", None)
    if getattr(data, "input_id", None) is None or not isinstance(count, int) or not isinstance(nodes, Tensor):
        return None
    return torch.arange(nodes.numel()) < count


def _graph_of(data: object) -> tuple[Tensor, int]:
    edge_index, count = getattr(data, "edge_index", None), getattr(data, "num_nodes", None)
    if not isinstance(edge_index, Tensor) or not isinstance(count, int) or not hasattr(data, "is_node_attr"):
        raise InputTypeError(
            f"the graph is {type(data).__name__}; a torch_geometric.data.Data with edge_index and num_nodes is needed"
        )
    whole = not (edge_index.is_floating_point() or edge_index.is_complex() or edge_index.dtype is torch.bool)
    if not whole or edge_index.dim() != 2 or edge_index.shape[0] != 2:
        raise InputTypeError(f"edge_index is {kind_of(edge_index)}; whole numbers [2, edges] are needed")
    edge_index = edge_index.long()
    if edge_index.numel() and not 0 <= int(edge_index.min()) <= int(edge_index.max()) < count:
        raise InputError(
            f"edge_index runs from {int(edge_index.min())} to {int(edge_index.max())}; allowed are the nodes 0 to {count - 1}"
        )
    return edge_index, count


def _seeds(given: Tensor | Sequence[int] | None, count: int) -> Tensor:
    if given is None:
        return torch.arange(count)
    nodes = torch.as_tensor(given)
    if nodes.numel() and (nodes.is_floating_point() or nodes.is_complex()):
        raise InputTypeError(f"nodes are {kind_of(given)}; whole numbers, or a mask of bool, are needed")
    found = nodes.nonzero().flatten() if nodes.dtype is torch.bool else nodes.long().flatten()
    right = nodes.numel() == count if nodes.dtype is torch.bool else found.unique().numel() == found.numel()
    if not right or (found.numel() and not 0 <= int(found.min()) <= int(found.max()) < count):
        raise InputError(
            f"nodes are {nodes.dtype} {list(nodes.shape)}; different numbers from 0 to {count - 1} are needed, or a mask of "
            f"bool [{count}]"
        )
    return found


def _part_of(data: Data, nodes: Tensor, edges: Tensor) -> Data:
    """What belongs to some nodes and edges of a graph; what belongs to neither is as it is."""
    from torch_geometric.data import Data

    part = Data()
    for name, value in data.to_dict().items():
        if name in ("edge_index", "num_nodes"):
            continue
        if isinstance(value, Tensor) and data.is_node_attr(name):
            part[name] = value[nodes]
        elif isinstance(value, Tensor) and data.is_edge_attr(name):
            part[name] = value[edges]
        else:
            part[name] = value
    return part
