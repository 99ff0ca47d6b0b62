"""Dense products of spikes: blocks of rows are decoded into the cache and multiplied there by BLAS."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from gcn2snn.errors import InputError, InputTypeError, refuses_misfits
from gcn2snn.kernels.backend import choose
from gcn2snn.kernels.encode import check_codes, decode_checked, encode
from gcn2snn.kernels.epilogue import Fire, check_epilogue, check_float, check_scale, wants_gradient
from gcn2snn.kernels.phase import Spikes

# Decoded values of one block, 4 MiB in float32: they stay in a shared cache while BLAS reads them. Smaller blocks mean more
# parallel regions, and each waits for its slowest thread: on a busy machine 2^17 took twice the time of 2^20 (61,603 x 200).
BLOCK_VALUES = 1 << 20


@refuses_misfits
def phase_gemm(
    spikes: Spikes,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    weight_scale: Tensor | None = None,
    add: Tensor | None = None,
) -> Tensor:
    """decode(spikes) W^T + bias + add: potentials of a dense layer.

    >>> from gcn2snn.kernels import PhaseCode, Spikes
    >>> spikes = Spikes(torch.tensor([[1, 2]], dtype=torch.int8), torch.tensor(1.0), PhaseCode(2.0, 4))
    >>> phase_gemm(spikes, torch.tensor([[2.0, 4.0]]), torch.tensor([1.0]))
    tensor([[3.]])

    Args:
        spikes: codes [N, in].
        weight: W, [out, in], float32, float64, or int8 with ``weight_scale``.
        bias: [out], of the dtype of the potentials.
        weight_scale: [] or [out]; W = weight_scale * weight, potentials in the dtype of the scale. Needed for int8.
        add: [N, out].

    Returns:
        [N, out]. Gradients reach weights, bias, add and all scales. BLAS chooses the order of the sums: an element differs
        from the reference by at most (in + 2) eps sum_i |x_ni w_oi|.

    Raises:
        InputError: shapes or devices do not meet; int8 weights without their scale.
        InputTypeError: a dtype is not allowed.
    """
    check_operands(spikes, weight, weight_scale)
    dtype = weight.dtype if weight_scale is None else weight_scale.dtype
    check_epilogue(spikes.code.shape[0], weight.shape[0], dtype, bias, add)
    followed = wants_gradient(weight, weight_scale, spikes.scale, bias, add)
    if choose(weight.device) == "triton" and not followed:
        from gcn2snn.kernels.triton import phase_gemm as on_device

        return on_device.phase_gemm(spikes, weight, weight_scale, dtype, bias, add, None)
    dense = dequantise(weight, weight_scale)
    rows, block = spikes.code.shape[0], _block(spikes.code)
    if rows <= block or followed:
        return _plus(functional.linear(decode_checked(spikes, dtype), dense, bias), add)
    out = torch.empty(rows, dense.shape[0], dtype=dtype, device=dense.device)
    for start in range(0, rows, block):
        part = slice(start, start + block)
        _block_product(spikes.with_code(spikes.code[part]), dense, bias, out[part])
        if add is not None:
            out[part] += add[part]
    return out


@refuses_misfits
def phase_gemm_fire(
    spikes: Spikes,
    weight: Tensor,
    fire: Fire,
    bias: Tensor | None = None,
    *,
    weight_scale: Tensor | None = None,
    add: Tensor | None = None,
) -> Spikes:
    """Spikes of the population that reads ``phase_gemm``: potentials live for one block of rows only.

    >>> from gcn2snn.kernels import Fire, PhaseCode, Spikes
    >>> code = PhaseCode(2.0, 4)
    >>> spikes = Spikes(torch.tensor([[1, 2]], dtype=torch.int8), torch.tensor(1.0), code)
    >>> phase_gemm_fire(spikes, torch.tensor([[0.9, -0.5]]), Fire(torch.tensor(1.0), code)).code.tolist()  # of 0.325
    [[2]]

    Args:
        spikes, weight, bias, weight_scale, add: as in :func:`phase_gemm`.
        fire: the population.

    Returns:
        codes [N, out].

    Raises:
        InputError, InputTypeError: as in :func:`phase_gemm` and ``encode``.
    """
    check_operands(spikes, weight, weight_scale)
    dtype = weight.dtype if weight_scale is None else weight_scale.dtype
    rows, channels = spikes.code.shape[0], weight.shape[0]
    check_epilogue(rows, channels, dtype, bias, add)
    check_scale(fire.scale, channels)
    fire.check_horizon((rows, channels))
    if choose(weight.device) == "triton":
        from gcn2snn.kernels.triton import phase_gemm as on_device

        code = on_device.phase_gemm(spikes, weight, weight_scale, dtype, bias, add, fire)
        return Spikes(code, fire.scale, fire.coding)
    dense, block = dequantise(weight, weight_scale).detach(), _block(spikes.code)
    bias, add = (None if tensor is None else tensor.detach() for tensor in (bias, add))
    spikes = replace(spikes, scale=spikes.scale.detach())
    code = torch.empty(rows, channels, dtype=fire.coding.code_dtype, device=dense.device)
    horizon = None if fire.horizon is None else fire.horizon.expand(rows, channels)
    potential = torch.empty(min(block, rows), channels, dtype=dtype, device=dense.device)
    for start in range(0, rows, block):
        part = slice(start, start + block)
        u = potential[: min(block, rows - start)]
        _block_product(spikes.with_code(spikes.code[part]), dense, bias, u)
        if add is not None:
            u += add[part]
        code[part] = encode(u, fire.scale, fire.coding, None if horizon is None else horizon[part]).code
    return Spikes(code, fire.scale, fire.coding)


def dequantise(weight: Tensor, weight_scale: Tensor | None) -> Tensor:
    """W = weight_scale * weight, [out, ...], or the weight itself when it has no scale."""
    if weight_scale is None:
        return weight
    shape = (-1, *[1] * (weight.dim() - 1)) if weight_scale.dim() else ()
    return weight.to(weight_scale.dtype) * weight_scale.reshape(shape)


def check_weight(weight: Tensor, weight_scale: Tensor | None) -> None:
    """Refuse weights that are neither floating point nor int8 with a scale.

    Raises:
        InputError, InputTypeError: as said.
    """
    if weight_scale is None:
        if weight.dtype == torch.int8:
            raise InputError("int8 weights need weight_scale: [] or one value per output channel")
        check_float("weight", weight.dtype)
        return
    if weight.dtype != torch.int8:
        raise InputTypeError(f"weight is {weight.dtype} and has a weight_scale; only torch.int8 weights are scaled")
    check_float("weight_scale", weight_scale.dtype)
    check_scale(weight_scale, weight.shape[0])


def check_operands(spikes: Spikes, weight: Tensor, weight_scale: Tensor | None) -> None:
    """Refuse spikes and weights that do not meet in shape, storage or device.

    Raises:
        InputError, InputTypeError: as said.
    """
    code = spikes.code
    if code.dim() != 2 or weight.dim() != 2 or code.shape[1] != weight.shape[1]:
        raise InputError(f"spikes {[*code.shape]} times weight {[*weight.shape]}: [N, in] and [out, in] are needed")
    if code.device != weight.device:
        raise InputError(f"spikes are on {code.device} and the weight is on {weight.device}. Move one with .to()")
    check_codes(spikes)
    check_weight(weight, weight_scale)


def _block(code: Tensor) -> int:
    return max(1, BLOCK_VALUES // max(code.shape[1], 1)) if code.device.type == "cpu" else max(code.shape[0], 1)


def _block_product(spikes: Spikes, weight: Tensor, bias: Tensor | None, out: Tensor) -> None:
    x = decode_checked(spikes, weight.dtype)
    if bias is None:
        torch.mm(x, weight.t(), out=out)
    else:
        torch.addmm(bias, x, weight.t(), out=out)


def _plus(potential: Tensor, add: Tensor | None) -> Tensor:
    return potential if add is None else potential + add
