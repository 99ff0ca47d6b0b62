"""One kernel for a synapse, the sum behind it and the neurons: the same bits as one node after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.engines import closed, fused, plan
from gcn2snn.engines import interpreter as spiking
from gcn2snn.engines.closed import run_closed
from gcn2snn.engines.node_rules import apply
from gcn2snn.kernels import CSR, PhaseCode, Spikes

WEIGHT = torch.tensor([[1.0, -0.5], [0.25, 2.0]])


def two_terms(**changes: Any) -> ir.Network:
    """Two dense layers that meet in a sum in front of neurons; ``changes`` to the sum, and to the neurons as ``neuron``."""
    neuron = changes.pop("neuron", {})
    code = PhaseCode(1.3, 16)
    nodes = [
        ir.Input(name="x", inputs=(), size=(None, 2)),
        ir.Neuron(name="first", inputs=("x",), coding=code, scale=torch.tensor(2.0)),
        ir.Dense(name="left", inputs=("first",), weight=WEIGHT),
        ir.Dense(name="right", inputs=("first",), weight=WEIGHT.t().contiguous()),
        ir.Add(**{"name": "sum", "inputs": ("left", "right"), "coefficients": (1.0, 1.0), **changes}),
        replace(ir.Neuron(name="second", inputs=("sum",), coding=code, scale=torch.tensor(3.0)), **neuron),
        ir.Output(name="out", inputs=("second",)),
    ]
    return ir.Network(tuple(nodes))


def beside(network: ir.Network) -> list[str | None]:
    return [found.beside for found in plan.fusions(network).values() if found.beside is not None]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Spikes | None]:
    """What the kernels for a sum and its neurons gave, as networks run."""
    found: list[Spikes | None] = []

    def spy(fusion: plan.Fusion, args: tuple[Any, ...], other: Any = None) -> Spikes | None:
        spikes = fused.fire_synapse(fusion, args, other)
        if fusion.beside is not None:
            found.append(spikes)
        return spikes

    monkeypatch.setattr(closed, "fire_synapse", spy)
    monkeypatch.setattr(closed, "run_prepared", lambda *args: None)
    return found


def apart(network: ir.Network, data: dict[str, Any]) -> torch.Tensor:
    return run_closed(network, data, observe=lambda node, args, value: None)


def test_both_terms_of_a_sum_reach_one_kernel(taken: list[Spikes | None]) -> None:
    network, data = two_terms(), {"x": torch.rand(5, 2)}
    assert torch.equal(run_closed(network, data), apart(network, data))
    assert [type(spikes) for spikes in taken] == [Spikes]


@pytest.mark.parametrize(
    "changes",
    [
        {"coefficients": (1.0, 0.5)},
        {"bias": torch.ones(2)},
        {"neuron": {"start": torch.ones(2)}},
        {"inputs": ("left", "right", "first"), "coefficients": (1.0, 1.0, 1.0)},
        {"inputs": ("left", "left")},
        {"inputs": ("first", "first")},
    ],
    ids=["coefficient", "bias", "start", "three terms", "one term twice", "no synapse"],
)
def test_a_sum_that_would_be_added_in_another_order_is_left_alone(changes: dict[str, Any]) -> None:
    network, data = two_terms(**changes), {"x": torch.rand(5, 2)}
    assert not beside(network)
    assert torch.equal(run_closed(network, data), apart(network, data))


def test_a_term_with_another_reader_is_left_alone() -> None:
    network = two_terms()
    more = ir.Add(name="more", inputs=("second", "right"), coefficients=(1.0, 1.0))
    read_twice = ir.Network((*network.nodes[:-1], more, ir.Output(name="out", inputs=("more",))))
    assert beside(read_twice) == ["right"]  # the kernel computes the left term of the sum
    data = {"x": torch.rand(5, 2)}
    assert torch.equal(run_closed(read_twice, data), apart(read_twice, data))


def test_known_terms_need_no_evaluation() -> None:
    network, data = two_terms(), {"x": torch.rand(5, 2)}
    whole = run_closed(network, data)
    values: dict[str, Any] = {}
    run_closed(network, data, observe=lambda node, args, value: values.update({node.name: value}))
    for name in ("left", "right", "sum", "first", "second"):
        assert torch.equal(run_closed(network, data, known={name: values[name]}), whole)


def test_potentials_have_the_precision_of_the_spikes() -> None:
    """A double network on a graph in single precision, one term of whose sum is an aggregation."""
    matrix, code = CSR.from_dense(torch.rand(5, 5)), PhaseCode(1.3, 16)
    spikes = Spikes(torch.randint(0, 17, (5, 2), dtype=torch.int8), torch.tensor(2.0).double(), code)
    neuron = ir.Neuron(name="second", inputs=("sum",), coding=code, scale=torch.tensor(3.0).double())
    fusion = plan.Fusion(ir.Aggregate(name="around", inputs=("a", "first")), neuron, "left")
    other = torch.rand(5, 2, dtype=torch.float64)
    found = fused.fire_synapse(fusion, (matrix, spikes), other)
    assert found is not None
    wanted = spiking.fire(fusion.neuron, apply(fusion.synapse, matrix, spikes) + other)
    assert torch.equal(found.code, wanted.code)


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
def test_fused_equals_node_by_node(
    make_spiking: Callable[..., ir.Network],
    request: pytest.FixtureRequest,
    make: str,
    kinds: list[str],
    message: str,
    mixed: int | None,
    seed: int,
) -> None:
    case = request.getfixturevalue(make)(seed, kinds, torch.float32)
    network = make_spiking(case, ConvertConfig(timesteps=9, message=message), mixed)
    assert torch.equal(run_closed(network, case[1]), apart(network, case[1]))
