"""The steps of an evaluation: only what the output needs, values let go in time, worked out once."""

from __future__ import annotations

import copy
import pickle

import torch

from gcn2snn import ir
from gcn2snn.engines import plan as planning
from gcn2snn.engines.closed import run_closed
from gcn2snn.engines.plan import steps_to_heads
from gcn2snn.kernels import PhaseCode

ONE, CODE = torch.tensor(1.0), PhaseCode(1.3, 6)


def residual() -> ir.Network:
    """c -> d -> n -> (e + f) -> m -> o, and a layer that nothing reads."""
    weight = torch.tensor([[1.0, 0.5], [-0.5, 1.0]])
    return ir.Network(
        (
            ir.Input(name="x", size=(None, 2)),
            ir.Coder(name="c", inputs=("x",), timesteps=4, scale=ONE),
            ir.Dense(name="d", inputs=("c",), weight=weight),
            ir.Dense(name="unread", inputs=("c",), weight=weight),
            ir.Neuron(name="n", inputs=("d",), coding=CODE, scale=ONE),
            ir.Dense(name="e", inputs=("n",), weight=weight),
            ir.Dense(name="f", inputs=("c",), weight=weight),
            ir.Add(name="s", inputs=("e", "f"), coefficients=(1.0, 1.0)),
            ir.Neuron(name="m", inputs=("s",), coding=CODE, scale=ONE),
            ir.Output(name="o", inputs=("m",)),
        )
    )


def names(steps: tuple[planning.Step, ...]) -> list[list[str]]:
    return [[node.name for node in step.nodes] for step in steps]


def test_a_plan_has_what_the_output_needs_and_drops_each_value_once():
    steps = steps_to_heads(residual(), False, frozenset())
    assert names(steps) == [["x"], ["c"], ["d"], ["n"], ["e"], ["f"], ["s"], ["m"], ["o"]]
    assert [step.dropped for step in steps] == [(), ("x",), (), ("d",), ("n",), ("c",), ("e", "f"), ("s",), ("m",)]


def test_a_fused_step_holds_the_synapse_the_sum_and_the_population():
    steps = steps_to_heads(residual(), True, frozenset())
    # Of the two layers it is the one that reads spikes: the other reads numbers, for which there is no such kernel.
    assert names(steps) == [["x"], ["c"], ["d", "n"], ["f"], ["e", "s", "m"], ["o"]]
    assert [None if step.fusion is None else step.fusion.beside for step in steps] == [
        None,
        None,
        None,
        None,
        "f",
        None,
    ]
    assert "n" in steps[4].dropped  # the synapse waits for the other term, so its input is read there


def test_known_results_need_no_steps():
    assert names(steps_to_heads(residual(), True, frozenset({"n", "c"}))) == [["f"], ["e", "s", "m"], ["o"]]


def test_a_network_is_planned_once_and_its_copies_again():
    network = residual()
    first = steps_to_heads(network, True, frozenset())
    assert steps_to_heads(network, True, frozenset()) is first
    assert steps_to_heads(network, False, frozenset()) is not first
    x = {"x": torch.rand(5, 2)}
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network)), network.map_tensors(torch.clone)):
        assert other._kept == {}
        assert steps_to_heads(other, True, frozenset()) is not first
        assert torch.equal(run_closed(other, x), run_closed(network, x))
