"""Calls of the compiled CPU helper for convolutions. Arguments are checked by :mod:`gcn2snn.kernels.phase_conv2d`."""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn.kernels.epilogue import Fire
from gcn2snn.kernels.geometry import Geometry
from gcn2snn.kernels.native.call import call
from gcn2snn.kernels.native.coding import level_table
from gcn2snn.kernels.native.products import first_moments
from gcn2snn.kernels.native.signatures import SUFFIX
from gcn2snn.kernels.native.structures import Conv, Keep
from gcn2snn.kernels.phase import Spikes


def conv2d(
    spikes: Spikes,
    weight: Tensor,
    bias: Tensor | None,
    add: Tensor | None,
    geometry: Geometry,
    fire: Fire | None = None,
    look: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Potentials [N, out, H', W'], or the codes that ``fire`` makes of them; both with channels last in memory.

    Args:
        spikes, weight, bias, add, geometry: as in ``phase_conv2d``, float weights.
        fire: the population that reads.
        look: ``(limits, moment_of)`` of :func:`gcn2snn.kernels.bucketed.moments` for neurons that do not wait for all input.
    """
    weight, dtype = weight.detach().contiguous(), weight.dtype
    keep = Keep()
    structure = conv_structure(keep, spikes, weight, bias, geometry)
    size = (structure.images, structure.rows, structure.cols, weight.shape[0])
    out = torch.empty(size, dtype=fire.coding.code_dtype if fire else dtype)
    result = out.permute(0, 3, 1, 2)
    if not out.numel():
        return result
    structure.code = keep.pointer(spikes.code.permute(0, 2, 3, 1), spikes.coding.code_dtype)
    if add is not None:
        structure.add = keep.strided(add.detach(), dtype)
        steps = add.stride() if add.dim() == 5 else (0, *add.stride())
        structure.add_moment, structure.add_image, structure.add_channel, structure.add_row, structure.add_col = steps
    if fire is None:
        structure.out = keep.pointer(out, dtype)
    else:
        fill_in_neurons(structure, keep, fire, out, dtype, result.shape)
    if look is not None:
        limits, moment_of = look
        structure.step_of = keep.pointer(first_moments(limits, spikes.code.dtype), torch.int32)
        structure.moment_of, structure.moments = keep.pointer(moment_of, torch.int32), limits.numel()
    call(f"conv_{SUFFIX[dtype]}_{SUFFIX[spikes.code.dtype]}", structure)
    return result


def conv_structure(keep: Keep, spikes: Spikes, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Conv:
    """What a convolution reads but for the codes themselves and a second input; it writes nothing yet."""
    (images, channels, height, width), coding, dtype = spikes.code.shape, spikes.coding, weight.dtype
    outputs, kernel = weight.shape[0], (weight.shape[2], weight.shape[3])
    rows, cols = geometry.output_size((height, width), kernel)
    scale, levels = spikes.scale.detach().to(dtype), level_table(coding, dtype)
    return Conv(
        *(images, height, width, geometry.groups, channels // geometry.groups, outputs // geometry.groups, rows, cols),
        *(*kernel, *geometry.stride, geometry.padding[0], geometry.padding[2], *geometry.dilation),
        levels=keep.pointer(levels if scale.dim() else levels * scale, dtype),
        timesteps=coding.timesteps,
        channel_scale=keep.pointer(scale if scale.dim() else None, dtype),
        weight=keep.pointer(weight, dtype),
        bias=keep.pointer(bias, dtype),
    )


def fill_in_neurons(
    structure: Conv, keep: Keep, fire: Fire, out: Tensor, dtype: torch.dtype, shape: torch.Size
) -> None:
    """The population that writes ``out`` and its horizon, which is read through strides of [N, out, H', W']."""
    structure.fire = keep.fire(Fire(fire.scale, fire.coding), dtype, out, (1, 1), out.shape)
    structure.fire.scale_step = fire.scale.dim()
    if fire.horizon is None:
        return
    horizon = fire.horizon.clamp(-1, 256).to(torch.int16).broadcast_to(shape)
    structure.horizon = keep.strided(horizon, torch.int16)
    for name, step in zip(("image", "channel", "row", "col"), horizon.stride(), strict=True):
        setattr(structure, f"horizon_{name}", step)
