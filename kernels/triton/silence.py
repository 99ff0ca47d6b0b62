"""Triton kernels that leave out what reads silence: which rows of codes speak, and entries without those that read the others.

Spikes that depend on the input are new at each call, so both run at each call, and the host waits for neither: the second one
and the product read from the device whether leaving out pays. Entries keep their order and their segments, and what is left
out would have added zero: every sum has the bits of the whole product.
"""

# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.triton.segments import Segments

PACK_BYTES = 48
"""Bytes that packing an entry moves: its index, a sector of 32 of the flags, its value, and both written. Leaving it out saves a
row of codes. Counted, not measured: no device was at hand."""

LEAST_READERS = 2
"""Entries for one row of codes, on average, below which looking through the codes costs as much as it can save."""

ROWS = 32  # of codes that a program looks through
ENTRIES = 64  # of a step; MAX_ENTRIES leaves so many that can be counted past the last one


@triton.jit
def leaves_out(silent_ptr, pack_cost, stride, code_ptr, BLOCK_C: tl.constexpr):
    """Whether the entries of this program's tile of channels that read silence are so many that packing the others pays."""
    tile = tl.program_id(1)
    row_bytes = tl.minimum(stride - tile * BLOCK_C, BLOCK_C) * (code_ptr.dtype.element_ty.primitive_bitwidth // 8)
    return tl.load(silent_ptr + tile) * row_bytes > pack_cost


@triton.jit
def entries_of(
    segment, segments, start_ptr, end_ptr, col_ptr, value_ptr, packed_end_ptr, packed_col_ptr, packed_value_ptr, silent_ptr,
    entries, pack_cost, stride, code_ptr, PACKED: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """First entry, end, indices and values of segments: those of the matrix, or those that are left; of others, nothing."""
    tile, here = tl.program_id(1).to(tl.int64), segment < segments
    start = tl.load(start_ptr + segment, mask=here, other=0)
    if PACKED:  # noqa: SIM102 - the compiler must not see the second condition where nothing is packed
        if leaves_out(silent_ptr, pack_cost, stride, code_ptr, BLOCK_C):
            end_ptr = packed_end_ptr + tile * segments
            col_ptr = packed_col_ptr + tile * entries
            value_ptr = packed_value_ptr + tile * entries
    return start, tl.load(end_ptr + segment, mask=here, other=0), col_ptr, value_ptr


@triton.jit
def speaking_fwd_kernel(
    code_ptr, fan_out_ptr, speaks_ptr, silent_ptr, rows, stride, ROWS: tl.constexpr, BLOCK_C: tl.constexpr
):
    """speaks[tile, row] = a code of the tile is not 0; silent[tile] += fan-out of the rows that do not speak."""
    tile = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    column = tile * BLOCK_C + tl.arange(0, BLOCK_C)
    here = row < rows
    mask = here[:, None] & (column < stride)[None, :]
    code = tl.load(code_ptr + row[:, None] * stride + column[None, :], mask=mask, other=0)  # [ROWS, BLOCK_C]
    speaks = tl.max((code != 0).to(tl.int32), axis=1)
    tl.store(speaks_ptr + tile * rows + row, speaks.to(tl.int8), mask=here)
    fan_out = tl.load(fan_out_ptr + row, mask=here & (speaks == 0), other=0)
    tl.atomic_add(silent_ptr + tile, tl.sum(fan_out, axis=0))  # of whole numbers: the order does not matter


@triton.jit
def pack_fwd_kernel(
    segment_start_ptr, segment_end_ptr, col_ptr, value_ptr, code_ptr, speaks_ptr, silent_ptr,
    packed_end_ptr, packed_col_ptr, packed_value_ptr, entries, pack_cost, stride, rows,
    BLOCK_C: tl.constexpr, ENTRIES: tl.constexpr,
):  # fmt: skip
    """The entries of one segment that read a row which speaks in one tile, in their order; nothing where that does not pay."""
    segment, tile = tl.program_id(0), tl.program_id(1).to(tl.int64)
    if leaves_out(silent_ptr, pack_cost, stride, code_ptr, BLOCK_C):
        at = tl.load(segment_start_ptr + segment)
        end = tl.load(segment_end_ptr + segment)
        for first in range(at, end, ENTRIES):
            entry = first + tl.arange(0, ENTRIES)
            here = entry < end
            source = tl.load(col_ptr + entry, mask=here, other=0)  # [ENTRIES]
            value = tl.load(value_ptr + entry, mask=here, other=0.0)
            kept = tl.load(speaks_ptr + tile * rows + source, mask=here, other=0).to(tl.int32)
            place = tile * entries + at + tl.cumsum(kept, 0) - kept
            tl.store(packed_col_ptr + place, source, mask=kept != 0)
            tl.store(packed_value_ptr + place, value, mask=kept != 0)
            at += tl.sum(kept, axis=0)
        tl.store(packed_end_ptr + tile * tl.num_programs(0) + segment, at)


@dataclass(frozen=True, eq=False)
class Packed:
    """Entries of each tile of channels that read a spike there, in the places that their segments have in the matrix.

    Args:
        end: of each segment, [tiles, segments], int32.
        col, value: [tiles, entries].
        silent: entries of the matrix that read silence, [tiles], int64. Where they are too few, the rest is not filled in.
    """

    end: Tensor
    col: Tensor
    value: Tensor
    silent: Tensor


def may_pay(matrix: CSR, code: Tensor, block: int) -> bool:
    """Whether leaving out entries can save time at all, whatever the codes are."""
    row_bytes = min(code.shape[1], block) * code.element_size()
    return row_bytes > PACK_BYTES and matrix.nnz >= LEAST_READERS * matrix.num_cols


def packed_entries(matrix: CSR, value: Tensor, code: Tensor, segments: Segments, block: int) -> Packed:
    """The entries that are left, where leaving out pays.

    Args:
        matrix: checked.
        value: of the entries.
        code: [columns, stride].
        segments: of the matrix.
        block: channels of a tile.
    """
    (rows, stride), device, entries = code.shape, code.device, matrix.nnz
    tiles = triton.cdiv(stride, block)
    speaks = torch.empty(tiles, rows, dtype=torch.int8, device=device)
    silent = torch.zeros(tiles, dtype=torch.int64, device=device)
    speaking_fwd_kernel[(triton.cdiv(rows, ROWS), tiles)](
        code, matrix.column_counts, speaks, silent, rows, stride, ROWS=ROWS, BLOCK_C=block
    )
    packed = Packed(
        torch.empty(tiles, segments.row.numel(), dtype=torch.int32, device=device),
        torch.empty(tiles, entries, dtype=torch.int32, device=device),
        torch.empty(tiles, entries, dtype=value.dtype, device=device),
        silent,
    )
    pack_fwd_kernel[(segments.row.numel(), tiles)](
        segments.start, segments.end, matrix.col, value, code, speaks, silent, packed.end, packed.col, packed.value,
        entries, entries * PACK_BYTES, stride, rows, BLOCK_C=block, ENTRIES=ENTRIES, num_warps=1,
    )  # fmt: skip
    return packed
