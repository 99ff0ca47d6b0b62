"""Refit after the horizon: the least squares are right, engines agree on the result, and what cannot be refitted is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gcn2snn import artefact, ir
from gcn2snn.config import ConvertConfig, LayerConfig
from gcn2snn.conversion import convert
from gcn2snn.datasets import load_graph
from gcn2snn.engines import constant_values, run_float
from gcn2snn.errors import ConfigError, InputError
from gcn2snn.graph import Graph
from gcn2snn.kernels import CSR, PhaseCode, Spikes, decode
from gcn2snn.passes import refit
from gcn2snn.passes.masked_least_squares import Objective, descend
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.textgcn import TextGCN

MESSAGE = "layer1.message.neuron"


@pytest.fixture(scope="module")
def karate() -> Graph:
    return load_graph("karate")


def model(hidden: int = 12, seed: int = 0) -> TextGCN:
    torch.manual_seed(seed)
    return TextGCN(34, [hidden], 4).eval()


def options(events: float = 0.15, **more: object) -> ConvertConfig:
    return ConvertConfig(refit=True, layers={MESSAGE: LayerConfig(events=events)}, **more)  # type: ignore[arg-type]


def problem(seed: int, rows: int = 7, columns: int = 9) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A matrix, a goal [columns, 3], a mask and weights of rows."""
    draw = torch.Generator().manual_seed(seed)
    dense = torch.rand(rows, columns, generator=draw) * (torch.rand(rows, columns, generator=draw) < 0.6)
    goal = torch.randn(columns, 3, generator=draw, dtype=torch.float64)
    return dense, goal, torch.rand(columns, 3, generator=draw) < 0.5, torch.rand(rows, generator=draw) + 0.1


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.3]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_many_steps_reach_the_dense_solution(seed: int, ridge: float, weighted: bool) -> None:
    dense, goal, mask, weights = problem(seed)
    objective = Objective.of([CSR.from_dense(dense)], weights if weighted else None, ridge)
    found = descend(objective, goal, torch.zeros_like(goal), mask, 200)
    assert not bool(found[~mask].any())
    a, d = dense.double(), torch.diag(weights.double() if weighted else torch.ones(len(dense), dtype=torch.float64))
    normal = a.t() @ d @ a
    normal += ridge * torch.diag(normal.diagonal())
    for channel in range(3):
        free = mask[:, channel].nonzero().flatten()
        best = torch.zeros(len(goal), dtype=torch.float64)
        if len(free):
            right = (normal @ goal[:, channel])[free]
            best[free] = torch.linalg.lstsq(normal[free][:, free], right[:, None], driver="gelsd").solution[:, 0]
        least = objective.value((best - goal[:, channel])[:, None])
        assert float(objective.value(found - goal)[channel]) <= float(least) * (1 + 1e-6) + 1e-9


def test_one_step_solves_a_problem_whose_entries_do_not_mix() -> None:
    """A is diagonal, and the preconditioner is its square: the first direction leads to the goal."""
    objective = Objective.of([CSR.from_dense(torch.diag(torch.tensor([1.0, 2.0, 5.0])))], None, 0.0)
    goal = torch.tensor([[1.0], [-3.0], [2.0]], dtype=torch.float64)
    found = descend(objective, goal, torch.zeros_like(goal), torch.ones_like(goal, dtype=torch.bool), 1)
    assert torch.allclose(found, goal)


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_the_objective_never_rises(seed: int) -> None:
    dense, goal, mask, weights = problem(seed, rows=12)
    objective = Objective.of([CSR.from_dense(dense), CSR.from_dense(dense.flip(0))], weights, 0.1)
    values = torch.where(mask, goal, 0.0)
    before = objective.value(values - goal)
    for steps in range(1, 7):
        after = objective.value(descend(objective, goal, torch.where(mask, goal, 0.0), mask, steps) - goal)
        assert bool((after <= before * (1 + 1e-9) + 1e-12).all())
        before = after


@given(st.integers(0, 1000), st.sampled_from([0.03, 0.1, 0.3, 0.8]), st.booleans(), st.sampled_from([1, 2]))
@settings(max_examples=12, deadline=None)
def test_what_is_sent_is_nearer_to_the_source(seed: int, events: float, shift: bool, group: int) -> None:
    graph = load_graph("karate")
    snn = convert(model(seed=seed), graph, options(events, shift=shift, group=group))
    (report,) = snn.refits
    node = snn.network[MESSAGE]
    assert isinstance(node, ir.Neuron)
    values = constant_values(snn.network)
    spikes, table = values[MESSAGE], values["layer1.message"]
    assert isinstance(spikes, Spikes)
    assert isinstance(table, Tensor)
    a = graph.adjacency.to_dense().double()
    error = (a @ (decode(spikes, torch.float64) - table.double())).norm() / (a @ table.double()).norm()
    assert float(error) == pytest.approx(report.error_after, rel=1e-4, abs=1e-6)
    assert report.error_after <= report.error_before
    counts = graph.adjacency.column_counts[:, None]
    assert int((spikes.fired * counts).sum()) == report.events_kept <= events * report.events
    assert int(spikes.fired.sum()) == report.kept
    assert node.horizon is not None  # what is left out stays silent, however its potential is rounded
    assert torch.equal(node.horizon, torch.where(spikes.fired, node.coding.timesteps, 0).to(torch.int16))


