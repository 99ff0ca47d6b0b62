"""One kernel for a synapse, the sum behind it and the neurons: the same bits as one node after the other."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.fused import fusions
from gcn2snn.spiking import run_closed


def test_both_terms_of_a_residual_sum_reach_one_kernel(make_images, make_graphs, make_spiking):
    for make, kind in ((make_images, "conv"), (make_graphs, "dense")):
        network = make_spiking(make(3, [kind, "shortcut"], torch.float32), ConvertConfig())
        (fusion,) = (found for found in fusions(network).values() if found.beside is not None)
        total = network[fusion.neuron.inputs[0]]
        assert isinstance(total, ir.Add)
        assert {fusion.synapse.name, fusion.beside} == set(total.inputs)


def test_a_sum_of_another_order_or_with_another_reader_is_left_alone(make_images, make_spiking):
    """Three terms, a bias, or a coefficient: the kernel would add in another order than the nodes do."""
    network = make_spiking(make_images(3, ["conv", "residual"], torch.float32), ConvertConfig())
    assert network.of(ir.Add)
    assert all(found.beside is None for found in fusions(network).values())


@pytest.mark.parametrize("make", ["make_images", "make_graphs"])
@given(
    kinds=st.lists(
        st.sampled_from(["dense", "conv", "shortcut", "shortcut", "concat", "residual"]), min_size=1, max_size=5
    ),
    message=st.sampled_from(["signed", "rectified", "fused"]),
    mixed=st.none() | st.integers(0, 999),
    seed=st.integers(0, 999),
)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_fused_equals_node_by_node(make_spiking, request, make, kinds, message, mixed, seed):
    case = request.getfixturevalue(make)(seed, kinds, torch.float32)
    network = make_spiking(case, ConvertConfig(timesteps=9, message=message), mixed)
    apart = run_closed(network, case[1], observe=lambda node, args, value: None)
    assert torch.equal(run_closed(network, case[1]), apart)
