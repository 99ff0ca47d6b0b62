"""The one training loop, for graphs and for images: epoch after epoch, resumable, whole when it is interrupted."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

import torch
from pydantic import Field
from torch import Tensor

from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.files import load_tensors, save_tensors
from gcn2snn.schema import Json, Sha256, Stored, made_of

STATE_FORMAT = 2
"""Format version of checkpoints."""


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """How a trainer wants to be run.

    Args:
        seed: of the global random state during training.
        threads: CPU threads, 0 for what torch chooses.
        save_every: seconds between two checkpoints; 0 writes one after every epoch.
        finish_epoch: the first Ctrl-C waits for the end of the epoch. False, for epochs of many minutes: it stops at once,
            and the epoch is run again on resuming.
    """

    seed: int
    threads: int = 0
    save_every: float = 0.0
    finish_epoch: bool = True


class Trainable(Protocol):
    """What the loop needs of a trainer: everything a run carries from one epoch to the next."""

    @property
    def loop(self) -> LoopOptions:
        """How it wants to be run."""

    @property
    def history(self) -> Sequence[Any]:
        """A dataclass of measures for each finished epoch, ``epoch`` and ``train_loss`` among them."""

    @property
    def done(self) -> bool:
        """Whether training is over."""

    def run_epoch(self) -> object:
        """Train for one epoch and add it to the history."""

    def save(self, path: Path) -> None:
        """Write all that :meth:`load` needs to continue exactly."""

    def load(self, path: Path) -> None:
        """Continue from what :meth:`save` wrote."""


class Numbered(Protocol):
    """Measures of an epoch."""

    @property
    def epoch(self) -> int:
        """Its number, from 1."""


AnyTrainer = TypeVar("AnyTrainer", bound=Trainable)
Epoch = TypeVar("Epoch", bound=Numbered)


def train_to_end(
    trainer: AnyTrainer,
    *,
    checkpoint: Path | None = None,
    on_start: Callable[[AnyTrainer], None] | None = None,
    on_epoch: Callable[[AnyTrainer], None] | None = None,
) -> None:
    """Run epochs until the trainer is done: the same final weights whether or not it was interrupted.

    Args:
        trainer: fresh.
        checkpoint: file to continue from if it is there, and to write every ``trainer.loop.save_every`` seconds.
        on_start: called once, after the checkpoint (if any) is read.
        on_epoch: called after every epoch (progress, metrics).

    Raises:
        KeyboardInterrupt: passed on, as for a request to end (SIGTERM); with ``finish_epoch`` after the checkpoint is
            written.
    """
    if torch.is_inference_mode_enabled():
        raise ConfigError(
            "training needs gradients, and torch.inference_mode() gives none. Call it outside of that block"
        )
    options = trainer.loop
    held = interrupts_held() if options.finish_epoch else contextlib.nullcontext(lambda: 0)
    with seeded(options.seed, options.threads), held as interrupted:
        if checkpoint is not None and checkpoint.exists():
            trainer.load(checkpoint)
        if on_start is not None:
            on_start(trainer)
        saved = time.monotonic()
        while not trainer.done:
            trainer.run_epoch()
            refuse_diverged(trainer.history)
            if on_epoch is not None:
                on_epoch(trainer)
            due = interrupted() or time.monotonic() - saved >= options.save_every
            if checkpoint is not None and due:
                trainer.save(checkpoint)
                saved = time.monotonic()
            if interrupted():
                break
    if number := interrupted():
        signal.raise_signal(number)  # whoever handled it before the training does so now, with the state on disk
        raise KeyboardInterrupt


def refuse_diverged(history: Sequence[Any]) -> None:
    """Stop a training whose loss is no number any more: every later epoch, and the network, would be none either.

    Raises:
        ConfigError: as said.
    """
    if history and not math.isfinite(history[-1].train_loss):
        raise ConfigError(
            f"the training loss is {history[-1].train_loss} after epoch {history[-1].epoch}: the training diverged. Use a "
            f"smaller learning rate"
        )


@contextlib.contextmanager
def seeded(seed: int, threads: int = 0) -> Iterator[None]:
    """A seed of the global random state and a thread count (0 leaves it), restored afterwards."""
    before = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if threads:
            torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@contextlib.contextmanager
def interrupts_held() -> Iterator[Callable[[], int]]:
    """Ctrl-C and SIGTERM wait for the end of the epoch, so that what is saved is whole; a second one does not wait.

    Yields:
        The signal that is waiting, 0 for none. Outside the main thread, where Python allows no handler, none ever is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    caught: list[int] = []

    def hold(number: int, frame: object) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    held = [number for number, handler in before.items() if handler is not None and handler is not signal.SIG_IGN]
    for number in held:
        signal.signal(number, hold)
    try:
        yield lambda: caught[0] if caught else 0
    finally:
        for number in held:
            signal.signal(number, before[number])


def under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint whose names start with a prefix, without it."""
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def key_of_training(*parts: object) -> str:
    """Hash of what a training depends on (JSON values): configuration with seed, and data."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class StoredState(Stored):
    """What stands beside the tensors of a checkpoint."""

    of: Sha256
    history: Annotated[list[Json], Field(min_length=1)]


def save_state(
    path: Path, tensors: dict[str, Tensor], *, kind: str, key: str, history: Sequence[Any], **more: object
) -> None:
    """Write a checkpoint that only a training of the same key continues from.

    Args:
        path, tensors, kind: as for :func:`gcn2snn.files.save_tensors`.
        key: of :func:`key_of_training`.
        history: a dataclass for each finished epoch.
        more: further JSON values.
    """
    meta = {"of": key, "history": [asdict(epoch) for epoch in history], **more}
    save_tensors(path, tensors, kind=kind, version=STATE_FORMAT, meta=meta)


@contextlib.contextmanager
def loaded_state(
    path: Path, *, kind: str, key: str, epoch: type[Epoch], schema: type[StoredState] = StoredState
) -> Iterator[tuple[dict[str, Tensor], list[Epoch], Json]]:
    """Tensors, history and other values of a checkpoint; what the block cannot use of them is an error of the file.

    Raises:
        ArtefactError: damaged, of a training with another seed, other options or other data, or its tensors do not fit.
    """
    again = f"Delete {path} to train from the beginning"
    tensors, meta = load_tensors(path, kind=kind, version=STATE_FORMAT, schema=schema, again=again)
    if meta["of"] != key:
        raise ArtefactError(
            f"{path} is the state of a training with another seed, other options or other data. {again}, or use another --out"
        )
    history = [made_of(epoch, row, f"an epoch of {path}", finite=False) for row in meta["history"]]
    if [row.epoch for row in history] != list(range(1, len(history) + 1)):
        raise ArtefactError(f"{path} does not hold its epochs from 1 on: it was edited. {again}")
    try:
        yield tensors, history, meta
    except (RuntimeError, KeyError, TypeError, ValueError, IndexError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise ArtefactError(f"{path} does not fit the model that is trained: {said}. {again}") from error


def history_lines(history: Sequence[Any]) -> str:
    """One JSON object a line, one line an epoch."""
    return "".join(json.dumps(asdict(epoch)) + "\n" for epoch in history)
