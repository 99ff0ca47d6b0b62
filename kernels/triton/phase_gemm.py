"""Triton kernel of phase_gemm: tiles of codes are decoded in registers and multiplied on tensor cores."""

# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional

from gcn2snn.kernels.epilogue import Fire, finish
from gcn2snn.kernels.phase import Spikes
from gcn2snn.kernels.triton import encode as coding
from gcn2snn.kernels.triton.epilogue import FireArguments, aligned, level_of, phase_of, table_of
from gcn2snn.kernels.triton.tuning import tile_grid, tiled


@triton.jit
def phase_gemm_fwd_kernel(
    code_ptr, weight_ptr, table_ptr, scale_ptr, weight_scale_ptr, bias_ptr, add_ptr, limit_ptr,
    fire_scale_ptr, threshold_ptr, horizon_ptr, out_ptr,
    rows, inputs, outputs, weight_scale_step, fire_scale_step, horizon_row, horizon_col, timesteps,
    PER_CHANNEL: tl.constexpr, WEIGHT_SCALE: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_ADD: tl.constexpr,
    LIMITED: tl.constexpr, FIRES: tl.constexpr, SIGNED: tl.constexpr, HAS_HORIZON: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """out[m, n] = sum_k level(code[m, k]) weight[n, k]; with LIMITED, only phases up to limit[program 2] count."""
    moment = tl.program_id(2)
    m = tl.program_id(0).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)
    n = tl.program_id(1).to(tl.int64) * BLOCK_N + tl.arange(0, BLOCK_N)
    sums = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for first in range(0, inputs, BLOCK_K):
        k = first + tl.arange(0, BLOCK_K)
        here = (m[:, None] < rows) & (k[None, :] < inputs)
        code = tl.load(code_ptr + m[:, None] * inputs + k[None, :], mask=here, other=0)  # [BLOCK_M, BLOCK_K]
        if LIMITED:
            code = tl.where(tl.abs(code.to(tl.int32)) <= tl.load(limit_ptr + moment), code, 0)
        level = level_of(code, table_ptr)
        if PER_CHANNEL:
            level *= tl.load(scale_ptr + k, mask=k < inputs, other=0.0)[None, :]
        there = (k[:, None] < inputs) & (n[None, :] < outputs)
        weight = tl.load(weight_ptr + n[None, :] * inputs + k[:, None], mask=there, other=0)  # [BLOCK_K, BLOCK_N]
        sums = tl.dot(level, weight.to(tl.float32), sums, input_precision="tf32x3")
    if WEIGHT_SCALE:
        sums *= tl.load(weight_scale_ptr + n * weight_scale_step, mask=n < outputs, other=0.0)[None, :]
    if HAS_BIAS:
        sums += tl.load(bias_ptr + n, mask=n < outputs, other=0.0)[None, :]
    inside = (m[:, None] < rows) & (n[None, :] < outputs)
    offset = m[:, None] * outputs + n[None, :]
    if HAS_ADD:
        sums += tl.load(add_ptr + offset, mask=inside, other=0.0)
    if FIRES:
        scale = tl.load(fire_scale_ptr + n * fire_scale_step, mask=n < outputs, other=1.0)[None, :]
        horizon = 0
        if HAS_HORIZON:
            horizon = tl.load(horizon_ptr + m[:, None] * horizon_row + n[None, :] * horizon_col, mask=inside, other=0)
        result = phase_of(sums, scale + sums * 0, threshold_ptr, horizon, timesteps, SIGNED, HAS_HORIZON)
        tl.store(out_ptr + offset, result.to(out_ptr.dtype.element_ty), mask=inside)
    else:
        tl.store(out_ptr + moment.to(tl.int64) * rows * outputs + offset, sums, mask=inside)


_tuner = tiled(phase_gemm_fwd_kernel)


def phase_gemm(
    spikes: Spikes,
    weight: Tensor,
    weight_scale: Tensor | None,
    dtype: torch.dtype,
    bias: Tensor | None,
    add: Tensor | None,
    fire: Fire | None,
) -> Tensor:
    """Potentials [N, out], or the codes that ``fire`` makes of them; float64 decodes first and uses cuBLAS."""
    if dtype == torch.float64:
        dense = (
            weight if weight_scale is None else weight.to(dtype) * weight_scale.reshape(-1, *[1] * weight_scale.dim())
        )
        potential = finish(functional.linear(coding.decode(spikes, dtype), dense, bias), None, add)
        return potential if fire is None else coding.encode(potential, fire)
    out_dtype = fire.coding.code_dtype if fire else dtype
    out = torch.empty(spikes.code.shape[0], weight.shape[0], dtype=out_dtype, device=weight.device)
    return _launch(spikes, weight.detach(), weight_scale, bias, add, fire, None, out)


def phase_gemm_moments(spikes: Spikes, weight: Tensor, limits: Tensor) -> Tensor:
    """Potentials of each moment, [moments, N, out], float32: moment b counts spikes of phase <= limits[b]."""
    out = torch.empty(limits.numel(), spikes.code.shape[0], weight.shape[0], device=weight.device)
    return _launch(spikes, weight, None, None, None, None, limits.to(weight.device), out)


def _launch(
    spikes: Spikes,
    weight: Tensor,
    weight_scale: Tensor | None,
    bias: Tensor | None,
    add: Tensor | None,
    fire: Fire | None,
    limits: Tensor | None,
    out: Tensor,
) -> Tensor:
    if not out.numel():
        return out
    code, weight = aligned(spikes.code), aligned(weight)  # silent inputs without weight
    rows, inputs, outputs = code.shape[0], code.shape[1], weight.shape[0]
    table, scale = table_of(spikes, torch.float32), spikes.scale.to(code.device, torch.float32).contiguous()
    scale = aligned(scale) if scale.dim() else scale
    a = FireArguments(fire, (rows, outputs), torch.float32, table)
    moments = 1 if limits is None else limits.numel()
    _tuner.launch(
        (inputs, outputs), rows, tile_grid(rows, outputs, moments=moments),
        code, weight, table, scale, table if weight_scale is None else weight_scale.contiguous(),
        table if bias is None else bias, table if add is None else add.contiguous(), table if limits is None else limits,
        a.scale, a.thresholds, a.horizon, out,
        rows, inputs, outputs, 0 if weight_scale is None else weight_scale.dim(),
        a.scale_step, a.horizon_row, a.horizon_col, a.timesteps,
        PER_CHANNEL=scale.dim() == 1, WEIGHT_SCALE=weight_scale is not None, HAS_BIAS=bias is not None,
        HAS_ADD=add is not None, LIMITED=limits is not None, FIRES=a.fires, SIGNED=a.is_signed,
        HAS_HORIZON=a.has_horizon,
    )  # fmt: skip
    return out
