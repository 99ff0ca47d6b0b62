"""The folder of a training run, on a graph or on images: what was trained, metrics, weights; never overwritten unasked."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.file_names import refuse_closed_folder, shell_word, why_not_there
from gcn2snn.files import (
    checksum,
    load_tensors,
    read_json,
    refuse_existing,
    save_json,
    save_tensors,
    save_text,
    stored_header,
    stored_kind,
)
from gcn2snn.leftovers import clear_leftovers
from gcn2snn.machine import environment, git_state, peak_memory
from gcn2snn.owner_lock import owned, refuse_moved
from gcn2snn.run_summary import IDENTITY, RUN_FILE, RUN_FORMAT, load_summary, trained_on
from gcn2snn.schema import Json
from gcn2snn.training_loop import AnyTrainer, Trainable, history_lines, train_to_end

METRICS_FILE, STATE_FILE, MODEL_FILE = "metrics.jsonl", "state.safetensors", "model.safetensors"

CHECKPOINTS = "checkpoints"
"""Folder in a run folder with the state of a training on several processes."""

_PLACE = ("dataset", "path")
"""Keys of a dataset's description that say where it lies and not what it is; a corpus may have been moved."""


@contextlib.contextmanager
def own_folder(folder: Path, *, force: bool, resume: bool) -> Iterator[None]:
    """A run folder for this process alone while the block runs, once :func:`check_folder` has nothing against it.

    What processes that were killed have left there goes.

    Raises:
        LockedError: another process trains there; the message names it.
        ArtefactError, ConfigError: as :func:`check_folder`.
    """
    _refuse_foreign(folder)
    with owned(folder, folder=True):
        check_folder(folder, force=force, resume=resume)
        clear_leftovers(folder)
        yield


def check_folder(folder: Path, *, force: bool, resume: bool) -> None:
    """Refuse a run folder before any work is done; nothing is changed.

    Raises:
        ArtefactError: the folder holds something and neither is given, it is not a run folder, or ``force`` would have to
            replace what is no plain file, or what a link leads to, or nothing can be written there.
        ConfigError: both are given.
    """
    if force and resume:
        raise ConfigError("--force starts over and --resume continues; give one of them")
    _refuse_foreign(folder)
    refuse_closed_folder(folder / RUN_FILE)
    if not _visible(folder):
        return
    if not (force or resume):
        raise ArtefactError(
            f"{folder} already holds a run. Use --resume to continue it, --force to start over, or another --out"
        )
    if force:
        if folder.is_symlink():
            raise ArtefactError(f"{folder} is a link, and --force replaces nothing behind one. Give the folder itself")
        for name in _OWN_FILES:
            refuse_existing(folder / name, force=True)


_log = logging.getLogger(__name__)

_OWN_FILES = (METRICS_FILE, STATE_FILE, MODEL_FILE, RUN_FILE)
"""What a run consists of, and all that starting over removes; in the order in which it goes."""


def _visible(folder: Path) -> list[str]:
    """Names in a folder that are not hidden, as locks and temporary files are; none where there is no folder."""
    return [item.name for item in folder.iterdir() if not item.name.startswith(".")] if folder.is_dir() else []


