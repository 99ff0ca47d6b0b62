"""Convolution of spikes: decoded in one pass, then convolved by the library that torch brings."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from gcn2snn.errors import InputError
from gcn2snn.kernels.encode import check_codes, decode, encode
from gcn2snn.kernels.epilogue import Fire, check_scale
from gcn2snn.kernels.phase import Spikes
from gcn2snn.kernels.phase_gemm import check_weight, dequantise

Pair = tuple[int, int]


def phase_conv2d(
    spikes: Spikes,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    *,
    weight_scale: Tensor | None = None,
) -> Tensor:
    """Convolution of decoded spikes plus bias: potentials of a convolution layer.

    Args:
        spikes: codes [N, C, H, W].
        weight: [out, C / groups, kH, kW], float32, float64, or int8 with ``weight_scale``.
        bias: [out].
        stride, padding, dilation, groups: as in ``torch.nn.functional.conv2d``.
        weight_scale: [] or [out], as in ``phase_gemm``.

    Returns:
        [N, out, H', W']; the library chooses the order of the sums, as in ``phase_gemm``.

    Raises:
        InputError: shapes or devices do not meet; int8 weights without their scale.
        InputTypeError: a dtype is not allowed.
    """
    _check(spikes, weight, weight_scale, groups)
    dense = dequantise(weight, weight_scale)
    return functional.conv2d(decode(spikes, dense.dtype), dense, bias, stride, padding, dilation, groups)


def phase_conv2d_fire(
    spikes: Spikes,
    weight: Tensor,
    fire: Fire,
    bias: Tensor | None = None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    *,
    weight_scale: Tensor | None = None,
) -> Spikes:
    """Spikes of the population that reads ``phase_conv2d``.

    Raises:
        InputError, InputTypeError: as in :func:`phase_conv2d` and ``encode``.
    """
    check_scale(fire.scale, weight.shape[0])
    potential = phase_conv2d(spikes, weight, bias, stride, padding, dilation, groups, weight_scale=weight_scale)
    return encode(potential, fire.scale, fire.coding, fire.horizon)


def _check(spikes: Spikes, weight: Tensor, weight_scale: Tensor | None, groups: int) -> None:
    code = spikes.code
    if code.dim() != 4 or weight.dim() != 4 or code.shape[1] != weight.shape[1] * groups:
        raise InputError(
            f"spikes {[*code.shape]} convolved with weight {[*weight.shape]} in {groups} group(s): "
            "[N, C, H, W] and [out, C / groups, kH, kW] are needed"
        )
    if code.device != weight.device:
        raise InputError(f"spikes are on {code.device} and the weight is on {weight.device}. Move one with .to()")
    check_codes(spikes)
    check_weight(weight, weight_scale)
