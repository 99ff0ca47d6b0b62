"""Results of layers that are written and read some rows at a time: in memory as far as a limit allows, else in mapped files."""

from __future__ import annotations

import mmap
import os
import tempfile
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

from gcn2snn.engines.node_rules import Value
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import CSR, Spikes
from gcn2snn.memory import MemoryLimit

KEPT_SHARE = 0.75
"""Share of the limit that results may take; the rest is for the rows that are being worked on."""


@dataclass(frozen=True, eq=False)
class Kept:
    """A result of all rows.

    Args:
        tensor: numbers or codes, [rows, ...].
        like: the spikes of the first rows, whose scale and code hold for all; None for numbers.
        mapped: the memory of a file, None where it is ordinary memory.
    """

    tensor: Tensor
    like: Spikes | None
    mapped: mmap.mmap | None

    @property
    def value(self) -> Tensor | Spikes:
        """The result as nodes read it."""
        return self.tensor if self.like is None else self.like.with_code(self.tensor)

    def write(self, rows: slice, value: Tensor | Spikes) -> None:
        """Put the result of some rows in its place."""
        self.tensor[rows] = value.code if isinstance(value, Spikes) else value

    def release(self) -> None:
        """Let the pages of a mapped file go from this process; the file keeps what was written."""
        if self.mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.mapped.madvise(mmap.MADV_DONTNEED)


class RowStore:
    """Room for the results of a run under a limit.

    Args:
        limit: results together take at most :data:`KEPT_SHARE` of it in memory; those that would exceed it go to files,
            which have no name, so that nothing is left of them when the process ends, however it ends.
    """

    def __init__(self, limit: MemoryLimit) -> None:
        self.limit = limit
        self.free = int(limit.size * KEPT_SHARE)
        self.kept: dict[str, Kept] = {}

    def begin(self, name: str, rows: int, first: Tensor | Spikes) -> Kept:
        """Room for the result of ``name``, whose first rows are ``first``.

        Raises:
            ConfigError: the file system has no room for it.
        """
        pattern = first.code if isinstance(first, Spikes) else first
        shape = (rows, *pattern.shape[1:])
        size = prod(shape) * pattern.element_size()
        if size <= self.free or pattern.device.type != "cpu" or not size:
            self.free -= size
            tensor, mapped = torch.empty(shape, dtype=pattern.dtype, device=pattern.device), None
        else:
            mapped = self._file(name, size)
            tensor = torch.frombuffer(mapped, dtype=pattern.dtype).view(shape)
        self.kept[name] = Kept(tensor, first if isinstance(first, Spikes) else None, mapped)
        return self.kept[name]

    def drop(self, name: str) -> None:
        """Give up the room of a result that nothing reads any more."""
        kept = self.kept.pop(name, None)
        if kept is not None and kept.mapped is None:
            self.free += kept.tensor.numel() * kept.tensor.element_size()

    def release(self, but: frozenset[str] = frozenset()) -> None:
        """Let the pages of all mapped files go but those named."""
        for name, kept in self.kept.items():
            if name not in but:
                kept.release()

    def _file(self, name: str, size: int) -> mmap.mmap:
        folder = self.limit.folder or tempfile.gettempdir()
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                if hasattr(os, "posix_fallocate"):  # a full disk is an error here and not a signal while writing
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.truncate(size)
                return mmap.mmap(file.fileno(), size)
        except OSError as error:
            raise ConfigError(
                f"the result of {name} takes {size / 1e6:,.0f} MB, more than the memory limit leaves, and {folder} has no "
                f"room for it ({error.strerror}). Give another folder, a higher limit, or free space"
            ) from None


def rows_of(value: Value, rows: slice) -> Value:
    """Some rows of a result, without a copy; what has no rows as it is."""
    if isinstance(value, Tensor):
        return value[rows]
    if isinstance(value, Spikes):
        return value.with_code(value.code[rows])
    if isinstance(value, CSR):
        first, last = int(value.rowptr[rows.start]), int(value.rowptr[rows.stop])
        rowptr = value.rowptr[rows.start : rows.stop + 1] - first
        return replace(value, rowptr=rowptr, col=value.col[first:last], value=value.value[first:last], symmetric=False)
    return value
