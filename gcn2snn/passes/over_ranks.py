"""Sums and maxima over calibration data of which several processes hold a part each; alone, a process has it all.

What the passes measure are integers, maxima and rows in order, so that parts join to what one process measures.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

Join = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Joined:
    """How the parts of all processes become one; each is called by all of them at the same place.

    Args:
        total: the sum over the processes.
        largest: the largest of each number.
        rows: the rows of all, one after the other.
        before: rows of the processes before this one, where all share out the rows of one graph.
        every: rows of all processes together; None: this process's rows are counted as if they were all.
    """

    total: Join
    largest: Join
    rows: Join
    before: int = 0
    every: int | None = None


@dataclass(frozen=True)
class Place:
    """Where a value with some of the rows lies among all of them.

    Args:
        first: rows before it.
        rows: of all.
    """

    first: int
    rows: int


_joined: list[Joined] = []


@contextlib.contextmanager
def joined_over(ranks: Joined) -> Iterator[None]:
    """Passes in the block work on the data of all processes."""
    _joined.append(ranks)
    try:
        yield
    finally:
        _joined.pop()


def total_over_ranks(values: Tensor) -> Tensor:
    """The sum over all processes."""
    return _joined[-1].total(values) if _joined else values


def largest_over_ranks(values: Tensor) -> Tensor:
    """The largest of each number over all processes."""
    return _joined[-1].largest(values) if _joined else values


def rows_over_ranks(values: Tensor) -> Tensor:
    """The rows of all processes."""
    return _joined[-1].rows(values) if _joined else values


def place_over_ranks(first: int, rows: int) -> Place:
    """Where rows lie among those of all processes.

    Args:
        first: rows of this process before them.
        rows: of this process.
    """
    if not _joined or _joined[-1].every is None:
        return Place(first, rows)
    return Place(_joined[-1].before + first, _joined[-1].every)
