"""How fast a machine multiplies: measured on the spot in a few seconds, or read from ``gcn2snn bench --json``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from gcn2snn.errors import ConfigError, DataError
from gcn2snn.files import load_json
from gcn2snn.kernels import CSR, PhaseCode, decode, encode, phase_spmm, spmm
from gcn2snn.schema import Stored

NODES, DEGREE, CHANNELS = 200_000, 16, 64
"""The graph that is measured: its values, 51 megabytes in floats, do not stay in a cache."""

ROUNDS = 5
"""Measurements, of which the median counts."""


@dataclass(frozen=True)
class Rates:
    """What one rank does in a second.

    Args:
        floats, phases: entries times channels of an aggregation.
        dense: operations of a dense product, two for each multiply-add.
        source: where they come from.
    """

    floats: float
    phases: float
    dense: float
    source: str

    def __post_init__(self) -> None:
        if min(self.floats, self.phases, self.dense) <= 0:
            raise ConfigError(f"the rates of {self.source} are not all positive")


def measured_rates(device: str = "cpu", nodes: int = NODES, degree: int = DEGREE, channels: int = CHANNELS) -> Rates:
    """Rates of this machine on a random graph, with the threads that torch has.

    Args:
        device: "cpu" or "cuda".
        nodes, degree, channels: of the graph and of what is aggregated.
    """
    source = torch.Generator().manual_seed(0)
    row = torch.arange(nodes).repeat_interleave(degree)
    col = torch.randint(0, nodes, (nodes * degree,), generator=source)
    matrix = CSR.from_coo(row, col, torch.rand(row.numel(), generator=source), (nodes, nodes)).to(device)
    x = torch.randn(nodes, channels, generator=source).to(device)
    spikes = encode(x, x.abs().max() / 2, PhaseCode(1.3, 16, signed=True))
    values, weight = decode(spikes), torch.rand(channels, channels, generator=source).to(device)
    work = matrix.nnz * channels
    return Rates(
        work / _seconds(lambda: spmm(matrix, values), device),
        work / _seconds(lambda: phase_spmm(matrix, spikes.with_code(spikes.code)), device),
        2 * nodes * channels * channels / _seconds(lambda: values @ weight, device),
        f"measured on {device}",
    )


def _seconds(run: Callable[[], object], device: str) -> float:
    """Median time of a call."""
    times = []
    for _ in range(ROUNDS + 1):  # the first one is not counted
        began = time.perf_counter()
        run()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return sorted(times[1:])[ROUNDS // 2]


class _Problem(Stored):
    name: str
    nodes: int | None = None
    entries: int | None = None


class _Result(Stored):
    problem: str
    group: str
    case: str
    median_ms: float | None = None


class _Bench(Stored):
    channels: int
    problems: list[_Problem]
    results: list[_Result]


def rates_of_bench(file: Path) -> Rates:
    """Rates from what ``gcn2snn bench --json`` printed, of its largest graph that has all three products.

    Raises:
        ArtefactError: the file is none.
        DataError: it lacks a product.
    """
    from gcn2snn.bench import OUTPUTS

    found = _Bench.model_validate(load_json(file, _Bench, "Make it with `gcn2snn bench --json`"))
    times = {(x.problem, x.group, x.case): x.median_ms for x in found.results if x.median_ms}
    for problem in sorted(found.problems, key=lambda x: -(x.entries or 0)):
        floats, phases = (times.get((problem.name, "aggregate", f"gcn2snn {name}")) for name in ("spmm", "phase_spmm"))
        dense = times.get((problem.name, "dense", "torch linear"))
        if problem.entries and problem.nodes and floats and phases and dense:
            work = problem.entries * found.channels
            flops = 2 * problem.nodes * found.channels * OUTPUTS
            return Rates(1e3 * work / floats, 1e3 * work / phases, 1e3 * flops / dense, f"{file.name}: {problem.name}")
    raise DataError(
        f"{file} has no graph with the products of floats and of phases and the dense one; make it with "
        f"`gcn2snn bench --group aggregate --group dense --json`"
    )
