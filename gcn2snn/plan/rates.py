"""How fast a machine multiplies: measured on the spot in a few seconds, or read from ``gcn2snn bench --json``."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from gcn2snn.errors import ConfigError, DataError, misfits
from gcn2snn.files import load_json
from gcn2snn.kernels import CSR, PhaseCode, decode, encode, phase_spmm, spmm
from gcn2snn.schema import Stored

MOST_NODES, MOST_ENTRIES = 200_000, 4_000_000
"""Columns and entries of the matrix that is measured: beyond them a rate hardly changes, and this many are made in a second."""

MOST_CHANNELS = 256
"""Channels that are measured: wider rows take time and memory in proportion, and a rate hardly changes."""

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
        with misfits("rates", vars(self)):
            right = all(0 < rate < math.inf for rate in (self.floats, self.phases, self.dense))
        if not right:
            raise ConfigError(f"the rates of {self.source} are not all positive and finite. Measure them again")


def measured_rates(nodes: int, edges: int, channels: int, device: str = "cpu") -> Rates:
    """Rates of this machine on a random matrix with the entries in a row of a graph, with the threads that torch has.

    How fast an aggregation goes depends on how many entries a row has, how wide it is, and whether what is gathered stays in
    a cache. So the matrix has the graph's number of columns and entries in a row, up to :data:`MOST_NODES` and
    :data:`MOST_ENTRIES`, and as many rows as that leaves.

    Args:
        nodes, edges: of the graph.
        channels: of what is aggregated; at most :data:`MOST_CHANNELS` are measured.
        device: "cpu" or "cuda".
    """
    columns, channels = min(nodes, MOST_NODES), min(channels, MOST_CHANNELS)
    degree = min(max(round(edges / nodes), 1), columns)
    rows = max(min(columns, MOST_ENTRIES // degree), 1)
    source = torch.Generator().manual_seed(0)
    row = torch.arange(rows).repeat_interleave(degree)
    col = torch.randint(0, columns, (row.numel(),), generator=source)
    matrix = CSR.from_coo(row, col, torch.rand(row.numel(), generator=source), (rows, columns)).to(device)
    x = torch.randn(columns, channels, generator=source).to(device)
    spikes = encode(x, x.abs().max() / 2, PhaseCode(1.3, 16, signed=True))
    values, weight = decode(spikes), torch.rand(channels, channels, generator=source).to(device)
    work = matrix.nnz * channels
    return Rates(
        work / _seconds(lambda: spmm(matrix, values), device),
        work / _seconds(lambda: phase_spmm(matrix, spikes.with_code(spikes.code)), device),
        2 * columns * channels * channels / _seconds(lambda: values @ weight, device),
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
