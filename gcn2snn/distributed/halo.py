"""Rows of a graph shared out over ranks: who has which rows, and which rows of others each rank reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from gcn2snn.distributed.communicator import Communicator
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import CSR


@dataclass(frozen=True)
class Partition:
    """Rank r has the rows from ``bounds[r]`` to ``bounds[r + 1]``.

    >>> Partition.balanced(torch.tensor([0, 4, 5, 6, 8]), 2).bounds
    (0, 1, 4)

    Args:
        bounds: ascending, from 0 to the number of rows, one more than there are ranks.
    """

    bounds: tuple[int, ...]

    @classmethod
    def balanced(cls, rowptr: Tensor, ranks: int) -> Partition:
        """Blocks of rows with as equal a number of entries as whole rows allow, and at least one row each.

        Args:
            rowptr: [rows + 1], entries before each row.
            ranks: how many blocks.

        Raises:
            ConfigError: there are more ranks than rows.
        """
        rows = rowptr.numel() - 1
        if ranks > rows:
            raise ConfigError(
                f"{ranks} ranks for a graph of {rows} rows; each rank needs one. Start at most {rows} processes"
            )
        places = rowptr.long()
        bounds = [0]
        for rank in range(1, ranks):
            wanted = int(places[-1]) * rank // ranks
            after = int(torch.searchsorted(places, wanted))
            near = after if after == 0 or places[after] - wanted <= wanted - places[after - 1] else after - 1
            bounds.append(min(max(near, bounds[-1] + 1), rows - (ranks - rank)))
        return cls((*bounds, rows))

    @property
    def rows(self) -> int:
        """Of all ranks."""
        return self.bounds[-1]

    def of(self, rank: int) -> slice:
        """The rows of one rank."""
        return slice(self.bounds[rank], self.bounds[rank + 1])


@dataclass(frozen=True, eq=False)
class Halo:
    """Which rows travel before a product A X whose rows, and those of X, are shared out.

    A rank reads the rows of X that are columns of its rows of A. Each rank has a list, made once, of its own rows that
    others read; what comes lies in the order of the columns, so that the local matrix keeps the order of its sums.

    Args:
        ranks: of the job.
        index: own rows to send, those for rank 0 first, [sum(to)] int64.
        to: how many of them each rank gets.
        come: how many rows come from each rank.
        rows: own rows.
        columns: numbers of the rows that come, among all rows, [sum(come)] int64, ascending.
    """

    ranks: Communicator
    index: Tensor
    to: tuple[int, ...]
    come: tuple[int, ...]
    rows: int
    columns: Tensor

    def gather(self, x: Tensor) -> Tensor:
        """The rows that the local matrix reads, [columns, ...], of own rows [rows, ...]; no gradient passes."""
        return self.ranks.exchange(x.index_select(0, self.index), self.to, self.come)

    def gather_differentiable(self, x: Tensor) -> Tensor:
        """The same for a training: gradients go back to the ranks whose rows they are, and are added there in their order."""
        found: Tensor = _Exchange.apply(x, self)  # type: ignore[no-untyped-call]
        return found

    def scatter(self, gradient: Tensor) -> Tensor:
        """The transpose of :meth:`gather`: [columns, ...] back to sums over all readers, [rows, ...]."""
        back = self.ranks.exchange(gradient, self.come, self.to)
        total = back.new_zeros((self.rows, *back.shape[1:]))
        return total.index_add_(0, self.index, back)

    @property
    def needed(self) -> Tensor:
        """Which own rows some rank reads, bool [rows]."""
        wanted = torch.zeros(self.rows, dtype=torch.bool, device=self.index.device)
        wanted[self.index] = True
        return wanted


class _Exchange(torch.autograd.Function):
    """``Halo.gather`` with its transpose as the backward pass."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, halo: Halo) -> Tensor:
        ctx.halo = halo  # type: ignore[attr-defined]
        return halo.gather(x)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        halo: Halo = ctx.halo  # type: ignore[attr-defined]
        return halo.scatter(gradient.contiguous()), None


def with_halo(rows: CSR, partition: Partition, ranks: Communicator) -> tuple[CSR, Halo]:
    """A rank's rows of a square matrix with only the columns that they read, and the halo that brings these.

    Args:
        rows: own rows, [own rows, all rows].
        partition: of the rows of the matrix.
        ranks: all of them call this.

    Returns:
        [own rows, columns read], entries in their old order; and the halo.
    """
    own = partition.of(ranks.rank)
    read = torch.zeros(partition.rows, dtype=torch.bool, device=rows.device)
    read[rows.col.long()] = True
    place = read.cumsum(0, dtype=torch.int32) - 1
    local = replace(rows, col=place[rows.col.long()], num_cols=int(read.sum()), symmetric=False)
    columns = read.nonzero().flatten()
    edges = torch.searchsorted(columns, torch.tensor(partition.bounds, device=rows.device)).tolist()
    come = tuple(int(b - a) for a, b in pairwise(edges))
    to = tuple(counts[ranks.rank] for counts in ranks.everywhere(come))
    with ranks.counted_as("set-up"):
        asked = ranks.exchange(columns, come, to)
    return local, Halo(ranks, asked - own.start, to, come, own.stop - own.start, columns)


def balanced_over(matrices: Sequence[CSR], ranks: int) -> Partition:
    """One partition for several matrices of the same rows, by all of their entries."""
    total = torch.zeros_like(matrices[0].rowptr, dtype=torch.int64)
    for matrix in matrices:
        total += matrix.rowptr.long()
    return Partition.balanced(total.cpu(), ranks)
