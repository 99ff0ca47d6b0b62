"""Triton kernels of phase_spmm: segments of rows summed in the order of their entries, long rows reduced in a second stage."""

# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.epilogue import Fire
from gcn2snn.kernels.phase import Spikes
from gcn2snn.kernels.triton.epilogue import FireArguments, level_of, phase_of, table_of
from gcn2snn.kernels.triton.operands import operands_of, rows_of, tile_of
from gcn2snn.kernels.triton.segments import gather, segments_of
from gcn2snn.kernels.triton.silence import entries_of
from gcn2snn.kernels.triton.tuning import Tuner


@triton.jit
def _store(
    y, row, channel, inside, mask, channels, scale_ptr, bias_ptr, add_ptr, fire_scale_ptr, threshold_ptr, horizon_ptr, out_ptr,
    fire_scale_step, horizon_row, horizon_col, timesteps,
    PER_CHANNEL: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_ADD: tl.constexpr, FIRES: tl.constexpr,
    SIGNED: tl.constexpr, HAS_HORIZON: tl.constexpr,
):  # fmt: skip
    """y * scale + bias + add of rows [ROWS, 1] and channels [1, BLOCK_C], stored or fired; y, mask: [ROWS, BLOCK_C]."""
    if PER_CHANNEL:
        y *= tl.load(scale_ptr + channel, mask=inside, other=0.0)
    if HAS_BIAS:
        y += tl.load(bias_ptr + channel, mask=inside, other=0.0)
    if HAS_ADD:
        y += tl.load(add_ptr + row * channels + channel, mask=mask, other=0.0)
    if FIRES:
        scale = tl.load(fire_scale_ptr + channel * fire_scale_step, mask=inside, other=1.0)
        horizon = 0
        if HAS_HORIZON:
            horizon = tl.load(horizon_ptr + row * horizon_row + channel * horizon_col, mask=mask, other=0)
        code = phase_of(y, tl.broadcast_to(scale, y.shape), threshold_ptr, horizon, timesteps, SIGNED, HAS_HORIZON)
        tl.store(out_ptr + row * channels + channel, code.to(out_ptr.dtype.element_ty), mask=mask)
    else:
        tl.store(out_ptr + row * channels + channel, y, mask=mask)


