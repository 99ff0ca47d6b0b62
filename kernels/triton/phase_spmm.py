"""Triton kernels of phase_spmm: rows cut into segments of bounded length, long rows reduced in a second, ordered stage."""

# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.epilogue import Fire
from gcn2snn.kernels.phase import Spikes
from gcn2snn.kernels.triton.epilogue import (
    FireArguments,
    aligned,
    level_of,
    phase_of,
    table_of,
)
from gcn2snn.kernels.triton.segments import gather, segment_of, segments_of
from gcn2snn.kernels.triton.tuning import Tuner


@triton.jit
def _store(
    y, row, column, mask, channels, scale_ptr, bias_ptr, add_ptr, fire_scale_ptr, threshold_ptr, horizon_ptr, out_ptr,
    fire_scale_step, horizon_row, horizon_col, timesteps,
    PER_CHANNEL: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_ADD: tl.constexpr, FIRES: tl.constexpr,
    SIGNED: tl.constexpr, HAS_HORIZON: tl.constexpr,
):  # fmt: skip
    """y * scale + bias + add of one row, stored or fired; y: [BLOCK_C]."""
    if PER_CHANNEL:
        y *= tl.load(scale_ptr + column, mask=mask, other=0.0)
    if HAS_BIAS:
        y += tl.load(bias_ptr + column, mask=mask, other=0.0)
    if HAS_ADD:
        y += tl.load(add_ptr + row * channels + column, mask=mask, other=0.0)
    if FIRES:
        scale = tl.load(fire_scale_ptr + column * fire_scale_step, mask=mask, other=1.0)
        horizon = 0
        if HAS_HORIZON:
            horizon = tl.load(horizon_ptr + row * horizon_row + column * horizon_col, mask=mask, other=0)
        code = phase_of(y, scale, threshold_ptr, horizon, timesteps, SIGNED, HAS_HORIZON)
        tl.store(out_ptr + row * channels + column, code.to(out_ptr.dtype.element_ty), mask=mask)
    else:
        tl.store(out_ptr + row * channels + column, y, mask=mask)


