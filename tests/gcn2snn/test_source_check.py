"""The description against its model: on the whole example, or on neighbourhoods of some nodes of a large graph."""

from __future__ import annotations

import numpy
import pytest
import torch
from torch import Tensor, nn

import gcn2snn
from gcn2snn import source_check
from gcn2snn.errors import ConfigError, ConversionError, InputError
from gcn2snn.frontends import sampled_example
from gcn2snn.kernels import backend

pyg = pytest.importorskip("torch_geometric.nn")

NODES, EDGES = 300, 1500


def graph(nodes: int = NODES, edges: int = EDGES) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(nodes, 6, generator=generator), torch.randint(nodes, (2, edges), generator=generator)


class Net(nn.Module):
    """Two graph layers of one kind, called with a matrix and an edge index, and perhaps edge weights."""

    def __init__(self, first: nn.Module, second: nn.Module):
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Tensor, edge_index: Tensor, *weight: Tensor) -> Tensor:
        result: Tensor = self.second(torch.relu(self.first(x, edge_index, *weight)), edge_index, *weight)
        return result


def gin(inputs: int, outputs: int) -> nn.Module:
    layer: nn.Module = pyg.GINConv(nn.Sequential(nn.Linear(inputs, 5), nn.ReLU(), nn.Linear(5, outputs)))
    return layer


LAYERS = {"gcn": pyg.GCNConv, "sage": pyg.SAGEConv, "gin": gin}
PAPER = gcn2snn.ConvertConfig.paper()


def net(kind: str = "gcn") -> nn.Module:
    torch.manual_seed(0)
    return Net(LAYERS[kind](6, 5), LAYERS[kind](5, 3)).eval()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample of few nodes, taken of small graphs too."""
    monkeypatch.setattr(sampled_example, "SEEDS", 20)
    monkeypatch.setattr(source_check, "FULL_VALUES", 1000)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.usefixtures("small")
def test_a_large_graph_is_checked_on_a_sample(kind: str) -> None:
    """The scales come from the whole graph, so the network is the one of a full check."""
    call = graph()
    sampled, full = gcn2snn.convert(net(kind), call, PAPER), gcn2snn.convert(net(kind), call, PAPER, check="full")
    assert sampled.checked is not None
    assert full.checked is not None
    assert sampled.checked.is_sample
    assert not full.checked.is_sample
    assert sampled.checked.seeds == 20
    assert sampled.checked.of == EDGES
    assert 20 < sampled.checked.nodes < NODES
    assert "compared with its source on a sample: 20 nodes with their neighbourhoods" in repr(sampled)
    assert "sample" in sampled.summary()
    assert "sample" not in repr(full)
    assert torch.equal(sampled(*call), full(*call))


@pytest.mark.usefixtures("small")
def test_the_source_never_sees_the_whole_graph() -> None:
    model, seen = net(), list[int]()
    model.first.register_forward_pre_hook(lambda layer, args: seen.append(args[1].shape[1]))  # type: ignore[union-attr, arg-type]
    gcn2snn.convert(model, graph())
    ran = [edges for edges in seen if isinstance(edges, int)]
    assert ran
    assert max(ran) < EDGES


@pytest.mark.parametrize("check", ["full", "sample"])
def test_a_wrong_handler_is_caught(check: source_check.Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GCN read as if its neighbours were not normalised."""
    from gcn2snn.frontends import read_model
    from gcn2snn.matrices import normalisation

    monkeypatch.setattr(sampled_example, "SEEDS", 20)
    assert read_model.OPTIONAL
    monkeypatch.setitem(normalisation.NORMS, "gcn", normalisation.NORMS["none"])
    with pytest.raises(ConversionError, match=r"differs by .* from the description"):
        gcn2snn.convert(net(), graph(nodes=299), check=check)


