"""A small part of a large example call: enough to read a model on, and to compare its description with it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

SMALL_NODES = 2048
"""Nodes of the part at most, and of an example that is left as it is."""


def small_call(args: tuple[object, ...], kwargs: Mapping[str, object]) -> tuple[tuple[object, ...], dict[str, object]]:
    """The call on a part of its graph with all edges inside, where it has node features and one edge index; else as it is.

    The part are the ends of edges spread over the list. Tensors with a row for each node or edge are cut with them.

    >>> x, edges = torch.rand(9000, 3), torch.arange(9000).repeat(2, 1).roll(1, 1)
    >>> (part, inside), _ = small_call((x, edges), {})
    >>> len(part) <= SMALL_NODES, int(inside.max()) < len(part)
    (True, True)
    """
    values = [*args, *kwargs.values()]
    indices = [value for value in values if isinstance(value, Tensor) and _is_edge_index(value)]
    if len(indices) != 1:
        return args, dict(kwargs)
    (edge_index,) = indices
    counts = {value.shape[0] for value in values if isinstance(value, Tensor) and _is_features(value)}
    if len(counts) != 1 or edge_index.shape[1] in counts:
        return args, dict(kwargs)
    (count,) = counts
    if count <= SMALL_NODES:
        return args, dict(kwargs)
    cut = _Cut(edge_index, count)
    return tuple(cut.part(value) for value in args), {name: cut.part(value) for name, value in kwargs.items()}


class _Cut:
    """Some nodes of a graph and the edges between them."""

    def __init__(self, edge_index: Tensor, count: int) -> None:
        self.count, self.edge_count, self.edge_index = count, edge_index.shape[1], edge_index
        step = max(self.edge_count // (SMALL_NODES // 2), 1)
        ends = edge_index[:, ::step][:, : SMALL_NODES // 2].flatten()
        self.nodes = ends.unique() if ends.numel() else torch.arange(min(count, SMALL_NODES))
        place = torch.full((count,), -1, dtype=edge_index.dtype)
        place[self.nodes.long()] = torch.arange(self.nodes.numel(), dtype=edge_index.dtype)
        self.edges = (
            (place[edge_index[0].long()] >= 0).logical_and_(place[edge_index[1].long()] >= 0).nonzero().flatten()
        )
        self.inside = place[edge_index[:, self.edges].long()]

    def part(self, value: object) -> object:
        """What belongs to the part of an argument."""
        if value is self.edge_index:
            return self.inside
        if isinstance(value, Tensor) and value.dim() and value.layout is torch.strided:
            if value.shape[0] == self.count:
                return value[self.nodes.long()]
            if value.shape[0] == self.edge_count:
                return value[self.edges]
        return value


def _is_edge_index(value: Tensor) -> bool:
    whole = value.layout is torch.strided and not value.is_floating_point() and value.dtype != torch.bool
    return whole and value.dim() == 2 and value.shape[0] == 2


def _is_features(value: Tensor) -> bool:
    return value.layout is torch.strided and value.is_floating_point() and value.dim() == 2
