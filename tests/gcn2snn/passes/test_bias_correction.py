"""Bias correction removes each channel's mean error, and weights are rounded to 8 bits."""

import pytest
import torch
from torch import nn

from gcn2snn import ConvertConfig, convert, ir
from gcn2snn.engines import bind
from gcn2snn.kernels import decode
from gcn2snn.passes.bias_correction import SUM_UNITS, _mean_difference, _some, correct_means, goals_of
from gcn2snn.spiking_network import SpikingNetwork


def _model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(128, 16), nn.ReLU(), nn.Linear(16, 5))
    model[1].running_mean.normal_(0, 0.1)
    model[1].running_var.uniform_(0.5, 2)
    return model.eval()


def _batches(count: int = 4) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(25, 3, 6, 6, generator=generator) for _ in range(count)]


def _largest_departure(snn: SpikingNetwork, x: torch.Tensor) -> float:
    """Largest difference between a channel's mean spike value and mean activation, in units of its layer's largest."""
    wanted: dict[str, torch.Tensor] = {}
    snn.source(x, observe=lambda node, args, value: wanted.__setitem__(node.name, value))
    departures = []
    for name, spikes in snn.spikes(x).items():
        sent, goal = (value.transpose(0, 1).flatten(1).mean(1) for value in (decode(spikes), wanted[name]))
        departures.append(float((sent - goal).abs().max() / goal.abs().max()))
    return max(departures)


@pytest.mark.parametrize("batch_norm", ["weights", "threshold"])
def test_correct_means_gives_each_channel_its_mean(batch_norm: str) -> None:
    batches = _batches()
    x = torch.cat(batches)
    snn = convert(_model(), x, ConvertConfig(correct="mean", batch_norm=batch_norm), calibration=batches)
    plain = convert(_model(), x, ConvertConfig(correct="none", batch_norm=batch_norm), calibration=batches)
    # The mean is a staircase in the shift: one of the 100 values of a dense channel moves it by up to a percent.
    assert _largest_departure(snn, x) < 0.02
    assert _largest_departure(snn, x) < 0.6 * _largest_departure(plain, x)
    # Sums are kept to 2^-24 of the largest difference.
    assert (snn(x) - snn.source(x)).mean(0).abs().max() < 1e-4


def test_goals_that_are_known_change_nothing_and_a_part_of_the_values_little() -> None:
    x = torch.cat(_batches())
    network = convert(_model(), x, ConvertConfig.paper()).network
    batches = [bind(network, (part,), {}) for part in x.split(40)]
    whole = correct_means(network, lambda: batches)
    shared = correct_means(network, lambda: batches, goals=goals_of(network, batches))
    some = correct_means(network, lambda: batches, goals=goals_of(network, batches, 400))
    for node in whole.of(ir.Neuron):
        own, other, part = (each[node.name] for each in (whole, shared, some))
        assert torch.equal(own.start, other.start)
        assert (own.start - part.start).abs().max() < 0.05 * node.scale.max()
    assert not torch.equal(whole["2"].start, some["2"].start)  # 3,600 values of a channel: some were left out


def test_correct_means_leaves_the_source_and_the_order_alone() -> None:
    model, batches = _model(), _batches()
    config = ConvertConfig(correct="mean")
    snn = convert(model, batches[0], config, calibration=batches)
    again = convert(model, batches[0], config, calibration=batches[::-1])
    x = batches[2]
    with torch.no_grad():
        torch.testing.assert_close(snn.source(x), model(x))
    assert torch.equal(snn(x), again(x))
    assert all(layer.verdict != "bug" for layer in snn.verify(x).layers)


def test_corrected_network_is_the_same_in_time() -> None:
    batches = [x.double() for x in _batches(2)]
    snn = convert(_model().double(), batches[0], ConvertConfig(correct="mean"), calibration=batches)
    closed, temporal = (snn.simulate(batches[1], engine=engine) for engine in ("closed", "temporal"))
    torch.testing.assert_close(closed, temporal, rtol=1e-12, atol=1e-12)  # only the order of sums differs


def test_about_so_many_values_of_a_channel_are_looked_at() -> None:
    """Of maps, rows and pixels are left out, with a step that meets all columns; of a matrix, rows."""
    maps, rows = torch.rand(100, 3, 4, 5), torch.rand(100, 3)
    assert _some(maps, None, 1) is maps
    assert _some(maps, 2000, 1) is maps
    assert torch.equal(_some(maps, 1000, 1), maps.flatten(2)[:, :, ::2])
    assert torch.equal(_some(maps, 50, 1), maps.flatten(2)[::2, :, ::19])
    assert torch.equal(_some(rows, 50, 2), rows[::4, :, None])
    assert torch.equal(_some(rows[:, 0], 50, 2), rows[:, 0])


def test_means_are_whole_multiples_of_a_small_part_of_the_largest_difference() -> None:
    assert SUM_UNITS == 16_777_216
    goal = [torch.zeros(0, 1), torch.full((4, 1), 3e-9)]
    have = [torch.zeros(0, 1), torch.zeros(4, 1)]
    assert float(_mean_difference(goal, have)) == pytest.approx(3e-9, rel=1e-6)
