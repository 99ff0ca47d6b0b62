"""Layer by layer and some rows at a time: the same bits as in one piece."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import gcn2snn
from gcn2snn import ir
from gcn2snn.engines import ByRows, Panel, Value, bind, layerwise, panels, run_closed
from gcn2snn.engines.row_store import RowStore
from gcn2snn.errors import ConfigError, InputError
from gcn2snn.kernels import PhaseCode, Spikes
from gcn2snn.memory import MemoryLimit

torch_geometric = pytest.importorskip("torch_geometric")
from torch_geometric import nn as pyg  # noqa: E402

NODES, EDGES, CHANNELS = 1500, 9000, 6


class Mixed(nn.Module):
    """Normalised, averaging and summing neighbours, features of a node beside them, a batch norm, both results side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.first = pyg.GCNConv(CHANNELS, 8)
        self.norm = nn.BatchNorm1d(8)
        self.second = pyg.SAGEConv(8, 12)
        self.third = pyg.GINConv(nn.Sequential(nn.Linear(20, 10), nn.ReLU(), nn.Linear(10, 4)))

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        h = self.norm(self.first(x, edge_index)).relu()
        g = self.second(h, edge_index).relu()
        return self.third(torch.cat([h, g], 1), edge_index)


class Largest(nn.Module):
    """A maximum over neighbours, then the mean over the nodes of each graph."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = pyg.SAGEConv(CHANNELS, 8, aggr="max")
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        h = self.conv(x, edge_index).relu()
        return self.head(pyg.global_mean_pool(h, batch).relu())


class Links(nn.Module):
    """Scores of pairs of nodes, and the nodes' own classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = pyg.GCNConv(CHANNELS, 8)
        self.last = nn.Linear(8, 5)

    def forward(self, x: Tensor, edge_index: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
        h = self.last(self.conv(x, edge_index).relu())
        return (h[pairs[0]] * h[pairs[1]]).sum(1), h


def graph(seed: int = 0) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(seed)
    return torch.rand(NODES, CHANNELS, generator=source), torch.randint(0, NODES, (2, EDGES), generator=source)


def trained(model: nn.Module) -> nn.Module:
    """Random weights, and a batch norm with statistics of its own."""
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean = torch.rand(module.num_features)
            module.running_var = torch.rand(module.num_features) + 0.5
    return model.eval()


def mixed() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return trained(Mixed()), graph()


def largest() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return trained(Largest()), (*graph(), torch.arange(NODES) // 3)


def links() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return trained(Links()), (*graph(), torch.randint(0, NODES, (2, 700)))


def plain() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return trained(nn.Sequential(nn.Linear(CHANNELS, 7), nn.ReLU(), nn.Linear(7, 3))), (graph()[0],)


PAPER = gcn2snn.ConvertConfig.paper()


@pytest.mark.parametrize("make", [mixed, largest, links, plain])
def test_rows_at_a_time_give_the_same_bits_and_the_same_energy(
    make: Callable[[], tuple[nn.Module, tuple[Tensor, ...]]],
) -> None:
    model, example = make()
    snn = gcn2snn.convert(model, example, PAPER)
    whole, source, energy = snn(*example), snn.source(*example), snn.energy(*example)
    with gcn2snn.memory_limit("100KB"):
        assert same(snn(*example), whole)
        assert same(snn.source(*example), source)
        assert snn.energy(*example) == energy


def test_sums_over_values_that_are_no_spikes_cost_the_same_by_rows() -> None:
    """Without neurons in front of them, sums over neighbours multiply values, as the source does."""
    model, example = mixed()
    snn = gcn2snn.convert(model, example, gcn2snn.ConvertConfig.paper(message="fused", input="analog"))
    energy = snn.energy(*example)
    assert any(layer.macs and layer.shape == "sparse" for layer in energy.layers)
    with gcn2snn.memory_limit("100KB"):
        assert snn.energy(*example) == energy


def same(one: object, other: object) -> bool:
    parts = [x if isinstance(x, tuple) else (x,) for x in (one, other)]
    return all(isinstance(a, Tensor) and a.equal(b) for a, b in zip(*parts, strict=True))


def test_several_panels_are_gone_through_and_phases_are_the_same() -> None:
    model, example = mixed()
    snn = gcn2snn.convert(model, example, PAPER)
    shown: dict[str, list[slice]] = {}
    sent: dict[str, list[Tensor]] = {}

    def look(node: ir.Node, args: tuple[Value, ...], value: Value, panel: Panel) -> None:
        shown.setdefault(node.name, []).append(panel.part)
        if isinstance(value, Spikes):
            sent.setdefault(node.name, []).append(value.code)

    with gcn2snn.memory_limit("100KB"):
        run_closed(snn.network, bind(snn.network, example, {}), ByRows(look))
    spikes = snn.spikes(*example)
    assert sent.keys() == spikes.keys()
    for name, codes in sent.items():
        assert len(codes) > 3
        assert torch.cat(codes).equal(spikes[name].code), name


def test_a_text_gcn_with_values_for_each_node_runs_by_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layerwise, "LEAST_ROWS", 5)
    data = gcn2snn.load_graph("karate")
    torch.manual_seed(0)
    model = gcn2snn.TextGCN(data.num_nodes, [16], 4).eval()
    config = dataclasses.replace(PAPER, horizon=0.01, correct="mean")
    snn = gcn2snn.convert(model, data, config)
    whole, energy = snn(data.adjacency), snn.energy(data.adjacency)
    with gcn2snn.memory_limit("100KB"):
        assert same(snn(data.adjacency), whole)
        assert snn.energy(data.adjacency) == energy


def test_evaluate_gives_the_same_under_a_limit() -> None:
    model, example = mixed()
    snn = gcn2snn.convert(model, example, PAPER)
    labels = torch.randint(0, 4, (NODES,))
    whole = gcn2snn.evaluate(snn, example, labels)
    with gcn2snn.memory_limit("100KB"):
        assert gcn2snn.evaluate(snn, example, labels) == whole


def test_counts_that_need_whole_results_are_refused_under_a_limit() -> None:
    model, example = mixed()
    snn = gcn2snn.convert(model, example, PAPER)
    labels = torch.zeros(NODES, dtype=torch.long)
    with gcn2snn.memory_limit("100KB"):
        with pytest.raises(ConfigError, match="counted on whole results"):
            gcn2snn.evaluate(snn, example, labels, event_driven=True)
        with pytest.raises(ConfigError, match="counted on whole results"):
            gcn2snn.evaluate(snn, example, labels, rows="wanted")


def test_an_observer_of_whole_results_sees_them_whole_under_a_limit() -> None:
    model, example = plain()
    snn = gcn2snn.convert(model, example, PAPER)
    rows = []
    with gcn2snn.memory_limit("100KB"):
        snn.simulate(*example, observe=lambda node, args, value: rows.append(value.shape[0]))
    assert set(rows) == {NODES}


def test_rows_that_do_not_meet_are_refused() -> None:
    model, (x, edges) = mixed()
    snn = gcn2snn.convert(model, (x, edges), PAPER)
    total = next(node for node in snn.network.of(ir.Add) if len(node.inputs) == 2)
    inputs = bind(snn.network, (x, edges), {})
    short = Spikes(torch.zeros(5, 8, dtype=torch.int8), torch.tensor(1.0), PhaseCode(1.3, 16, signed=True))
    with gcn2snn.memory_limit("100KB"), pytest.raises(InputError, match="same number of rows"):
        run_closed(snn.network, inputs, None, {total.inputs[1]: short})


def test_a_short_wait_is_refused_under_a_limit() -> None:
    model, example = plain()
    snn = gcn2snn.convert(model, example, dataclasses.replace(PAPER, wait=2))
    with gcn2snn.memory_limit("1MB"), pytest.raises(ConfigError, match=r"'bucketed'.*wait=None"):
        snn(*example)


def test_results_that_do_not_fit_go_to_files_and_come_back() -> None:
    store = RowStore(MemoryLimit(1000))
    code = PhaseCode(1.3, 16)
    spikes = Spikes(torch.randint(0, 17, (500, 4), dtype=torch.int8), torch.tensor(2.0), code)
    numbers = torch.rand(3, 2)
    kept = store.begin("large", 500, spikes)
    kept.write(slice(0, 500), spikes)
    store.begin("small", 3, numbers).write(slice(0, 3), numbers)
    store.release()
    assert (store.kept["large"].mapped is not None, store.kept["small"].mapped is not None) == (True, False)
    found = store.kept["large"].value
    assert isinstance(found, Spikes)
    assert found.code.equal(spikes.code)
    assert (found.coding, found.scale) == (code, spikes.scale)
    before = store.free
    store.drop("small")
    assert store.free == before + 24


def test_a_full_disk_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with pytest.raises(ConfigError, match=r"layer takes 1 MB.*No space left on device"):
        RowStore(MemoryLimit(1000)).begin("layer", 1000, torch.zeros(1, 256))


def test_panels_cover_all_rows_and_are_of_nearly_equal_size() -> None:
    for rows, most in ((0, 5), (1, 5), (17, 5), (1000, 256), (256, 256)):
        found = panels(rows, most)
        assert [row for part in found for row in range(part.start, part.stop)] == list(range(rows))
        sizes = [part.stop - part.start for part in found]
        assert max(sizes) <= most
        assert max(sizes) - min(sizes) <= 1
