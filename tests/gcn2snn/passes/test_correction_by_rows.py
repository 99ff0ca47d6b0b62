"""Conversion under a memory limit: scales bit for bit, shifts but for rounding, and the same choice of a setting."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import gcn2snn
from gcn2snn import ir
from gcn2snn.engines import layerwise
from gcn2snn.passes import activation_counts, correction_by_rows, some_rows

pytest.importorskip("torch_geometric")
from torch_geometric.nn import GCNConv, SAGEConv

NODES = 400


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = GCNConv(5, 8), SAGEConv(8, 3)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.second(self.first(x, edge_index).relu(), edge_index)


@pytest.mark.parametrize("counted", [NODES, 90])
@pytest.mark.parametrize("batches", [1, 2])
def test_a_conversion_by_rows_is_that_of_the_whole(batches: int, counted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the graph has more rows than are counted."""
    monkeypatch.setattr(layerwise, "LEAST_ROWS", 50)
    for module in (some_rows, activation_counts):
        monkeypatch.setattr(module, "SEEN_ROWS", counted)
    torch.manual_seed(0)
    model = Two().double().eval()
    data = [(torch.rand(NODES, 5).double(), torch.randint(0, NODES, (2, 1600))) for _ in range(batches)]
    config = gcn2snn.ConvertConfig(base=1.3, scale="mse", per="channel", correct="mean")
    whole = gcn2snn.convert(model, data[0], config, calibration=data)
    with gcn2snn.memory_limit("100KB"):
        by_rows = gcn2snn.convert(model, data[0], config, calibration=data)
    assert by_rows.report == whole.report
    for one, other in zip(by_rows.network, whole.network, strict=True):
        assert type(one) is type(other)
        if isinstance(one, ir.Neuron | ir.Output):
            assert isinstance(other, ir.Neuron | ir.Output)
            assert one.start is not None
            assert other.start is not None
            # Each of at most 8 parts rounds its sum to a multiple of the scale / 2^24, and six Newton steps add such errors.
            torch.testing.assert_close(one.start, other.start, rtol=0, atol=1e-5)
    assert any(node.start is not None and bool(node.start.any()) for node in whole.network.of(ir.Neuron))


def test_an_open_setting_is_chosen_alike() -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3)).eval(), torch.rand(300, 5)
    config = gcn2snn.ConvertConfig(base=1.3, per="channel", correct="none")
    whole = gcn2snn.convert(model, x, config)
    with gcn2snn.memory_limit("100KB"):
        by_rows = gcn2snn.convert(model, x, config)
    assert (by_rows.config, by_rows.choice) == (whole.config, whole.choice)


def test_a_model_is_read_on_a_part_of_a_large_graph() -> None:
    rows: list[int] = []
    torch.manual_seed(0)
    model = Two().eval()
    model.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])) if type(args[0]) is Tensor else None)
    x, edges = torch.rand(5000, 5), torch.randint(0, 5000, (2, 20_000))
    with gcn2snn.memory_limit("1MB"):
        snn = gcn2snn.convert(model, (x, edges), gcn2snn.ConvertConfig.paper())
        assert 0 < max(rows) <= 2048
        assert tuple(snn(x, edges).shape) == (5000, 3)


def test_parts_hold_a_million_numbers() -> None:
    assert correction_by_rows._parts(torch.empty(2048, 1024)) == [slice(0, 1024), slice(1024, 2048)]
    assert correction_by_rows._parts(torch.empty(1024, 1024)) == [slice(0, 1024)]
