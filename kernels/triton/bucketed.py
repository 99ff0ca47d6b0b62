"""Triton kernels of the bucketed aggregation: potentials of all moments in registers, then the first crossing."""

# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.epilogue import Fire, finish
from gcn2snn.kernels.phase import Spikes
from gcn2snn.kernels.reference import first_crossing
from gcn2snn.kernels.triton import encode as coding
from gcn2snn.kernels.triton import phase_gemm as dense
from gcn2snn.kernels.triton.epilogue import FireArguments, level_of, table_of
from gcn2snn.kernels.triton.operands import operands_of, tile_of
from gcn2snn.kernels.triton.segments import gather, segments_of
from gcn2snn.kernels.triton.silence import entries_of
from gcn2snn.kernels.triton.tuning import Tuner

SIZES = ((4, 1), (8, 1), (4, 2), (8, 2), (4, 4), (8, 4))  # entries of a step, warps
SUMS = 1024  # of a program, in registers; not yet tuned on a device


@triton.jit
def _fire(
    sums, row, column, inside, channels, scale_ptr, bias_ptr, add_ptr, moment_ptr,
    fire_scale_ptr, threshold_ptr, horizon_ptr, out_ptr, fire_scale_step, horizon_row, horizon_col, timesteps,
    PER_CHANNEL: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_ADD: tl.constexpr, SIGNED: tl.constexpr,
    HAS_HORIZON: tl.constexpr, MOMENTS: tl.constexpr,
):  # fmt: skip
    """The least k with z[moment[k]] >= threshold_k, z = (sums * input scale + bias + add) / scale; sums: [MOMENTS, BLOCK_C]."""
    b = tl.arange(0, MOMENTS)
    if PER_CHANNEL:
        sums *= tl.load(scale_ptr + column, mask=inside, other=0.0)[None, :]
    if HAS_BIAS:
        sums += tl.load(bias_ptr + column, mask=inside, other=0.0)[None, :]
    if HAS_ADD:
        sums += tl.load(add_ptr + row * channels + column, mask=inside, other=0.0)[None, :]
    scale = tl.load(fire_scale_ptr + column * fire_scale_step, mask=inside, other=1.0)[None, :] + sums * 0
    z = tl.div_rn(sums, scale) if sums.dtype == tl.float32 else sums / scale
    code = tl.zeros(column.shape, dtype=tl.int32)
    for step in range(timesteps):
        phase = timesteps - step  # downwards: the earliest crossing is written last
        at = tl.sum(tl.where((b == tl.load(moment_ptr + phase - 1))[:, None], z, 0.0), axis=0)  # [BLOCK_C]
        bar = tl.load(threshold_ptr + phase - 1)
        code = tl.where(at >= bar, phase, code)
        if SIGNED:
            code = tl.where(-at >= bar, -phase, code)
    if HAS_HORIZON:
        last = tl.load(horizon_ptr + row * horizon_row + column * horizon_col, mask=inside, other=0)
        code = tl.where(tl.abs(code) > last, 0, code)
    tl.store(out_ptr + row * channels + column, code.to(out_ptr.dtype.element_ty), mask=inside)