def test_a_hub_does_not_bring_the_graph_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampled_example, "SEEDS", 20)
    x, edges = graph()
    edges[1, : EDGES // 2] = 7  # half of all edges end there, and from it one goes to each node
    edges = torch.cat([edges, torch.stack([torch.full((NODES,), 7), torch.arange(NODES)])], 1)
    snn = gcn2snn.convert(net(), (x, edges), PAPER, check="sample")
    assert snn.checked is not None
    assert snn.checked.left_out >= EDGES // 2 - NODES
    assert snn.checked.edges < EDGES // 2
    assert "edges of hubs were left out" in snn.checked.told()


def test_neighbourhoods_are_whole_and_nodes_numbered_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outputs of the seeds are those of the whole graph, for layers that read no degree of a neighbour."""
    monkeypatch.setattr(sampled_example, "SEEDS", 10)
    call, model = graph(), net("sage")
    network = gcn2snn.convert(model, call, PAPER).network
    small = sampled_example.sampled_call(network, call, {})
    x = small.args[0]
    assert isinstance(x, Tensor)
    rows = torch.cdist(x[: small.seeds], call[0]).argmin(1)
    assert torch.equal(x[: small.seeds], call[0][rows])
    assert small.left_out == 0
    with torch.no_grad():  # the order of the sums over neighbours may differ
        torch.testing.assert_close(model(*small.args)[: small.seeds], model(*call)[rows])


def test_edge_weights_and_keywords_are_cut_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampled_example, "SEEDS", 20)
    x, edges = graph()
    weight = torch.rand(EDGES, generator=torch.Generator().manual_seed(1)) + 0.1
    snn = gcn2snn.convert(net(), (x, edges, weight), PAPER, check="sample")
    assert snn.checked is not None
    assert snn.checked.is_sample


def test_data_of_pyg(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch_geometric.data import Data

    monkeypatch.setattr(sampled_example, "SEEDS", 20)

    class OfData(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net("sage")

        def forward(self, data: Data) -> Tensor:
            result: Tensor = self.net(data.x, data.edge_index)
            return result

    x, edges = graph()
    snn = gcn2snn.convert(OfData().eval(), Data(x=x, edge_index=edges), PAPER, check="sample")
    assert snn.checked is not None
    assert snn.checked.seeds == 20


def test_graphs_of_dgl(monkeypatch: pytest.MonkeyPatch) -> None:
    dgl = pytest.importorskip("dgl")
    monkeypatch.setattr(sampled_example, "SEEDS", 20)

    class OfGraph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = dgl.nn.GraphConv(6, 5), dgl.nn.SAGEConv(5, 3, "mean")

        def forward(self, g: dgl.DGLGraph, x: Tensor) -> Tensor:
            result: Tensor = self.second(g, torch.relu(self.first(g, x)))
            return result

    x, edges = graph()
    g = dgl.add_self_loop(dgl.graph((edges[0], edges[1]), num_nodes=NODES))
    snn = gcn2snn.convert(OfGraph().eval(), (g, x), PAPER, check="sample")
    assert snn.checked is not None
    assert snn.checked.of == EDGES + NODES


class Pooled(nn.Module):
    """One output for a whole graph."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.last = pyg.GCNConv(6, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        result: Tensor = self.last(pyg.global_mean_pool(torch.relu(self.layer(x, edge_index)), batch))
        return result


@pytest.mark.usefixtures("small")
def test_outputs_of_whole_graphs_are_checked_in_full() -> None:
    call = (*graph(), torch.arange(NODES) // 100)
    snn = gcn2snn.convert(Pooled().eval(), call, PAPER)
    assert snn.checked is not None
    assert not snn.checked.is_sample
    assert "outputs belong to whole graphs" in snn.checked.told()
    with pytest.raises(InputError, match=r"no sample .* outputs belong to whole graphs\. Leave check at 'auto'"):
        gcn2snn.convert(Pooled().eval(), call, PAPER, check="sample")


@pytest.mark.usefixtures("small")
def test_models_without_edges_are_checked_in_full() -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    snn = gcn2snn.convert(model, torch.rand(5000, 6), PAPER)
    assert snn.checked == source_check.SourceCheck("full")
    with pytest.raises(InputError, match="the call has 0 lists of edges"):
        gcn2snn.convert(model, torch.rand(50, 6), PAPER, check="sample")


def test_an_unknown_check_is_refused() -> None:
    with pytest.raises(ConfigError, match="check is array"):
        gcn2snn.convert(nn.Linear(2, 2).eval(), torch.rand(3, 2), check=numpy.zeros(2))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="check is 'some'; allowed are auto, full, sample"):
        gcn2snn.convert(net(), graph(), PAPER, check="some")  # type: ignore[arg-type]


def test_as_many_nodes_as_edges_are_refused() -> None:
    with pytest.raises(InputError, match="no sample"):
        gcn2snn.convert(net(), graph(nodes=200, edges=200), PAPER, check="sample")


def test_a_sample_is_taken_from_134_million_values_on() -> None:
    assert source_check.FULL_VALUES == 134_217_728


def test_results_may_differ_by_a_thousandth_of_the_largest() -> None:
    zero, bound = torch.zeros(1, dtype=torch.float64), 1e-3 * 1e-6
    source_check._compare_head("output", zero, zero + bound)
    for expected, got in ((zero, zero + 2 * bound), (zero + 1e-3, zero + 2e-3)):
        with pytest.raises(ConversionError, match="differs by"):
            source_check._compare_head("output", expected, got)


class Counts(nn.Module):
    """Holds how often it was called, and a number that is none."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.nothing = 0, float("nan")


def test_plain_numbers_of_a_model_belong_to_its_state() -> None:
    assert "calls" in source_check._state(Counts())
    assert "nothing" not in source_check._state(Counts())  # it differs from itself without any change


def test_a_backend_that_is_not_there_is_not_the_models_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    class Multiplies(nn.Module):
        """Calls a kernel of this package, as the Text GCN does."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            backend.choose(x.device)
            return x

    monkeypatch.setenv("GCN2SNN_BACKEND", "nope")
    with pytest.raises(ConfigError, match=r"^GCN2SNN_BACKEND is 'nope'; allowed are"):
        source_check.result_on_example(Multiplies(), (torch.rand(2, 2),), {})