@triton.jit
def phase_spmm_fwd_kernel(
    segment_row_ptr, partial_ptr_of, segment_start_ptr, segment_end_ptr, col_ptr, value_ptr, code_ptr, channel_ptr,
    packed_end_ptr, packed_col_ptr, packed_value_ptr, silent_ptr, table_ptr, partial_ptr,
    scale_ptr, bias_ptr, add_ptr, fire_scale_ptr, threshold_ptr, horizon_ptr, out_ptr,
    segments, entries, pack_cost, width, stride, channels, fire_scale_step, horizon_row, horizon_col, timesteps,
    PER_CHANNEL: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_ADD: tl.constexpr, FIRES: tl.constexpr,
    SIGNED: tl.constexpr, HAS_HORIZON: tl.constexpr, SOME: tl.constexpr, PACKED: tl.constexpr,
    ROWS: tl.constexpr, BLOCK_E: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Segments of rows: sum_p value[p] level(code[col[p], :]); a whole row is finished, a part goes to ``partial``."""
    segment = (tl.program_id(0) * ROWS + tl.arange(0, ROWS))[:, None]  # [ROWS, 1]
    start, end, col_ptr, value_ptr = entries_of(
        segment, segments, segment_start_ptr, segment_end_ptr, col_ptr, value_ptr,
        packed_end_ptr, packed_col_ptr, packed_value_ptr, silent_ptr, entries, pack_cost, stride, code_ptr, PACKED, BLOCK_C,
    )  # fmt: skip
    column = (tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C))[None, :]  # [1, BLOCK_C]
    y = tl.zeros((ROWS, BLOCK_C), dtype=value_ptr.dtype.element_ty)
    for first in range(0, tl.max(end - start), BLOCK_E):
        for step in tl.static_range(BLOCK_E):  # its loads are issued together, its sums are added in their order
            value, code = gather(start + first + step, end, col_ptr, value_ptr, code_ptr, column, stride)
            y = tl.fma(value, level_of(code, table_ptr), y)
    inside = column < width
    channel = tl.load(channel_ptr + column, mask=inside, other=0) if SOME else column
    here = segment < segments
    row = tl.load(segment_row_ptr + segment, mask=here, other=0).to(tl.int64)
    slot = tl.load(partial_ptr_of + segment, mask=here, other=0).to(tl.int64)
    tl.store(partial_ptr + slot * channels + channel, y, mask=here & (slot >= 0) & inside)
    _store(
        y, row, channel, inside, here & (slot < 0) & inside, channels, scale_ptr, bias_ptr, add_ptr, fire_scale_ptr,
        threshold_ptr, horizon_ptr, out_ptr, fire_scale_step, horizon_row, horizon_col, timesteps,
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
    column = (tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C))[None, :]
    inside = column < channels
    y = tl.zeros((1, BLOCK_C), dtype=partial_ptr.dtype.element_ty)
    first = tl.load(long_start_ptr + index).to(tl.int64)
    for part in range(tl.load(long_start_ptr + index + 1) - tl.load(long_start_ptr + index)):
        y += tl.load(partial_ptr + (first + part) * channels + column, mask=inside, other=0.0)  # [1, BLOCK_C]
    _store(
        y, row, column, inside, inside, channels, scale_ptr, bias_ptr, add_ptr, fire_scale_ptr, threshold_ptr, horizon_ptr,
        out_ptr, fire_scale_step, horizon_row, horizon_col, timesteps,
        PER_CHANNEL, HAS_BIAS, HAS_ADD, FIRES, SIGNED, HAS_HORIZON,
    )  # fmt: skip


SIZES = ((4, 1), (8, 1), (16, 1), (4, 2), (8, 2), (8, 4))  # entries of a step, warps
_configs = [triton.Config({"BLOCK_E": entries}, num_warps=warps) for entries, warps in SIZES]
_tuner = Tuner(phase_spmm_fwd_kernel, _configs, {"BLOCK_E": 4})


def phase_spmm(
    matrix: CSR, spikes: Spikes, dtype: torch.dtype, bias: Tensor | None, add: Tensor | None, fire: Fire | None
) -> Tensor:
    """Potentials [rows, C], or the codes that ``fire`` makes of them."""
    matrix, device = matrix.checked, spikes.code.device
    rows, channels = matrix.shape[0], spikes.code.shape[1]
    out = torch.empty(rows, channels, dtype=fire.coding.code_dtype if fire else dtype, device=device)
    if not out.numel():
        return out
    segments = segments_of(matrix)
    value, scale = matrix.values(dtype), spikes.scale.to(device, dtype).contiguous()
    partial = torch.empty(max(segments.parts, 1), channels, dtype=dtype, device=device)
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
    }
    table = table_of(spikes, dtype)
    for operand in operands_of(matrix, spikes, dtype, segments):
        tile = tile_of(operand.width)
        grid = (triton.cdiv(segments.row.numel(), rows_of(tile)), triton.cdiv(operand.width, tile))
        _tuner.launch(
            (operand.width,), grid[0], grid,
            segments.row, segments.slot, *operand.tensors, table, partial, *tensors, *firing,
            *operand.numbers, channels, *numbers, **flags, **operand.flags, ROWS=rows_of(tile), BLOCK_C=tile,
        )  # fmt: skip
    if segments.long_row.numel():
        tile = tile_of(channels)
        phase_spmm_reduce_kernel[(segments.long_row.numel(), triton.cdiv(channels, tile))](
            segments.long_row,
            segments.long_start,
            partial,
            *tensors,
            *firing,
            channels,
            *numbers,
            **flags,
            BLOCK_C=tile,
        )
    return out
