"""Triton kernel of the binary input coder: one pass over the numbers."""

# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from gcn2snn.kernels.triton.encode import BLOCK, layout


@triton.jit
def binary_fwd_kernel(
    x_ptr, scale_ptr, out_ptr, size, channels, inner, levels, PER_CHANNEL: tl.constexpr, BLOCK: tl.constexpr
):
    """out = sign(x) floor(min(|x| / s 2^T, 2^T - 1)) 2^-T s with levels = 2^T, elementwise over [N, channels, inner]."""
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < size
    x = tl.load(x_ptr + index, mask=mask, other=0.0)  # [BLOCK]
    scale = tl.load(scale_ptr + ((index // inner) % channels if PER_CHANNEL else index * 0), mask=mask, other=1.0)
    z = tl.div_rn(x, scale) if x.dtype == tl.float32 else x / scale
    top = levels.to(x.dtype)
    magnitude = tl.minimum(tl.floor(tl.abs(z) * top), top - 1)
    signed = tl.where((x < 0) & (magnitude > 0), -magnitude, magnitude)
    tl.store(out_ptr + index, signed * (scale / top), mask=mask)  # 2^-T s: a power of two divides exactly


def binary_values(x: Tensor, scale: Tensor, timesteps: int) -> Tensor:
    """Values of the words of x, [N, C, ...]."""
    x, scale = x.contiguous(), scale.to(x.device).contiguous()
    out = torch.empty_like(x)
    if x.numel():
        channels, inner = layout(x)
        grid = (triton.cdiv(x.numel(), BLOCK),)
        binary_fwd_kernel[grid](
            x, scale, out, x.numel(), channels, inner, 2**timesteps, PER_CHANNEL=scale.dim() == 1, BLOCK=BLOCK
        )
    return out
