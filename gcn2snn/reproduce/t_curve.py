"""Curves over T: how few phases a converted Text GCN needs, and the same network under other spike codes."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import prepare
from gcn2snn.energy import EventCounter
from gcn2snn.engines import bind, run_closed, run_float
from gcn2snn.evaluation import score
from gcn2snn.files import save_json
from gcn2snn.graph import Graph
from gcn2snn.passes import Statistics, optimal_base
from gcn2snn.reproduce.code_comparison import compare_codings
from gcn2snn.reproduce.figures.curves import draw_codings, draw_tcurve
from gcn2snn.reproduce.options import ReproduceOptions, chosen_names
from gcn2snn.reproduce.seeded_runs import Runs, available, left_out
from gcn2snn.reproduce.table5 import PAPER, seeds_of
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.textgcn import call, load_model

TIMESTEPS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 20, 24)
MODES: dict[str, dict[str, Any]] = {
    "fixed": {"base": 1.3, "scale": "max", "per": "layer"},
    "optimal": {"base": None, "scale": "max", "per": "layer"},
    "fitted": {"base": None, "scale": "mse", "per": "channel"},
}
"""Q = 1.3 throughout; Q of Eq. 5 for each T (None); the same with the scale of least encoding error per channel."""

WITHIN = 0.3
"""Points of accuracy that may be lost at the smallest T."""

CODINGS: dict[str, tuple[int, ...]] = {
    "one-spike": (2, 4, 8, 12, 16, 24),
    "rate": (2, 4, 8, 16, 32),
    "first-spike": (4, 8, 16, 32, 64),
    "phase": (1, 2, 3, 4, 6, 8),
}
"""Timesteps at which each code is measured."""


def tcurve(out: Path, options: ReproduceOptions) -> dict[str, Any]:
    """Accuracy lost over T on each corpus, and the smallest T from which the mean loss stays within 0.3 point.

    Signed messages, unit one-hot input, every population with the same T and Q. Test accuracy is read out, nothing is
    chosen by it: a T to use should come from ``tune``.

    Args:
        out: run folders are ``out/DATASET/seedN``, those of ``table5`` if they are there.
        options: datasets, seeds (default as for ``table5``), modes (:data:`MODES`), keep_going.

    Raises:
        ConfigError, DataError, ArtefactError: as for ``table5``.
    """
    modes = chosen_names(MODES, options.modes, "mode")
    graphs, missing = available(chosen_names(PAPER, options.datasets, "dataset"), options.data_dir)
    runs = Runs(out, options)
    rows: list[dict[str, object]] = []
    for name, load in graphs.items():
        measures = {f"tcurve-{mode}": functools.partial(_measure_tcurve, mode=mode) for mode in modes}
        results = runs.results(name, load, seeds_of(name), measures)
        for mode in modes:
            rows += _tcurve_rows(name, mode, [result[f"tcurve-{mode}"]["points"] for result in results])
    smallest = smallest_timesteps(rows)
    content = {"rows": rows, "smallest": smallest, "missing": missing, "broken": runs.broken}
    files = draw_tcurve(rows, WITHIN, out) if rows else []
    files.append(str(save_json(out / "tcurve.json", content)))
    text = "\n".join([*left_out(missing, runs.broken), _smallest_text(smallest, modes)])
    return content | {"text": text, "files": files}


@torch.no_grad()
def _measure_tcurve(folder: Path, graph: Graph, *, mode: str) -> dict[str, object]:
    network, found = _prepared(folder, graph)
    inputs = bind(network, call(graph), {})
    ann = score(run_float(network, inputs), graph).accuracy
    points = []
    for timesteps in TIMESTEPS:
        base = MODES[mode]["base"] or optimal_base(timesteps)
        coded = with_code(network, found, base, timesteps, MODES[mode]["scale"], MODES[mode]["per"])
        counter = EventCounter(coded)
        snn = score(run_closed(coded, inputs, counter), graph).accuracy
        alpha = counter.report().alpha_events
        points.append({"timesteps": timesteps, "base": base, "ann": ann, "snn": snn, "alpha": alpha})
    return {"mode": MODES[mode], "points": points}


def _prepared(folder: Path, graph: Graph) -> tuple[ir.Network, Statistics]:
    network = prepare(load_model(folder, graph), graph, ConvertConfig())
    return network, Statistics(network, lambda: [bind(network, call(graph), {})])


def with_code(network: ir.Network, found: Statistics, base: float, timesteps: int, scale: str, per: str) -> ir.Network:
    """The network with one phase code and one rule for the scale in all of its populations."""
    changes: dict[str, list[ir.Node]] = {}
    for node in network.of(ir.UncalibratedNeuron):
        node = replace(node, coding=replace(node.coding, base=base, timesteps=timesteps))
        changes[node.name] = [node.calibrated(found.scale(node, scale, per))]
    for coder in network.of(ir.UncalibratedCoder):
        changes[coder.name] = [coder.calibrated(found.largest(coder))]
    return network.replace(changes)


def _tcurve_rows(name: str, mode: str, seeds: list[list[dict[str, float]]]) -> list[dict[str, object]]:
    rows = []
    for points in zip(*seeds, strict=True):
        losses = [point["ann"] - point["snn"] for point in points]
        rows.append(
            {
                "dataset": name,
                "mode": mode,
                "timesteps": int(points[0]["timesteps"]),
                "base": points[0]["base"],
                "seeds": len(points),
                "ann": statistics.fmean(point["ann"] for point in points),
                "snn": statistics.fmean(point["snn"] for point in points),
                "loss": statistics.fmean(losses),
                "least_loss": min(losses),
                "most_loss": max(losses),
                "alpha": statistics.fmean(point["alpha"] for point in points),
            }
        )
    return rows


def smallest_timesteps(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, int | None]]:
    """{dataset: {mode: smallest T from which on every mean loss is within 0.3 point, or None}}."""
    found: dict[str, dict[str, int | None]] = {}
    for row in sorted(rows, key=lambda row: -row["timesteps"]):
        own = found.setdefault(row["dataset"], {})
        own.setdefault(row["mode"], None)
        failed = own.setdefault(f"{row['mode']} failed", None)
        if row["loss"] > WITHIN:
            own[f"{row['mode']} failed"] = row["timesteps"]
        elif failed is None:
            own[row["mode"]] = row["timesteps"]
    return {name: {mode: t for mode, t in own.items() if not mode.endswith(" failed")} for name, own in found.items()}


def _smallest_text(smallest: dict[str, dict[str, int | None]], modes: Sequence[str]) -> str:
    lines = [f"smallest T within {WITHIN:g} point of the ANN", "| dataset | " + " | ".join(modes) + " |"]
    lines.append("|-|" + "-|" * len(modes))
    for name, own in smallest.items():
        cells = [f"more than {TIMESTEPS[-1]}" if own[mode] is None else str(own[mode]) for mode in modes]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def codings(out: Path, options: ReproduceOptions) -> dict[str, Any]:
    """Accuracy against T and against additions of four spike codes on the same converted networks.

    One spike with Eq. 5's base for each T, rate, time to first spike, and multi-spike phase coding (``reproduce/other_codes.py``).

    Args:
        out: run folders are ``out/DATASET/seedN``, those of ``table5`` if they are there.
        options: datasets, seeds (default 1), modes (:data:`CODINGS`), keep_going.

    Raises:
        ConfigError, DataError, ArtefactError: as for ``table5``.
    """
    names = chosen_names(CODINGS, options.modes, "coding")
    graphs, missing = available(chosen_names(PAPER, options.datasets, "dataset"), options.data_dir)
    runs = Runs(out, options)
    rows: list[dict[str, object]] = []
    for dataset, load in graphs.items():
        measures = {f"coding-{name}": functools.partial(_measure_coding, coding=name) for name in names}
        results = runs.results(dataset, load, 1, measures)
        for name in names:
            rows += _coding_rows(dataset, [result[f"coding-{name}"]["rows"] for result in results])
    files = draw_codings(rows, out)
    content = {"rows": rows, "missing": missing, "broken": runs.broken}
    files.append(str(save_json(out / "codings.json", content)))
    return content | {"text": "\n".join([*left_out(missing, runs.broken), _codings_text(rows)]), "files": files}


@torch.no_grad()
def _measure_coding(folder: Path, graph: Graph, *, coding: str) -> dict[str, object]:
    network, found = _prepared(folder, graph)
    ann = score(run_float(network, bind(network, call(graph), {})), graph).accuracy
    rows = []
    for steps in CODINGS[coding]:
        base = optimal_base(steps if coding == "one-spike" else 16)
        own = steps if coding == "one-spike" else 16
        config = ConvertConfig.paper(base=base, timesteps=own)
        snn = SpikingNetwork(with_code(network, found, base, own, "max", "layer"), config)
        asked = {} if coding == "one-spike" else {coding: steps}
        made = compare_codings(snn, graph, graph.labels, asked, select=graph.test_mask, codings=[coding])
        rows.append(made[0].to_dict() | {"ann": ann})
    return {"rows": rows}


def _coding_rows(dataset: str, seeds: list[list[dict[str, object]]]) -> list[dict[str, object]]:
    kept = ("ann", "accuracy", "agreement", "latency", "spikes", "additions", "alpha_events", "alpha_total")
    rows = []
    for points in zip(*seeds, strict=True):
        head = {"dataset": dataset, "coding": points[0]["coding"], "timesteps": points[0]["timesteps"]}
        means = {key: statistics.fmean(point[key] for point in points) for key in kept}
        rows.append(head | {"seeds": len(points)} | means)
    return rows


def _codings_text(rows: list[dict[str, object]]) -> str:
    lines = [
        "| dataset | coding | T | latency | accuracy % | ANN % | additions | alpha (events) |",
        "|-|-|-|-|-|-|-|-|",
    ]
    for row in rows:
        lines.append(
            f"| {row['dataset']} | {row['coding']} | {row['timesteps']} | {row['latency']:g} | {row['accuracy']:.2f} | "
            f"{row['ann']:.2f} | {row['additions']:.4g} | {row['alpha_events']:.2f} |"
        )
    return "\n".join(lines)
