"""Batches around seed nodes and by clusters: what they hold, and what networks compute on them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import gcn2snn
from gcn2snn.errors import InputError, InputTypeError, MissingPackageError
from gcn2snn.neighbours import incoming, neighbourhood, seeds_of

pytest.importorskip("torch_geometric")
from torch_geometric.data import Batch, Data
from torch_geometric.loader import NeighborLoader
from torch_geometric.nn import GCNConv, SAGEConv

NODES = 300


class Sage(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = SAGEConv(5, 8), SAGEConv(8, 3)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.second(self.first(x, edge_index).relu(), edge_index)


class Gcn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = GCNConv(5, 8), GCNConv(8, 3)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.second(self.first(x, edge_index).relu(), edge_index)


@pytest.fixture(scope="module")
def data() -> Data:
    source = torch.Generator().manual_seed(0)
    edges = torch.randint(0, NODES, (2, 900), generator=source)
    x = torch.rand(NODES, 5, generator=source, dtype=torch.float64)
    y = (x[:, 0] > x[:, 1]).long()
    mask = torch.rand(NODES, generator=source) < 0.3
    return Data(x=x, edge_index=edges, y=y, test_mask=mask, edge_weight=torch.arange(900.0), title="whole")


def converted(model: nn.Module, data: Data) -> gcn2snn.SpikingNetwork:
    torch.manual_seed(0)
    return gcn2snn.convert(model.double().eval(), (data.x, data.edge_index), gcn2snn.ConvertConfig.paper())


@pytest.mark.parametrize(("model", "hops"), [(Sage, 2), (Gcn, 3)])
def test_complete_neighbourhoods_give_the_seeds_what_the_whole_graph_gives(
    data: Data, model: type[nn.Module], hops: int
) -> None:
    snn = converted(model(), data)
    whole = snn(data.x, data.edge_index)
    seen = []
    for batch in gcn2snn.NeighbourBatches(data, [-1] * hops, 64):
        part = snn(batch.x, batch.edge_index)[: batch.batch_size]
        torch.testing.assert_close(part, whole[batch.n_id[: batch.batch_size]], rtol=0, atol=1e-12)
        seen.append(batch.n_id[: batch.batch_size])
    assert torch.cat(seen).equal(torch.arange(NODES))


def test_a_gcn_needs_the_degrees_of_the_last_sources(data: Data) -> None:
    snn = converted(Gcn(), data)
    (batch,) = gcn2snn.NeighbourBatches(data, [-1, -1], 40, torch.arange(40))
    part = snn(batch.x, batch.edge_index)[:40]
    assert not torch.allclose(part, snn(data.x, data.edge_index)[:40], atol=1e-3)


def test_evaluate_scores_the_seeds_of_every_batch_once(data: Data) -> None:
    snn = converted(Sage(), data)
    whole = gcn2snn.evaluate(snn, data)
    loader = gcn2snn.NeighbourBatches(data, [-1, -1], 32, data.test_mask)
    found = gcn2snn.evaluate(snn, loader)
    assert (found.test_nodes, len(loader)) == (int(data.test_mask.sum()), -(-whole.test_nodes // 32))
    assert (found.ann, found.snn, found.agreement) == (whole.ann, whole.snn, whole.agreement)
    assert found.rows is not None
    assert found.rows.row.equal(data.test_mask.nonzero().flatten())


def test_what_belongs_to_nodes_and_edges_is_cut_with_them(data: Data) -> None:
    (batch,) = gcn2snn.NeighbourBatches(data, [-1], 10, torch.tensor([7, 3]))
    assert batch.n_id[:2].tolist() == [7, 3]
    assert batch.x.equal(data.x[batch.n_id])
    assert batch.edge_weight.equal(data.edge_weight[batch.e_id])
    assert batch.n_id[batch.edge_index].equal(data.edge_index[:, batch.e_id])
    assert batch.title == "whole"
    assert set(batch.e_id.tolist()) == set(
        torch.isin(data.edge_index[1], torch.tensor([7, 3])).nonzero().flatten().tolist()
    )


def test_a_fan_out_draws_different_neighbours_and_no_more(data: Data) -> None:
    loader = gcn2snn.NeighbourBatches(data, [2, 2], NODES, shuffle=False, seed=1)
    (batch,), (again,) = loader, loader
    counts = torch.bincount(batch.edge_index[1], minlength=NODES)
    degrees = torch.bincount(data.edge_index[1], minlength=NODES)
    assert counts.equal(degrees.clamp(max=2))
    assert batch.e_id.unique().numel() == batch.e_id.numel()
    assert batch.e_id.equal(again.e_id)
    (other,) = gcn2snn.NeighbourBatches(data, [2], NODES, seed=2)
    assert not batch.e_id.equal(other.e_id)


def test_a_model_trains_on_batches_around_seeds(data: Data) -> None:
    torch.manual_seed(0)
    model = Sage().double()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(8):
        total = 0.0
        for batch in gcn2snn.NeighbourBatches(data, [5, 5], 50, ~data.test_mask, shuffle=True):
            optimiser.zero_grad()
            out = model(batch.x, batch.edge_index)[: batch.batch_size]
            loss = nn.functional.cross_entropy(out, batch.y[: batch.batch_size])
            loss.backward()
            optimiser.step()
            total += float(loss.detach())
        losses.append(total)
    assert losses[-1] < 0.9 * losses[0]


def test_clusters_cover_the_graph_and_keep_neighbours_together(data: Data) -> None:
    ring = Data(x=torch.rand(100, 5), edge_index=torch.stack([torch.arange(100), (torch.arange(100) + 1) % 100]))
    parts = list(gcn2snn.ClusterBatches(ring, 5))
    assert sorted(torch.cat([part.n_id for part in parts]).tolist()) == list(range(100))
    assert sum(part.edge_index.shape[1] for part in parts) >= 85
    for part in parts:
        assert part.n_id[part.edge_index].equal(ring.edge_index[:, part.e_id])
        assert part.x.equal(ring.x[part.n_id])
    together = list(gcn2snn.ClusterBatches(data, 6, 4))
    assert [len(together), sum(part.num_nodes for part in together)] == [2, NODES]
    snn = converted(Sage(), data)
    assert gcn2snn.evaluate(snn, gcn2snn.ClusterBatches(data, 3)).test_nodes == int(data.test_mask.sum())


@pytest.mark.filterwarnings("ignore:Using 'NeighborSampler' without a 'pyg-lib'")
def test_a_loader_that_lacks_its_package_names_it_and_the_way_out(data: Data) -> None:
    try:
        next(iter(NeighborLoader(data, [-1], batch_size=8)))
    except ImportError:
        with pytest.raises(MissingPackageError, match=r"pyg-lib or torch-sparse.*NeighbourBatches"):
            gcn2snn.evaluate(converted(Sage(), data), NeighborLoader(data, [-1, -1], batch_size=8))
    else:
        found = gcn2snn.evaluate(converted(Sage(), data), NeighborLoader(data, [-1, -1], batch_size=8))
        assert found.test_nodes == NODES


def test_a_loader_that_fails_for_another_reason_says_so_itself(data: Data) -> None:
    def broken() -> object:
        yield data
        raise ImportError("no module of mine")

    with pytest.raises(ImportError, match="no module of mine"):
        gcn2snn.evaluate(converted(Sage(), data), broken())


def test_batches_of_whole_graphs_have_no_seeds(data: Data) -> None:
    assert seeds_of(Batch.from_data_list([data, data])) is None
    assert seeds_of(data) is None


def test_a_neighbourhood_expands_each_node_once() -> None:
    edges = torch.tensor([[0, 1, 2, 0, 3], [1, 2, 0, 2, 0]])
    found = neighbourhood(incoming(edges, 4), edges, torch.tensor([2]), [-1, -1, -1])
    assert found.nodes.tolist() == [2, 0, 1, 3]
    assert found.edges.tolist() == [0, 1, 2, 3, 4]
    assert found.nodes[found.edge_index].equal(edges)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"fan_out": []}, "fan_out"),
        ({"fan_out": [-2]}, "fan_out"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"nodes": torch.tensor([3, 3])}, "different numbers"),
        ({"nodes": torch.tensor([NODES])}, "different numbers"),
        ({"nodes": torch.ones(5, dtype=torch.bool)}, "mask"),
    ],
)
def test_what_cannot_be_sampled_is_refused(data: Data, changes: dict[str, object], match: str) -> None:
    with pytest.raises(InputError, match=match):
        gcn2snn.NeighbourBatches(**({"data": data, "fan_out": [-1], "batch_size": 4} | changes))  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match=r"torch_geometric\.data\.Data"):
        gcn2snn.NeighbourBatches(data.x, [-1], 4)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="parts is 0"):
        gcn2snn.ClusterBatches(data, 0)


def test_more_at_a_time_than_there_is_makes_one_batch(data: Data) -> None:
    """A number beyond 64 bits ended in torch's error."""
    assert [batch.num_nodes for batch in gcn2snn.NeighbourBatches(data, [-1], 2**63, nodes=[0, 1])]
    assert len(list(gcn2snn.NeighbourBatches(data, [3, 2], 10**30))) == 1
    assert [batch.num_nodes for batch in gcn2snn.ClusterBatches(data, 4, 2**63)] == [NODES]