@triton.jit
def phase_spmm_fwd_kernel(
    segment_row_ptr, segment_start_ptr, segment_end_ptr, partial_ptr_of, col_ptr, value_ptr, code_ptr, table_ptr, partial_ptr,
    scale_ptr, bias_ptr, add_ptr, fire_scale_ptr, threshold_ptr, horizon_ptr, out_ptr,
    channels, stride, fire_scale_step, horizon_row, horizon_col, timesteps,
    PER_CHANNEL: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_ADD: tl.constexpr, FIRES: tl.constexpr,
    SIGNED: tl.constexpr, HAS_HORIZON: tl.constexpr, BLOCK_E: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """One segment of one row: sum_p value[p] level(code[col[p], :]); a whole row is finished, a part goes to ``partial``."""
    row, start, end, slot = segment_of(segment_row_ptr, segment_start_ptr, segment_end_ptr, partial_ptr_of)
    column = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    inside = column < channels
    sums = tl.zeros((BLOCK_E, BLOCK_C), dtype=value_ptr.dtype.element_ty)
    for first in range(start, end, BLOCK_E):
        value, code = gather(first, end, col_ptr, value_ptr, code_ptr, column, stride, BLOCK_E)
        sums += value[:, None] * level_of(code, table_ptr)
    y = tl.sum(sums, axis=0)
    if slot >= 0:
        tl.store(partial_ptr + slot * channels + column, y, mask=inside)
    else:
        _store(
            y, row, column, inside, channels, scale_ptr, bias_ptr, add_ptr, fire_scale_ptr, threshold_ptr, horizon_ptr,
            out_ptr, fire_scale_step, horizon_row, horizon_col, timesteps,
            PER_CHANNEL, HAS_BIAS, HAS_ADD, FIRES, SIGNED, HAS_HORIZON,
        )  # fmt: skip


@triton.jit
def phase_spmm_reduce_kernel(
    long_row_ptr, long_start_ptr, partial_ptr,
    scale_ptr, bias_ptr, add_ptr, fire_scale_ptr, threshold_ptr, horizon_ptr, out_ptr,
    channels, fire_scale_step, horizon_row, horizon_col, timesteps,
    PER_CHANNEL: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_ADD: tl.constexpr, FIRES: tl.constexpr,
    SIGNED: tl.constexpr, HAS_HORIZON: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """A long row: its parts, summed in their order, then finished."""
    index = tl.program_id(0)
    row = tl.load(long_row_ptr + index).to(tl.int64)
    column = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    inside = column < channels
    y = tl.zeros((BLOCK_C,), dtype=partial_ptr.dtype.element_ty)
    first = tl.load(long_start_ptr + index).to(tl.int64)
    for part in range(tl.load(long_start_ptr + index + 1) - tl.load(long_start_ptr + index)):
        y += tl.load(partial_ptr + (first + part) * channels + column, mask=inside, other=0.0)  # [BLOCK_C]
    _store(
        y, row, column, inside, channels, scale_ptr, bias_ptr, add_ptr, fire_scale_ptr, threshold_ptr, horizon_ptr,
        out_ptr, fire_scale_step, horizon_row, horizon_col, timesteps,
        PER_CHANNEL, HAS_BIAS, HAS_ADD, FIRES, SIGNED, HAS_HORIZON,
    )  # fmt: skip


SIZES = ((4, 4), (8, 4), (16, 4), (8, 8), (16, 8), (32, 8))  # entries of a step, warps
_configs = [triton.Config({"BLOCK_E": entries}, num_warps=warps) for entries, warps in SIZES]
_tuner = Tuner(phase_spmm_fwd_kernel, _configs, {"BLOCK_E": 4})


def phase_spmm(
    matrix: CSR, spikes: Spikes, dtype: torch.dtype, bias: Tensor | None, add: Tensor | None, fire: Fire | None
) -> Tensor:
    """Potentials [rows, C], or the codes that ``fire`` makes of them."""
    matrix, code = matrix.checked, aligned(spikes.code)
    rows, channels = matrix.shape[0], spikes.code.shape[1]
    out = torch.empty(rows, channels, dtype=fire.coding.code_dtype if fire else dtype, device=code.device)
    if not out.numel():
        return out
    segments = segments_of(matrix)
    value, scale = matrix.values(dtype), spikes.scale.to(code.device, dtype).contiguous()
    partial = torch.empty(max(segments.parts, 1), channels, dtype=dtype, device=code.device)
    a = FireArguments(fire, (rows, channels), dtype, value)
    tensors = (scale, value if bias is None else bias, value if add is None else add.contiguous())
    firing = (a.scale, a.thresholds, a.horizon, out)
    numbers = (a.scale_step, a.horizon_row, a.horizon_col, a.timesteps)
    flags = {
        "PER_CHANNEL": scale.dim() == 1,
        "HAS_BIAS": bias is not None,
        "HAS_ADD": add is not None,
        "FIRES": a.fires,
        "SIGNED": a.is_signed,
        "HAS_HORIZON": a.has_horizon,
        "BLOCK_C": min(256, max(16, triton.next_power_of_2(channels))),
    }
    grid = (segments.row.numel(), triton.cdiv(channels, flags["BLOCK_C"]))
    _tuner.launch(
        (channels,), grid[0], grid,
        segments.row, segments.start, segments.end, segments.slot, matrix.col, value, code, table_of(spikes, dtype), partial,
        *tensors, *firing, channels, code.shape[1], *numbers, **flags,
    )  # fmt: skip
    if segments.long_row.numel():
        phase_spmm_reduce_kernel[(segments.long_row.numel(), grid[1])](
            segments.long_row, segments.long_start, partial, *tensors, *firing, channels, *numbers, **flags
        )
    return out
