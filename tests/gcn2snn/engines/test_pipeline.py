"""N inputs in a pipeline take the paper's number of steps and give what each input gives alone."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.engines.pipeline import depths, latency, run_pipeline
from gcn2snn.engines.temporal import run_temporal
from gcn2snn.errors import ConfigError, InputError

KINDS = ("conv", "residual", "maxpool", "avgpool", "concat", "subsample")


@given(
    kinds=st.lists(st.sampled_from(KINDS), max_size=3),
    wait=st.none() | st.integers(0, 8),
    count=st.integers(1, 3),
    seed=st.integers(0, 2**31 - 1),
    mixed=st.none() | st.integers(0, 2**31 - 1),
)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_run_pipeline_steps_and_outputs(make_images, make_spiking, kinds, wait, count, seed, mixed):
    data = (case := make_images(seed, kinds, torch.float64, batch=1, size=4))[1]
    network = make_spiking(case, ConvertConfig(timesteps=5), mixed)
    name, x = next(iter(data.items()))
    items = [{name: x * (1 + index)} for index in range(count)]
    run = run_pipeline(network, items, wait)
    assert run.steps == count * (run.timesteps + run.wait) + run.wait * (run.layers - 1)
    assert run.steps == latency(count, run.timesteps, run.wait, run.layers)
    assert run.steps == max(slot.last for slot in run.slots)
    for item, got in zip(items, run.outputs, strict=True):
        assert torch.equal(got, run_temporal(network, item, run.wait))
        if wait is None:
            # Both wait for all input, so they differ by nothing but the number of idle steps.
            assert torch.equal(got, run_temporal(network, item, None))


def test_latency_of_the_paper():
    # Section V-C2: T = 24 and w = 16 give 40 steps an image when there are many.
    assert latency(1, 24, 16, 1) == 40
    assert latency(1000, 24, 16, 18) / 1000 == pytest.approx(40, abs=0.5)


def test_layers_of_a_graph_network_are_four(make_graphs, make_spiking):
    """Two graph convolutions are the paper's four layers: three populations and the output."""
    source, data = make_graphs(0, ["raw_dense", "aggregate", "bn"], torch.float64, True)
    network = make_spiking((source, data), ConvertConfig(timesteps=6))
    order = list(depths(network).values())
    assert order == sorted(order)
    assert run_pipeline(network, [data], 5).layers == 1 + len(network.of(ir.Neuron))


def test_no_two_inputs_meet_in_a_layer(make_images, make_spiking):
    network = make_spiking(case := make_images(3, ["conv", "residual"], torch.float64), ConvertConfig(timesteps=4))
    run = run_pipeline(network, [case[1]] * 3, 2)
    for name in {slot.name for slot in run.slots}:
        own = sorted((slot.first, slot.last) for slot in run.slots if slot.name == name)
        assert all(before[1] < after[0] for before, after in itertools.pairwise(own))


def test_run_pipeline_refuses(make_images, make_spiking):
    case = make_images(0, ["conv"], torch.float64)
    network = make_spiking(case, ConvertConfig(timesteps=4))
    with pytest.raises(ConfigError, match="wait is -1"):
        run_pipeline(network, [case[1]], -1)
    with pytest.raises(ConfigError, match="wait is 65536; codes have at most 255 phases"):
        run_pipeline(network, [case[1]], 2**16)
    with pytest.raises(InputError, match="at least one input"):
        run_pipeline(network, [], 3)