def _refuse_foreign(folder: Path) -> None:
    """Refuse what is no folder, and a folder with things in it that is no run folder of this package.

    Raises:
        ArtefactError: as said.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        kind = "a link that leads to no folder" if folder.is_symlink() else "a file"
        raise ArtefactError(f"{folder} is {kind}; a run needs a folder. Choose another --out")
    if _visible(folder) and not _is_run(folder):
        raise ArtefactError(f"{folder} exists and is not a run folder; nothing is written there. Choose another --out")


def _is_run(folder: Path) -> bool:
    """Whether a run of this package is here: by its summary, or where that is damaged by its weights or state."""
    try:
        summary = read_json(folder / RUN_FILE)
    except ArtefactError:
        summary = None
    if isinstance(summary, dict) and {"format", "kind", "config"} <= summary.keys():
        return True
    own = os.path.lexists(folder / RUN_FILE) and summary is None
    return own and any(stored_kind(folder / name) for name in (MODEL_FILE, STATE_FILE))


def make_room(folder: Path, *, force: bool) -> None:
    """With ``force`` the run that is there goes; other files of the folder stay, and its networks among them are named."""
    if force and os.path.lexists(folder / RUN_FILE):
        networks = [file for file in sorted(folder.glob("*.safetensors")) if _is_network_of(file, folder / RUN_FILE)]
        for name in _OWN_FILES:
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        for network in networks:
            _log.warning("%s was made of the run that is replaced now, and stays; convert again with --force", network)


def _is_network_of(file: Path, run_file: Path) -> bool:
    """Whether a file is a spiking network made of the run with this summary, as far as both of them say."""
    if stored_kind(file) != "snn":
        return False
    try:
        summary, meta = read_json(run_file), stored_header(file).get("meta")
    except ArtefactError:
        return True
    origin = meta.get("origin") if isinstance(meta, dict) else None
    if not (isinstance(summary, dict) and isinstance(origin, dict)):
        return True
    return all(origin[key] == summary.get(key) for key in ("fingerprint", "config") if key in origin)


def tell_of_another_run(network: Path) -> None:
    """Say that a network was found in the folder of a run that it was not made of, so that nobody takes it for that run's.

    Args:
        network: that lies in a folder which was given in its place.
    """
    run_file = network.parent / RUN_FILE
    if run_file.is_file() and not _is_network_of(network, run_file):
        _log.warning(
            "%s was not made of the run in %s: their data or options differ. It is used as it is; if the run's own network is "
            "meant, make it with `gcn2snn convert %s --force`",
            network,
            network.parent,
            shell_word(network.parent),
        )


def open_run(folder: Path, origin: Json) -> dict[str, object] | None:
    """Note that a run starts or continues here.

    Args:
        folder: new, or of the same run.
        origin: ``kind``, the keys of :data:`IDENTITY`, and ``config`` (JSON values).

    Returns:
        The summary of a run that is finished already, else None.

    Raises:
        ArtefactError: the folder's run has other data or options, or is finished and its weights are lost.
    """
    if not (folder / RUN_FILE).exists():
        save_json(folder / RUN_FILE, _summary(origin, "running"))
        return None
    old = load_summary(folder)
    kind = origin["kind"]
    if old["kind"] != kind or any(_what(old[key]) != _what(origin[key]) for key in IDENTITY[kind]):
        raise ArtefactError(
            f"{folder} holds a run on {trained_on(old)}, not on {trained_on(origin)}. "
            f"Use another --out, or --force to start over"
        )
    refuse_other_options(folder, old["config"], origin["config"])
    if old["status"] != "finished":
        return None
    load_weights(folder)
    return old


def _what(value: object) -> object:
    """What data are, without the place of a corpus of one's own."""
    if isinstance(value, dict) and "path" in value:
        return {key: part for key, part in value.items() if key not in _PLACE}
    return value


def refuse_other_options(folder: Path, old: dict[str, object], new: dict[str, object]) -> None:
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


def train_in(folder: Path, trainer: AnyTrainer, on_epoch: Callable[[AnyTrainer], None] | None = None) -> None:
    """Run a trainer to its end, with its checkpoint and a line of metrics for each epoch in the folder.

    Raises:
        ArtefactError: the folder holds the state of a training on several processes.
        KeyboardInterrupt: passed on; what is in the folder is whole, and the same call continues it.
    """
    if (folder / CHECKPOINTS).is_dir():
        raise ArtefactError(
            f"{folder} holds the state of a training on several processes. Continue it with the same options by "
            f"`torchrun --nproc-per-node K -m gcn2snn train ... --resume`, K any number from 1 on, or --force to start over"
        )

    def loaded(trainer: AnyTrainer) -> None:
        save_text(folder / METRICS_FILE, history_lines(trainer.history))  # epochs after the checkpoint are run again

    def epoch_done(trainer: AnyTrainer) -> None:
        refuse_moved(folder)
        with (folder / METRICS_FILE).open("a", encoding="utf-8") as file:
            file.write(history_lines(trainer.history[-1:]))
        if on_epoch is not None:
            on_epoch(trainer)

    train_to_end(trainer, checkpoint=folder / STATE_FILE, on_start=loaded, on_epoch=epoch_done)


