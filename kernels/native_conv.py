"""Calls of the compiled CPU helper for convolutions. Arguments are checked by :mod:`gcn2snn.kernels.phase_conv2d`."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from gcn2snn.kernels import native
from gcn2snn.kernels.epilogue import Fire
from gcn2snn.kernels.geometry import Geometry
from gcn2snn.kernels.phase import Spikes

_SIZES = (
    *("images", "height", "width", "groups", "inputs", "outputs", "rows", "cols", "kernel_h", "kernel_w"),
    *("stride_h", "stride_w", "left", "top", "dilation_h", "dilation_w"),
)


class _Conv(ctypes.Structure):
    """``Conv`` of native_events.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in _SIZES),
        *((name, ctypes.c_void_p) for name in ("code", "levels")),
        ("timesteps", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("channel_scale", "weight", "bias", "add")),
        *((f"add_{name}", ctypes.c_int64) for name in ("image", "channel", "row", "col", "moment")),
        ("out", ctypes.c_void_p),
        ("fire", native.FireStructure),
        ("horizon", ctypes.c_void_p),
        *((f"horizon_{name}", ctypes.c_int64) for name in ("image", "channel", "row", "col")),
        *((name, ctypes.c_void_p) for name in ("step_of", "moment_of")),
        ("moments", ctypes.c_int64),
    )


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
    weight, dtype, coding = weight.detach().contiguous(), weight.dtype, spikes.coding
    images, channels, height, width = spikes.code.shape
    outputs, kernel = weight.shape[0], (weight.shape[2], weight.shape[3])
    rows, cols = geometry.output_size((height, width), kernel)
    out = torch.empty(images, rows, cols, outputs, dtype=fire.coding.code_dtype if fire else dtype)
    result = out.permute(0, 3, 1, 2)
    if not out.numel():
        return result
    keep, scale = native.Keep(), spikes.scale.to(dtype)
    levels = native.level_table(coding, dtype)
    structure = _Conv(
        *(images, height, width, geometry.groups, channels // geometry.groups, outputs // geometry.groups, rows, cols),
        *(*kernel, *geometry.stride, geometry.padding[0], geometry.padding[2], *geometry.dilation),
        code=keep.pointer(spikes.code.permute(0, 2, 3, 1)),
        levels=keep.pointer(levels if scale.dim() else levels * scale),
        timesteps=coding.timesteps,
        channel_scale=keep.pointer(scale if scale.dim() else None),
        weight=keep.pointer(weight),
        bias=keep.pointer(bias),
    )
    if add is not None:
        keep.tensors.append(add)
        structure.add = add.data_ptr()
        steps = add.stride() if add.dim() == 5 else (0, *add.stride())
        structure.add_moment, structure.add_image, structure.add_channel, structure.add_row, structure.add_col = steps
    if fire is None:
        structure.out = out.data_ptr()
    else:
        structure.fire = keep.fire(Fire(fire.scale, fire.coding), dtype, out, (1, 1), out.shape)
        structure.fire.scale_step = fire.scale.dim()
        if fire.horizon is not None:
            horizon = fire.horizon.clamp(-1, 256).to(torch.int16).broadcast_to(result.shape)
            keep.tensors.append(horizon)
            structure.horizon = horizon.data_ptr()
            for name, step in zip(("image", "channel", "row", "col"), horizon.stride(), strict=True):
                setattr(structure, f"horizon_{name}", step)
    if look is not None:
        limits, moment_of = look
        structure.step_of = keep.pointer(native.first_moments(limits, spikes.code.dtype))
        structure.moment_of, structure.moments = keep.pointer(moment_of), limits.numel()
    native.call(f"conv_{native.SUFFIX[dtype]}_{native.SUFFIX[spikes.code.dtype]}", ctypes.byref(structure))
    return result
