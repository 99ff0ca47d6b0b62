"""``gcn2snn reproduce inductive``: Text GCNs on graphs of the training documents alone, and test documents as new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor

from gcn2snn.config import ConvertConfig, TrainConfig, to_dict
from gcn2snn.conversion import convert
from gcn2snn.datasets import Corpus, build_text_graph, clean_corpus, load
from gcn2snn.files import save_json, save_text
from gcn2snn.graph import Graph
from gcn2snn.kernels import CSR, spmm
from gcn2snn.machine import environment
from gcn2snn.reproduce.kept import kept_rows, published_data, say
from gcn2snn.reproduce.options import ReproduceOptions, chosen_names
from gcn2snn.reproduce.over_seeds import spread
from gcn2snn.reproduce.seeded_runs import available
from gcn2snn.textgcn import NewDocuments, TextGCN, Trainer, fit

DATASETS = ("r8", "r52", "ohsumed", "mr", "20ng")
SEEDS = 5
CONFIG = ConvertConfig(base=1.3, timesteps=16)


def inductive(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Train without the test documents, then classify them; writes ``inductive.json`` and ``inductive.md``.

    Neither the graph, nor the vocabulary, nor any frequency has seen a test document.

    Args:
        options: ``datasets`` narrow the corpora, ``seeds`` the number of trained networks of each (5).
    """
    names, missing = available(chosen_names(DATASETS, options.datasets, "dataset"), options.data_dir)
    kept = out / "inductive-rows.json"
    key = {
        "convert": to_dict(CONFIG),
        "train": to_dict(TrainConfig()),
        "environment": environment(),
        "data": published_data(),
    }
    rows: dict[str, dict[str, object]] = kept_rows(kept, key)
    for name in names:
        wanted = [seed for seed in range(options.seeds or SEEDS) if f"{name}/{seed}" not in rows]
        if not wanted:
            continue
        corpus = load(name, options.data_dir)
        graph = training_graph(corpus)
        test = [place for place, split in enumerate(corpus.split) if split == "test"]
        texts, labels = [corpus.documents[place] for place in test], [corpus.labels[place] for place in test]
        for seed in wanted:
            rows[f"{name}/{seed}"] = run_seed(graph, texts, labels, seed)
            say(f"{name}, seed {seed}: {rows[f'{name}/{seed}']}")
            save_json(kept, {"key": key, "rows": rows})
    results = {name: [rows[f"{name}/{seed}"] for seed in range(options.seeds or SEEDS)] for name in names}
    text = table(results)
    content = {"results": results, "missing": missing, **key}
    files = [save_json(out / "inductive.json", content), save_text(out / "inductive.md", text)]
    return {"text": text, "results": results, "files": [str(file) for file in files]}


def training_graph(corpus: Corpus) -> Graph:
    """The text graph of the documents that are no test documents; one without a frequent word stays, without edges."""
    return build_text_graph(clean_corpus(corpus.only("train", "validation")))


def run_seed(graph: Graph, texts: Sequence[str], labels: Sequence[str], seed: int) -> dict[str, object]:
    """Accuracy on unseen documents of one trained network and of its conversion, in percent, and additions of a document."""
    model = fit(Trainer(graph, TrainConfig(seed=seed)))
    snn = convert(model, graph, CONFIG)
    documents = NewDocuments.of(snn, graph)
    answers = documents.predict(snn, texts)
    number = {name: index for index, name in enumerate(graph.class_names)}
    wanted = torch.tensor([number[label] for label in labels])
    source = float_potentials(model, graph, documents.vocabulary.rows(texts)).argmax(1)
    found = torch.tensor([number[answer.label] for answer in answers])
    return {
        "seed": seed,
        "source": 100 * float((source == wanted).double().mean()),
        "snn": 100 * float((found == wanted).double().mean()),
        "agreement": 100 * float((source == found).double().mean()),
        "additions": mean(answer.additions for answer in answers),
        "without_known_word": sum(not answer.known_words for answer in answers),
    }


@torch.no_grad()
def float_potentials(model: TextGCN, graph: Graph, rows: CSR) -> Tensor:
    """What the trained network itself gives for new rows: words keep the states that they have in its graph."""
    words, adjacency = slice(graph.num_documents, None), graph.adjacency
    first = model.weights[0]
    of_words, own = first, first.new_zeros(rows.shape[0], first.shape[1])
    for weight in model.weights[1:]:
        own = torch.relu(spmm(rows, torch.cat([of_words[words], own]))) @ weight
        of_words = torch.relu(spmm(adjacency, of_words)) @ weight
    return spmm(rows, torch.cat([of_words[words], own]))


def table(results: Mapping[str, Sequence[dict[str, Any]]]) -> str:
    """Mean and sample standard deviation over the seeds, as a Markdown table."""
    lines = [
        "| set | seeds | source, unseen documents % | one-spike SNN % | loss | additions a document |",
        "|-|-|-|-|-|-|",
    ]
    for name, rows in results.items():
        source, snn = spread([row["source"] for row in rows]), spread([row["snn"] for row in rows])
        loss = spread([row["source"] - row["snn"] for row in rows])
        additions = mean(row["additions"] for row in rows)
        lines.append(f"| {name} | {len(rows)} | {source} | {snn} | {loss} | {additions:,.0f} |")
    return "\n".join(lines) + "\n"
