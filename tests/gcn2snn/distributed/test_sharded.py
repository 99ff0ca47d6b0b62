from __future__ import annotations

from typing import Any

import pytest
import torch
from rank_processes import on_ranks
from torch import Tensor, nn

from gcn2snn import ConvertConfig, SpikingNetwork, convert, load_graph
from gcn2snn.distributed import Communicator, Job, ShardedNetwork, shard
from gcn2snn.errors import ConfigError, InputError, InputTypeError
from gcn2snn.textgcn import TextGCN

pyg = pytest.importorskip("torch_geometric.nn")

NODES = 61


class TwoLayers(nn.Module):
    """Two convolutions, batch norm, a concatenation and a linear layer."""

    def __init__(self, convolution: Any, **options: object):
        super().__init__()
        self.first, self.norm = convolution(7, 9, **options), nn.BatchNorm1d(9)
        self.second, self.last = convolution(9, 5, **options), nn.Linear(14, 3)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        a = self.norm(self.first(x, edge_index)).relu()
        b = self.second(a, edge_index).relu()
        found: Tensor = self.last(torch.cat([a, b], 1))
        return found


class Pooled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = pyg.GCNConv(7, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        found: Tensor = self.last(pyg.global_mean_pool(self.first(x, edge_index).relu(), batch))
        return found


@pytest.fixture(scope="module")
def data() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(3)
    edges = torch.randint(0, NODES, (2, 260), generator=random)
    return torch.randn(NODES, 7, generator=random), edges


def _converted(model: nn.Module, *example: object) -> SpikingNetwork:
    return convert(model.eval(), example, ConvertConfig.paper())


def _shared_out(job: Job, snn: SpikingNetwork, x: Tensor, edges: Tensor) -> dict[str, Any]:
    sharded = shard(snn, nodes=NODES, ranks=job.ranks)
    own = sharded.own_rows(None, edges)
    spikes = sharded.spikes(x[own], edges)  # own rows alone, and the whole below
    return {
        "codes": {name: each.code for name, each in spikes.items()},
        "potentials": sharded(x, edges),
        "source": sharded.source(x, edges),
        "energy": sharded.energy(x, edges).to_dict(),
        "sent": dict(job.ranks.sent),
    }


@pytest.mark.parametrize(
    ("name", "options"),
    [("GCNConv", {}), ("SAGEConv", {"aggr": "max"}), ("SAGEConv", {}), ("ChebConv", {"K": 3}), ("GraphConv", {})],
)
def test_ranks_give_the_rows_of_one_process(data: tuple[Tensor, Tensor], name: str, options: dict[str, object]) -> None:
    snn = _converted(TwoLayers(getattr(pyg, name), **options), *data)
    found = on_ranks(2, _shared_out, snn, *data)
    for population, spikes in snn.spikes(*data).items():
        assert torch.equal(torch.cat([part["codes"][population] for part in found]), spikes.code)
    assert torch.equal(torch.cat([part["potentials"] for part in found]), snn(*data))
    # sums of a row have one order; products with features are the library's, so not bit for bit on every machine
    torch.testing.assert_close(torch.cat([part["source"] for part in found]), snn.source(*data))
    assert found[0]["energy"] == found[1]["energy"] == snn.energy(*data).to_dict()
    assert found[0]["sent"]["phases"] > 0


def test_a_dgl_graph_is_shared_out(data: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DGLBACKEND", "pytorch")
    dgl = pytest.importorskip("dgl")
    from dgl.nn import GraphConv

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = GraphConv(7, 6), GraphConv(6, 3)

        def forward(self, graph: Any, x: Tensor) -> Tensor:
            found: Tensor = self.second(graph, self.first(graph, x).relu())
            return found

    graph = dgl.add_self_loop(dgl.graph((data[1][0], data[1][1]), num_nodes=NODES))
    snn = _converted(Model(), graph, data[0])

    def work(job: Job) -> Tensor:
        sharded = shard(snn, nodes=NODES, ranks=job.ranks)
        own = sharded.own_rows(graph, None)
        return sharded(graph, data[0][own])

    assert torch.equal(torch.cat(on_ranks(2, work)), snn(graph, data[0]))


def test_a_matrix_is_made_once_for_a_graph(data: tuple[Tensor, Tensor]) -> None:
    sharded = shard(_converted(TwoLayers(pyg.GCNConv), *data))
    assert isinstance(sharded, ShardedNetwork)
    sharded(*data)
    made = sharded._local
    sharded(data[0] + 1, data[1])
    assert sharded._local is made
    sharded(data[0], data[1].clone())
    assert sharded._local is not made


def test_what_needs_rows_of_all_ranks_is_refused_by_name(data: tuple[Tensor, Tensor]) -> None:
    x, edges = data
    pooled = _converted(Pooled(), x, edges, torch.zeros(NODES, dtype=torch.long))
    with pytest.raises(InputError, match=r"\(Membership\) cannot be shared out over ranks"):
        shard(pooled)
    plain = _converted(nn.Sequential(nn.Linear(7, 4), nn.ReLU(), nn.Linear(4, 2)), x)
    with pytest.raises(InputError, match="the network aggregates over no graph"):
        shard(plain)
    with pytest.raises(InputTypeError, match="shard needs a converted network, got Linear"):
        shard(nn.Linear(2, 2))  # type: ignore[arg-type]
    short = convert(TwoLayers(pyg.GCNConv).eval(), (x, edges), ConvertConfig.paper(wait=2))
    with pytest.raises(ConfigError, match="the bucketed engine runs in one process"):
        shard(short)


def test_rows_of_another_number_are_refused(data: tuple[Tensor, Tensor]) -> None:
    x, edges = data
    sharded = shard(_converted(TwoLayers(pyg.GCNConv), *data), nodes=NODES, ranks=Communicator.alone())
    with pytest.raises(
        InputError, match=f"x has 5 rows; rank 0 of 1 has rows 0 to {NODES - 1} of {NODES}. Pass all rows"
    ):
        sharded(x[:5], edges)


def test_a_text_gcn_is_shared_out_without_a_process_group() -> None:
    graph = load_graph("karate")
    snn = convert(TextGCN(graph.num_nodes, [6], graph.num_classes).eval(), graph)
    assert torch.equal(shard(snn)(graph.adjacency), snn(graph.adjacency))
