"""Triton kernels of encode and decode: one pass over the elements."""

# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from gcn2snn.kernels.epilogue import Fire
from gcn2snn.kernels.phase import Spikes
from gcn2snn.kernels.triton.epilogue import INTERPRETED, FireArguments, level_of, phase_of, table_of

BLOCK = 256 if INTERPRETED else 1024


@triton.jit
def encode_fwd_kernel(
    x_ptr, scale_ptr, threshold_ptr, horizon_ptr, code_ptr,
    size, channels, inner, columns, horizon_row, horizon_col, timesteps,
    SIGNED: tl.constexpr, PER_CHANNEL: tl.constexpr, HAS_HORIZON: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """code = phase of x / scale, elementwise over [N, channels, inner]."""
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < size
    x = tl.load(x_ptr + index, mask=mask, other=0.0)  # [BLOCK]
    scale = tl.load(scale_ptr + (index // inner) % channels if PER_CHANNEL else scale_ptr + index * 0)
    horizon = 0
    if HAS_HORIZON:
        offset = (index // columns) * horizon_row + (index % columns) * horizon_col
        horizon = tl.load(horizon_ptr + offset, mask=mask, other=0)
    code = phase_of(x, scale, threshold_ptr, horizon, timesteps, SIGNED, HAS_HORIZON)
    tl.store(code_ptr + index, code.to(code_ptr.dtype.element_ty), mask=mask)


@triton.jit
def decode_fwd_kernel(
    code_ptr, table_ptr, scale_ptr, x_ptr, size, channels, inner, PER_CHANNEL: tl.constexpr, BLOCK: tl.constexpr
):
    """x = sign(code) * table[|code|] (* scale), elementwise over [N, channels, inner]."""
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < size
    x = level_of(tl.load(code_ptr + index, mask=mask, other=0), table_ptr)  # [BLOCK]
    if PER_CHANNEL:
        x *= tl.load(scale_ptr + (index // inner) % channels)
    tl.store(x_ptr + index, x, mask=mask)


def encode(x: Tensor, fire: Fire) -> Tensor:
    """Codes of x, [N, C, ...]."""
    x = x.contiguous()
    code = torch.empty(x.shape, dtype=fire.coding.code_dtype, device=x.device)
    if x.numel():
        a = FireArguments(fire, tuple(x.shape), x.dtype, x)
        channels, inner = layout(x)
        columns = x.shape[-1] if x.dim() == 2 else x.numel()
        encode_fwd_kernel[(triton.cdiv(x.numel(), BLOCK),)](
            x, a.scale, a.thresholds, a.horizon, code,
            x.numel(), channels, inner, columns, a.horizon_row, a.horizon_col, a.timesteps,
            SIGNED=a.is_signed, PER_CHANNEL=a.scale_step == 1, HAS_HORIZON=a.has_horizon, BLOCK=BLOCK,
        )  # fmt: skip
    return code


def decode(spikes: Spikes, dtype: torch.dtype) -> Tensor:
    """Values of spikes, [N, C, ...]."""
    code = spikes.code.contiguous()
    x = torch.empty(code.shape, dtype=dtype, device=code.device)
    if code.numel():
        channels, inner = layout(code)
        scale = spikes.scale.to(code.device, dtype).contiguous()
        decode_fwd_kernel[(triton.cdiv(code.numel(), BLOCK),)](
            code, table_of(spikes, dtype), scale, x, code.numel(), channels, inner,
            PER_CHANNEL=scale.dim() == 1, BLOCK=BLOCK,
        )  # fmt: skip
    return x


def layout(x: Tensor) -> tuple[int, int]:
    """(channels, elements of one channel that lie together); a vector is a row of channels."""
    if x.dim() < 2:
        return max(x.numel(), 1), 1
    return x.shape[1], x[0, 0].numel()
