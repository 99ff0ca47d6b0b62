"""The engine that runs for a wait, and what is refused."""

from __future__ import annotations

import numpy
import pytest
import torch
from torch.nn.parameter import UninitializedParameter

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.engines.choose import choose_engine, is_exact
from gcn2snn.errors import ConfigError


@pytest.fixture
def case(make_graphs, make_spiking):
    source, data = make_graphs(2, ["dense", "aggregate", "residual"], torch.float64)
    return make_spiking((source, data), ConvertConfig(timesteps=10)), data


def test_choose_engine(case):
    network, _ = case
    assert choose_engine(network, None, "auto") == "closed"
    assert choose_engine(network, 9, "auto") == "closed"
    assert choose_engine(network, 8, "auto") == "bucketed"
    assert choose_engine(network, 9, "temporal") == "temporal"
    assert is_exact(network, 9)
    assert not is_exact(network, 8)


def test_choose_engine_refuses(case):
    network, _ = case
    with pytest.raises(ConfigError, match="closed form holds for a wait of 9 or more, got 3"):
        choose_engine(network, 3, "closed")
    with pytest.raises(ConfigError, match="wait is -1"):
        choose_engine(network, -1, "auto")
    with pytest.raises(ConfigError, match="wait is 2147483648; codes have at most 255 phases"):
        choose_engine(network, 2**31, "temporal")
    with pytest.raises(ConfigError, match="wait is True; a whole number"):
        choose_engine(network, True, "auto")
    with pytest.raises(ConfigError, match="engine is 'fast'"):
        choose_engine(network, None, "fast")
    for odd in (numpy.ma.masked_array([1.0, 2.0], [True, False]), numpy.zeros(0), UninitializedParameter(), ["auto"]):
        with pytest.raises(
            ConfigError, match="engine is "
        ):  # not compared with the names, which would be an error of theirs
            choose_engine(network, None, odd)  # type: ignore[arg-type]


def test_a_network_without_populations_is_exact_for_every_wait():
    network = ir.Network((ir.Input(name="x", size=(None, 3)), ir.Output(name="o", inputs=("x",))))
    assert choose_engine(network, 0, "auto") == "closed"
