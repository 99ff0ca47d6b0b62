"""Both engines give the same spikes; the neuron in time is Algorithm 1."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import Tensor

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.kernels import PhaseCode, Spikes, encode
from gcn2snn.spiking import run_closed
from gcn2snn.temporal import Recording, run_temporal

KINDS_IMAGE = ("conv", "bn", "residual", "maxpool", "avgpool", "concat", "subsample", "scale", "raw_maxpool")
KINDS_GRAPH = ("dense", "bn", "residual", "aggregate", "max", "concat", "rows", "raw_dense")

configs = st.builds(
    ConvertConfig,
    base=st.sampled_from([1.2, 1.3, 1.5, 2.0]),
    timesteps=st.integers(1, 12),
    message=st.sampled_from(["signed", "rectified", "fused"]),
    per=st.sampled_from(["layer", "channel"]),
    shift=st.booleans(),
    input=st.sampled_from(["binary", "single", "analog"]),
    one_hot=st.sampled_from(["unit", "binary"]),
    batch_norm=st.sampled_from(["weights", "threshold"]),
    avg_pool=st.sampled_from(["merge", "spike"]),
)
seeds = st.integers(0, 2**31 - 1)


def closed_spikes(network: ir.Network, data: dict[str, object]) -> tuple[Tensor, dict[str, Spikes]]:
    found: dict[str, Spikes] = {}

    def observe(node: ir.Node, args: tuple[object, ...], value: object) -> None:
        if isinstance(node, ir.Neuron):
            found[node.name] = value

    return run_closed(network, data, observe), found


def assert_same(network: ir.Network, data: dict[str, object], wait: int | None) -> None:
    output, closed = closed_spikes(network, data)
    emitted: dict[str, Spikes] = {}
    timed = run_temporal(network, data, wait, emitted=emitted)
    assert list(closed) == list(emitted)
    for name, spikes in closed.items():
        assert torch.equal(spikes.code, emitted[name].code), name
        assert spikes.code.numel() >= int(spikes.fired.sum())
    # Summation order only: sums of at most a few hundred terms in double precision.
    assert torch.allclose(output, timed, rtol=1e-9, atol=1e-9)


@given(
    kinds=st.lists(st.sampled_from(KINDS_IMAGE), max_size=5), config=configs, seed=seeds, mixed=st.none() | seeds
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_engines_agree_on_images(make_images, make_spiking, kinds, config, seed, mixed):
    case = make_images(seed, kinds, torch.float64)
    assert_same(make_spiking(case, config, mixed), case[1], None)


@given(
    kinds=st.lists(st.sampled_from(KINDS_GRAPH), max_size=5),
    config=configs,
    seed=seeds,
    mixed=st.none() | seeds,
    one_hot=st.booleans(),
)
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_engines_agree_on_graphs(make_graphs, make_spiking, kinds, config, seed, mixed, one_hot):
    case = make_graphs(seed, kinds, torch.float64, one_hot)
    assert_same(make_spiking(case, config, mixed), case[1], None)


def test_kinds_are_all_drawn(image_kinds, graph_kinds):
    assert image_kinds == KINDS_IMAGE
    assert graph_kinds == KINDS_GRAPH
