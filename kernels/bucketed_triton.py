"""Triton kernel of the bucketed aggregation: potentials of all moments in registers, then the first crossing."""

# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from gcn2snn.kernels import encode_triton, phase_gemm_triton
from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.epilogue import Fire, finish
from gcn2snn.kernels.epilogue_triton import FireArguments, level_of, table_of
from gcn2snn.kernels.phase import Spikes
from gcn2snn.kernels.reference import first_crossing


@triton.jit
def bucketed_spmm_fwd_kernel(
    rowptr_ptr, col_ptr, value_ptr, code_ptr, table_ptr, scale_ptr, bias_ptr, add_ptr, limit_ptr, moment_ptr,
    fire_scale_ptr, threshold_ptr, horizon_ptr, out_ptr,
    channels, moments, fire_scale_step, horizon_row, horizon_col, timesteps,
    PER_CHANNEL: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_ADD: tl.constexpr, SIGNED: tl.constexpr,
    HAS_HORIZON: tl.constexpr, MOMENTS: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """One row: sums[b] over spikes of phase <= limit[b], then the least k with sums[moment[k]] / scale >= threshold_k."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    inside = column < channels
    b = tl.arange(0, MOMENTS)
    limit = tl.load(limit_ptr + b, mask=b < moments, other=0)  # [MOMENTS]
    sums = tl.zeros((MOMENTS, BLOCK_C), dtype=value_ptr.dtype.element_ty)
    for entry in range(tl.load(rowptr_ptr + row), tl.load(rowptr_ptr + row + 1)):
        source = tl.load(col_ptr + entry).to(tl.int64)
        code = tl.load(code_ptr + source * channels + column, mask=inside, other=0)  # [BLOCK_C]
        level = tl.load(value_ptr + entry) * level_of(code, table_ptr)
        seen = tl.abs(code.to(tl.int32))[None, :] <= limit[:, None]
        sums += tl.where(seen, level[None, :], 0.0)
    if PER_CHANNEL:
        sums *= tl.load(scale_ptr + column, mask=inside, other=0.0)[None, :]
    if HAS_BIAS:
        sums += tl.load(bias_ptr + column, mask=inside, other=0.0)[None, :]
    if HAS_ADD:
        sums += tl.load(add_ptr + row * channels + column, mask=inside, other=0.0)[None, :]
    scale = tl.load(fire_scale_ptr + column * fire_scale_step, mask=inside, other=1.0)[None, :] + sums * 0
    z = tl.div_rn(sums, scale) if sums.dtype == tl.float32 else sums / scale
    code = tl.zeros((BLOCK_C,), dtype=tl.int32)
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
    matrix, code = matrix.checked, spikes.code.contiguous()
    rows, channels = matrix.shape[0], code.shape[1]
    out = torch.empty(rows, channels, dtype=fire.coding.code_dtype, device=code.device)
    if not out.numel():
        return out
    value, scale = matrix.values(dtype), spikes.scale.to(code.device, dtype).contiguous()
    a = FireArguments(fire, (rows, channels), dtype, value)
    moments = triton.next_power_of_2(limits.numel())
    block = max(16, min(triton.next_power_of_2(channels), 1024 // moments))  # registers: not yet tuned on a device
    bucketed_spmm_fwd_kernel[(rows, triton.cdiv(channels, block))](
        matrix.rowptr, matrix.col, value, code, table_of(spikes, dtype), scale,
        value if bias is None else bias, value if add is None else add.contiguous(),
        limits.to(code.device), moment_of.to(code.device), a.scale, a.thresholds, a.horizon, out,
        channels, limits.numel(), a.scale_step, a.horizon_row, a.horizon_col, a.timesteps,
        PER_CHANNEL=scale.dim() == 1, HAS_BIAS=bias is not None, HAS_ADD=add is not None, SIGNED=a.is_signed,
        HAS_HORIZON=a.has_horizon, MOMENTS=moments, BLOCK_C=block,
    )  # fmt: skip
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
        potentials = [encode_triton.decode(part, weight.dtype) @ weight.t() for part in parts]
    else:
        potentials = list(phase_gemm_triton.phase_gemm_moments(spikes, weight, limits))
    finished = [finish(u, bias, add) for u in potentials]
    return first_crossing(finished, moment_of.tolist(), fire.scale, fire.coding, fire.horizon).code
