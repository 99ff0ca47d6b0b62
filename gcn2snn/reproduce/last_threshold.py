"""``gcn2snn reproduce last``: the threshold of the last phase at the midpoint of Eq. 4 against half of the last value."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from gcn2snn.config import ConvertConfig, LayerConfig
from gcn2snn.conversion import call_of, convert
from gcn2snn.datasets import load_graph
from gcn2snn.engines import bind
from gcn2snn.errors import NotRunError
from gcn2snn.files import save_json, save_text
from gcn2snn.machine import environment
from gcn2snn.passes import layer_bases
from gcn2snn.reproduce.image_paper_numbers import PaperRow
from gcn2snn.reproduce.image_workbench import Workbench
from gcn2snn.reproduce.kept import say
from gcn2snn.reproduce.options import ReproduceOptions, chosen_names
from gcn2snn.reproduce.planetoid_models import trained
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.tune import divergence_of

IMAGES = {"resnet20": PaperRow("cifar10", "resnet20", 16, 1.3), "resnet8": PaperRow("cifar10", "resnet8", 16, 1.3)}
GRAPHS = ("cora/GCN", "cora/SAGE", "cora/GIN", "citeseer/GCN", "citeseer/GIN")
ROWS = (*IMAGES, *GRAPHS)

CALIBRATION, HELD_OUT = 300, 300
"""Training images of a calibration set, and other training images on which its conversions are compared."""

SEEDS = 3
"""Calibration sets of images, or trained graph networks."""

CONFIGS = {
    "midpoint": ConvertConfig.paper(scale="mse", per="channel", correct="mean", last="midpoint"),
    "half": ConvertConfig.paper(scale="mse", per="channel", correct="mean", last="half"),
}
"""What is compared: the scale of least error a channel, with means corrected, and each last threshold."""

BASES = ("1.3", "measured")
"""Q of every population: the same, or of least error for its own activations with its own last threshold."""


@dataclass(frozen=True)
class Case:
    """One network with data that its conversion sees, and data on which conversions are compared.

    Args:
        model: trained.
        example: first item of the calibration data.
        calibration: all of them.
        compared: calls and the rows of their results that count; they are neither training nor calibration data.
    """

    model: nn.Module
    example: object
    calibration: list[object]
    compared: list[tuple[object, Tensor | None]]


@dataclass(frozen=True)
class Found:
    """What one conversion gives: KL divergence from the source in nats, and alpha by exact events."""

    divergence: float
    alpha: float


def last(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """KL divergence from the source model with both thresholds, at Q = 1.3 and at Q of each population.

    No label is used, and no test image: images are training images that calibration did not see; nodes are those without
    a label in training, validation or test.

    Args:
        out: for ``last.json``, ``last.md`` and trained weights.
        options: ``rows`` narrow the networks (:data:`ROWS`); ``seeds``: calibration sets, or training seeds of graphs.
    """
    rows: list[dict[str, object]] = []
    missing: dict[str, str] = {}
    for name in chosen_names(ROWS, options.rows, "row"):
        try:
            found = [_measured(case) for case in _cases(name, out, options)]
        except NotRunError as error:
            missing[name] = str(error)
            continue
        for base in BASES:
            values = {threshold: [each[base, threshold] for each in found] for threshold in CONFIGS}
            rows.append(_row(name, base, values))
        say(f"{name}: done")
    text = _table(rows) + "".join(f"\n{name}: not run; {why}\n" for name, why in missing.items())
    content = {"results": rows, "not_run": missing, "environment": environment()}
    files = [save_json(out / "last.json", content), save_text(out / "last.md", text)]
    return {"text": text, "results": rows, "files": [str(file) for file in files]}


def _row(name: str, base: str, values: dict[str, list[Found]]) -> dict[str, object]:
    pairs = list(zip(values["midpoint"], values["half"], strict=True))
    return {
        "network": name,
        "base": base,
        "midpoint": [middle.divergence for middle, _ in pairs],
        "half": [half.divergence for _, half in pairs],
        "ratio": statistics.fmean(half.divergence / middle.divergence for middle, half in pairs),
        "alpha": statistics.fmean(half.alpha / middle.alpha for middle, half in pairs),
    }


def _cases(name: str, out: Path, options: ReproduceOptions) -> Iterator[Case]:
    for seed in range(options.seeds or SEEDS):
        yield images_case(IMAGES[name], seed, options) if name in IMAGES else graph_case(name, seed, out, options)


def images_case(
    row: PaperRow, seed: int, options: ReproduceOptions, calibration: int = CALIBRATION, held_out: int = HELD_OUT
) -> Case:
    """An image network with training images drawn by seed, so many to calibrate on and so many others to compare on."""
    bench = Workbench(options)
    drawn = bench.images(row, "train").balanced(calibration + held_out, seed)
    order = torch.randperm(len(drawn), generator=torch.Generator().manual_seed(seed))
    batches = [
        [x for x, _ in drawn.subset(part).batches(100, bench.normalise(row))]
        for part in (order[:calibration], order[calibration:])
    ]
    return Case(bench.model(row), batches[0][0], [*batches[0]], [(x, None) for x in batches[1]])


def graph_case(name: str, seed: int, out: Path, options: ReproduceOptions) -> Case:
    """A graph network trained with a seed, its graph, and the nodes that have no label in training, validation or test."""
    dataset, _, model = name.partition("/")
    graph = load_graph(dataset, options.data_dir)
    data = graph.to_pyg()
    weights = out / "weights" / dataset / f"{model}-{seed}.safetensors"
    call = (data.x, data.edge_index)
    unlabelled = ~(data.train_mask | data.val_mask | data.test_mask)
    network = trained(model, data, graph.num_classes, seed, weights)
    return Case(network, call, [call], [(call, unlabelled.nonzero().flatten())])


def _measured(case: Case) -> dict[tuple[str, str], Found]:
    """What is found by base and last threshold."""
    found: dict[tuple[str, str], Found] = {}
    for threshold, config in CONFIGS.items():
        plain = convert(case.model, case.example, config, calibration=case.calibration)

        seen = [bind(plain.network, *call_of(item)) for item in case.calibration]
        bases = layer_bases(plain.network, functools.partial(iter, seen))
        own = {name: LayerConfig(base=base) for name, base in bases.items()}
        fitted = convert(case.model, case.example, replace(config, layers=own), calibration=case.calibration)
        found |= {("1.3", threshold): _compared(case, plain), ("measured", threshold): _compared(case, fitted)}
    return found


@torch.no_grad()
def _compared(case: Case, snn: SpikingNetwork) -> Found:
    """Divergence over all that is compared, and the energy of its first call."""
    total, count = 0.0, 0
    for item, rows in case.compared:
        args, kwargs = call_of(item)
        wanted, got = case.model(*args, **kwargs), snn(*args, **kwargs)
        if rows is not None:
            wanted, got = wanted[rows], got[rows]
        total += len(got) * divergence_of(wanted.double().softmax(1), got, 1.0)
        count += len(got)
    args, _ = call_of(case.compared[0][0])
    return Found(total / count, snn.energy(*args).alpha_events)


def _table(rows: list[dict[str, object]]) -> str:
    lines = ["| network | Q | KL, midpoint | KL, half | half / midpoint | the same of alpha |", "|-|-|-|-|-|-|"]
    for row in rows:
        told = [", ".join(f"{value:.4f}" for value in cast(list[float], row[name])) for name in CONFIGS]
        lines.append(
            f"| {row['network']} | {row['base']} | {' | '.join(told)} | {row['ratio']:.2f} | {row['alpha']:.3f} |"
        )
    return "\n".join(lines) + "\n"