def test_more_parts_than_nodes_are_refused(data: Data) -> None:
    with pytest.raises(InputError, match=r"parts is 301; the graph has 300 nodes, and a part needs one"):
        gcn2snn.ClusterBatches(data, NODES + 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edge_index": torch.rand(2, 4)}, r"edge_index is Tensor \[2, 4\] torch.float32; whole numbers \[2, edges\]"),
        ({"edge_index": torch.tensor([[0], [9]])}, "edge_index runs from 0 to 9; allowed are the nodes 0 to 3"),
        ({"edge_index": torch.tensor([0, 1])}, r"whole numbers \[2, edges\] are needed"),
    ],
)
def test_edges_that_no_graph_has_are_refused(change: dict[str, Tensor], message: str) -> None:
    graph = Data(**({"x": torch.rand(4, 2), "num_nodes": 4} | change))
    for make in (lambda: gcn2snn.NeighbourBatches(graph, [-1], 2), lambda: gcn2snn.ClusterBatches(graph, 2)):
        with pytest.raises((InputError, InputTypeError), match=message):
            make()


def test_edges_and_seeds_of_other_number_types() -> None:
    edges = torch.tensor([[0, 1, 2], [1, 2, 3]])
    graph, small = (Data(x=torch.eye(4), edge_index=index) for index in (edges, edges.to(torch.int8)))
    for one, other in zip(
        gcn2snn.NeighbourBatches(graph, [-1], 2, nodes=torch.tensor([1, 3])),
        gcn2snn.NeighbourBatches(small, [-1], 2, nodes=[1, 3]),
        strict=True,
    ):
        assert torch.equal(one.n_id, other.n_id)
        assert torch.equal(one.edge_index, other.edge_index)


def test_seeds_that_are_no_whole_numbers_are_refused_and_large_fan_outs_read_all(data: Data) -> None:
    with pytest.raises(InputTypeError, match="whole numbers, or a mask of bool, are needed"):
        gcn2snn.NeighbourBatches(data, [-1], 2, [1.7])
    seeds = torch.tensor([0, 5])
    few, all_of_them = (next(iter(gcn2snn.NeighbourBatches(data, [most], 2, seeds))) for most in (2**70, -1))
    assert few.n_id.sort().values.tolist() == all_of_them.n_id.sort().values.tolist()
    nothing = Data(x=torch.rand(0, 3), edge_index=torch.zeros(2, 0).long(), num_nodes=0)
    assert len(list(gcn2snn.ClusterBatches(nothing, 1))) == 1