@triton.jit
def bucketed_spmm_fwd_kernel(
    segment_row_ptr, partial_ptr_of, segment_start_ptr, segment_end_ptr, col_ptr, value_ptr, code_ptr, channel_ptr,
    packed_end_ptr, packed_col_ptr, packed_value_ptr, silent_ptr, table_ptr, limit_ptr, partial_ptr, scale_ptr, bias_ptr, add_ptr, moment_ptr, fire_scale_ptr, threshold_ptr, horizon_ptr, out_ptr,
    segments, entries, pack_cost, width, stride, channels, moments, fire_scale_step, horizon_row, horizon_col, timesteps,
    PER_CHANNEL: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_ADD: tl.constexpr, SIGNED: tl.constexpr,
    HAS_HORIZON: tl.constexpr, SOME: tl.constexpr, PACKED: tl.constexpr,
    MOMENTS: tl.constexpr, BLOCK_E: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """One segment of one row: sums[b] over spikes of phase <= limit[b]; a whole row fires, a part goes to ``partial``."""
    segment = tl.program_id(0)
    row, slot = tl.load(segment_row_ptr + segment).to(tl.int64), tl.load(partial_ptr_of + segment).to(tl.int64)
    start, end, col_ptr, value_ptr = entries_of(
        segment, segments, segment_start_ptr, segment_end_ptr, col_ptr, value_ptr,
        packed_end_ptr, packed_col_ptr, packed_value_ptr, silent_ptr, entries, pack_cost, stride, code_ptr, PACKED, BLOCK_C,
    )  # fmt: skip
    column = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    b = tl.arange(0, MOMENTS)
    limit = tl.load(limit_ptr + b, mask=b < moments, other=0)  # [MOMENTS]
    sums = tl.zeros((MOMENTS, BLOCK_C), dtype=value_ptr.dtype.element_ty)
    for first in range(start, end, BLOCK_E):
        for step in tl.static_range(BLOCK_E):  # its loads are issued together, its sums are added in their order
            value, code = gather(
                first + step, end, col_ptr, value_ptr, code_ptr, column[None, :], stride
            )  # [1, BLOCK_C]
            seen = tl.abs(code.to(tl.int32)) <= limit[:, None]  # [MOMENTS, BLOCK_C]
            sums = tl.fma(value, tl.where(seen, level_of(code, table_ptr), 0.0), sums)
    inside = column < width
    channel = tl.load(channel_ptr + column, mask=inside, other=0) if SOME else column
    if slot >= 0:
        at = (slot * MOMENTS + b)[:, None] * channels + channel[None, :]
        tl.store(partial_ptr + at, sums, mask=inside[None, :])
    else:
        _fire(
            sums, row, channel, inside, channels, scale_ptr, bias_ptr, add_ptr, moment_ptr,
            fire_scale_ptr, threshold_ptr, horizon_ptr, out_ptr, fire_scale_step, horizon_row, horizon_col, timesteps,
            PER_CHANNEL, HAS_BIAS, HAS_ADD, SIGNED, HAS_HORIZON, MOMENTS,
        )  # fmt: skip


@triton.jit
def bucketed_spmm_reduce_kernel(
    long_row_ptr, long_start_ptr, partial_ptr, scale_ptr, bias_ptr, add_ptr, moment_ptr,
    fire_scale_ptr, threshold_ptr, horizon_ptr, out_ptr,
    channels, fire_scale_step, horizon_row, horizon_col, timesteps,
    PER_CHANNEL: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_ADD: tl.constexpr, SIGNED: tl.constexpr,
    HAS_HORIZON: tl.constexpr, MOMENTS: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """A long row: the sums of its parts, added in their order, then fired."""
    index = tl.program_id(0)
    row = tl.load(long_row_ptr + index).to(tl.int64)
    column = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    inside = column < channels
    b = tl.arange(0, MOMENTS)
    sums = tl.zeros((MOMENTS, BLOCK_C), dtype=partial_ptr.dtype.element_ty)
    first = tl.load(long_start_ptr + index).to(tl.int64)
    for part in range(tl.load(long_start_ptr + index + 1) - tl.load(long_start_ptr + index)):
        at = ((first + part) * MOMENTS + b)[:, None] * channels + column[None, :]
        sums += tl.load(partial_ptr + at, mask=inside[None, :], other=0.0)
    _fire(
        sums, row, column, inside, channels, scale_ptr, bias_ptr, add_ptr, moment_ptr,
        fire_scale_ptr, threshold_ptr, horizon_ptr, out_ptr, fire_scale_step, horizon_row, horizon_col, timesteps,
        PER_CHANNEL, HAS_BIAS, HAS_ADD, SIGNED, HAS_HORIZON, MOMENTS,
    )  # fmt: skip


_configs = [triton.Config({"BLOCK_E": entries}, num_warps=warps) for entries, warps in SIZES]
_tuner = Tuner(bucketed_spmm_fwd_kernel, _configs, {"BLOCK_E": 4})


def phase_spmm(
    matrix: CSR,
    spikes: Spikes,
    fire: Fire,
    limits: Tensor,
    moment_of: Tensor,
    bias: Tensor | None,
    add: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """Codes [rows, C]; arguments as in :mod:`gcn2snn.kernels.bucketed`."""
    matrix, device = matrix.checked, spikes.code.device
    rows, channels = matrix.shape[0], spikes.code.shape[1]
    out = torch.empty(rows, channels, dtype=fire.coding.code_dtype, device=device)
    if not out.numel():
        return out
    segments = segments_of(matrix)
    value, scale = matrix.values(dtype), spikes.scale.to(device, dtype).contiguous()
    a = FireArguments(fire, (rows, channels), dtype, value)
    moments = triton.next_power_of_2(limits.numel())
    most = max(16, SUMS // moments)
    partial = torch.empty(max(segments.parts, 1), moments, channels, dtype=dtype, device=device)
    epilogue = (
        scale, value if bias is None else bias, value if add is None else add.contiguous(), moment_of.to(device),
        a.scale, a.thresholds, a.horizon, out,
    )  # fmt: skip
    numbers = (a.scale_step, a.horizon_row, a.horizon_col, a.timesteps)
    flags = {
        "PER_CHANNEL": scale.dim() == 1,
        "HAS_BIAS": bias is not None,
        "HAS_ADD": add is not None,
        "SIGNED": a.is_signed,
        "HAS_HORIZON": a.has_horizon,
        "MOMENTS": moments,
    }
    table, limits = table_of(spikes, dtype), limits.to(device)
    for operand in operands_of(matrix, spikes, dtype, segments, most):
        tile = tile_of(operand.width, most)
        grid = (segments.row.numel(), triton.cdiv(operand.width, tile))
        _tuner.launch(
            (operand.width, moments), grid[0], grid,
            segments.row, segments.slot, *operand.tensors, table, limits, partial, *epilogue,
            *operand.numbers, channels, limits.numel(), *numbers, **flags, **operand.flags, BLOCK_C=tile,
        )  # fmt: skip
    if segments.long_row.numel():
        tile = tile_of(channels, most)
        bucketed_spmm_reduce_kernel[(segments.long_row.numel(), triton.cdiv(channels, tile))](
            segments.long_row, segments.long_start, partial, *epilogue, channels, *numbers, **flags, BLOCK_C=tile
        )
    return out


def phase_gemm(
    spikes: Spikes,
    weight: Tensor,
    fire: Fire,
    limits: Tensor,
    moment_of: Tensor,
    bias: Tensor | None,
    add: Tensor | None,
) -> Tensor:
    """Codes [N, out]: all moments as one launch of the dense kernel (their third grid axis), then the first crossing."""
    if weight.dtype == torch.float64:
        code = spikes.code
        parts = (spikes.with_code(torch.where(code.abs() <= n, code, 0)) for n in limits.tolist())
        potentials = [coding.decode(part, weight.dtype) @ weight.t() for part in parts]
    else:
        potentials = list(dense.phase_gemm_moments(spikes, weight, limits))
    finished = [finish(u, bias, add) for u in potentials]
    return first_crossing(finished, moment_of.tolist(), fire.scale, fire.coding, fire.horizon).code
