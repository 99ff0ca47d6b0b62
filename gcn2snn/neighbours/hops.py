"""The nodes from which messages reach some nodes in so many steps, all of them or a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Incoming:
    """The edges into each node.

    Args:
        first: where the edges of each node begin in the next two, [nodes + 1], int64.
        source: where each edge comes from, [edges].
        number: of each edge in the list that it was made from, [edges].
    """

    first: Tensor
    source: Tensor
    number: Tensor


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """A part of a graph around some nodes.

    Args:
        nodes: their numbers in the graph, the seeds first, [n].
        edges: numbers of the edges, ascending, [e].
        edge_index: the same edges between places in ``nodes``, (source, target), [2, e].
    """

    nodes: Tensor
    edges: Tensor
    edge_index: Tensor


def incoming(edge_index: Tensor, num_nodes: int) -> Incoming:
    """The edges into each node, in the order of the list.

    >>> incoming(torch.tensor([[2, 0, 1], [1, 1, 0]]), 3).first.tolist()
    [0, 1, 3, 3]

    Args:
        edge_index: (source, target), [2, edges], whole numbers below ``num_nodes``.
        num_nodes: of the graph.
    """
    source, target = edge_index
    number = torch.argsort(target, stable=True)
    first = torch.zeros(num_nodes + 1, dtype=torch.int64)
    torch.cumsum(torch.bincount(target, minlength=num_nodes), 0, out=first[1:])
    return Incoming(first, source[number], number)


def neighbourhood(
    edges: Incoming, edge_index: Tensor, seeds: Tensor, fan_out: Sequence[int], source: torch.Generator | None = None
) -> Neighbourhood:
    """What reaches the seeds in ``len(fan_out)`` steps.

    A node is expanded once, in the step after the one in which it was found. What k layers of message passing compute
    for the seeds from all k steps is what they compute on the whole graph, if a layer weighs an edge by what its target
    knows (sums, means). A GCN also divides by the degree of the source, so it needs one step more.

    >>> path = torch.tensor([[0, 1, 2], [1, 2, 3]])
    >>> found = neighbourhood(incoming(path, 4), path, torch.tensor([3]), [-1, -1])
    >>> found.nodes.tolist(), found.edge_index.tolist()
    ([3, 2, 1], [[2, 1], [1, 0]])

    Args:
        edges: of the graph, by :func:`incoming`.
        edge_index: the list that ``edges`` was made from, [2, edges].
        seeds: different nodes, [seeds].
        fan_out: for each step, how many edges into a node are followed at most; -1: all of them.
        source: of random numbers, where not all are followed.
    """
    place = torch.full((edges.first.numel() - 1,), -1, dtype=torch.int64)
    place[seeds] = torch.arange(seeds.numel())
    nodes, taken, frontier = [seeds], [], seeds
    for most in fan_out:
        entries = _entries(edges, frontier, most, source)
        taken.append(edges.number[entries])
        reached = edges.source[entries]
        frontier = torch.unique(reached[place[reached] < 0])
        place[frontier] = sum(part.numel() for part in nodes) + torch.arange(frontier.numel())
        nodes.append(frontier)
    numbers = torch.cat(taken).sort().values if taken else torch.empty(0, dtype=torch.int64)
    return Neighbourhood(torch.cat(nodes), numbers, place[edge_index[:, numbers]])


def _entries(edges: Incoming, nodes: Tensor, most: int, source: torch.Generator | None) -> Tensor:
    """Places in ``edges`` of at most so many edges into each of the nodes, drawn without replacement."""
    counts = edges.first[nodes + 1] - edges.first[nodes]
    before = torch.cumsum(counts, 0) - counts
    owner = torch.repeat_interleave(torch.arange(nodes.numel()), counts)
    entry = torch.arange(owner.numel()) - before[owner] + edges.first[nodes][owner]
    if most < 0 or not bool((counts > most).any()):
        return entry
    shuffled = torch.randperm(owner.numel(), generator=source)
    shuffled = shuffled[torch.argsort(owner[shuffled], stable=True)]  # by owner, in an order drawn at random
    rank = torch.arange(owner.numel()) - before[owner[shuffled]]
    return entry[shuffled[rank < most]]
