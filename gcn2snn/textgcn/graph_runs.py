"""Training runs on a graph, each in a folder of its own: train or continue, and read back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from gcn2snn.config import TrainConfig, to_dict
from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.evaluation import score
from gcn2snn.graph import Graph
from gcn2snn.owner_lock import owned
from gcn2snn.run_folder import (
    MODEL_FILE,
    finish,
    load_weights,
    open_run,
    save_weights,
    train_in,
)
from gcn2snn.run_summary import RUN_FILE, load_summary
from gcn2snn.textgcn.inductive_training import InductiveTrainer
from gcn2snn.textgcn.model import TextGCN
from gcn2snn.textgcn.training import Trainer, make_model, split_of
from gcn2snn.textgcn.unseen_documents import UnseenDocuments, score_unseen


def train_run(
    graph: Graph,
    config: TrainConfig,
    folder: Path,
    *,
    unseen: UnseenDocuments | None = None,
    on_epoch: Callable[[Trainer | InductiveTrainer], None] | None = None,
) -> dict[str, Any]:
    """Train on a graph and keep everything in ``folder``; continue there if it holds an unfinished run.

    Args:
        graph: with test nodes; for ``config.inductive`` without.
        config: how to train.
        folder: of the run.
        unseen: test documents of an inductive run, read when training is over; without them it has no scores.
        on_epoch: called after every epoch.

    Returns:
        The summary that ``run.json`` holds: dataset, configuration, environment, ANN scores, peak memory.

    Raises:
        LockedError: another process trains in the folder.
        ArtefactError: the folder's run has another dataset or configuration.
        InputError: ``config.inductive``, and the graph has no words or holds test documents.
        KeyboardInterrupt: passed on; the best weights so far are kept, of a run that is not inductive.
    """
    with owned(folder, folder=True):
        return _train_run(graph, config, folder, unseen, on_epoch)


def _train_run(
    graph: Graph,
    config: TrainConfig,
    folder: Path,
    unseen: UnseenDocuments | None,
    on_epoch: Callable[[Trainer | InductiveTrainer], None] | None,
) -> dict[str, object]:
    origin = {"kind": "graph", "dataset": graph.source, "fingerprint": graph.fingerprint, "config": to_dict(config)}
    if (old := open_run(folder, origin)) is not None:
        return old
    if config.inductive:
        return _train_inductive(folder, InductiveTrainer(graph, config), origin, unseen, on_epoch)
    trainer = Trainer(graph, config)
    try:
        train_in(folder, trainer, on_epoch)
    except KeyboardInterrupt:
        if trainer.best:
            save_weights(folder, trainer.best)
        raise
    model = trainer.trained()
    save_weights(folder, model.state_dict())
    scores = score(model(*call(graph, trainer.device)).cpu(), graph)
    return finish(folder, origin, trainer, {"ann": asdict(scores)})


def _train_inductive(
    folder: Path,
    trainer: InductiveTrainer,
    origin: dict[str, Any],
    unseen: UnseenDocuments | None,
    on_epoch: Callable[[InductiveTrainer], None] | None,
) -> dict[str, object]:
    train_in(folder, trainer, on_epoch)
    weights = trainer.trained().state_dict()
    save_weights(folder, weights)
    scores = {} if unseen is None else {"ann": asdict(score_unseen(weights, trainer.graph, unseen))}
    return finish(folder, origin, trainer, {**trainer.summary(), **scores})


def call(graph: Graph, device: torch.device | str = "cpu") -> tuple[object, ...]:
    """Arguments of a Text GCN for a graph."""
    adjacency = graph.adjacency.to(device)
    return (adjacency,) if graph.features is None else (adjacency, graph.features.to(device))


def load_model(folder: Path, graph: Graph, fingerprint: str | None = None) -> TextGCN:
    """The trained network of a run, in evaluation mode.

    Args:
        folder: of the run.
        graph: it was trained on, or its outline without entries, whose ``fingerprint`` is that of the whole graph.

    Raises:
        ArtefactError: the run is unfinished, damaged, or belongs to another graph.
    """
    summary = load_summary(folder, "graph")
    if (fingerprint or graph.fingerprint) != summary["fingerprint"]:
        raise ArtefactError(
            f"{folder} was trained on another graph than the {graph.source.get('dataset')} that is here now. Train again"
        )
    try:
        config = TrainConfig(**summary["config"])
    except ConfigError as error:
        raise ArtefactError(f"{folder / RUN_FILE} was edited: {error}. Train again with --force") from error
    weights = load_weights(folder)
    try:
        with torch.device("meta"):  # a network of the sizes that an edited summary asks for may not fit into memory
            make_model(graph, config).load_state_dict(weights, assign=True)
        model = make_model(graph, config)
        model.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip().rstrip(".")
        raise ArtefactError(
            f"{folder / MODEL_FILE} does not fit {RUN_FILE}: {first}. Train again with --force"
        ) from error
    return model.eval()


def validation_of(summary: dict[str, Any], graph: Graph) -> tuple[Graph, torch.Tensor]:
    """The run's graph with the labels of its validation nodes, -1 elsewhere: what tuning may look at.

    Raises:
        ConfigError: the run is inductive, so its last stage has trained on them.
    """
    if summary["config"].get("inductive"):
        raise ConfigError(
            "the run was trained with --inductive: it has learned from its validation documents in the end, so nothing is left to "
            "choose by. Use a run trained without --inductive, or convert with the options that another one chose"
        )
    nodes = split_of(graph, TrainConfig(**summary["config"])).val
    labels = torch.full_like(graph.labels, -1)
    labels[nodes] = graph.labels[nodes]
    return graph, labels
