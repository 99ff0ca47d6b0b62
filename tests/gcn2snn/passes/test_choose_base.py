"""Eq. 5 and its minimum."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from scipy import integrate, special
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.config import ConvertConfig, LayerConfig
from gcn2snn.conversion import convert
from gcn2snn.engines.arguments import bind
from gcn2snn.errors import ConfigError, InputError, InputTypeError
from gcn2snn.kernels import PhaseCode
from gcn2snn.passes.choose_base import (
    Activations,
    expected_error,
    layer_bases,
    measure_activations,
    optimal_base,
    with_bases,
)


@pytest.mark.parametrize(("timesteps", "base"), [(8, 1.48), (12, 1.35), (16, 1.28), (20, 1.23), (24, 1.20), (32, 1.16)])
def test_optimal_base_meets_the_known_points(timesteps, base):
    assert optimal_base(timesteps) == pytest.approx(base, abs=0.005)


def closed_form(base: float, timesteps: int, sigma: float) -> float:
    """Eq. 5 for mu = 0: int f = (erf b - erf a) / 2 and int f / x = (E1(a^2) - E1(b^2)) / (2 sqrt(2 pi) sigma)."""
    code = PhaseCode(base, timesteps)
    levels, thresholds = code.levels().tolist(), code.thresholds().tolist()

    def mass(a: float, b: float) -> float:
        return 0.5 * (special.erf(b / sigma / math.sqrt(2)) - special.erf(a / sigma / math.sqrt(2)))

    def over_x(a: float, b: float) -> float:
        ends = [special.exp1(x * x / (2 * sigma * sigma)) for x in (a, b)]
        return (ends[0] - ends[1]) / (2 * math.sqrt(2 * math.pi) * sigma)

    total = mass(0, thresholds[-1])  # silent: everything is lost
    for level, low, high in zip(levels, thresholds, [1.0, *thresholds[:-1]], strict=True):
        total += level * over_x(low, level) - mass(low, level)  # below the level: too much
        total += mass(level, high) - level * over_x(level, high)
    return total


@pytest.mark.parametrize(
    ("base", "timesteps", "sigma"), [(1.3, 16, 1.0), (1.2, 24, 1.0), (2.0, 4, 0.3), (1.05, 40, 2.0)]
)
def test_expected_error_is_the_closed_form(base, timesteps, sigma):
    assert expected_error(base, timesteps, 0.0, sigma) == pytest.approx(closed_form(base, timesteps, sigma), rel=1e-12)


def test_expected_error_is_adaptive_quadrature_with_a_mean():
    code = PhaseCode(1.4, 6)

    def integrand(x: float) -> float:
        reached = [level for level, t in zip(code.levels().tolist(), code.thresholds().tolist(), strict=True) if x >= t]
        value = max(reached, default=0.0)
        return abs(x - value) / x * math.exp(-0.5 * ((x - 0.4) / 0.2) ** 2) / (0.2 * math.sqrt(2 * math.pi))

    points = sorted([*code.levels().tolist(), *code.thresholds().tolist()])
    slow = sum(integrate.quad(integrand, a, b)[0] for a, b in zip([1e-12, *points], [*points, 1.0], strict=True))
    assert expected_error(1.4, 6, 0.4, 0.2) == pytest.approx(slow, rel=1e-8)


def test_optimal_base_refuses():
    with pytest.raises(ConfigError, match="sigma is 0"):
        optimal_base(16, sigma=0.0)
    with pytest.raises(ConfigError, match="timesteps is 0"):
        expected_error(1.3, 0)


def test_measured_gaussian_gives_the_base_of_the_gaussian():
    z = torch.randn(300_000, generator=torch.Generator().manual_seed(0)).abs()
    measured = Activations.of(z[z < 1])
    assert measured.optimal_base(16) == pytest.approx(optimal_base(16), abs=0.02)
    mass = math.erf(1 / math.sqrt(2)) / 2
    assert measured.error(1.3, 16) == pytest.approx(expected_error(1.3, 16) / mass, rel=0.02)


def test_measured_activations_add_up_and_refuse_silence():
    a, b = torch.tensor([0.5, 0.1, -1.0]), torch.tensor([0.3, 0.0])
    both = Activations.of(torch.cat([a, b]))
    assert torch.equal((Activations.of(a) + Activations.of(b)).counts, both.counts)
    assert int(both.counts.sum()) == 3
    with pytest.raises(InputError, match="no activation is positive"):
        Activations.of(torch.zeros(4)).optimal_base(16)


def test_each_layer_gets_the_base_of_its_own_activations(make_graphs, make_spiking):
    case = make_graphs(0, ["dense", "aggregate", "bn"], torch.float64)
    network = make_spiking(case, ConvertConfig(timesteps=8))
    batches = lambda: [case[1]]  # noqa: E731
    bases = layer_bases(network, batches)
    found = measure_activations(network, batches)
    changed = with_bases(network, bases)
    for name, base in bases.items():
        assert changed[name].coding.base == base
        grid = [1.05 + 0.05 * i for i in range(30)]
        assert found[name].error(base, 8) <= min(found[name].error(other, 8) for other in grid) + 1e-4


@pytest.mark.parametrize("group", [1, 2, 4])
def test_bases_are_those_of_a_time_step_whatever_the_group(group):
    """Fed back into a configuration they give populations with that base, and a smaller error than one base for all."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4)).eval()
    x = torch.rand(50, 8)
    config = ConvertConfig(group=group, timesteps=8, base=1.3)
    before = convert(model, x, config)
    bases = layer_bases(before.network, lambda: [bind(before.network, (x,), {})])
    layers = {name: LayerConfig(base=base) for name, base in bases.items()}
    after = convert(model, x, replace(config, layers=layers))
    neurons = after.network.of(ir.Neuron)
    assert {node.name for node in neurons} == set(bases)
    for node in neurons:
        assert node.coding.base**group == pytest.approx(bases[node.name], rel=1e-12)
        assert node.coding.steps == 8
        assert with_bases(before.network, bases)[node.name].coding == node.coding
    for old, new in zip(before.report, after.report, strict=True):
        assert new.mape < old.mape
    fewer = layer_bases(before.network, lambda: [bind(before.network, (x,), {})], timesteps=4)
    assert all(fewer[name] > bases[name] for name in bases)  # the same range in half the time steps needs a larger base


