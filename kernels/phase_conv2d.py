"""Convolution of spikes: event by event where that pays, else decoded and convolved by the library that torch brings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from gcn2snn.errors import InputError, InputTypeError, refuses_misfits
from gcn2snn.kernels.backend import choose
from gcn2snn.kernels.bucketed import check_wait, moments, up_to
from gcn2snn.kernels.encode import check_codes, decode_checked, encode
from gcn2snn.kernels.epilogue import Fire, check_scale, finish, wants_gradient
from gcn2snn.kernels.geometry import Geometry, Pair, Sides
from gcn2snn.kernels.phase import Spikes
from gcn2snn.kernels.phase_gemm import check_weight, dequantise
from gcn2snn.kernels.reference import first_crossing, per_channel

Shape = tuple[int, int, int, int]
KERNEL_ROWS = 16  # of the compiled kernel, kKernelRows of events.h
LEAST_OUTPUTS = 8  # of a group, float32 lanes of an AVX2 vector


@refuses_misfits
def phase_conv2d(
    spikes: Spikes,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = (1, 1),
    padding: Sides = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    *,
    weight_scale: Tensor | None = None,
    add: Tensor | None = None,
) -> Tensor:
    """Convolution of decoded spikes plus bias plus ``add``: potentials of a convolution layer.

    >>> from gcn2snn.kernels import PhaseCode, Spikes
    >>> spikes = Spikes(torch.ones(1, 1, 2, 2, dtype=torch.int8), torch.tensor(1.0), PhaseCode(2.0, 4))  # four times 0.5
    >>> phase_conv2d(spikes, torch.ones(1, 1, 2, 2)).tolist()
    [[[[2.0]]]]

    Args:
        spikes: codes [N, C, H, W].
        weight: [out, C / groups, kH, kW], float32, float64, or int8 with ``weight_scale``.
        bias: [out], of the dtype of the potentials.
        stride, dilation, groups: as in ``torch.nn.functional.conv2d``.
        padding: zeros (left, right, top, bottom).
        weight_scale: [] or [out], as in ``phase_gemm``.
        add: [N, out, H', W'], of the dtype of the potentials.

    Returns:
        [N, out, H', W'], channels last in memory where a kernel of ours made it. Gradients reach weights, bias, add and all
        scales; a call that autograd follows is torch's own convolution. Any other is equal bit for bit to
        ``reference.phase_conv2d`` on a CPU where :func:`event_driven` says so. Else sums have another order: with
        n = kH kW C / groups products an element of the library's differs from the reference by at most
        (n + 2) eps sum_i |w_i v_i|, one of the Triton kernel's by four times that (three tf32 products stand for one).

    Raises:
        InputError: shapes or devices do not meet; int8 weights without their scale.
        InputTypeError: a dtype is not allowed.
    """
    geometry = Geometry(stride, padding, dilation, groups)
    shape = _check(spikes, weight, weight_scale, bias, add, geometry)
    dense = dequantise(weight, weight_scale)
    if not dense.numel():
        return _of_nothing(shape, dense, bias, add)
    path = "library" if wants_gradient(dense, spikes.scale, bias, add) else _path(spikes, dense, geometry)
    if path == "native":
        from gcn2snn.kernels import native

        return native.conv2d(spikes, dense, bias, add, geometry)
    if path == "triton":
        from gcn2snn.kernels.triton import phase_conv2d as on_device

        return on_device.phase_conv2d(spikes, dense, bias, add, geometry)
    return _convolve(spikes, dense, bias, add, geometry)


@refuses_misfits
def phase_conv2d_fire(
    spikes: Spikes,
    weight: Tensor,
    fire: Fire,
    bias: Tensor | None = None,
    stride: Pair = (1, 1),
    padding: Sides = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    *,
    weight_scale: Tensor | None = None,
    add: Tensor | None = None,
) -> Spikes:
    """Spikes of the population that reads ``phase_conv2d``.

    >>> from gcn2snn.kernels import PhaseCode, Spikes
    >>> code = PhaseCode(2.0, 4)
    >>> spikes = Spikes(torch.ones(1, 1, 2, 2, dtype=torch.int8), torch.tensor(1.0), code)
    >>> phase_conv2d_fire(spikes, torch.ones(1, 1, 2, 2) / 8, Fire(torch.tensor(1.0), code)).code.tolist()
    [[[[2]]]]

    Args:
        spikes, weight, bias, stride, padding, dilation, groups, weight_scale, add: as in :func:`phase_conv2d`.
        fire: the population; its horizon broadcasts to [N, out, H', W'].

    Returns:
        codes [N, out, H', W'].

    Raises:
        InputError, InputTypeError: as in :func:`phase_conv2d` and ``encode``.
    """
    geometry = Geometry(stride, padding, dilation, groups)
    shape = _check(spikes, weight, weight_scale, bias, add, geometry)
    check_scale(fire.scale, weight.shape[0])
    fire.check_horizon(shape)
    dense = dequantise(weight, weight_scale).detach()
    if not dense.numel():
        return encode(_of_nothing(shape, dense, bias, add).detach(), fire.scale, fire.coding, fire.horizon)
    path = _path(spikes, dense, geometry)
    if path == "native":
        from gcn2snn.kernels import native

        return Spikes(native.conv2d(spikes, dense, bias, add, geometry, fire), fire.scale, fire.coding)
    if path == "triton":
        from gcn2snn.kernels.triton import phase_conv2d as on_device

        code = on_device.phase_conv2d(spikes, dense, bias, add, geometry, fire)
        return Spikes(code, fire.scale, fire.coding)
    potential = _convolve(spikes, dense, bias, add, geometry)
    return encode(potential, fire.scale, fire.coding, fire.horizon)


@refuses_misfits
def phase_conv2d_bucketed(
    spikes: Spikes,
    weight: Tensor,
    fire: Fire,
    wait: int,
    bias: Tensor | None = None,
    stride: Pair = (1, 1),
    padding: Sides = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    *,
    weight_scale: Tensor | None = None,
    add: Tensor | None = None,
) -> Spikes:
    """Spikes of neurons that read ``phase_conv2d`` phase by phase after ``wait`` steps.

    >>> from gcn2snn.kernels import PhaseCode, Spikes
    >>> code = PhaseCode(2.0, 4)
    >>> spikes = Spikes(torch.ones(1, 1, 2, 2, dtype=torch.int8), torch.tensor(1.0), code)
    >>> phase_conv2d_bucketed(spikes, torch.ones(1, 1, 2, 2) / 8, Fire(torch.tensor(1.0), code), wait=0).code.tolist()
    [[[[2]]]]

    Args:
        spikes, weight, bias, stride, padding, dilation, groups, weight_scale: as in :func:`phase_conv2d`.
        fire, wait: as in ``phase_spmm_bucketed``; the horizon broadcasts to [N, out, H', W'].
        add: [N, out, H', W'], there from the start, or [M, N, out, H', W'], there at each moment that neurons look
            (``gcn2snn.kernels.bucketed.moments``): what other synapses of the same membrane have brought by then.

    Returns:
        codes [N, out, H', W'].

    Raises:
        InputError, InputTypeError: as in :func:`phase_conv2d` and ``encode``; wait < 0.
    """
    check_wait(wait)
    geometry = Geometry(stride, padding, dilation, groups)
    limits, moment_of = moments(spikes, fire, wait)
    shape = _check(spikes, weight, weight_scale, bias, add, geometry, limits.numel())
    check_scale(fire.scale, weight.shape[0])
    fire.check_horizon(shape)
    dense = dequantise(weight, weight_scale).detach()
    backend = choose(weight.device)
    if backend == "native" and weight.shape[2] <= KERNEL_ROWS:
        from gcn2snn.kernels import native

        look = (limits, moment_of)
        code = native.conv2d(spikes, dense, bias, add, geometry, fire, look)
        return Spikes(code, fire.scale, fire.coding)
    if backend == "triton" and dense.dtype == torch.float32:
        from gcn2snn.kernels.triton import phase_conv2d as on_device

        seen = list(on_device.phase_conv2d(spikes, dense, None, None, geometry, limits=limits))
    else:
        seen = [_convolve(up_to(spikes, phase), dense, None, None, geometry) for phase in limits.tolist()]
    start = None if bias is None else per_channel(bias, 4)
    by_moment = add is not None and add.dim() == 5
    potentials = [finish(u, start, add[index] if by_moment else add) for index, u in enumerate(seen)]  # type: ignore[index]
    return first_crossing(potentials, moment_of.tolist(), fire.scale, fire.coding, fire.horizon)


def _path(spikes: Spikes, weight: Tensor, geometry: Geometry) -> str:
    """``native``, ``triton`` (float32), or ``library``: decode, then ``conv2d`` (oneDNN, cuDNN)."""
    backend = choose(weight.device)
    if backend == "native":
        return backend if event_driven(spikes, weight, geometry) else "library"
    return backend if backend == "triton" and weight.dtype == torch.float32 else "library"


@refuses_misfits
def event_driven(spikes: Spikes, weight: Tensor, geometry: Geometry) -> bool:
    """Whether the compiled kernel that skips silent neurons takes a convolution that looks once; else decode and ``conv2d``.

    It does not pay where groups have fewer outputs than a vector has lanes (depthwise), nor for signed populations: no ReLU
    silences them, and with nine in ten neurons firing there is little to skip. The choice never depends on the spikes
    themselves, so a batch gives the same bits as its parts.

    >>> from gcn2snn.kernels import PhaseCode
    >>> spikes = Spikes(torch.ones(1, 3, 8, 8, dtype=torch.int8), torch.tensor(1.0), PhaseCode(2.0, 4))
    >>> [event_driven(spikes, torch.rand(outputs, 3, 3, 3), Geometry()) for outputs in (64, 2)]
    [True, False]
    """
    outputs = weight.shape[0] // geometry.groups
    return weight.shape[2] <= KERNEL_ROWS and outputs >= LEAST_OUTPUTS and not spikes.coding.signed


def _of_nothing(shape: Shape, weight: Tensor, bias: Tensor | None, add: Tensor | None) -> Tensor:
    """Potentials of a convolution that reads no pixel: no channels, or a kernel without a row or a column."""
    start = None if bias is None else per_channel(bias, 4)
    return finish(torch.zeros(shape, dtype=weight.dtype, device=weight.device), start, add)


def _convolve(spikes: Spikes, weight: Tensor, bias: Tensor | None, add: Tensor | None, geometry: Geometry) -> Tensor:
    """Decoded in one pass, then convolved by the library that torch brings."""
    x, (left, _, top, _) = decode_checked(spikes, weight.dtype), geometry.padding
    if geometry.is_diagonal(
        tuple(weight.shape)
    ):  # of one number a channel the library's convolution takes many times as long
        potential = x * per_channel(weight.flatten(), 4)
        potential = potential if bias is None else potential.add_(per_channel(bias, 4))
        return potential if add is None else potential.add_(add)
    if not geometry.is_symmetric:
        x, left, top = functional.pad(x, geometry.padding), 0, 0
    with _full_precision():
        potential = functional.conv2d(x, weight, bias, geometry.stride, (top, left), geometry.dilation, geometry.groups)
    return potential if add is None else potential + add


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """Turn tf32 off in cuDNN: it has three digits, and the stated bound needs the seven of float32."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _check(
    spikes: Spikes,
    weight: Tensor,
    weight_scale: Tensor | None,
    bias: Tensor | None,
    add: Tensor | None,
    geometry: Geometry,
    moment_count: int = 0,
) -> Shape:
    """Shape of the potentials of operands that meet."""
    code, groups = spikes.code, geometry.groups
    fits = code.dim() == 4 and weight.dim() == 4 and code.shape[1] == weight.shape[1] * groups
    if not fits or weight.shape[0] % groups:
        raise InputError(
            f"spikes {[*code.shape]} convolved with weight {[*weight.shape]} in {groups} group(s): "
            "[N, C, H, W] and [out, C / groups, kH, kW] are needed, and groups must divide out"
        )
    if code.device != weight.device:
        raise InputError(f"spikes are on {code.device} and the weight is on {weight.device}. Move one with .to()")
    check_codes(spikes)
    check_weight(weight, weight_scale)
    dtype = weight.dtype if weight_scale is None else weight_scale.dtype
    image, kernel = (code.shape[2], code.shape[3]), (weight.shape[2], weight.shape[3])
    shape = (code.shape[0], weight.shape[0], *geometry.output_size(image, kernel))
    allowed: dict[str, list[tuple[int, ...]]] = {
        "bias": [shape[1:2]],
        "add": [shape, (moment_count, *shape)][: 1 + bool(moment_count)],
    }
    for name, tensor in (("bias", bias), ("add", add)):
        if tensor is None:
            continue
        if tuple(tensor.shape) not in allowed[name]:
            wanted = " or ".join(str([*s]) for s in allowed[name])
            raise InputError(
                f"{name} has shape {[*tensor.shape]}; the potentials are {[*shape]}, so {wanted} is needed"
            )
        if tensor.dtype != dtype:
            raise InputTypeError(f"{name} is {tensor.dtype} and the potentials are {dtype}. Convert with .to({dtype})")
    return shape
