"""What a sparse product in Triton reads: everything, or what is left of it without silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import triton
from torch import Tensor

from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.event_blocks import MOST_WIDTH, kept_of, paying_parts, when_met_again
from gcn2snn.kernels.phase import Spikes
from gcn2snn.kernels.triton import silence
from gcn2snn.kernels.triton.epilogue import aligned
from gcn2snn.kernels.triton.segments import Segments

LEAST_WORK = 1 << 24
"""Multiplications of the smallest product for which silence is looked for: others are over before another kernel has started.
Not measured: no device was at hand."""


@dataclass(frozen=True, eq=False)
class Operand:
    """Entries, the codes that they read, and the channels that these are: one launch of a kernel.

    Args:
        start, end: entries of each segment of the matrix, [segments], int32.
        col: row of ``code`` of each entry, int32.
        value: of the dtype of the sums.
        code: [rows, stride], with silent columns up to a multiple of 16.
        width: columns of ``code`` that are channels.
        channel: which channels, [width], int32; None: all, in their order.
        packed: the entries that read a spike, which the kernel takes where that pays; None: nothing is looked for.
    """

    start: Tensor
    end: Tensor
    col: Tensor
    value: Tensor
    code: Tensor
    width: int
    channel: Tensor | None = None
    packed: silence.Packed | None = None

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Arguments from ``segment_start_ptr`` to ``silent_ptr``; placeholders for what there is not."""
        packed = self.packed or silence.Packed(self.end, self.col, self.value, self.end)
        channel = self.end if self.channel is None else self.channel
        found = (packed.end, packed.col, packed.value, packed.silent)
        return self.start, self.end, self.col, self.value, self.code, channel, *found

    @property
    def numbers(self) -> tuple[int, ...]:
        """Arguments from ``segments`` to ``stride``."""
        entries = self.col.numel()
        return self.start.numel(), entries, entries * silence.PACK_BYTES, self.width, self.code.shape[1]

    @property
    def flags(self) -> Mapping[str, bool]:
        """Which of them count."""
        return {"SOME": self.channel is not None, "PACKED": self.packed is not None}


def operands_of(
    matrix: CSR, spikes: Spikes, dtype: torch.dtype, segments: Segments, most: int = MOST_WIDTH
) -> tuple[Operand, ...]:
    """The launches of a product, one after the other. Each sum has the bits of the whole product.

    Spikes that meet the same matrix again are read in blocks of channels with the entries that read a spike there (decision
    0092). For others a kernel looks for rows of codes that are silent, where the product is large enough.

    Args:
        matrix, spikes: operands of the product; the matrix is contiguous and checked.
        dtype: of the sums.
        segments: of the matrix.
        most: channels of a tile, as for :func:`tile_of`.
    """
    blocks = when_met_again(matrix, spikes, dtype, LEAST_WORK, lambda: _blocks(matrix, spikes, dtype, segments))
    if blocks is not None:
        return blocks
    code, value, width = aligned(spikes.code), matrix.values(dtype), spikes.code.shape[1]
    packed, tile = None, tile_of(width, most)
    if matrix.nnz * width >= LEAST_WORK and silence.may_pay(matrix, code, tile):
        packed = silence.packed_entries(matrix, value, code, segments, tile)
    return (Operand(segments.start, segments.end, matrix.col, value, code, width, packed=packed),)


def tile_of(width: int, most: int = MOST_WIDTH) -> int:
    """Channels that one program sums, of so many: a power of two of at least 16 and at most ``most``."""
    return min(most, max(16, triton.next_power_of_2(width)))


def rows_of(tile: int) -> int:
    """Segments that one program sums side by side: where channels are few, threads would idle."""
    return max(1, MOST_WIDTH // tile)


def _blocks(matrix: CSR, spikes: Spikes, dtype: torch.dtype, segments: Segments) -> tuple[Operand, ...] | None:
    parts = paying_parts(matrix, spikes, MOST_WIDTH)
    if parts is None:
        return None
    values, found = matrix.values(dtype), []
    for part in parts:
        kept = kept_of(matrix, values, spikes, part)
        start, end = (kept.before[edge.long()] for edge in (segments.start, segments.end))
        channels = part.channels.int()
        found.append(Operand(start, end, kept.col, kept.value, aligned(kept.code), channels.numel(), channels))
    return tuple(found)
