"""The folder of a training run: configuration, metrics, weights, environment; resumable, never overwritten unasked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from gcn2snn.config import TrainConfig, to_dict
from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.evaluation import score
from gcn2snn.files import load_json, load_tensors, save_json, save_tensors, save_text
from gcn2snn.graph import Graph
from gcn2snn.machine import environment, git_state, peak_memory
from gcn2snn.textgcn.model import TextGCN
from gcn2snn.textgcn.training import Trainer, fit, history_lines, make_model, split_of

RUN_FORMAT = 1
RUN_FILE, METRICS_FILE, STATE_FILE, MODEL_FILE = "run.json", "metrics.jsonl", "state.safetensors", "model.safetensors"


def check_folder(folder: Path, *, force: bool, resume: bool) -> None:
    """Refuse a run folder before any work is done; nothing is changed.

    Raises:
        ArtefactError: the folder holds something and neither is given, or it is not a run folder.
        ConfigError: both are given.
    """
    if force and resume:
        raise ConfigError("--force starts over and --resume continues; give one of them")
    if folder.exists() and not folder.is_dir():
        raise ArtefactError(f"{folder} is a file; a run needs a folder. Choose another --out")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / RUN_FILE).exists():
        raise ArtefactError(f"{folder} exists and is not a run folder; nothing is written there. Choose another --out")
    if not (force or resume):
        raise ArtefactError(
            f"{folder} already holds a run. Use --resume to continue it, --force to start over, or another --out"
        )


def prepare(folder: Path, *, force: bool) -> None:
    """Make room for a new run; with ``force`` the run that is there goes."""
    if force and (folder / RUN_FILE).exists():
        for name in (METRICS_FILE, STATE_FILE, MODEL_FILE, RUN_FILE):
            (folder / name).unlink(missing_ok=True)


def train_run(
    graph: Graph,
    config: TrainConfig,
    folder: Path,
    *,
    on_epoch: Callable[[Trainer], None] | None = None,
) -> dict[str, Any]:
    """Train on a graph and keep everything in ``folder``; continue there if it holds an unfinished run.

    Returns:
        The summary that ``run.json`` holds: dataset, configuration, environment, ANN scores, peak memory.

    Raises:
        ArtefactError: the folder's run has another dataset or configuration.
    """
    origin = {"dataset": graph.source, "fingerprint": graph.fingerprint, "config": to_dict(config)}
    summary = {"format": RUN_FORMAT, **origin, "environment": environment() | git_state(), "status": "running"}
    if (folder / RUN_FILE).exists():
        old = _read_summary(folder)
        _check_same_run(folder, old, origin)
        if old["status"] == "finished":
            load_weights(folder)
            return old
    else:
        save_json(folder / RUN_FILE, summary)
    trainer = Trainer(graph, config)

    def epoch_done(trainer: Trainer) -> None:
        with (folder / METRICS_FILE).open("a", encoding="utf-8") as file:
            file.write(history_lines(trainer.history[-1:]))
        if on_epoch is not None:
            on_epoch(trainer)

    def loaded(trainer: Trainer) -> None:
        save_text(folder / METRICS_FILE, history_lines(trainer.history))  # epochs after the checkpoint are run again

    try:
        fit(trainer, checkpoint=folder / STATE_FILE, on_start=loaded, on_epoch=epoch_done)
    except KeyboardInterrupt:
        if trainer.best:
            _save_model(folder / MODEL_FILE, trainer.best)
        raise
    _save_model(folder / MODEL_FILE, trainer.model.state_dict())
    scores = score(trainer.model(*call(graph, trainer.device)).cpu(), graph)
    summary |= {"status": "finished", "epochs": len(trainer.history), "last_epoch": asdict(trainer.history[-1])}
    summary |= {
        "ann": asdict(scores),
        "train_seconds": sum(e.seconds for e in trainer.history),
        "peak_memory_bytes": peak_memory(),
    }
    finish(folder, summary)
    return summary


def finish(folder: Path, summary: dict[str, Any]) -> None:
    """Keep the summary of a run that has come to its end; the checkpoint that ``--resume`` reads is of no more use."""
    save_json(folder / RUN_FILE, summary)
    (folder / STATE_FILE).unlink(missing_ok=True)


def call(graph: Graph, device: torch.device | str = "cpu") -> tuple[Any, ...]:
    """Arguments of a Text GCN for a graph."""
    adjacency = graph.adjacency.to(device)
    return (adjacency,) if graph.features is None else (adjacency, graph.features.to(device))


def load_model(folder: Path, graph: Graph) -> TextGCN:
    """The trained network of a run, in evaluation mode.

    Raises:
        ArtefactError: the run is unfinished, damaged, or belongs to another graph.
    """
    summary = _read_summary(folder)
    if graph.fingerprint != summary["fingerprint"]:
        raise ArtefactError(
            f"{folder} was trained on another graph than the {graph.source.get('dataset')} that is here now. Train again"
        )
    tensors = load_weights(folder)
    model = make_model(graph, TrainConfig(**summary["config"]))
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise ArtefactError(
            f"{folder / MODEL_FILE} does not fit {RUN_FILE}: {first}. Train again with --force"
        ) from error
    return model.eval()


def validation_of(summary: dict[str, Any], graph: Graph) -> tuple[Graph, torch.Tensor]:
    """The run's graph with the labels of its validation nodes, -1 elsewhere: what tuning may look at."""
    nodes = split_of(graph, TrainConfig(**summary["config"])).val
    labels = torch.full_like(graph.labels, -1)
    labels[nodes] = graph.labels[nodes]
    return graph, labels