def save_weights(folder: Path, state: dict[str, Tensor]) -> None:
    """Keep the weights of a run.

    Raises:
        ArtefactError: the folder was moved while this process held it.
    """
    refuse_moved(folder)
    save_tensors(folder / MODEL_FILE, state, kind="model", version=RUN_FORMAT, meta={})


def finish(folder: Path, origin: Json, trainer: Trainable, scores: dict[str, object]) -> dict[str, object]:
    """Keep the summary of a run that has come to its end; its checkpoint is of no more use and goes.

    Args:
        folder: where it was trained.
        origin: as for :func:`open_run`.
        trainer: done.
        scores: what was measured with the weights (JSON values).

    Returns:
        The summary.
    """
    summary = _summary(origin, "finished")
    summary |= {"epochs": len(trainer.history), "last_epoch": asdict(trainer.history[-1]), **scores}
    seconds = sum(epoch.seconds for epoch in trainer.history)
    summary |= {"train_seconds": seconds, "peak_memory_bytes": peak_memory()}
    refuse_moved(folder)
    save_json(folder / RUN_FILE, summary)
    (folder / STATE_FILE).unlink(missing_ok=True)
    return summary


def _summary(origin: dict[str, object], status: str) -> dict[str, object]:
    return {"format": RUN_FORMAT, **origin, "environment": environment() | git_state(), "status": status}


def load_weights(folder: Path) -> dict[str, Tensor]:
    """Weights of a run, checked.

    Raises:
        ArtefactError: missing or damaged; the message says how to make them again.
    """
    try:
        return load_tensors(folder / MODEL_FILE, kind="model", version=RUN_FORMAT)[0]
    except ArtefactError as error:
        raise ArtefactError(
            f"{error}. The run's weights are lost: train again with `--out {shell_word(folder)} --force`"
        ) from error


def weights_hash(folder: Path) -> str:
    """sha256 over the weights of a run: what is made from them and kept carries it.

    Raises:
        ArtefactError: as :func:`load_weights`.
    """
    return checksum(load_weights(folder), {})


def read_run(folder: Path, kind: str) -> Json:
    """Summary of a run whose weights can be used: finished, or interrupted when it had weights to keep.

    Args:
        folder: of ``gcn2snn train``.
        kind: "graph" or "images".

    Raises:
        ArtefactError: it is no run, one of another kind, or has no weights yet.
    """
    if folder.is_file():
        raise ArtefactError(
            f"{folder} is a file; a run folder of `gcn2snn train` is needed (a spiking network is evaluated)"
        )
    if not folder.is_dir():
        raise ArtefactError(
            f"{folder} is not a run folder: it {why_not_there(folder)}. Make one with `gcn2snn train DATASET --out {shell_word(folder)}`"
        )
    if not (folder / RUN_FILE).exists():
        raise ArtefactError(
            f"{folder.resolve()} is not a run folder: it holds no {RUN_FILE}. Make one with `gcn2snn train DATASET --out DIR`"
        )
    summary = load_summary(folder, kind)
    if summary["status"] == "finished":
        load_weights(folder)
    elif not (folder / MODEL_FILE).exists():
        raise ArtefactError(
            f"{folder} is unfinished and has no weights yet. Continue it with `gcn2snn train ... --out {shell_word(folder)} --resume`"
        )
    return summary