def test_the_description_is_still_the_source(karate: Graph) -> None:
    source = model()
    snn = convert(source, karate, options())
    found = run_float(snn.network, {"adjacency": karate.adjacency})
    assert torch.allclose(found, source(karate.adjacency), atol=1e-6)


@pytest.mark.parametrize("one_hot", ["unit", "binary"])
@pytest.mark.parametrize("correct", ["none", "mean"])
def test_engines_artefact_and_seeds_agree(karate: Graph, tmp_path: Path, one_hot: str, correct: str) -> None:
    snn = convert(model(), karate, options(one_hot=one_hot, correct=correct))
    closed = snn(karate.adjacency)
    for engine in ("temporal", "bucketed"):
        assert torch.allclose(snn.simulate(karate.adjacency, engine=engine), closed, atol=1e-5), engine
    again = convert(model(), karate, options(one_hot=one_hot, correct=correct))
    assert torch.equal(again(karate.adjacency), closed)
    loaded = artefact.load(artefact.save(snn, tmp_path / "snn.safetensors"))
    assert torch.equal(loaded(karate.adjacency), closed)
    assert loaded.refits == snn.refits
    assert snn.verify(karate.adjacency).bugs == ()


def test_rows_that_weigh_more_fit_better(karate: Graph) -> None:
    weights = torch.full((34,), 1e-3)
    weights[:4] = 1.0
    plain, weighted = (convert(model(), karate, options(), row_weights=w) for w in (None, weights))
    goal = karate.adjacency.to_dense() @ constant_values(plain.network)["layer1.message"]

    def error(snn: SpikingNetwork) -> float:
        sent = constant_values(snn.network)[MESSAGE]
        return float((karate.adjacency.to_dense() @ decode(sent) - goal)[:4].norm())

    assert error(weighted) < 0.9 * error(plain)


def test_a_large_ridge_keeps_the_values_of_the_source(karate: Graph) -> None:
    far, near = (convert(model(), karate, options(refit_ridge=r)) for r in (0.0, 1e6))
    table = constant_values(near.network)["layer1.message"]

    def distance(snn: SpikingNetwork) -> float:
        sent = decode(constant_values(snn.network)[MESSAGE])
        return float((sent - table)[sent != 0].abs().mean())

    assert distance(near) < 0.7 * distance(far)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (ConvertConfig(refit=True), "has no horizon; set a share of events"),
        (ConvertConfig(refit=True, message="rectified", events=0.1), "drops negative values"),
        (ConvertConfig(layers={"layer1.relu": LayerConfig(refit=True, events=0.5)}), "depends on the input"),
    ],
)
def test_what_cannot_be_refitted_is_refused(karate: Graph, config: ConvertConfig, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        convert(model(), karate, config)


def test_weights_of_rows_are_checked(karate: Graph) -> None:
    for weights, words in ((torch.ones(3), "34 rows"), (torch.zeros(34), "not all 0"), (-torch.ones(34), "at least 0")):
        with pytest.raises(InputError, match=words):
            convert(model(), karate, options(), row_weights=weights)
    with pytest.raises(ConfigError, match="no refit is asked for"):
        convert(model(), karate, ConvertConfig(events=0.5), row_weights=torch.ones(34))


def test_progress_is_told(karate: Graph) -> None:
    told: list[tuple[str, int, int]] = []
    convert(model(hidden=70), karate, options(), on_channels=lambda *news: told.append(news))
    assert told == [(MESSAGE, 64, 70), (MESSAGE, 70, 70)]


def test_a_channel_that_sends_nothing_has_the_scale_one() -> None:
    old = Spikes(
        torch.zeros(4, 2, dtype=torch.int8), torch.full((2,), 2.0, dtype=torch.float64), PhaseCode(1.5, 8, True)
    )
    values = torch.zeros(4, 2, dtype=torch.float64)
    weight = torch.ones(4, dtype=torch.float64)
    assert refit._scales(values, values == 0, weight, old).tolist() == [1.0, 1.0]
