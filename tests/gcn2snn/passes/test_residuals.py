"""Residual branches that stay in the potential: which ones, what the engines make of them, and what they cost."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import Tensor, nn
from torch.nn import functional

import gcn2snn
from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import convert
from gcn2snn.energy import EventCounter
from gcn2snn.engines import choose_engine, run_bucketed, run_closed, run_pipeline, run_temporal
from gcn2snn.engines.topology import keepers, least_wait
from gcn2snn.errors import ConfigError, InputError
from gcn2snn.verify import verify

KEPT = ConvertConfig.paper(residual="kept", correct="mean")


class Block(nn.Module):
    """relu(conv(relu(conv(x))) + x)."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))) + x)


def small_resnet(seed: int = 0) -> tuple[nn.Module, Tensor]:
    """Two blocks behind a convolution, and images."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), Block(4), Block(4), nn.Flatten(), nn.Linear(4 * 36, 5)
    )
    return model.eval(), torch.rand(6, 3, 6, 6)


@given(
    kinds=st.lists(
        st.sampled_from(("residual", "conv", "bn", "subsample", "capped", "maxpool")), min_size=1, max_size=3
    ),
    more=st.integers(0, 4),
    seed=st.integers(0, 2**31 - 1),
    batch_norm=st.sampled_from(("weights", "threshold")),
    mixed=st.none() | st.integers(0, 2**31 - 1),
)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_engines_agree_where_potentials_are_kept(make_images, make_spiking, kinds, more, seed, batch_norm, mixed):
    case = make_images(seed, ["conv", "residual", *kinds, "residual"], torch.float64)
    network = make_spiking(case, ConvertConfig(timesteps=5, residual="kept", batch_norm=batch_norm), mixed)
    assert network.of(ir.Kept)
    closed = run_closed(network, case[1])
    # Sums are taken in another order, and what a membrane started from is taken away again.
    torch.testing.assert_close(run_temporal(network, case[1], None), closed, rtol=1e-9, atol=1e-9)
    wait = least_wait(network) + more
    in_time = run_temporal(network, case[1], wait)
    torch.testing.assert_close(run_bucketed(network, case[1], wait), in_time, rtol=1e-9, atol=1e-9)
    assert not any(layer.outside for layer in verify(network, case[1], wait).layers)
    assert not any(layer.outside for layer in verify(network, case[1]).layers)


@pytest.mark.parametrize("seed", range(3))
def test_the_engines_agree_on_graphs(make_graphs, make_spiking, seed):
    """As in GIN and GCNII: a population is a term of the sum, and its spikes go through the graph as well."""
    case = make_graphs(seed, ["bn", "residual", "aggregate", "dense", "residual"], torch.float64)
    network = make_spiking(case, ConvertConfig(timesteps=6, residual="kept"))
    assert network.of(ir.Kept)
    closed = run_closed(network, case[1])
    torch.testing.assert_close(run_temporal(network, case[1], None), closed, rtol=1e-9, atol=1e-9)
    assert not any(layer.outside for layer in verify(network, case[1]).layers)


def test_a_pipeline_hands_potentials_over(make_images, make_spiking):
    case = make_images(3, ["conv", "residual", "residual"], torch.float64, batch=1, size=4)
    network = make_spiking(case, ConvertConfig(timesteps=5, residual="kept"))
    name, x = next(iter(case[1].items()))
    items = [{name: x}, {name: 2 * x}]
    wait = least_wait(network)
    assert wait == 2  # the sum is two layers behind a population that hears five steps
    for each, got in zip(items, run_pipeline(network, items, wait).outputs, strict=True):
        torch.testing.assert_close(got, run_temporal(network, each, wait), rtol=1e-9, atol=1e-9)
    with pytest.raises(ConfigError, match="allowed are 2 and more"):
        run_pipeline(network, items, 1)


def test_the_next_membrane_begins_with_what_the_spike_could_not_say():
    model, x = small_resnet()
    network = convert(model, x, KEPT).network
    values: dict[str, object] = {}
    run_closed(network, {"input": x}, lambda node, args, value: values.update({node.name: value}))
    (first, second) = network.of(ir.Kept)
    keeper = keepers(network)[first.name]
    potential = values[network[keeper.name].inputs[0]]
    assert torch.equal(values[first.name], torch.relu(potential))
    sums = [node for node in network.of(ir.Add) if first.name in node.inputs]
    block = next(name for name in sums[0].inputs if name != first.name)
    assert torch.equal(values[sums[0].name], values[block] + torch.relu(potential))
    assert second.name in network.of(ir.Add)[1].inputs


def test_kept_potentials_make_a_residual_network_more_exact():
    model, x = small_resnet(1)
    with torch.no_grad():
        wanted = model(x)
    errors = [
        float((convert(model, x, ConvertConfig.paper(residual=how))(x) - wanted).norm()) for how in ("kept", "spikes")
    ]
    assert errors[0] < errors[1]


def test_only_identity_branches_of_blocks_are_kept():
    class Sums(nn.Module):
        """Two populations that only meet, and a sum that a convolution reads."""

        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c, self.d = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(4))

        def forward(self, x: Tensor) -> Tensor:
            met = torch.relu(torch.relu(self.a(x)) + torch.relu(self.b(x)))
            read = self.d(self.c(met) + met)
            return functional.relu(read).flatten(1)

    torch.manual_seed(0)
    network = convert(Sums().eval(), torch.rand(2, 3, 4, 4), KEPT).network
    # The sum that a convolution reads gets a population of its own, in front of which the branch is kept.
    assert [keeper.inputs[0] for keeper in keepers(network).values()] == ["add"]


def test_a_handed_over_value_costs_one_addition():
    model, x = small_resnet()
    network = convert(model, x, KEPT).network
    counter, values = EventCounter(network), {}

    def observe(node, args, value):
        counter(node, args, value)
        values[node.name] = value

    run_closed(network, {"input": x}, observe)
    rows = {row.name: row for row in counter.report().layers}
    for total in network.of(ir.Add):
        kept = next(name for name in total.inputs if isinstance(network[name], ir.Kept))
        assert rows[total.name].events == int(torch.count_nonzero(values[kept]))
    driven = EventCounter(network, event_driven=True)
    run_closed(network, {"input": x}, driven)
    updates = driven.report().event_driven
    assert updates is not None
    assert updates <= driven.updates


def test_a_wait_that_is_too_short_is_refused():
    model, x = small_resnet()
    snn = convert(model, x, KEPT)
    with pytest.raises(ConfigError, match=r"wait is 7, but with residual='kept' .* allowed are 8 and more"):
        snn.simulate(x, wait=7)
    assert snn.simulate(x, wait=8).shape == (6, 5)
    assert choose_engine(convert(model, x, ConvertConfig.paper()).network, 0, "auto") == "bucketed"


def test_kept_potentials_travel_in_files(tmp_path):
    model, x = small_resnet()
    snn = convert(model, x, KEPT)
    gcn2snn.save(snn, tmp_path / "kept.safetensors")
    again = gcn2snn.load(tmp_path / "kept.safetensors")
    assert torch.equal(again(x), snn(x))
    assert again.config.residual == "kept"


@pytest.mark.parametrize("format", ["brian2", "nir"])
def test_formats_of_spikes_and_synapses_refuse_them(tmp_path, format):
    model, x = small_resnet()
    snn = convert(model, x, KEPT)
    with pytest.raises(InputError, match=r"a kept potential.*residual='spikes', or take the format onnx"):
        gcn2snn.export(snn, format, x, out=tmp_path / f"net.{'py' if format == 'brian2' else 'nir'}")


def test_onnx_and_spikes_carry_them(tmp_path):
    pytest.importorskip("onnxruntime")
    model, x = small_resnet()
    snn = convert(model, x, KEPT)
    for format, name in (("onnx", "net.onnx"), ("spikes", "net.csv"), ("npz", "net.npz")):
        gcn2snn.export(snn, format, x, out=tmp_path / name)
        assert gcn2snn.formats.check(snn, format, x, out=tmp_path / name).passed


def test_a_choice_of_settings_and_a_memory_limit_take_them():
    model, x = small_resnet()
    snn = convert(model, x.repeat(6, 1, 1, 1), ConvertConfig(residual="kept"))
    assert snn.choice is not None
    with gcn2snn.memory_limit("200 MB"):
        limited = convert(model, x, KEPT)
        got = limited(x)
    torch.testing.assert_close(got, convert(model, x, KEPT)(x), rtol=1e-5, atol=1e-5)
