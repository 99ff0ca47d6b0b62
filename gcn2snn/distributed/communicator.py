"""What ranks tell each other: rows of values or phases, sums, and small objects; every byte to another rank is counted."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from gcn2snn.errors import RankError

T = TypeVar("T")

PHASES, FLOATS, COUNTS = "phases", "floats", "counts"
"""What travels: spikes as their codes, values as numbers, and spike counts of an energy report."""


class Communicator:
    """The ranks of a job. All of them call the same methods in the same order.

    Every method raises RankError where another rank has ended or does not answer within the time of the process group.

    >>> Communicator.alone().size
    1

    Args:
        rank: number of this process, from 0.
        size: how many there are.
        device: where values lie.
    """

    def __init__(self, rank: int, size: int, device: torch.device | None = None):
        self.rank, self.size = rank, size
        self.device = device or torch.device("cpu")
        self.sent: Counter[str] = Counter()
        """Bytes of rows that this rank sent to others, by what they were."""
        self._counted_as: str | None = None

    @classmethod
    def alone(cls) -> Communicator:
        """The only rank of a job, which needs no process group."""
        return cls(0, 1)

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which alone prints and writes."""
        return self.rank == 0

    @contextlib.contextmanager
    def counted_as(self, kind: str) -> Iterator[None]:
        """Rows that are exchanged in the block count under one name, whatever they are."""
        before, self._counted_as = self._counted_as, kind
        try:
            yield
        finally:
            self._counted_as = before

    def exchange(self, rows: Tensor, to: Sequence[int], come: Sequence[int], kind: str | None = None) -> Tensor:
        """Give each rank its rows, and take from each the rows that it gives.

        Args:
            rows: [sum(to), ...], of any dtype: those for rank 0 first.
            to: rows for each rank.
            come: rows that each rank gives to this one.
            kind: what they count as; default: floats for floating numbers, else phases. They travel as bytes.

        Returns:
            [sum(come), ...], those of rank 0 first.
        """
        if self.size == 1:
            return rows
        kind = self._counted_as or kind or (FLOATS if rows.is_floating_point() else PHASES)
        plain = rows.contiguous()
        found = torch.empty((sum(come), *rows.shape[1:]), dtype=rows.dtype, device=rows.device)
        given, taken = _as_bytes(plain), _as_bytes(found)
        self.sent[kind] += (sum(to) - to[self.rank]) * given.shape[1]
        with _answered():
            dist.all_to_all_single(taken, given, list(come), list(to))
        return found

    def sum_(self, values: Tensor) -> Tensor:
        """Add up a tensor of equal size over the ranks, in place."""
        if self.size > 1:
            with _answered():
                dist.all_reduce(values)
        return values

    def largest_(self, values: Tensor) -> Tensor:
        """The largest of each number over the ranks, in place."""
        if self.size > 1:
            with _answered():
                dist.all_reduce(values, dist.ReduceOp.MAX)
        return values

    def ordered_sum(self, numbers: Sequence[float]) -> list[float]:
        """Sums over the ranks in double precision, added in the order of the ranks, so that every rank has the same bits."""
        parts = self.everywhere([float(number) for number in numbers])
        return [sum(column) for column in zip(*parts, strict=True)]

    def everywhere(self, value: T) -> list[T]:
        """The small object of each rank, in their order, on every rank."""
        if self.size == 1:
            return [value]
        found: list[T | None] = [None] * self.size
        with _answered():
            dist.all_gather_object(found, value)
        return [each for each in found if each is not None]

    def from_first(self, value: T | None) -> T:
        """What rank 0 passes, on every rank; others may pass None."""
        if self.size == 1:
            assert value is not None
            return value
        box: list[T | None] = [value]
        with _answered():
            dist.broadcast_object_list(box, src=0)
        assert box[0] is not None
        return box[0]

    def rows_on_first(self, rows: Tensor) -> Tensor | None:
        """The rows of all ranks one after the other on rank 0, None elsewhere; they may have any number of rows."""
        if self.size == 1:
            return rows
        counts = self.everywhere(rows.shape[0])
        to = [rows.shape[0] if rank == 0 else 0 for rank in range(self.size)]
        found = self.exchange(rows, to, counts if self.first else [0] * self.size, "gathered")
        return found if self.first else None

    def rows_everywhere(self, rows: Tensor) -> Tensor:
        """The rows of all ranks one after the other, on every rank; for what is small."""
        if self.size == 1:
            return rows
        counts = self.everywhere(rows.shape[0])
        return self.exchange(torch.cat([rows] * self.size), [rows.shape[0]] * self.size, counts, "gathered")

    def wait(self) -> None:
        """Until all ranks are here."""
        if self.size > 1:
            with _answered():
                dist.barrier()


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    """What the backend raises when another rank is gone or silent, as an error of ours; who it was, is found out later.

    Raises:
        RankError: as said.
    """
    try:
        yield
    except RuntimeError as error:
        raise RankError(str(error).splitlines()[0]) from error


def _as_bytes(rows: Tensor) -> Tensor:
    """The same memory as [rows, bytes of a row]: no backend needs to know the dtype."""
    numbers = math.prod(rows.shape[1:])
    return rows.reshape(rows.shape[0], numbers).view(torch.uint8)
