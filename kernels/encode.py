"""Float -> phase -> float in one pass each."""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn.errors import InputError, InputTypeError, refuses_misfits
from gcn2snn.kernels.backend import choose
from gcn2snn.kernels.epilogue import Fire, check_float, check_scale, wants_gradient
from gcn2snn.kernels.phase import PhaseCode, Spikes
from gcn2snn.kernels.reference import per_channel


@refuses_misfits
def encode(x: Tensor, scale: Tensor, coding: PhaseCode, horizon: Tensor | None = None) -> Spikes:
    """Phase of the spike that x / scale sends: fast :func:`gcn2snn.kernels.reference.encode`, equal bit for bit.

    >>> code = PhaseCode(base=2.0, timesteps=4)  # thresholds 3/8, 3/16, 3/32, 3/64
    >>> encode(torch.tensor([0.9, 0.375, 0.2, 0.01]), torch.tensor(1.0), code).code.tolist()
    [1, 1, 2, 0]

    Args:
        x: [N, C, ...], potentials, float32 or float64.
        scale: [] or [C], > 0.
        coding: phase code.
        horizon: last phase at which a neuron may fire, broadcastable to x, or None for T.

    Raises:
        InputError: scale or horizon do not fit x.
        InputTypeError: x is not float32 or float64.
    """
    check_float("x", x.dtype)
    check_scale(scale, x.shape[min(1, x.dim() - 1)] if x.dim() else 1)
    fire = Fire(scale, coding, horizon)
    fire.check_horizon(tuple(x.shape))
    if horizon is None and not x.is_contiguous() and pixels_last(x):
        return Spikes(as_images(encode(as_pixels(x), scale, coding).code, x.shape), scale, coding)
    backend = choose(x.device)
    if backend == "native":
        from gcn2snn.kernels import native

        return Spikes(native.encode(x.detach(), fire), scale, coding)
    if backend == "triton":
        from gcn2snn.kernels.triton import encode as on_device

        return Spikes(on_device.encode(x.detach(), fire), scale, coding)
    return encode_torch(x.detach(), scale, coding, horizon)


@refuses_misfits
def decode(spikes: Spikes, dtype: torch.dtype = torch.float32) -> Tensor:
    """Value that each spike carries: fast :func:`gcn2snn.kernels.reference.decode`, equal bit for bit.

    >>> decode(Spikes(torch.tensor([[1, -2, 0]], dtype=torch.int8), torch.tensor(8.0), PhaseCode(2.0, 4, signed=True)))
    tensor([[ 4., -2.,  0.]])

    Raises:
        InputError: the scale does not fit the codes, or codes (on a CPU) are none of the population.
        InputTypeError: ``dtype`` is not float32 or float64, or the codes are not int8 or int16.
    """
    check_float("the dtype asked for", dtype)
    check_codes(spikes)
    return decode_checked(spikes, dtype)


def decode_checked(spikes: Spikes, dtype: torch.dtype) -> Tensor:
    """``decode`` for operations that have checked the codes."""
    if not spikes.code.is_contiguous() and pixels_last(spikes.code):
        return as_images(decode_checked(spikes.with_code(as_pixels(spikes.code)), dtype), spikes.code.shape)
    if wants_gradient(spikes.scale):
        return decode_torch(spikes, dtype)
    backend = choose(spikes.code.device)
    if backend == "native":
        from gcn2snn.kernels import native

        return native.decode(spikes, dtype)
    if backend == "triton":
        from gcn2snn.kernels.triton import encode as on_device

        return on_device.decode(spikes, dtype)
    return decode_torch(spikes, dtype)


@refuses_misfits
@torch.no_grad()
def decode_into(spikes: Spikes, out: Tensor) -> None:
    """``decode`` to a tensor that is there, of codes that a population of ours has sent: they are not checked.

    >>> values = torch.zeros(1, 2)
    >>> decode_into(Spikes(torch.tensor([[1, 0]], dtype=torch.int8), torch.tensor(8.0), PhaseCode(2.0, 4)), values)
    >>> values
    tensor([[4., 0.]])

    Raises:
        InputError: ``out`` is of another shape than the codes.
        InputTypeError: it is neither float32 nor float64.
    """
    check_float("out", out.dtype)
    if out.shape != spikes.code.shape:
        raise InputError(f"out is {[*out.shape]}; the codes are {[*spikes.code.shape]}, and a value for each is needed")
    if choose(out.device) == "native" and out.is_contiguous():
        from gcn2snn.kernels import native

        native.decode(spikes, out.dtype, out)
    else:
        out.copy_(decode_checked(spikes, out.dtype))


