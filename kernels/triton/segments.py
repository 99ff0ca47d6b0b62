"""Rows of a sparse matrix, cut into segments of bounded length: one program sums one segment."""

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
def segment_of(row_ptr, start_ptr, end_ptr, slot_ptr):
    """Row, first entry, end and slot (-1: a whole row) of this program's segment."""
    segment = tl.program_id(0)
    row, slot = tl.load(row_ptr + segment).to(tl.int64), tl.load(slot_ptr + segment).to(tl.int64)
    return row, tl.load(start_ptr + segment), tl.load(end_ptr + segment), slot


@triton.jit
def gather(first, end, col_ptr, value_ptr, code_ptr, column, stride, BLOCK_E: tl.constexpr):
    """Values [BLOCK_E] and codes [BLOCK_E, BLOCK_C] of the entries from ``first`` on; past ``end`` both are 0."""
    entry = first + tl.arange(0, BLOCK_E)
    here = entry < end
    source = tl.load(col_ptr + entry, mask=here, other=0).to(tl.int64)
    value = tl.load(value_ptr + entry, mask=here, other=0.0)
    address = code_ptr + source[:, None] * stride + column[None, :]
    return value, tl.load(address, mask=here[:, None] & (column < stride)[None, :], other=0)


@dataclass(frozen=True, eq=False)
class Segments:
    """Rows cut into pieces of at most SEGMENT entries.

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
        """Cut once for a matrix; longest pieces first would change nothing, they are all bounded."""
        counts = rowptr.diff().long()
        pieces = ((counts + size - 1) // size).clamp(min=1)
        row = torch.repeat_interleave(torch.arange(counts.numel(), device=rowptr.device), pieces)
        first = torch.cumsum(pieces, 0) - pieces
        start = rowptr.long()[row] + (torch.arange(row.numel(), device=rowptr.device) - first[row]) * size
        end = torch.minimum(start + size, rowptr.long()[row + 1])
        is_long = pieces[row] > 1
        slot = torch.where(is_long, torch.cumsum(is_long, 0) - 1, -1)
        long_row = (pieces > 1).nonzero().flatten()
        long_start = torch.zeros(long_row.numel() + 1, dtype=torch.int64, device=rowptr.device)
        long_start[1:] = torch.cumsum(pieces[long_row], 0)
        return cls(row.int(), start.int(), end.int(), slot.int(), long_row.int(), long_start.int(), int(long_start[-1]))


def segments_of(matrix: CSR) -> Segments:
    """The segments of a matrix, cut once and kept with it."""
    return matrix.derive("segments", lambda rowptr: Segments.of(rowptr, SEGMENT))