def load_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Weights of a run, checked.

    Raises:
        ArtefactError: missing or damaged; the message says how to make them again.
    """
    try:
        return load_tensors(folder / MODEL_FILE, kind="model", version=RUN_FORMAT)[0]
    except ArtefactError as error:
        raise ArtefactError(
            f"{error}. The run's weights are lost: train again with `--out {folder} --force`"
        ) from error


def read_run(folder: Path) -> dict[str, Any]:
    """Summary of a run whose weights can be used: finished, or interrupted with a best checkpoint.

    Raises:
        ArtefactError: it is no run, or has no weights yet.
    """
    if folder.is_file():
        raise ArtefactError(
            f"{folder} is a file; a run folder of `gcn2snn train` is needed (a spiking network is evaluated)"
        )
    if not folder.is_dir():
        raise ArtefactError(
            f"{folder} is not a run folder: it does not exist. Make one with `gcn2snn train DATASET --out {folder}`"
        )
    if not (folder / RUN_FILE).exists():
        raise ArtefactError(
            f"{folder.resolve()} is not a run folder: it holds no {RUN_FILE}. Make one with `gcn2snn train DATASET --out DIR`"
        )
    summary = _read_summary(folder)
    if summary["status"] == "finished":
        load_weights(folder)
    elif not (folder / MODEL_FILE).exists():
        raise ArtefactError(
            f"{folder} is unfinished and has no weights yet. Continue it with `gcn2snn train ... --out {folder} --resume`"
        )
    return summary


def _read_summary(folder: Path) -> dict[str, Any]:
    summary = load_json(folder / RUN_FILE)
    if not isinstance(summary, dict) or summary.get("format") != RUN_FORMAT:
        got = summary.get("format") if isinstance(summary, dict) else None
        raise ArtefactError(f"{folder / RUN_FILE} has format {got}; this release reads {RUN_FORMAT}. Train again")
    if summary.get("kind") == "images":
        raise ArtefactError(f"{folder} holds a run on images ({summary.get('data')}). Use another --out, or --force")
    missing = [key for key in ("dataset", "fingerprint", "config", "status") if key not in summary]
    if missing:
        raise ArtefactError(f"{folder / RUN_FILE} lacks {missing}; it was edited. Train again")
    return summary


def _check_same_run(folder: Path, old: dict[str, Any], origin: dict[str, Any]) -> None:
    if old["fingerprint"] != origin["fingerprint"]:
        raise ArtefactError(
            f"{folder} holds a run on another graph ({old['dataset'].get('dataset')}). Use another --out or --force"
        )
    refuse_other_options(folder, old["config"], origin["config"])


def refuse_other_options(folder: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Refuse to continue a run with other options than it was started with.

    Raises:
        ArtefactError: as said; names the options and their old values.
    """
    names = sorted(name for name in new if name != "save_every" and old.get(name) != new[name])
    if names:
        was = ", ".join(f"{name}={old.get(name)}" for name in names)
        raise ArtefactError(
            f"{folder} was started with {was}. Give the same options to --resume, or --force to start over"
        )


def _save_model(path: Path, state: dict[str, torch.Tensor]) -> None:
    save_tensors(path, state, kind="model", version=RUN_FORMAT, meta={})
