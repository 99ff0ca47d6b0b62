"""The paper's equations: value <-> spike phase, the binary input coder, and the base that loses least."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from gcn2snn.errors import InputError, InputTypeError, refuses_misfits
from gcn2snn.kernels import PhaseCode, Spikes, all_finite, decode, per_channel
from gcn2snn.kernels import encode as _encode

__all__ = ["binary_levels", "binary_spikes", "decode", "encode", "encode_binary"]

Numbers: TypeAlias = "Tensor | np.ndarray | Sequence[object]"
"""An array of numbers as callers have it: a tensor, a NumPy array, or nested lists."""


@refuses_misfits
def encode(
    x: Numbers,
    scale: Numbers | float,
    base: float,
    timesteps: int,
    shift: bool = True,
    signed: bool = False,
    last: str = "midpoint",
) -> Spikes:
    """Spike phases of the values ``x``.

    t = -clamp(floor(log_Q(z 2Q / (Q+1))), -T, -1), z = x / scale; silent when z < Q^-T (Q+1) / (2Q)      (Eq. 4)

    computed by comparing z with the T thresholds Q^-t (Q+1) / (2Q), so that it is exact. A tie fires.

    >>> spikes = encode(torch.tensor([0.0, 0.3, 0.6, 1.0]), 1.0, base=2.0, timesteps=4)
    >>> spikes.phase
    tensor([0, 2, 1, 1], dtype=torch.uint8)
    >>> decode(spikes)
    tensor([0.0000, 0.2500, 0.5000, 0.5000])

    Args:
        x: [N, C, ...], float32 or float64, finite. NumPy arrays and nested lists are read; other number types become float32.
        scale: > 0, one number, or [C] for one per channel (Eq. 2).
        base: Q > 1.
        timesteps: T, 1 to 255.
        shift: Eq. 4; False gives Eq. 3.
        signed: negative values send a spike with a sign. Unsigned coders refuse them.
        last: "half" puts the threshold of the last phase at Q^-T / 2 (docs/method.md); "midpoint" is Eq. 4.

    Returns:
        Spikes with ``phase`` uint8 (0 silent) and ``sign`` int8.

    Raises:
        ConfigError: base or timesteps out of range.
        InputError: x or scale is not finite, scale is not positive, or x < 0 in an unsigned coder.
        InputTypeError: x or scale holds no real numbers.

    Source: Section III, Eq. 2 to 4. Signed spikes are ours.
    """
    coding = PhaseCode(base, timesteps, signed, shift, last=last)
    values = check_finite("x", _tensor_of("x", x))
    scales = check_scale(_tensor_of("scale", scale).to(dtype=values.dtype, device=values.device))
    if not signed and bool((values < 0).any()):
        raise InputError(
            f"an unsigned coder got negative values (smallest {float(values.min()):.4g}); allowed are x >= 0. "
            "Pass signed=True, or apply the ReLU first"
        )
    return _encode(values, scales, coding)


def _tensor_of(name: str, values: Numbers | float) -> Tensor:
    """Values as a tensor of float32, or of float64 where they have it.

    Raises:
        InputTypeError: they are no real numbers, or lists of different lengths.
    """
    if isinstance(values, np.ndarray):  # torch takes no foreign byte order and no negative strides
        values = values.astype(values.dtype.newbyteorder("="), order="C", copy=False)
    try:
        tensor = torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputTypeError(
            f"{name} is of type {type(values).__name__} and holds no array of numbers ({error}). Pass a tensor, a NumPy array or lists"
        ) from error
    if tensor.is_complex() or tensor.is_quantized:
        raise InputTypeError(f"{name} has dtype {tensor.dtype}; real numbers are needed")
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def check_finite(name: str, x: Tensor) -> Tensor:
    """x itself, or an InputError when it holds a NaN or an infinity."""
    if not all_finite(x):
        bad = int((~torch.isfinite(x)).sum())
        raise InputError(f"{name} holds {bad} values that are NaN or infinite; spikes need finite values")
    return x


def check_scale(scale: Tensor) -> Tensor:
    """scale itself, or an InputError when it is not finite and positive."""
    if not bool((torch.isfinite(scale) & (scale > 0)).all()):
        raise InputError(f"scales must be finite and positive, got a smallest of {float(scale.min())}")
    return scale


@refuses_misfits
def encode_binary(x: Tensor, scale: Tensor, timesteps: int) -> Tensor:
    """Sign-magnitude binary code of the input data: sign(x) * floor(min(|x| / s * 2^T, 2^T - 1)), int32.

    Bit T - t of the magnitude is the spike at phase t, which carries 2^-t; many spikes are allowed.

    Args:
        x: [N, C, ...], finite.
        scale: [] or [C], > 0; larger magnitudes saturate at 1 - 2^-T.
        timesteps: T, 1 to 24 (float32 holds 24 bits).

    Raises:
        InputError: more than 24 bits.

    Source: Section III-A and V-B; sign-magnitude as in the authors' later code.
    """
    if not 1 <= timesteps <= 24:
        raise InputError(
            f"a binary input code of {timesteps} bits; allowed are 1 to 24, since single precision holds no more"
        )
    z = (x / per_channel(scale.to(x.dtype), x.dim())).abs()
    magnitude = torch.clamp(torch.floor(z * 2.0**timesteps), max=2.0**timesteps - 1).int()
    return torch.where(x < 0, -magnitude, magnitude)


def binary_spikes(code: Tensor) -> Tensor:
    """Number of spikes of each binary code word (its set bits), int32."""
    bits = code.abs()
    bits = bits - ((bits >> 1) & 0x55555555)
    bits = (bits & 0x33333333) + ((bits >> 2) & 0x33333333)
    bits = (bits + (bits >> 4)) & 0x0F0F0F0F
    return (bits + (bits >> 8) + (bits >> 16)) & 0x3F


def binary_levels(code: Tensor, timesteps: int, step: int, until: int | None = None) -> Tensor:
    """Signed spike (-1, 0, 1) that each code word sends at phase ``step``; or all it sends from then ``until`` a later one.

    The latter is a whole number in units of 2^-until, the bits of these phases.
    """
    until = step if until is None else until
    return code.sign() * ((code.abs() >> (timesteps - until)) & ((1 << (until - step + 1)) - 1))