def pixels_last(x: Tensor) -> bool:
    """Whether x is images [N, C, H, W] with channels last in memory."""
    return x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)


def as_pixels(x: Tensor) -> Tensor:
    """Images [N, C, H, W] as rows [N H W, C]; a view where channels are last in memory."""
    return x.permute(0, 2, 3, 1).flatten(0, 2)


def as_images(pixels: Tensor, shape: torch.Size) -> Tensor:
    """Rows [N H W, C] as images [N, C, H, W] with channels last in memory, a view."""
    images, channels, rows, columns = shape
    return pixels.view(images, rows, columns, channels).permute(0, 3, 1, 2)


def check_codes(spikes: Spikes) -> None:
    """Refuse codes of another storage than their population's, codes that it cannot send, and a scale that does not fit.

    The range is looked at on a CPU only, one pass over the bytes; a caller would have to wait for another device.

    Raises:
        InputError, InputTypeError: as said.
    """
    check_storage(spikes)
    code, coding = spikes.code, spikes.coding
    if code.device.type != "cpu" or not code.numel():
        return
    low, high = [int(end) for end in torch.aminmax(code)]
    least = -coding.timesteps if coding.signed else 0
    if low < least or high > coding.timesteps:
        kind = "a signed population" if coding.signed else "a population without sign"
        raise InputError(
            f"codes run from {low} to {high}; {kind} of {coding.timesteps} phases sends {least} to {coding.timesteps}"
        )


def check_storage(spikes: Spikes) -> None:
    """Refuse codes of another storage than their population's, and a scale that does not fit them.

    Raises:
        InputError, InputTypeError: as said.
    """
    code = spikes.code
    if code.dtype != spikes.coding.code_dtype:
        wanted = spikes.coding.code_dtype
        raise InputTypeError(f"codes are {code.dtype}; {spikes.coding.timesteps} phases are stored as {wanted}")
    check_scale(spikes.scale, code.shape[min(1, code.dim() - 1)] if code.dim() else 1)


@refuses_misfits
def encode_torch(x: Tensor, scale: Tensor, coding: PhaseCode, horizon: Tensor | None) -> Spikes:
    """``encode`` in plain torch, operands unchecked: a binary search with the same comparisons; NaN is silent.

    >>> encode_torch(torch.tensor([[0.9, 0.2]]), torch.tensor(1.0), PhaseCode(2.0, 4), None).code.tolist()
    [[1, 2]]
    """
    z = x / per_channel(scale.to(x.dtype), x.dim())
    magnitude = (z.abs() if coding.signed else z).contiguous()
    boundaries = coding.thresholds(x.dtype, x.device).flip(0)
    reached = torch.bucketize(magnitude, boundaries, out_int32=True, right=True)
    phase = torch.where(magnitude >= boundaries[0], coding.timesteps + 1 - reached, 0)
    if horizon is not None:
        phase = torch.where(phase > horizon, 0, phase)
    phase = phase.to(coding.code_dtype)
    return Spikes(torch.where(z < 0, -phase, phase) if coding.signed else phase, scale, coding)


@refuses_misfits
def decode_torch(spikes: Spikes, dtype: torch.dtype) -> Tensor:
    """``decode`` in plain torch, codes unchecked.

    >>> decode_torch(Spikes(torch.tensor([[1, 0]], dtype=torch.int8), torch.tensor(8.0), PhaseCode(2.0, 4)), torch.float32)
    tensor([[4., 0.]])
    """
    coding, code = spikes.coding, spikes.code
    levels = coding.levels(dtype, code.device)
    table = torch.cat([-levels.flip(0), levels.new_zeros(1), levels])
    value = table.index_select(0, code.flatten().int() + coding.timesteps).view(code.shape)
    return value * per_channel(spikes.scale.to(dtype), code.dim())