def test_with_bases_refuses_what_has_no_base():
    network = ir.Network((ir.Input(name="x", size=(None, 3)), ir.Output(name="o", inputs=("x",))))
    with pytest.raises(ConfigError, match="o is a Output; only a calibrated population has a base"):
        with_bases(network, {"o": 1.3})


def test_scipy_is_loaded_by_the_first_search_only():
    script = "import sys, gcn2snn.passes as p; assert 'scipy' not in sys.modules; p.optimal_base(4); assert 'scipy' in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_with_bases_keeps_levels_below_a_cap(make_graphs, make_spiking):
    case = make_graphs(3, ["capped"], torch.float32)
    network = make_spiking(case, ConvertConfig(scale="max", base=1.5))
    (before,) = (node for node in network.of(ir.Neuron) if node.activation.cap is not None)
    for base in (1.2, 1.5, 2.0):
        after = with_bases(network, {before.name: base})[before.name]
        assert isinstance(after, ir.Neuron)
        top = after.scale * after.coding.levels(torch.float32)[0]
        assert bool((top <= torch.tensor(before.activation.cap)).all())
        assert torch.equal(after.scale, before.scale) == (base >= 1.5)


@pytest.mark.parametrize("make", [lambda x: x, lambda x: x.numpy(), lambda x: x.tolist(), lambda x: x.double()])
def test_batches_are_what_a_call_of_the_network_takes(make: Callable[[Tensor], object]) -> None:
    torch.manual_seed(0)
    x = torch.rand(40, 5)
    snn = convert(nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)).eval(), x)
    assert layer_bases(snn.network, lambda: [{"input": make(x)}]) == layer_bases(snn.network, lambda: [{"input": x}])


@pytest.mark.parametrize("batch", [{"input": "text"}, {"other": torch.rand(3, 5)}, {}, "text", None])
def test_batches_that_do_not_fit_are_refused(batch: Any) -> None:
    snn = convert(nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)).eval(), torch.rand(40, 5))
    with pytest.raises((InputError, InputTypeError)):
        layer_bases(snn.network, lambda: [batch])
