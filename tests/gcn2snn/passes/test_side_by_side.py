"""Conversions that run side by side give what each gives by itself."""

import pytest
import torch
from torch import nn

import gcn2snn
from gcn2snn import ir
from gcn2snn.conversion import prepare
from gcn2snn.engines import bind, run_closed
from gcn2snn.passes import Problem, Statistics, configured, correct_means, with_codes
from gcn2snn.passes import side_by_side as module
from gcn2snn.passes.calibration import with_scales
from gcn2snn.passes.settings import SETTINGS
from gcn2snn.passes.side_by_side import run_side_by_side


class Branches(nn.Module):
    """Convolutions, both poolings, a concatenation, a sum with what comes before every population, and a batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.norm, self.last = nn.BatchNorm2d(8), nn.Linear(8 * 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = nn.functional.max_pool2d(self.first(x).relu(), 2)
        b = self.second(a).relu() + a
        both = self.norm(torch.cat([a, b], 1)).relu()
        found: torch.Tensor = self.last(nn.functional.avg_pool2d(both, 2).flatten(1))
        return found


@pytest.mark.parametrize("most", [1, 10, 1000])
def test_every_network_gives_its_own_result(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    torch.manual_seed(0)
    model, x = Branches().eval(), torch.rand(5, 2, 8, 8)
    monkeypatch.setattr(module, "STACKED_ROWS", most)
    network = prepare(model, x, gcn2snn.ConvertConfig())
    inputs = bind(network, (x,), {})
    statistics = Statistics(network, lambda: [inputs])
    problem = Problem(network, lambda: [inputs], statistics)
    networks = []
    for setting in SETTINGS[:4]:
        config = configured(setting, gcn2snn.ConvertConfig(), problem)
        own = with_scales(with_codes(network, config), statistics, config)
        networks.append(correct_means(own, lambda: [inputs]) if setting.correct == "mean" else own)
    found = run_side_by_side(networks, inputs)
    for own, heads in zip(networks, found, strict=True):
        torch.testing.assert_close(heads[own.heads[0]], run_closed(own, inputs), rtol=1e-4, atol=1e-5)
    assert not torch.equal(found[0]["output"], found[1]["output"])


def test_a_graph_runs_one_network_after_the_other() -> None:
    geometric = pytest.importorskip("torch_geometric.nn")
    torch.manual_seed(0)
    model = geometric.GCN(4, 6, 2, 3).eval()
    x, edges = torch.rand(40, 4), torch.randint(0, 40, (2, 90))
    snn = gcn2snn.convert(model, (x, edges))
    assert snn.choice is not None
    (heads,) = run_side_by_side([snn.network], bind(snn.network, (x, edges), {}))
    assert torch.equal(heads["output"], snn(x, edges))


@pytest.mark.parametrize(("rows", "at_once"), [(1, 64), (16, 4), (22, 2), (64, 1), (100, 1)])
def test_64_rows_go_through_a_layer_at_once(monkeypatch: pytest.MonkeyPatch, rows: int, at_once: int) -> None:
    seen = []
    monkeypatch.setattr(module, "_stacked", lambda networks, inputs, rows: seen.append(len(networks)) or [])
    network = ir.Network((ir.Input(name="x", size=(None, 3)), ir.Output(name="output", inputs=("x",))))
    run_side_by_side([network] * 65, {"x": torch.rand(rows, 3)})
    assert seen[0] == at_once
    assert sum(seen) == 65


class Shortcut(nn.Module):
    """A sum of what comes behind a population, which differs between networks, and of what all of them share."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.beside = nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.second(self.first(x).relu()) + self.beside(x)
        return found


def test_what_networks_share_joins_what_each_has_by_itself() -> None:
    torch.manual_seed(0)
    model, x = Shortcut().eval(), torch.rand(5, 3)
    networks = [gcn2snn.convert(model, x, gcn2snn.ConvertConfig.paper(base=base)).network for base in (1.2, 1.5, 2.0)]
    inputs = bind(networks[0], (x,), {})
    for own, heads in zip(networks, run_side_by_side(networks, inputs), strict=True):
        torch.testing.assert_close(heads["output"], run_closed(own, inputs), rtol=1e-4, atol=1e-5)
