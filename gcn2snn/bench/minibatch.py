"""A converted GraphSAGE beside its source on mini-batches: neighbourhoods of some nodes, each batch another graph."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

from gcn2snn.bench.cases import Work, case
from gcn2snn.bench.problems import Problem
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import convert
from gcn2snn.spiking_network import SpikingNetwork

GROUP = "mini-batch SAGE"
BATCHES, SEEDS, FANS, HIDDEN, CLASSES = 8, 512, (10, 10), 64, 16


def _no_large_graph(p: Problem) -> str:
    fits = p.graph is None and p.matrix.shape[0] >= 4 * SEEDS and p.matrix.shape[0] == p.matrix.shape[1]
    return "" if fits else f"a synthetic matrix with {4 * SEEDS:,} rows or more is needed: --entries 1e6"


@lru_cache(maxsize=1)
def batches(p: Problem) -> list[tuple[Tensor, Tensor]]:
    """(features, edge index) of each batch: all seeds first, ten neighbours of each node, two hops, as PyG's loaders give them."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(p.matrix.shape[0], p.channels, generator=generator)
    found = []
    for _ in range(BATCHES):
        frontier = nodes = torch.randperm(p.matrix.shape[0], generator=generator)[:SEEDS]
        source, target = [], []
        for fan in FANS:
            start, count = p.matrix.rowptr[:-1][frontier].long(), p.matrix.rowptr.diff()[frontier].long()
            drawn = (torch.rand(len(frontier), fan, generator=generator) * count[:, None]).long()
            kept = (torch.arange(fan) < count[:, None]).flatten()
            entry = (start[:, None] + drawn).flatten()[kept]
            source.append(p.matrix.col[entry].long())
            target.append(frontier.repeat_interleave(fan)[kept])
            frontier = source[-1][~torch.isin(source[-1], nodes)].unique()
            nodes = torch.cat([nodes, frontier])
        number = torch.empty(p.matrix.shape[0], dtype=torch.long)
        number[nodes] = torch.arange(len(nodes))
        found.append((x[nodes], number[torch.stack([torch.cat(source), torch.cat(target)])]))
    return found


@lru_cache(maxsize=1)
def _networks(p: Problem) -> tuple[nn.Module, SpikingNetwork]:
    from torch_geometric.nn import GraphSAGE

    torch.manual_seed(0)
    model = GraphSAGE(p.channels, HIDDEN, 2, CLASSES).eval()
    config = ConvertConfig(base=1.3, scale="mse", per="channel", correct="mean")
    return model, convert(model, batches(p)[0], config)


@case(GROUP, "PyG GraphSAGE", package="torch_geometric", device="cpu", lacks=_no_large_graph)
def _source(p: Problem) -> Work:
    (model, _), data = _networks(p), batches(p)

    def work() -> Tensor:
        with torch.no_grad():
            return torch.cat([model(x, edges.clone())[:SEEDS] for x, edges in data])

    return work


@case(GROUP, "gcn2snn one-spike SNN", package="torch_geometric", device="cpu", ours=True, lacks=_no_large_graph)
def _spiking(p: Problem) -> Work:
    (_, snn), data = _networks(p), batches(p)

    def work() -> tuple[list[Tensor]]:
        found = []
        for x, edges in data:
            result = snn(x, edges.clone())  # a batch is another graph each time, so its matrix is made anew
            assert isinstance(result, Tensor)
            found.append(result[:SEEDS])
        return (found,)  # in a tuple: its values differ from the source's on purpose

    return work
