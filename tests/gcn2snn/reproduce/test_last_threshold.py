"""The comparison of the two last thresholds, on a small network with data of its own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gcn2snn import ConvertConfig, LayerConfig, convert, ir
from gcn2snn.errors import ConfigError
from gcn2snn.reproduce.last_threshold import Case, _measured, _row, _table


def test_both_thresholds_are_measured_at_both_bases() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 4)).eval()
    seen, held_out = torch.rand(80, 6), torch.rand(50, 6)
    found = _measured(Case(model, seen, [seen], [(held_out, None), (held_out, torch.arange(5))]))
    assert set(found) == {(base, last) for base in ("1.3", "measured") for last in ("midpoint", "half")}
    assert all(each.divergence > 0 and each.alpha > 0 for each in found.values())
    assert found["1.3", "half"].divergence != found["1.3", "midpoint"].divergence
    row = _row("mlp", "1.3", {last: [found["1.3", last]] for last in ("midpoint", "half")})
    assert row["ratio"] == pytest.approx(found["1.3", "half"].divergence / found["1.3", "midpoint"].divergence)
    assert "| mlp | 1.3 |" in _table([row])


def test_half_sends_what_the_midpoint_rounds_to_nothing() -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 3)).eval(), torch.rand(60, 4)
    middle = convert(model, x, ConvertConfig(timesteps=6, base=1.6, scale="max", per="layer", correct="none"))
    layer = middle.network.of(ir.Neuron)[0].name
    half = convert(
        model, x, ConvertConfig(timesteps=6, base=1.6, scale="max", per="layer", correct="none", last="half")
    )
    own = ConvertConfig(
        timesteps=6, base=1.6, scale="max", per="layer", correct="none", layers={layer: LayerConfig(last="half")}
    )
    fired, more = middle.spikes(x)[layer].fired, half.spikes(x)[layer].fired
    assert bool((more >= fired).all())
    assert int(more.sum()) > int(fired.sum())
    assert torch.equal(convert(model, x, own)(x), half(x))


def test_half_needs_shifted_thresholds() -> None:
    with pytest.raises(ConfigError, match="last='half' needs shifted thresholds"):
        ConvertConfig(shift=False, last="half")
    with pytest.raises(ConfigError, match="last='half' needs shifted thresholds"):
        ConvertConfig(shift=False, layers={"a": LayerConfig(last="half")})
