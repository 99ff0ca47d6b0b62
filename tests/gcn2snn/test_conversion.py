"""The pipeline from a trained model to a spiking network."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gcn2snn import ir
from gcn2snn.config import ConvertConfig, LayerConfig
from gcn2snn.conversion import convert
from gcn2snn.datasets import load_graph
from gcn2snn.engines.topology import timesteps_of
from gcn2snn.errors import ConfigError, ConversionError, InputError, InputTypeError
from gcn2snn.memory import memory_limit
from gcn2snn.textgcn.model import TextGCN


@pytest.fixture(scope="module")
def karate():
    return load_graph("karate")


@pytest.fixture
def model(karate):
    torch.manual_seed(0)
    return TextGCN(karate.adjacency.shape[0], [8], 4).eval()


def test_convert_does_not_change_the_model(karate, model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    snn = convert(model, karate)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    with torch.no_grad():
        model.weights[0].zero_()
    assert float(snn.source(karate.adjacency).abs().max()) > 0  # nothing is shared


def test_convert_gives_the_papers_layers_and_a_report(karate, model):
    snn = convert(model, karate, ConvertConfig.paper())
    assert [row.name for row in snn.report] == ["layer1.message.neuron", "layer1.relu", "layer2.message.neuron"]
    assert all(node.coding.base == 1.3 and node.coding.timesteps == 16 for node in snn.network.of(ir.Neuron))
    with torch.no_grad():
        assert torch.allclose(snn.source(karate.adjacency), model(karate.adjacency), rtol=1e-5, atol=1e-6)


def test_convert_is_deterministic_and_ignores_the_order_of_calibration(karate, model):
    half, other = karate.adjacency, karate.adjacency.to(torch.float64).to(torch.float32)
    first = convert(model, karate, calibration=[(half,), (other,)])
    second = convert(model, karate, calibration=iter([(other,), (half,)]))
    assert torch.equal(first(half), second(half))
    assert first.report == second.report


def test_layers_by_name(karate, model):
    config = ConvertConfig(layers={"layer1.message.neuron": LayerConfig(base=1.5, timesteps=3, per="channel")})
    node = convert(model, karate, config).network["layer1.message.neuron"]
    assert (node.coding.base, node.coding.timesteps, tuple(node.scale.shape)) == (1.5, 3, (8,))


def test_groups_have_the_spikes_of_the_finer_code_in_fewer_steps(karate, model):
    fine = convert(model, karate, ConvertConfig(base=2.0, timesteps=10, input_timesteps=10))
    grouped = convert(model, karate, ConvertConfig(base=4.0, timesteps=5, group=2, input_timesteps=10))
    assert torch.equal(fine(karate.adjacency), grouped(karate.adjacency))
    in_time = grouped.simulate(karate.adjacency, engine="temporal")
    assert torch.allclose(grouped(karate.adjacency), in_time, rtol=1e-5, atol=1e-6)  # other order of the same sums
    for name, spikes in grouped.spikes(karate.adjacency).items():
        assert torch.equal(spikes.code, fine.spikes(karate.adjacency)[name].code)
    steps = {node.name: timesteps_of(node) for node in grouped.network.of(ir.Neuron)}
    assert set(steps.values()) == {5}


def test_convert_refuses(karate, model):
    with pytest.raises(ConversionError, match=r"training mode.*Call model\.eval"):
        convert(model.train(), karate)
    model.eval()
    with pytest.raises(ConfigError, match=r"layers names \['nobody'\], but the populations are"):
        convert(model, karate, ConvertConfig(layers={"nobody": LayerConfig(base=1.5)}))
    with pytest.raises(InputError, match="no calibration data"):
        convert(model, karate, calibration=[])
    with torch.no_grad():
        model.weights[0][0, 0] = float("nan")
    with pytest.raises(InputError, match=r"weights\.0 holds values that are NaN"):
        convert(model, karate)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base": 1.0}, "base = 1.0"),
        ({"timesteps": 0}, "timesteps = 0"),
        ({"timesteps": 256}, "timesteps = 256"),
        ({"wait": -1}, "wait = -1"),
        ({"group": 0}, "group = 0"),
        ({"group": 9}, "group = 9"),
    ],
)
def test_options_out_of_range_are_refused_when_made(options, message):
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        ConvertConfig(**options)


def test_a_cnn_of_every_common_layer_converts_and_verifies():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1, groups=2), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.5),
        nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 3),
    )  # fmt: skip
    net[1].running_mean.normal_()
    net[1].weight.data.normal_()
    x = torch.randn(4, 3, 8, 8)
    for into in ("weights", "threshold"):
        snn = convert(net.eval(), x, ConvertConfig(batch_norm=into))
        report = snn.verify(x)
        assert report.bugs == ()
        assert len(report.layers) == 4
        assert report.layers[-1].error < 1


def test_an_example_that_is_not_finite_is_named():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    with pytest.raises(InputError, match="Sequential gives values that are NaN or infinite on the example"):
        convert(model, torch.tensor([[1.0, float("nan"), 0.0]]))


@pytest.mark.parametrize(
    ("more", "given"), [((torch.zeros(2, 3),), 2), ((torch.zeros(2, 3), torch.ones(3)), 3), ((None, None), 2)]
)
def test_a_call_spread_over_arguments_is_explained(more: tuple[object, ...], given: int) -> None:
    """What stands for the configuration counts where it is given."""
    model = nn.Sequential(nn.Linear(4, 2), nn.ReLU()).eval()
    said = rf"convert got {given} arguments .* convert\(model, \(x, edge_index\)\), and a ConvertConfig"
    with pytest.raises(InputTypeError, match=said):
        convert(model, torch.rand(3, 4), *more)  # type: ignore[arg-type]


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()


REFITTED = "layer1.message.neuron"


@pytest.mark.parametrize(
    "config",
    [
        ConvertConfig(refit=True, layers={REFITTED: LayerConfig(events=0.1)}),
        ConvertConfig(layers={REFITTED: LayerConfig(events=0.1, refit=True)}),
    ],
)
def test_weights_of_rows_go_with_a_refit_of_all_or_of_one_layer(karate, model, config):
    weights = torch.ones(karate.adjacency.shape[0])
    refits = convert(model, karate, config, row_weights=weights).refits
    assert REFITTED in [report.name for report in refits]
    with pytest.raises(ConfigError, match="row_weights are given, but no refit is asked for"):
        convert(model, karate, ConvertConfig(), row_weights=weights)


def test_settings_are_measured_where_something_is_open_or_accuracy_comes_first():
    x = torch.rand(40, 4)
    assert convert(small(), x, ConvertConfig()).choice is not None
    assert convert(small(), x, ConvertConfig.paper()).choice is None
    assert convert(small(), x, ConvertConfig.paper(), accuracy_first=True).choice is not None


class Own(nn.ReLU):
    """A layer of the caller's own."""


