"""A fixed choice of rows of a large value: what is counted over activations needs some of them, not all of a million nodes."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from gcn2snn.passes.over_ranks import Place, place_over_ranks

SEEN_ROWS = 1 << 16
"""Rows of one batch from which histograms, corrections and reports are made. A percentage of that many rows is off by at most
0.3 points in 95 of 100 cases; largest values are always those of all rows (docs/decisions/0116)."""


def some_rows(x: Tensor, place: Place | None = None) -> Tensor:
    """The value itself, or where there are more than :data:`SEEN_ROWS` rows so many of them, the same ones at every call.

    Which rows these are depends on the number of all rows alone. A value with a part of them gives those that lie in it, so
    the parts of a panel or of a process together give what the whole gives.

    >>> some_rows(torch.rand(5, 2)).shape
    torch.Size([5, 2])

    Args:
        x: [rows, ...].
        place: where its rows lie; default: they are all of this process.
    """
    if x.dim() == 0:
        return x
    place = place or place_over_ranks(0, x.shape[0])
    if place.rows <= SEEN_ROWS:
        return x
    numbers = _numbers(place.rows, SEEN_ROWS)
    ends = torch.searchsorted(numbers, torch.tensor([place.first, place.first + x.shape[0]]))
    return x.index_select(0, (numbers[int(ends[0]) : int(ends[1])] - place.first).to(x.device))


@lru_cache(maxsize=4)
def _numbers(rows: int, count: int) -> Tensor:
    """One row of each of ``count`` equal stretches, at random: nodes are often stored in an order that means something."""
    generator = torch.Generator().manual_seed(0)
    within = torch.rand(count, dtype=torch.float64, generator=generator)
    return ((torch.arange(count, dtype=torch.float64) + within) * (rows / count)).long().clamp_(max=rows - 1)
