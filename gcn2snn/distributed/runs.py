"""A training run on several ranks in its folder: rank 0 alone writes there, apart from checkpoints."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from gcn2snn.config import TrainConfig, to_dict
from gcn2snn.distributed.graph_slices import GraphShare
from gcn2snn.distributed.training import RankTrainer, train_share, trained_weights
from gcn2snn.errors import ArtefactError, DataError
from gcn2snn.evaluation import score_classes
from gcn2snn.files import save_text
from gcn2snn.run_folder import CHECKPOINTS, METRICS_FILE, STATE_FILE, finish, open_run, save_weights
from gcn2snn.schema import Json
from gcn2snn.training_loop import history_lines


def train_on_ranks(
    graph: GraphShare,
    config: TrainConfig,
    folder: Path,
    on_epoch: Callable[[RankTrainer], None] | None = None,
) -> Json:
    """Train on a shared graph and keep everything in ``folder``; continue there if it holds an unfinished run.

    Args:
        graph: this rank's share.
        config: how to train.
        folder: of the run; rank 0 holds its lock. All machines see it.
        on_epoch: called after every epoch, on every rank.

    Returns:
        The summary that ``run.json`` holds, on every rank.

    Raises:
        ArtefactError: the folder's run has another dataset or configuration, or was begun by one process.
        KeyboardInterrupt: passed on; the state is kept, and the best weights so far.
        RankError: another rank is gone.
    """
    ranks = graph.ranks
    origin: Json = {"kind": "graph", "dataset": graph.outline.source, "fingerprint": graph.fingerprint}
    origin["config"] = to_dict(config)
    old = ranks.from_first({"summary": _opened(folder, origin)} if ranks.first else None)["summary"]
    if old is not None:
        return old
    trainer = RankTrainer(graph, config)

    def loaded(trainer: RankTrainer) -> None:
        if ranks.first:  # epochs after the checkpoint are run again
            save_text(folder / METRICS_FILE, history_lines(trainer.history))

    def epoch_done(trainer: RankTrainer) -> None:
        if ranks.first:
            with (folder / METRICS_FILE).open("a", encoding="utf-8") as file:
                file.write(history_lines(trainer.history[-1:]))
        if on_epoch is not None:
            on_epoch(trainer)

    try:
        train_share(trainer, folder / CHECKPOINTS, on_start=loaded, on_epoch=epoch_done)
    except KeyboardInterrupt:
        _keep(folder, trainer, best=True)
        raise
    _keep(folder, trainer, best=False)
    scores = _test_scores(trainer)
    summary = finish(folder, origin, trainer, {"ann": scores}) if ranks.first else None
    if ranks.first:
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return ranks.from_first(summary)


def _opened(folder: Path, origin: Json) -> Json | None:
    """The summary of a run that is finished already; refuses the state of a training in one process."""
    if (folder / STATE_FILE).exists():
        raise ArtefactError(
            f"{folder} holds the state of a training in one process; continue it without torchrun, or --force to start over"
        )
    return open_run(folder, origin)


def _keep(folder: Path, trainer: RankTrainer, *, best: bool) -> None:
    """Write the weights, whole, on rank 0."""
    weights = trainer.best if best else trainer.weights
    state = trained_weights(weights, trainer) if weights else None
    if state is not None:
        save_weights(folder, state)


@torch.no_grad()
def _test_scores(trainer: RankTrainer) -> dict[str, object]:
    """Accuracy and macro F1 of the trained network on the test nodes."""
    graph = trainer.graph
    mask = graph.outline.test_mask[graph.own]
    scores = trainer.scores(graph.adjacency, graph.halo).cpu()
    own = (scores[mask].argmax(1), graph.outline.labels[graph.own][mask])
    found = graph.ranks.everywhere(own)
    predicted, labels = (torch.cat([part[axis] for part in found]) for axis in (0, 1))
    if not labels.numel():
        raise DataError(f"{graph.outline.source.get('dataset', 'the graph')} has no test nodes to evaluate on")
    return asdict(score_classes(predicted, labels))