@pytest.mark.parametrize("calibration", [None, [torch.rand(6, 4)]])
def test_a_description_that_is_not_the_model_is_refused_whatever_the_calibration(calibration):
    model = nn.Sequential(nn.Linear(4, 3), Own(), nn.Linear(3, 2)).eval()
    x = torch.randn(20, 4)
    right = {Own: lambda builder, path, module, input: builder.module(path, nn.ReLU(), (input,))}
    convert(model, x, handlers=right, calibration=calibration)
    with pytest.raises(ConversionError, match="description"):
        convert(model, x, handlers={Own: lambda builder, path, module, input: input}, calibration=calibration)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize("given", [lambda x: (x,), lambda x: {"input": x}, lambda x: ([x],)])
@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (lambda: torch.zeros(0, 4), "has no rows, so no scale"),
        (lambda: torch.zeros(3, 4, device="meta"), "is on the device 'meta'"),
        (lambda: torch.zeros(3, 4, dtype=torch.complex64), r"is a tensor of kind torch\.complex64"),
        (
            lambda: torch.quantize_per_tensor(torch.zeros(3, 4), 1.0, 0, torch.quint8),
            r"is a tensor of kind torch\.quint8",
        ),
        (lambda: torch.nested.nested_tensor([torch.zeros(3)], layout=torch.jagged), "is a tensor of kind nested"),
        (lambda: iter([torch.zeros(3, 4)]), "is a list_iterator, whose items are gone"),
    ],
    ids=["no rows", "meta", "complex", "quantised", "nested", "iterator"],
)
def test_odd_examples_are_refused_wherever_they_stand(given, odd, message):
    with pytest.raises((InputError, InputTypeError), match=message):
        convert(small(), given(odd()))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_a_compiled_part_is_named():
    model = nn.Sequential(nn.Linear(4, 4), torch.jit.script(nn.ReLU()), nn.Linear(4, 2)).eval()
    with pytest.raises(ConversionError, match=r"- 1: RecursiveScriptModule: is compiled by torch\.jit"):
        convert(model, torch.rand(3, 4))


def test_the_model_is_read_on_a_part_under_a_memory_limit_alone(karate, model, monkeypatch):
    monkeypatch.setattr("gcn2snn.conversion.small_call", lambda args, kwargs: ((copy.copy(args[0]),), kwargs))
    assert convert(model, karate, ConvertConfig.paper()).checked.kind == "full"
    with memory_limit("200MB"):
        assert convert(model, karate, ConvertConfig.paper()).checked.kind == "part"


def test_an_example_that_does_not_fit_into_memory_is_refused(monkeypatch):
    def full(value):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 240000000000 bytes")

    monkeypatch.setattr("gcn2snn.conversion.copied", full)
    with pytest.raises(InputError, match=r"the conversion needs more memory than there is .*240000000000 bytes"):
        convert(nn.Linear(2, 2).eval(), torch.rand(3, 2))


@pytest.mark.parametrize("calibration", [True, 3, object(), torch.tensor(1.0), list])
def test_calibration_that_gives_no_examples_one_after_the_other_is_refused(calibration: Any) -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
    with pytest.raises(InputTypeError, match=r"calibration is .*; allowed are a list.* pass calibration=\[example\]"):
        convert(model, torch.rand(6, 4), calibration=calibration)


@pytest.mark.parametrize(
    "change", [lambda x: x.astype(">f4"), lambda x: x[::-1].copy()[::-1], lambda x: x[..., ::1].T.copy().T]
)
def test_numpy_arrays_of_any_layout_convert_to_the_same_network(change: Callable[[np.ndarray], np.ndarray]) -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval(), torch.rand(20, 4)
    plain, found = convert(model, x), convert(model, change(x.numpy()), calibration=[change(x.numpy())])
    assert torch.equal(found(x), plain(x))
