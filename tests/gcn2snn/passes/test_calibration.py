"""Scales: what they are, and that the order of the data changes no bit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gcn2snn import ir
from gcn2snn.config import ConvertConfig, LayerConfig
from gcn2snn.errors import InputError
from gcn2snn.kernels import PhaseCode, decode, encode
from gcn2snn.passes.activation_counts import BINS
from gcn2snn.passes.calibration import _least_error, _percentile, calibrate
from gcn2snn.passes.neurons import insert_neurons

WEIGHT = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def network(config: ConvertConfig) -> ir.Network:
    nodes = (
        ir.Input(name="x", size=(None, 3)),
        ir.Dense(name="d", inputs=("x",), weight=WEIGHT),
        ir.Relu(name="r", inputs=("d",)),
        ir.Dense(name="e", inputs=("r",), weight=-2 * WEIGHT),
        ir.Relu(name="q", inputs=("e",)),
        ir.Output(name="output", inputs=("q",)),
    )
    return insert_neurons(ir.Network(nodes), config)


def batches(*items: torch.Tensor):
    return lambda: [{"x": item} for item in items]


X = torch.tensor([[0.5, -4.0, 0.0], [2.0, 1.0, -3.0]])


def test_scale_is_the_maximum_of_layer_or_channel():
    config = ConvertConfig()
    layer, report = calibrate(network(config), batches(X), config)
    assert float(layer["r"].scale) == 2.0
    assert float(layer["x.code"].scale) == 4.0
    assert float(layer["q"].scale) == 1.0  # silent: scale 1
    assert [row.name for row in report] == ["r", "q"]
    small, _ = calibrate(network(config), batches(X / 64), config)
    assert (float(small["r"].scale), float(small["x.code"].scale)) == (2.0 / 64, 4.0 / 64)
    channel, _ = calibrate(network(config), batches(X), ConvertConfig(per="channel"))
    assert channel["r"].scale.tolist() == [2.0, 1.0, 1.0]


def test_layers_may_have_a_scale_of_their_own():
    config = ConvertConfig(layers={"r": LayerConfig(per="channel")})
    calibrated, _ = calibrate(network(config), batches(X), config)
    assert calibrated["r"].scale.shape == (3,)
    assert calibrated["q"].scale.dim() == 0


@pytest.mark.parametrize("scale", ["max", "percentile", "mse"])
@pytest.mark.parametrize("per", ["layer", "channel"])
def test_order_of_the_data_changes_nothing(scale, per):
    """Bit for bit: scales and the whole report."""
    random = torch.Generator().manual_seed(0)
    items = [torch.randn(16, 3, generator=random) for _ in range(6)]
    config = ConvertConfig(scale=scale, per=per, **({"percentile": 97.0} if scale == "percentile" else {}))
    first, report = calibrate(network(config), batches(*items), config)
    for shuffle in ([5, 2, 0, 1, 4, 3], [1, 0, 3, 2, 5, 4]):
        second, other = calibrate(network(config), batches(*(items[i] for i in shuffle)), config)
        assert report == other
        for name in ("r", "q", "x.code"):
            assert torch.equal(first[name].scale, second[name].scale)
    rows = torch.cat(items)
    whole, other = calibrate(network(config), batches(rows[torch.randperm(96, generator=random)]), config)
    assert report == other
    assert torch.equal(first["r"].scale, whole["r"].scale)


def test_percentile_is_the_bin_edge_of_the_order_statistic():
    x = torch.arange(1, 1001, dtype=torch.float32)[:, None] * torch.ones(1, 3)
    config = ConvertConfig(scale="percentile", percentile=90.0)
    calibrated, _ = calibrate(network(config), batches(x), config)
    assert float(calibrated["r"].scale) == pytest.approx(900, abs=2 * 1000 / BINS)


def test_percentile_counts_beyond_single_precision():
    counts = torch.zeros(1, BINS, dtype=torch.int64)
    counts[0, 0] = 2**26 + 1
    counts[0, -1] = 2
    assert float(_percentile(counts, 100.0)) == 1.0


def test_mse_scale_beats_the_maximum():
    random = torch.Generator().manual_seed(0)
    x = torch.randn(4000, 3, generator=random)
    errors = {}
    for scale in ("max", "mse"):
        config = ConvertConfig(scale=scale, base=2.0, timesteps=6)
        calibrated, _ = calibrate(network(config), batches(x), config)
        node = calibrated["r"]
        value = decode(encode(x.relu(), node.scale, node.coding))
        errors[scale] = float(((x.relu() - value) ** 2).sum())
    assert errors["mse"] < errors["max"]


@pytest.mark.parametrize("capped", [False, True])
def test_the_scale_of_least_error_is_the_best_of_96(capped):
    """From 0.25 to 1.05 Q times the maximum, each a constant factor after the last; under a cap Q as well."""
    random = torch.Generator().manual_seed(0)
    coding = PhaseCode(1.5, 6)
    counts = torch.randint(0, 50, (19, BINS), generator=random)
    counts[1, : BINS // 2] = 0
    counts[2, :-1] = 0  # all as large as the largest
    counts[3:] = 0
    for place in range(16):  # one value each, in bins beside each other: for some, one bin more is another scale
        counts[3 + place, BINS // 40 + place] = 7
    centre = (torch.arange(BINS).double() + 0.5) / BINS
    shares = [0.25 * (1.05 * 1.5 / 0.25) ** (step / 95) for step in range(96)] + [1.5] * capped
    errors = []
    for share in shares:
        sent = decode(encode(centre, torch.tensor(share, dtype=torch.float64), coding), torch.float64)
        errors.append(counts.double() @ (centre - sent).square())
    best = torch.tensor(shares, dtype=torch.float64)[torch.stack(errors).argmin(0)]
    torch.testing.assert_close(_least_error(counts, coding, capped), best, rtol=1e-12, atol=0.0)
    assert (float(best[2]) == 1.5) == capped


def test_report_by_hand():
    """T = 1, Q = 2, scale 2: threshold 0.75, next phase up would need 1.5 (z = 0.75)."""
    config = ConvertConfig(base=2.0, timesteps=1, input="analog")
    _, report = calibrate(network(config), batches(torch.tensor([[2.0, 1.2, 0.5], [0.9, -1.0, 0.0]])), config)
    row = report[0]
    assert (row.neurons, row.scale_min, row.scale_max) == (6, 2.0, 2.0)
    assert row.underflow == pytest.approx(100 / 4)  # 0.5 of the active 2.0, 1.2, 0.5, 0.9
    assert row.saturated == pytest.approx(100 / 4)  # 2.0: z = 1 >= Q * 3/8
    assert row.spike_rate == pytest.approx(3 / 6)
    assert row.mape == pytest.approx(100 * (0.5 + 0.2 / 1.2 + 1.0 + 0.1 / 0.9) / 4, abs=1e-5)


def test_calibrate_refuses():
    config = ConvertConfig()
    with pytest.raises(InputError, match="no calibration data"):
        calibrate(network(config), list, config)
    with pytest.raises(InputError, match=r"x\.code holds 1 values that are NaN"):
        calibrate(network(config), batches(torch.tensor([[float("nan"), 0.0, 0.0]])), config)
    broken = network(config)
    broken = broken.replace({"d": [replace(broken["d"], weight=1e38 * WEIGHT)]})
    with pytest.raises(InputError, match="activation of r holds"):
        calibrate(broken, batches(1e10 * X), config)


def test_a_network_without_populations_needs_no_scale():
    nodes = (
        ir.OneHot(name="x", count=3),
        ir.Lookup(name="t", inputs=("x",), table=WEIGHT),
        ir.Output(name="output", inputs=("t",)),
    )
    assert calibrate(ir.Network(nodes), lambda: [{}], ConvertConfig())[1] == []


def test_no_rows_give_scale_one():
    config = ConvertConfig()
    calibrated, report = calibrate(network(config), batches(torch.zeros(0, 3)), config)
    assert float(calibrated["r"].scale) == 1.0
    assert report[0].neurons == 0
