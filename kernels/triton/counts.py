"""Triton kernel of the spike counts."""

# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 256


@triton.jit
def count_fwd_kernel(code_ptr, count_ptr, columns, BLOCK: tl.constexpr):
    """count[row] = number of codes that are not 0, one program a row."""
    row = tl.program_id(0).to(tl.int64)
    total = tl.zeros((BLOCK,), dtype=tl.int32)
    for start in range(0, columns, BLOCK):
        column = start + tl.arange(0, BLOCK)
        code = tl.load(code_ptr + row * columns + column, mask=column < columns, other=0)  # [BLOCK]
        total += (code != 0).to(tl.int32)
    tl.store(count_ptr + row, tl.sum(total.to(tl.int64), axis=0))


def node_spike_counts(code: Tensor) -> Tensor:
    """Spikes of each row, [N, C] -> [N], int64."""
    code = code.contiguous()
    count = torch.empty(code.shape[0], dtype=torch.int64, device=code.device)
    count_fwd_kernel[(code.shape[0],)](code, count, code.shape[1], BLOCK=BLOCK)
    return count
