"""Checkpoints of a training on several ranks, by ``torch.distributed.checkpoint``: any number of ranks continues from them.

A checkpoint is a folder that all ranks write, and a file that names it once it is whole. Tables that are shared out go
to the checkpoint in equal blocks of rows, so that what is read does not depend on who wrote it.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from gcn2snn.distributed.communicator import Communicator
from gcn2snn.distributed.halo import Partition
from gcn2snn.errors import ArtefactError, RankError
from gcn2snn.files import load_json, save_json
from gcn2snn.schema import Json, Sha256, Stored, made_of
from gcn2snn.textgcn import Epoch, refuse_wrong_numbers

NAME_FILE = "newest.json"
"""What says which checkpoint of the folder counts."""

CHECKPOINT_FORMAT = 2


class StoredCheckpoint(Stored):
    """What stands in :data:`NAME_FILE`."""

    format: int
    of: Sha256
    folder: Annotated[str, Field(pattern=r"^epoch-[0-9]+$")]
    files: dict[str, Sha256]
    history: Annotated[list[Json], Field(min_length=1)]


def save_checkpoint(
    place: Path,
    tables: Mapping[str, Tensor],
    whole: Mapping[str, Tensor],
    partition: Partition,
    ranks: Communicator,
    *,
    key: str,
    history: Sequence[Epoch],
) -> None:
    """Write a checkpoint; the one before stays until this one is whole.

    Args:
        place: folder of the checkpoints of a run.
        tables: own rows of what is shared out, [own rows, ...].
        whole: what every rank has.
        partition: rows of each rank.
        ranks: all of them call this.
        key: of the training.
        history: of the training.

    Raises:
        ArtefactError: the folder cannot be written.
    """
    from torch.distributed import checkpoint

    folder = place / f"epoch-{len(history)}"
    even = _even(partition.rows, ranks.size)
    state = {name: _spread(_moved(rows, partition, even, ranks), even, ranks) for name, rows in tables.items()}
    if ranks.first:
        shutil.rmtree(folder, ignore_errors=True)  # of a save that did not come to its end
        place.mkdir(parents=True, exist_ok=True)
    ranks.wait()
    with _told(folder):
        checkpoint.save({**state, **{name: tensor.cpu() for name, tensor in whole.items()}}, checkpoint_id=folder)
    ranks.wait()
    with _told(folder):
        hashes = _hashes(folder, ranks)
    if ranks.first:
        content = {"format": CHECKPOINT_FORMAT, "of": key, "folder": folder.name, "files": hashes}
        save_json(place / NAME_FILE, {**content, "history": [asdict(epoch) for epoch in history]})
        for other in place.glob("epoch-*"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)


def load_checkpoint(
    place: Path,
    tables: Mapping[str, Tensor],
    whole: Mapping[str, Tensor],
    partition: Partition,
    ranks: Communicator,
    *,
    key: str,
) -> list[Epoch]:
    """Read the newest checkpoint into tensors of the same sizes, in place; the history of its training.

    Arguments as for :func:`save_checkpoint`; the number of ranks may be another.

    Raises:
        ArtefactError: missing, damaged, or of a training with another seed, other options or another graph.
    """
    from torch.distributed import checkpoint

    again = f"Delete {place} to train from the beginning"
    meta = load_json(place / NAME_FILE, StoredCheckpoint, again)
    if meta["format"] != CHECKPOINT_FORMAT:
        raise ArtefactError(
            f"{place} has format version {meta['format']}; this release reads {CHECKPOINT_FORMAT}. {again}"
        )
    if meta["of"] != key:
        raise ArtefactError(
            f"{place} is the state of a training with another seed, other options or other data. {again}, or use another --out"
        )
    history = [made_of(Epoch, row, f"an epoch of {place}", finite=False) for row in meta["history"]]
    even = _even(partition.rows, ranks.size)
    own = even.of(ranks.rank)
    blocks = {
        name: rows.new_empty((own.stop - own.start, *rows.shape[1:]), device="cpu") for name, rows in tables.items()
    }
    copies = {name: tensor.detach().cpu().clone() for name, tensor in whole.items()}
    folder = place / meta["folder"]
    with _told(folder, again):
        if (found := _hashes(folder, ranks)) != meta["files"]:
            names = sorted(
                name for name in found.keys() | meta["files"].keys() if found.get(name) != meta["files"].get(name)
            )
            raise ArtefactError(f"{folder} is damaged: {', '.join(names)} is not what was saved. {again}")
        state = {name: _spread(block, even, ranks) for name, block in blocks.items()}
        checkpoint.load({**state, **copies}, checkpoint_id=folder)
    try:
        refuse_wrong_numbers({**blocks, **copies})
    except ValueError as error:
        raise ArtefactError(f"{folder} does not fit the model that is trained: {error}. {again}") from error
    with torch.no_grad():
        for name, rows in tables.items():
            rows.copy_(_moved(blocks[name], even, partition, ranks))
        for name, tensor in whole.items():
            tensor.copy_(copies[name])
    return history


def _hashes(folder: Path, ranks: Communicator) -> dict[str, str]:
    """sha256 of every file of a checkpoint, on every rank; each rank reads some of them.

    The library notices neither a changed number nor a file of another checkpoint.
    """
    names = sorted(file.name for file in folder.iterdir() if file.is_file()) if folder.is_dir() else []
    own: dict[str, str] = {}
    for name in names[ranks.rank :: ranks.size]:
        with (folder / name).open("rb") as content:
            own[name] = hashlib.file_digest(content, "sha256").hexdigest()
    return {name: digest for part in ranks.everywhere(own) for name, digest in part.items()}


def _even(rows: int, ranks: int) -> Partition:
    """Blocks of ceil(rows / ranks) rows, the last ones shorter or empty, as ``torch.chunk`` makes them."""
    size = -(-rows // ranks)
    return Partition(tuple(min(rank * size, rows) for rank in range(ranks + 1)))


def _moved(rows: Tensor, old: Partition, new: Partition, ranks: Communicator) -> Tensor:
    """The rows that a rank has under another partition."""
    own, wanted = old.of(ranks.rank), new.of(ranks.rank)
    to = [_overlap(own, new.of(rank)) for rank in range(ranks.size)]
    come = [_overlap(old.of(rank), wanted) for rank in range(ranks.size)]
    return ranks.exchange(rows.detach().cpu(), to, come, "checkpoint")


def _overlap(a: slice, b: slice) -> int:
    return max(0, min(a.stop, b.stop) - max(a.start, b.start))


def _spread(block: Tensor, even: Partition, ranks: Communicator) -> Tensor:
    """A rank's block as part of the whole table, as the checkpoint knows it."""
    from torch.distributed.tensor import DTensor, Shard, init_device_mesh

    mesh = init_device_mesh("cpu", (ranks.size,))
    shape = torch.Size((even.rows, *block.shape[1:]))
    strides = torch.empty(shape, device="meta").stride()
    return DTensor.from_local(block.contiguous(), mesh, [Shard(0)], run_check=False, shape=shape, stride=strides)


@contextlib.contextmanager
def _told(
    folder: Path, again: str = "Free space, or choose a folder that every machine may write to"
) -> Iterator[None]:
    """What the library says of a checkpoint that it cannot write or read, as one line of ours."""
    from torch.distributed.checkpoint.api import CheckpointException

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library's own, about itself
            yield
    except CheckpointException as error:
        first = next(iter(error.failures.values()))[0] if error.failures else error
        said = next(iter(str(first).strip().splitlines()), type(first).__name__)
        raise ArtefactError(f"the checkpoint {folder} failed: {said.rstrip('.')}. {again}") from error
    except OSError as error:
        raise ArtefactError(f"the checkpoint {folder} failed: {error.strerror or error}. {again}") from error
    except RuntimeError as error:
        raise RankError(str(error).splitlines()[0]) from error
