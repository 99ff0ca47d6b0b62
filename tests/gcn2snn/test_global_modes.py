"""Modes of torch that hold for a whole process or block change no result, or are refused in a sentence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import gcn2snn
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import degrees, normalised_rows


@pytest.fixture(params=[torch.float64, torch.float16])
def other_dtype(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    yield
    torch.set_default_dtype(before)


def _network() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval(), torch.rand(6, 6)


def test_a_graph_is_normalised_whatever_the_default_dtype(other_dtype: None) -> None:
    graph = gcn2snn.load_graph("karate")
    assert graph.adjacency.dtype == torch.float32
    assert torch.equal(graph.adjacency.value, normalised_rows(graph.raw, 0, degrees(graph.raw)).value)


def test_a_network_gives_the_same_whatever_the_default_dtype(other_dtype: None) -> None:
    model, x = (part.float() for part in _network())
    snn = gcn2snn.convert(model, x)
    found = snn(x)
    torch.set_default_dtype(torch.float32)
    assert torch.equal(found, gcn2snn.convert(model, x)(x))


def test_autocast_changes_nothing() -> None:
    model, x = _network()
    snn = gcn2snn.convert(model, x)
    expected, source, additions = snn(x), snn.source(x), str(snn.energy(x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(snn(x), expected)
        assert torch.equal(snn.simulate(x), expected)
        assert torch.equal(snn.source(x), source)
        assert str(snn.energy(x)) == additions
        assert snn.spikes(x)
        assert str(snn.verify(x))
        assert torch.equal(gcn2snn.convert(model, x)(x), expected)
        assert torch.is_autocast_enabled("cpu")


def test_training_in_inference_mode_is_refused() -> None:
    trainer = gcn2snn.Trainer(gcn2snn.load_graph("karate"), gcn2snn.TrainConfig(hidden=4, epochs=1))
    with torch.inference_mode(), pytest.raises(ConfigError, match="training needs gradients"):
        gcn2snn.fit(trainer)


def test_a_training_that_diverges_is_stopped() -> None:
    config = gcn2snn.TrainConfig(hidden=4, epochs=5, learning_rate=1e30)
    with pytest.raises(ConfigError, match=r"the training loss is \S+ after epoch \d: the training diverged"):
        gcn2snn.fit(gcn2snn.Trainer(gcn2snn.load_graph("karate"), config))
