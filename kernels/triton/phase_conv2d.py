"""Triton kernel of phase_conv2d: an implicit im2col whose tiles of codes are decoded in registers, times the weights.

Channels are last in memory, and the terms of a sum run over the taps of the kernel, each with all its channels: 16 or more
channels of a pixel lie together and are read with one load, and a row of a tile of results is written as one piece.
"""

# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
from __future__ import annotations

from dataclasses import replace

import torch
import triton
import triton.language as tl
from torch import Tensor

from gcn2snn.kernels.encode import as_pixels
from gcn2snn.kernels.epilogue import Fire
from gcn2snn.kernels.geometry import Geometry
from gcn2snn.kernels.phase import Spikes
from gcn2snn.kernels.triton.epilogue import FireArguments, level_of, phase_of, table_of
from gcn2snn.kernels.triton.tuning import tile_grid, tiled


@triton.jit
def phase_conv2d_fwd_kernel(
    code_ptr, weight_ptr, table_ptr, scale_ptr, bias_ptr, add_ptr, limit_ptr,
    fire_scale_ptr, threshold_ptr, horizon_ptr, out_ptr,
    pixels, channels, height, width, inputs, outputs, groups, rows, cols, kernel_h, kernel_w,
    stride_h, stride_w, left, top, dilation_h, dilation_w,
    fire_scale_step, horizon_row, horizon_col, timesteps,
    PER_CHANNEL: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_ADD: tl.constexpr, LIMITED: tl.constexpr,
    FIRES: tl.constexpr, SIGNED: tl.constexpr, HAS_HORIZON: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """out[image, y, x, n] = sum_k level(code at tap k of (image, y, x)) weight[n, k]; LIMITED: phases up to limit[program 2]."""
    moment = tl.program_id(2)
    blocks = tl.cdiv(outputs, BLOCK_N)
    group = tl.program_id(1) // blocks
    m = tl.program_id(0).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)  # output pixels of all images
    n = (tl.program_id(1) % blocks).to(tl.int64) * BLOCK_N + tl.arange(0, BLOCK_N)  # outputs of the group
    image = m // (rows * cols)
    y, x = ((m // cols) % rows * stride_h - top).to(tl.int32), (m % cols * stride_w - left).to(tl.int32)
    corner = ((image * height + y) * width + x) * channels + group * inputs  # of the taps, maybe outside
    channel = group * outputs + n
    terms = inputs * kernel_h * kernel_w
    sums = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for first in range(0, terms, BLOCK_K):
        k = first + tl.arange(0, BLOCK_K)
        tap, source = k // inputs, k % inputs
        down, right = tap // kernel_w * dilation_h, tap % kernel_w * dilation_w
        at_y, at_x = y[:, None] + down[None, :], x[:, None] + right[None, :]
        here = (m[:, None] < pixels) & (at_y >= 0) & (at_y < height) & (at_x >= 0) & (at_x < width)
        here &= k[None, :] < terms
        offset = corner[:, None] + ((down * width + right) * channels + source)[None, :]
        code = tl.load(code_ptr + offset, mask=here, other=0)  # [BLOCK_M, BLOCK_K]
        if LIMITED:
            code = tl.where(tl.abs(code.to(tl.int32)) <= tl.load(limit_ptr + moment), code, 0)
        level = level_of(code, table_ptr)
        if PER_CHANNEL:
            level *= tl.load(scale_ptr + group * inputs + source, mask=k < terms, other=0.0)[None, :]
        there = (k[:, None] < terms) & (n[None, :] < outputs)
        weight = tl.load(
            weight_ptr + channel[None, :] * terms + k[:, None], mask=there, other=0.0
        )  # [BLOCK_K, BLOCK_N]
        sums = tl.dot(level, weight, sums, input_precision="tf32x3")
    if HAS_BIAS:
        sums += tl.load(bias_ptr + channel, mask=n < outputs, other=0.0)[None, :]
    inside = (m[:, None] < pixels) & (n[None, :] < outputs)
    all_outputs = groups * outputs
    target = m[:, None] * all_outputs + channel[None, :]
    if HAS_ADD:
        sums += tl.load(add_ptr + target, mask=inside, other=0.0)
    if FIRES:
        scale = tl.load(fire_scale_ptr + channel * fire_scale_step, mask=n < outputs, other=1.0)[None, :]
        horizon = 0
        if HAS_HORIZON:
            place = m[:, None] * horizon_row + channel[None, :] * horizon_col
            horizon = tl.load(horizon_ptr + place, mask=inside, other=0)
        result = phase_of(sums, scale + sums * 0, threshold_ptr, horizon, timesteps, SIGNED, HAS_HORIZON)
        tl.store(out_ptr + target, result.to(out_ptr.dtype.element_ty), mask=inside)
    else:
        tl.store(out_ptr + moment.to(tl.int64) * pixels * all_outputs + target, sums, mask=inside)


_tuner = tiled(phase_conv2d_fwd_kernel)


def phase_conv2d(
    spikes: Spikes,
    weight: Tensor,
    bias: Tensor | None,
    add: Tensor | None,
    geometry: Geometry,
    fire: Fire | None = None,
    limits: Tensor | None = None,
) -> Tensor:
    """Potentials [N, out, H', W'], the codes that ``fire`` makes of them, or potentials of each moment, [M, N, out, H', W'].

    All with channels last in memory.

    Args:
        spikes, weight, bias, add, geometry: as in ``gcn2snn.kernels.phase_conv2d``, float32 weights.
        fire: the population that reads.
        limits: moment b counts spikes of phase <= limits[b].
    """
    (images, channels, height, width), (outputs, inputs, kernel_h, kernel_w) = spikes.code.shape, weight.shape
    code = spikes.code.permute(0, 2, 3, 1).contiguous()
    taps = weight.detach().permute(0, 2, 3, 1).contiguous()  # [out, kH, kW, inputs]
    rows, cols = geometry.output_size((height, width), (kernel_h, kernel_w))
    moments, groups, pixels = 1 if limits is None else limits.numel(), geometry.groups, images * rows * cols
    out_dtype = fire.coding.code_dtype if fire else weight.dtype
    out = torch.empty(moments, images, rows, cols, outputs, dtype=out_dtype, device=weight.device)
    result = out.permute(0, 1, 4, 2, 3)
    result = result[0] if limits is None else result
    if not out.numel():
        return result
    if fire is not None and fire.horizon is not None:
        horizon = as_pixels(fire.horizon.to(code.device).broadcast_to(result.shape))
        fire = replace(fire, horizon=horizon)
    table, scale = table_of(spikes, torch.float32), spikes.scale.to(code.device, torch.float32).contiguous()
    a = FireArguments(fire, (pixels, outputs), torch.float32, table)
    shape = (inputs, outputs, rows, cols, kernel_h, kernel_w)
    _tuner.launch(
        shape, images, tile_grid(pixels, outputs // groups, groups, moments),
        code, taps, table, scale, table if bias is None else bias.detach().contiguous(),
        table if add is None else add.permute(0, 2, 3, 1).contiguous(), table if limits is None else limits.to(code.device),
        a.scale, a.thresholds, a.horizon, out,
        pixels, channels, height, width, inputs, outputs // groups, groups, rows, cols, kernel_h, kernel_w,
        *geometry.stride, geometry.padding[0], geometry.padding[2], *geometry.dilation,
        a.scale_step, a.horizon_row, a.horizon_col, a.timesteps,
        PER_CHANNEL=scale.dim() == 1, HAS_BIAS=bias is not None, HAS_ADD=add is not None, LIMITED=limits is not None,
        FIRES=a.fires, SIGNED=a.is_signed, HAS_HORIZON=a.has_horizon,
    )  # fmt: skip
    return result
