"""``gcn2snn reproduce inductive_choice``: variants of training for new documents, compared on held-out training documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gcn2snn.config import TrainConfig, to_dict
from gcn2snn.datasets import TextGraphOptions, load_graph
from gcn2snn.files import save_json, save_text
from gcn2snn.graph import Graph
from gcn2snn.machine import environment
from gcn2snn.reproduce.inductive import DATASETS
from gcn2snn.reproduce.kept import kept_rows, published_data, say
from gcn2snn.reproduce.options import ReproduceOptions, chosen_names
from gcn2snn.reproduce.over_seeds import spread
from gcn2snn.reproduce.seeded_runs import available, left_out
from gcn2snn.textgcn import InductiveTrainer
from gcn2snn.training_loop import seeded

SEEDS = 3
VARIANTS: dict[str, dict[str, object]] = {
    "64 units": {"hidden": 64},
    "160 units": {"hidden": 160},
    "160 units, dropout 0.2": {"hidden": 160, "dropout": 0.2},
}
"""Options of ``TrainConfig.for_new_documents`` that are compared."""


def inductive_choice(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Train each variant without a tenth of the training documents and classify that tenth as new documents.

    Each seed holds out other documents, the same ones for every variant. No test document is read. Each row is kept in
    ``inductive-choice-rows.json`` when it is done, and not trained again.

    Args:
        options: ``datasets`` narrow the corpora, ``modes`` the variants, ``seeds`` the number of divisions (3).
    """
    names, missing = available(chosen_names(DATASETS, options.datasets, "dataset"), options.data_dir)
    variants = chosen_names(VARIANTS, options.modes, "variant")
    path, seeds = out / "inductive-choice-rows.json", options.seeds or SEEDS
    key = {"train": to_dict(TrainConfig.for_new_documents()), "environment": environment(), "data": published_data()}
    for name in names:
        graph = load_graph(name, options.data_dir, TextGraphOptions(documents="training", wordless="keep"))
        for seed in range(seeds):
            for variant in variants:
                place, rows = f"{name}/{variant}/{seed}", kept_rows(path, key)
                if place not in rows:
                    row = held_out(graph, TrainConfig.for_new_documents(seed=seed, **VARIANTS[variant]))
                    say(f"{place}: {row['accuracy']:.2f}")
                    save_json(path, {"key": key, "rows": {**rows, place: row}})
    rows = kept_rows(path, key)
    results = {
        variant: {name: [rows[f"{name}/{variant}/{seed}"] for seed in range(seeds)] for name in names}
        for variant in variants
    }
    text = "\n".join([table(results), *left_out(missing, {})])
    content = {"results": results, "variants": {name: VARIANTS[name] for name in variants}, **key}
    files = [save_json(out / "inductive-choice.json", content), save_text(out / "inductive-choice.md", text)]
    return {"text": text, "results": results, "files": [str(file) for file in files]}


def held_out(graph: Graph, config: TrainConfig) -> dict[str, int | float | None]:
    """Accuracy in percent, loss and number of the held-out documents, after the first stage of training."""
    trainer = InductiveTrainer(graph, config)
    with seeded(trainer.loop.seed):
        for _ in range(config.epochs):
            trainer.run_epoch()
    last = trainer.history[-1]
    return {
        "documents": trainer.split.val.numel(),
        "loss": last.val_loss,
        "accuracy": last.val_accuracy,
        "seconds": sum(epoch.seconds for epoch in trainer.history),
    }


def table(results: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> str:
    """Mean and sample standard deviation of the accuracy over the divisions, a row for each variant, as Markdown."""
    names = [*next(iter(results.values()))]
    lines = ["| held-out training documents, % | " + " | ".join(names) + " |", "|-" * (len(names) + 1) + "|"]
    for variant, of in results.items():
        cells = [spread([row["accuracy"] for row in rows]) for rows in of.values()]
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
