"""Rows about whole calls: mini-batches, conversions and commands; the clock; the picture of events."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from gcn2snn.artefact import save
from gcn2snn.bench import (
    CASES,
    COMMAND_CASES,
    BenchConfig,
    CommandProblem,
    Measurement,
    Problem,
    events,
    measure,
    plot_events,
    synthetic,
)
from gcn2snn.bench.minibatch import SEEDS, batches
from gcn2snn.bench.networks import text_networks
from gcn2snn.bench.timing import CLOCKS
from gcn2snn.cli.bench import bench
from gcn2snn.config import ConvertConfig, TrainConfig, to_dict
from gcn2snn.conversion import convert
from gcn2snn.datasets import load_graph
from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.textgcn import TextGCN, make_model


def test_batches_hold_ten_neighbours_at_most_and_number_their_nodes() -> None:
    pytest.importorskip("torch_geometric")
    p = synthetic(210_000, "uniform", 3)
    for x, edges in batches(p)[:2]:
        assert len(x) > SEEDS
        assert int(edges.max()) < len(x)
        assert int(torch.bincount(edges[1]).max()) <= 10
        assert int(torch.bincount(edges[1], minlength=len(x))[:SEEDS].min()) > 0


def test_a_batch_of_commands_is_timed_and_what_needs_a_network_is_left_out() -> None:
    cases = [case for name, case in COMMAND_CASES.items() if name.endswith(("import gcn2snn", "evaluate"))]
    timed, left = measure(CommandProblem(), cases, rounds=1, clock="cpu")  # type: ignore[arg-type]
    assert timed.median_ms is not None
    assert timed.median_ms > 1  # processor time of a process that ended
    assert timed.peak_mib is None
    assert (left.applies, left.note) == (False, "a converted network is needed: --network FILE")


def test_processor_time_counts_commands_that_ended() -> None:
    before = CLOCKS["cpu"]()
    subprocess.run([sys.executable, "-S", "-c", "sum(range(3_000_000))"], check=True)
    assert CLOCKS["cpu"]() - before > 0.01


def test_processor_time_is_the_default_on_a_cpu() -> None:
    assert BenchConfig(entries=(1e3,)).timer == "cpu"
    assert BenchConfig(entries=(1e3,), clock="wall").timer == "wall"


def test_rows_that_were_added_run(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch_geometric")
    names = ("aggregate/torch int8 embedding_bag", "aggregate/PyG SimpleConv, CSR adjacency")
    results = measure(synthetic(2000, "uniform", 8), [CASES[name] for name in names], rounds=1)
    assert all(result.median_ms is not None for result in results)
    assert {result.processor for result in results} != {""}


def test_a_picture_of_events(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = [
        Measurement("r8", "inference by events", f"gcn2snn one-spike SNN, {share}% of events", ratio=share / 100)
        for share in (5, 100)
    ]
    assert plot_events(rows, tmp_path / "events.svg").read_text(encoding="utf-8").count("<svg") == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"network": Path("n")}, ConfigError, "--network is evaluated by a command of its own, or timed"),
        ({"commands": True, "network": Path("nosuch")}, ArtefactError, "nosuch does not exist; --network needs"),
        ({"commands": True, "groups": ("decode",)}, ConfigError, "no chosen case is a command"),
        ({"entries": (1e3,), "plot_events": Path("e.svg")}, ConfigError, "--plot-events draws the group inference by"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        BenchConfig(**options)  # type: ignore[arg-type]


def test_the_command_says_why_there_are_no_joules() -> None:
    import typer

    app = typer.Typer()
    app.command()(bench)
    words = "--entries 1e3 --shape uniform --channels 2 --group decode --rounds 1"
    shown = CliRunner().invoke(app, words.split(), catch_exceptions=False).stdout
    assert "joules: " in shown
    assert "clock cpu" in shown


def test_networks_with_few_events_are_made_of_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A conversion works on a CPU, and the source must stay on the device where another case of the group runs it."""
    graph = load_graph("karate")
    problem = Problem("karate", graph.adjacency, 200, graph=graph)
    sources: list[object] = []

    def seen(source: TextGCN, *arguments: Any, **options: Any) -> SpikingNetwork:
        sources.append(source)
        return convert(source, *arguments, **options)

    monkeypatch.setattr(events, "convert", seen)
    model, _ = text_networks(problem)
    events._tuned(problem, 0.5)
    assert len(sources) == 1
    assert sources[0] is not model


def test_a_network_of_a_file_is_timed_on_its_own_graph_beside_a_float_network_of_its_size(tmp_path: Path) -> None:
    graph, file = load_graph("karate"), tmp_path / "snn.safetensors"
    of_file = [chosen for chosen in CASES.values() if chosen.name.endswith("of --network")]
    snn = convert(make_model(graph, TrainConfig()).eval(), graph, ConvertConfig.paper())

    def measured(fingerprint: str, network: Path | None = file, **config: int) -> Measurement:
        save(snn, file, origin={"fingerprint": fingerprint, "config": to_dict(TrainConfig(**config))}, force=True)
        (result,) = measure(Problem("karate", graph.adjacency, graph=graph, network=network), of_file, rounds=1)
        return result

    assert measured(graph.fingerprint).median_ms is not None
    assert "was not made from a model on this graph" in measured("0" * 64).note
    assert "has other sizes than the float network beside it" in measured(graph.fingerprint, hidden=20).note
    assert "--network FILE" in measured(graph.fingerprint, network=None).note
