"""Rows of a sparse matrix, cut into segments of bounded length, each of which is summed one entry after the other."""

# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.triton.epilogue import INTERPRETED

SEGMENT = 8 if INTERPRETED else 1024  # entries; not yet tuned on a device


@triton.jit
def gather(entry, end, col_ptr, value_ptr, code_ptr, column, stride):
    """Value [ROWS, 1] of an entry of each row and the codes [ROWS, BLOCK_C] that it reads; past ``end`` both are 0.

    ``entry`` and ``end``: [ROWS, 1], or scalars; ``column``: [1, BLOCK_C].
    """
    here = entry < end
    source = tl.load(col_ptr + entry, mask=here, other=0).to(tl.int64)
    value = tl.load(value_ptr + entry, mask=here, other=0.0)
    return value, tl.load(code_ptr + source * stride + column, mask=here & (column < stride), other=0)


@dataclass(frozen=True, eq=False)
class Segments:
    """Rows cut into pieces of at most SEGMENT entries, longest first: pieces that a program sums side by side are alike.

    Args:
        row, start, end: [segments], int32: the row and entries of each piece; a row without entries has one empty piece.
        slot: [segments], int32: where the piece of a row with several goes, -1 for a whole row.
        long_row: [long rows], int32.
        long_start: [long rows + 1], int32: slots of each long row.
        parts: slots of all long rows.
    """

    row: Tensor
    start: Tensor
    end: Tensor
    slot: Tensor
    long_row: Tensor
    long_start: Tensor
    parts: int

    @classmethod
    def of(cls, rowptr: Tensor, size: int) -> Segments:
        """Cut once for a matrix."""
        counts = rowptr.diff().long()
        number = ((counts + size - 1) // size).clamp(min=1)
        row = torch.repeat_interleave(torch.arange(counts.numel(), device=rowptr.device), number)
        first = torch.cumsum(number, 0) - number
        start = rowptr.long()[row] + (torch.arange(row.numel(), device=rowptr.device) - first[row]) * size
        end = torch.minimum(start + size, rowptr.long()[row + 1])
        is_long = number[row] > 1
        slot = torch.where(is_long, torch.cumsum(is_long, 0) - 1, -1)
        long_row = (number > 1).nonzero().flatten()
        long_start = torch.zeros(long_row.numel() + 1, dtype=torch.int64, device=rowptr.device)
        long_start[1:] = torch.cumsum(number[long_row], 0)
        order = (end - start).argsort(descending=True, stable=True)
        row, start, end, slot = (part[order].int() for part in (row, start, end, slot))
        return cls(row, start, end, slot, long_row.int(), long_start.int(), int(long_start[-1]))


def segments_of(matrix: CSR) -> Segments:
    """The segments of a matrix, cut once and kept with it."""
    return matrix.derive("segments", lambda rowptr: Segments.of(rowptr, SEGMENT))
