"""``gcn2snn reproduce planetoid``: five graph networks trained on Cora and CiteSeer, and what converting them costs."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gcn2snn.config import ConvertConfig, to_dict
from gcn2snn.conversion import convert
from gcn2snn.datasets import load_graph
from gcn2snn.files import save_json, save_text
from gcn2snn.machine import environment
from gcn2snn.reproduce.kept import kept_rows, published_data
from gcn2snn.reproduce.options import ReproduceOptions, chosen_names
from gcn2snn.reproduce.over_seeds import deviation, spread
from gcn2snn.reproduce.planetoid_models import EPOCHS, accuracy, models, trained

DATASETS = ("cora", "citeseer")
MODES: dict[str, ConvertConfig] = {
    "default": ConvertConfig(),
    "means": ConvertConfig.paper(scale="mse", per="channel", correct="mean"),
    "paper": ConvertConfig.paper(),
    "mse-channel": ConvertConfig.paper(scale="mse", per="channel"),
    "rectified": ConvertConfig.paper(message="rectified"),
}
"""Variants of the conversion, all with T = 16, and all but the default with Q = 1.3."""
SEEDS = 10


def run_seed(
    name: str, data: Any, classes: int, seed: int, modes: dict[str, ConvertConfig], weights: Path
) -> dict[str, object]:
    """One trained model, its weights kept in the folder ``weights``, and its conversions."""
    model = trained(name, data, classes, seed, weights / f"{name}-{seed}.safetensors")
    call = (data.x, data.edge_index)
    row: dict[str, Any] = {"seed": seed, "ann": accuracy(model, *call, data, data.test_mask), "modes": {}}
    for mode, config in modes.items():
        snn = convert(model, call, config)
        alpha = snn.energy(*call).to_dict()["alpha"]
        row["modes"][mode] = {"snn": accuracy(snn, *call, data, data.test_mask), "alpha": alpha}
    return row


def planetoid(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Train and convert every model on every set; writes ``planetoid.json`` and ``planetoid.md``.

    Args:
        options: ``rows`` narrow the models, ``datasets`` the sets, ``modes`` the variants, ``seeds`` the seeds.
    """
    chosen = chosen_names(models(), options.rows, "row")
    modes = {name: MODES[name] for name in chosen_names(MODES, options.modes or ("means", "paper"), "mode")}
    sets = chosen_names(DATASETS, options.datasets, "dataset")
    graphs = {name: load_graph(name, options.data_dir) for name in sets}
    done = _Progress(out / "planetoid-rows.json", modes)
    for seed in range(options.seeds or SEEDS):
        for dataset, graph in graphs.items():
            data = graph.to_pyg()
            for name in chosen:
                weights = out / "weights" / dataset
                done.add(
                    dataset,
                    name,
                    seed,
                    lambda: run_seed(name, data, graph.num_classes, seed, modes, weights),  # noqa: B023
                )
    results = [
        {"dataset": dataset, "model": name, "seeds": rows, **summary(rows)}
        for dataset in graphs
        for name in chosen
        if (rows := done.rows(dataset, name))
    ]
    text = table(results)
    content = {"results": results, "modes": {k: to_dict(v) for k, v in modes.items()}, "environment": environment()}
    files = [save_json(out / "planetoid.json", content), save_text(out / "planetoid.md", text)]
    return {"text": text, "results": results, "files": [str(file) for file in files]}


class _Progress:
    """Rows finished so far, kept on disk so that a run that was cut short goes on where it stopped."""

    def __init__(self, path: Path, modes: dict[str, ConvertConfig]) -> None:
        self.path = path
        self.key = {name: to_dict(config) for name, config in modes.items()} | {
            "epochs": EPOCHS,
            "environment": environment(),
            "data": published_data(),
        }
        self.found: dict[str, dict[str, object]] = kept_rows(path, self.key)

    def add(self, dataset: str, model: str, seed: int, run: Callable[[], dict[str, object]]) -> None:
        name = f"{dataset}/{model}/{seed}"
        if name not in self.found:
            self.found[name] = run()
            save_json(self.path, {"key": self.key, "rows": self.found})

    def rows(self, dataset: str, model: str) -> list[dict[str, object]]:
        return [row for name, row in self.found.items() if name.startswith(f"{dataset}/{model}/")]


def summary(rows: list[dict[str, Any]]) -> dict[str, object]:
    """Mean and sample standard deviation over the seeds."""
    ann = [row["ann"] for row in rows]
    result: dict[str, Any] = {"ann": statistics.mean(ann), "ann_std": deviation(ann), "summary": {}}
    for mode in rows[0]["modes"]:
        snn = [row["modes"][mode]["snn"] for row in rows]
        result["summary"][mode] = {
            "snn": statistics.mean(snn),
            "snn_std": deviation(snn),
            "loss": statistics.mean(ann) - statistics.mean(snn),
            "alpha_eq6": statistics.mean(row["modes"][mode]["alpha"]["eq6"] for row in rows),
            "alpha_events": statistics.mean(row["modes"][mode]["alpha"]["events"] for row in rows),
        }
    return result


def table(results: list[dict[str, Any]]) -> str:
    """The summary as a Markdown table; accuracies with their :func:`spread` over the seeds."""
    lines = ["| set | model | mode | ANN | SNN | loss | alpha (Eq. 6) | alpha (events) |", "|-|-|-|-|-|-|-|-|"]
    for row in results:
        ann = spread([seed["ann"] for seed in row["seeds"]])
        for mode, s in row["summary"].items():
            snn = spread([seed["modes"][mode]["snn"] for seed in row["seeds"]])
            lines.append(
                f"| {row['dataset']} | {row['model']} | {mode} | {ann} | {snn} | {s['loss']:+.2f} | {s['alpha_eq6']:.2f} | {s['alpha_events']:.2f} |"
            )
    return "\n".join(lines) + "\n"
