"""Who feeds a membrane, over which nodes, and for how many time steps."""

from __future__ import annotations

import torch

from gcn2snn import ir
from gcn2snn.engines.topology import (
    input_timesteps,
    least_exact_wait,
    network_dtype,
    path,
    sources,
    timesteps_of,
    wait_of,
)
from gcn2snn.kernels import PhaseCode


def test_phases_are_shared_out_over_time_steps_in_groups():
    one, code = torch.tensor(1.0), PhaseCode(1.1, 11, group=4)
    assert timesteps_of(ir.Neuron(name="n", inputs=("x",), coding=code, scale=one)) == 3
    assert timesteps_of(ir.UncalibratedNeuron(name="n", inputs=("x",), coding=code)) == 3
    assert timesteps_of(ir.Coder(name="c", inputs=("x",), timesteps=7, scale=one)) == 7
    assert timesteps_of(ir.Coder(name="c", inputs=("x",), kind="analog", timesteps=7, scale=one)) == 1
    assert timesteps_of(ir.OneHot(name="o", count=3)) == 1
    assert timesteps_of(ir.OneHot(name="o", count=3, binary=5)) == 5


def test_a_residual_sum_has_two_sources_and_both_paths():
    one, code = torch.tensor(1.0, dtype=torch.float64), PhaseCode(1.3, 6)
    weight = torch.ones(2, 2, dtype=torch.float64)
    network = ir.Network(
        (
            ir.Input(name="x", size=(None, 2)),
            ir.Coder(name="c", inputs=("x",), timesteps=4, scale=one),
            ir.Dense(name="d", inputs=("c",), weight=weight),
            ir.Neuron(name="n", inputs=("d",), coding=code, scale=one),
            ir.Dense(name="e", inputs=("n",), weight=weight),
            ir.Add(name="s", inputs=("e", "c"), coefficients=(1.0, 1.0)),
            ir.Output(name="o", inputs=("s",)),
        )
    )
    assert sources(network, network.output) == ("c", "n")
    assert [node.name for node in path(network, network.output)] == ["e", "s"]
    assert input_timesteps(network, network.output) == wait_of(network, network.output, None) == 6
    assert wait_of(network, network.output, 2) == 2
    assert least_exact_wait(network) == 3  # of the one population, which hears the coder alone
    assert network_dtype(network) == torch.float64
