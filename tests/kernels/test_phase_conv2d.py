from __future__ import annotations

import ctypes.util
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from kernel_problems import CODES, spikes
from torch import Tensor
from torch.nn import functional

from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import (
    Fire,
    PhaseCode,
    Spikes,
    encode,
    phase_conv2d,
    phase_conv2d_bucketed,
    phase_conv2d_fire,
    reference,
)
from gcn2snn.kernels.bucketed import moments, up_to
from gcn2snn.kernels.geometry import Geometry
from gcn2snn.kernels.native import conv2d


def images(coding: PhaseCode, per_channel: bool) -> Spikes:
    flat = spikes(3, 6 * 9 * 8, coding, 1)
    return Spikes(flat.code.view(3, 6, 9, 8), torch.rand(6) + 0.5 if per_channel else torch.tensor(1.2), coding)


GEOMETRIES = {
    "3x3": (20, 24, (3, 3), Geometry(padding=(1, 1, 1, 1))),
    "3x3, even rows": (16, 16, (3, 3), Geometry(padding=(1, 1, 0, 1))),
    "3x3, 64 outputs": (5, 64, (3, 3), Geometry(padding=(1, 1, 1, 1))),
    "stride": (33, 10, (3, 3), Geometry((2, 2), (1, 1, 1, 1))),
    "asymmetric groups": (20, 24, (3, 3), Geometry((1, 1), (1, 0, 2, 1), (1, 1), 2)),
    "1x1": (6, 70, (1, 1), Geometry()),
    "diagonal": (6, 6, (1, 1), Geometry(groups=6)),
    "1x1 stride": (5, 7, (1, 1), Geometry((2, 2))),
    "depthwise, dilated": (6, 12, (2, 4), Geometry((2, 1), (2, 3, 0, 1), (2, 2), 6)),
    "wide padding": (40, 16, (3, 3), Geometry(padding=(5, 4, 4, 4))),
    "whole image": (17, 33, (9, 8), Geometry()),
}


def problem(name: str, coding: PhaseCode, dtype: torch.dtype, per_channel: bool) -> tuple[Spikes, Tensor, Geometry]:
    inputs, outputs, kernel, geometry = GEOMETRIES[name]
    flat = spikes(3, inputs * 9 * 8, coding, 1)
    code = torch.where(torch.rand(flat.code.shape) < 0.6, 0, flat.code).view(3, inputs, 9, 8)
    scale = torch.rand(inputs) + 0.5 if per_channel else torch.tensor(1.2)
    return Spikes(code, scale, coding), torch.randn(outputs, inputs // geometry.groups, *kernel, dtype=dtype), geometry


def as_arguments(geometry: Geometry) -> tuple[Any, ...]:
    return geometry.stride, geometry.padding, geometry.dilation, geometry.groups


@pytest.mark.parametrize(
    ("coding", "dtype"),
    [
        *((coding, torch.float32) for coding in (CODES[0], CODES[1], PhaseCode(1.2, 32), CODES[6])),
        (CODES[0], torch.float64),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", GEOMETRIES)
def test_native_conv2d_adds_in_the_order_of_the_reference(
    native: None, name: str, coding: PhaseCode, dtype: torch.dtype
) -> None:
    code, weight, geometry = problem(name, coding, dtype, coding.signed)
    bias = torch.randn(weight.shape[0], dtype=dtype)
    wanted = reference.phase_conv2d(code, weight, geometry, bias)
    assert torch.equal(conv2d(code, weight, bias, None, geometry), wanted)
    add = torch.randn(wanted.shape, dtype=dtype)
    for horizon in (None, torch.randint(0, 18, (1, wanted.shape[1], 1, wanted.shape[3]))):
        fire = Fire(torch.rand(weight.shape[0]) + 1, coding, horizon)
        for second in (add, add.contiguous(memory_format=torch.channels_last)):
            got = conv2d(code, weight, bias, second, geometry, fire)
            assert torch.equal(got, reference.encode(wanted + add, fire.scale, coding, horizon).code)


@pytest.mark.parametrize(
    ("coding", "dtype"),
    [(CODES[0], torch.float32), (PhaseCode(1.5, 5), torch.float64), (CODES[6], torch.float32)],
    ids=str,
)
@pytest.mark.parametrize("name", ["3x3", "stride", "asymmetric groups", "1x1", "depthwise, dilated"])
def test_native_bucketed_conv2d_equals_the_reference(
    native: None, name: str, coding: PhaseCode, dtype: torch.dtype
) -> None:
    code, weight, geometry = problem(name, coding, dtype, True)
    bias = torch.randn(weight.shape[0], dtype=dtype)
    shape = reference.phase_conv2d(code, weight, geometry).shape
    fire = Fire(torch.rand(weight.shape[0]) + 1, CODES[0], torch.randint(0, 18, (1, shape[1], 1, 1)))
    for wait in (0, 4):
        count = moments(code, fire, wait)[0].numel()
        for add in (None, torch.randn(shape, dtype=dtype), torch.randn(count, *shape, dtype=dtype)):
            got = phase_conv2d_bucketed(code, weight, fire, wait, bias, *as_arguments(geometry), add=add)
            wanted = reference.phase_conv2d_bucketed(
                code, weight, geometry, fire.scale, fire.coding, wait, fire.horizon, bias, add
            )
            assert torch.equal(got.code, wanted.code)
    late = phase_conv2d_bucketed(code, weight, fire, coding.timesteps, bias, *as_arguments(geometry))
    assert torch.equal(late.code, conv2d(code, weight, bias, None, geometry, fire))


@settings(max_examples=30, deadline=None)
@given(
    batch=st.integers(1, 3),
    inputs=st.integers(1, 34),
    outputs=st.sampled_from([8, 16, 24, 32, 48, 64]),
    image=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    padding=st.tuples(*[st.integers(1, 3)] * 4),
    seed=st.integers(0, 99),
)
def test_rows_that_are_summed_by_twos_equal_the_reference(
    batch: int, inputs: int, outputs: int, image: tuple[int, int], padding: tuple[int, int, int, int], seed: int
) -> None:
    """Rows above and below the image, an odd last row, images of one row, blocks of inputs that are not full."""
    flat = spikes(batch, inputs * image[0] * image[1], CODES[0], seed)
    code = Spikes(flat.code.view(batch, inputs, *image), torch.rand(inputs) + 0.5, CODES[0])
    generator = torch.Generator().manual_seed(seed)
    weight, bias = (torch.randn(*shape, generator=generator) for shape in ((outputs, inputs, 3, 3), (outputs,)))
    geometry = Geometry(padding=padding)
    wanted = reference.phase_conv2d(code, weight, geometry, bias)
    assert torch.equal(conv2d(code, weight, bias, None, geometry), wanted)
    fire = Fire(torch.rand(outputs, generator=generator) + 0.5, CODES[1])
    add = torch.randn(wanted.shape, generator=generator).contiguous(memory_format=torch.channels_last)
    got = conv2d(code, weight, bias, add, geometry, fire)
    assert torch.equal(got, reference.encode(wanted + add, fire.scale, fire.coding).code)


def test_a_product_is_added_without_being_rounded_first() -> None:
    """By the C library's fused multiply-add, also where the sum nearly vanishes and where it lies between two numbers."""
    name = ctypes.util.find_library("m")
    if name is None:
        pytest.skip("there is no C library of mathematics here")
    fused = ctypes.CDLL(name).fmaf
    fused.restype, fused.argtypes = ctypes.c_float, [ctypes.c_float] * 3
    x, y = torch.randn(20_000), torch.randn(20_000) * 10.0 ** torch.randint(-6, 6, (20_000,))
    total = torch.where(
        torch.rand(20_000) < 0.5, torch.randn(20_000), -x * y * (1 + torch.randint(-3, 4, x.shape) * 2.0**-23)
    )
    x[:1000], y[:1000] = 1 + 2.0**-23 * torch.randint(0, 1 << 20, (1000,)), 0.5
    wanted = torch.tensor([fused(*values) for values in zip(x.tolist(), y.tolist(), total.tolist(), strict=True)])
    assert torch.equal(reference.plus_product(total, x, y), wanted)
    assert float((wanted != total + x * y).double().mean()) > 0.3
    assert torch.equal(
        reference.plus_product(total.double(), x.double(), y.double()), total.double() + x.double() * y.double()
    )


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batch=st.integers(0, 3),
    inputs=st.integers(1, 18),
    outputs=st.integers(1, 20),
    image=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    kernel=pairs,
    stride=pairs,
    dilation=pairs,
    padding=st.tuples(*[st.integers(0, 3)] * 4),
    groups=st.integers(1, 2),
    coding=st.sampled_from(CODES),
    seed=st.integers(0, 99),
)
def test_native_conv2d_of_any_shape(
    native: None, batch: int, inputs: int, outputs: int, image: tuple[int, int], kernel: tuple[int, int],
    stride: tuple[int, int], dilation: tuple[int, int], padding: tuple[int, int, int, int], groups: int,
    coding: PhaseCode, seed: int,
) -> None:  # fmt: skip
    geometry = Geometry(stride, padding, dilation, groups)
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    assume(spans[0] <= image[0] + padding[2] + padding[3] and spans[1] <= image[1] + padding[0] + padding[1])
    flat = spikes(batch, groups * inputs * image[0] * image[1], coding, seed)
    code = Spikes(flat.code.view(batch, groups * inputs, *image), torch.tensor(1.2), coding)
    weight = torch.randn(groups * outputs, inputs, *kernel, generator=torch.Generator().manual_seed(seed))
    wanted = reference.phase_conv2d(code, weight, geometry)
    assert torch.equal(conv2d(code, weight, None, None, geometry), wanted)


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_native_conv2d_of_silence_saturation_and_any_layout(
    native: None, share: float, layout: torch.memory_format
) -> None:
    code, weight, geometry = problem("3x3", CODES[1], torch.float32, False)
    code = code.with_code(torch.full_like(code.code, int(share)).contiguous(memory_format=layout))
    assert torch.equal(
        phase_conv2d(code, weight, None, *as_arguments(geometry)), reference.phase_conv2d(code, weight, geometry)
    )
    sliced = code.with_code(code.code[1:, :, ::2])
    assert torch.equal(
        phase_conv2d(sliced, weight, None, *as_arguments(geometry)), reference.phase_conv2d(sliced, weight, geometry)
    )
    empty = phase_conv2d(code.with_code(code.code[:0]), weight, None, *as_arguments(geometry))
    assert empty.shape == (0, 24, 9, 8)


def test_native_conv2d_gives_the_same_bits_for_any_threads_and_batch(native: None) -> None:
    code, weight, geometry = problem("3x3", CODES[1], torch.float32, True)
    fire, before = Fire(torch.tensor(2.0), CODES[1]), torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found.append(phase_conv2d_fire(code, weight, fire, None, *as_arguments(geometry)).code)
    finally:
        torch.set_num_threads(before)
    alone = [
        phase_conv2d_fire(code.with_code(c[None]), weight, fire, None, *as_arguments(geometry)).code for c in code.code
    ]
    assert all(torch.equal(found[0], other) for other in (*found[1:], torch.cat(alone)))


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("groups", "stride", "padding", "dilation"), [(1, 1, 1, 1), (2, 2, 0, 1), (6, 1, 2, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int8])
@pytest.mark.parametrize("coding", [CODES[0], CODES[1]], ids=["signed", "unsigned"])
def test_phase_conv2d_is_the_convolution_of_decoded_spikes(
    backend: str,
    per_channel: bool,
    groups: int,
    stride: int,
    padding: int,
    dilation: int,
    dtype: torch.dtype,
    coding: PhaseCode,
) -> None:
    code, weight = images(coding, per_channel), torch.randn(24, 6 // groups, 3, 3, dtype=torch.float64)
    scale = torch.rand(24) if dtype == torch.int8 else None
    weight = (weight * 30).to(torch.int8) if dtype == torch.int8 else weight.to(dtype)
    dense = weight if scale is None else weight.float() * scale[:, None, None, None]
    bias = torch.randn(24, dtype=dense.dtype)
    arguments = ((stride, stride), (padding,) * 4, (dilation, dilation), groups)
    got = phase_conv2d(code, weight, bias, *arguments, weight_scale=scale)
    x = reference.decode(code, dense.dtype)
    wanted = functional.conv2d(x, dense, bias, stride, padding, dilation, groups)
    terms = functional.conv2d(x.abs(), dense.abs(), bias.abs(), stride, padding, dilation, groups)
    # n products and a bias in two orders: (n + 2) eps of the sum of their sizes each.
    assert bool(((got - wanted).abs() <= 2 * (dense[0].numel() + 2) * torch.finfo(dense.dtype).eps * terms).all())
    fire = Fire(torch.rand(24).to(dense.dtype) + 1, coding)
    fired = phase_conv2d_fire(code, weight, fire, bias, *arguments, weight_scale=scale)
    assert torch.equal(fired.code, encode(got, fire.scale, fire.coding).code)


def test_phase_conv2d_differentiates_by_its_weight(backend: str) -> None:
    code, weight, geometry = problem("3x3", CODES[1], torch.float64, False)
    weight.requires_grad_()
    phase_conv2d(code, weight, None, *as_arguments(geometry)).sum().backward()
    assert weight.grad is not None
    assert bool(weight.grad.abs().sum() > 0)


def test_phase_conv2d_refuses(backend: str) -> None:
    code = images(CODES[0], False)
    weight, fire = torch.ones(4, 6, 3, 3), Fire(torch.tensor(1.0), CODES[0])
    with pytest.raises(InputError, match=r"convolved with weight \[4, 5, 3, 3\] in 1 group"):
        phase_conv2d(code, torch.ones(4, 5, 3, 3))
    with pytest.raises(InputError, match="groups must divide out"):
        phase_conv2d(code, torch.ones(5, 3, 3, 3), groups=2)
    with pytest.raises(InputError, match="int8 weights need weight_scale"):
        phase_conv2d(code, weight.to(torch.int8))
    with pytest.raises(InputTypeError, match=r"weight is torch\.float16"):
        phase_conv2d(code, weight.half())
    with pytest.raises(InputTypeError, match=r"codes are torch\.int16; 16 phases are stored as torch\.int8"):
        phase_conv2d(code.with_code(code.code.short()), weight)
    with pytest.raises(InputError, match=r"padding is \(1, 1\); \(left, right, top, bottom\)"):
        phase_conv2d(code, weight, padding=(1, 1))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"stride is \(0, 1\)"):
        phase_conv2d(code, weight, stride=(0, 1))
    with pytest.raises(InputError, match=r"spans \[10, 3\] pixels does not fit the padded image \[9, 8\]"):
        phase_conv2d(code, torch.ones(4, 6, 10, 3))
    with pytest.raises(InputError, match=r"add has shape \[1\].*\[3, 4, 7, 6\] is needed"):
        phase_conv2d(code, weight, add=torch.ones(1))
    with pytest.raises(InputError, match=r"or \[12, 3, 4, 7, 6\] is needed"):
        phase_conv2d_bucketed(code, weight, fire, 4, add=torch.ones(3, 3, 4, 7, 6))
    with pytest.raises(InputTypeError, match=r"bias is torch\.float64 and the potentials are torch\.float32"):
        phase_conv2d(code, weight, torch.ones(4, dtype=torch.float64))
    with pytest.raises(InputError, match="wait is -1"):
        phase_conv2d_bucketed(code, weight, fire, -1)
    with pytest.raises(InputError, match=r"horizon \[5\] does not broadcast"):
        phase_conv2d_fire(code, weight, Fire(torch.tensor(1.0), CODES[0], torch.ones(5)))


@pytest.mark.parametrize("wait", [0, 4, 15, 99])
def test_phase_conv2d_bucketed_is_the_first_crossing_of_the_running_potential(backend: str, wait: int) -> None:
    code, weight, bias = images(CODES[0], True), torch.randn(8, 6, 3, 2, dtype=torch.float64), torch.randn(8)
    fire, geometry = Fire(torch.rand(8) + 2, CODES[0]), ((2, 1), (1, 0, 2, 1), (1, 2), 1)
    bias = bias.double()
    got = phase_conv2d_bucketed(code, weight, fire, wait, bias, *geometry)
    seen = [phase_conv2d(up_to(code, n), weight, bias, *geometry) for n in range(1, 17)]
    wanted = reference.first_crossing(seen, [min(k + wait, 16) - 1 for k in range(1, 17)], fire.scale, fire.coding)
    assert torch.equal(got.code, wanted.code)


@pytest.mark.parametrize("name", ["stride", "padding", "dilation", "groups"])
@pytest.mark.parametrize("number", [-1, 2**31, 10**39])
def test_a_geometry_beyond_32_bits_is_refused(name: str, number: int) -> None:
    """The compiled helper counts in 64 bits, to which a longer number would have been cut without a word."""
    value = {"groups": number, "padding": (0, number, 0, 0)}.get(name, (1, number))
    with pytest.raises(InputError, match=rf"{name} is .*from [01] to 2147483647 are needed"):
        Geometry(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("channels", "outputs", "kernel"), [(0, 17, (1, 1)), (0, 3, (3, 3)), (3, 16, (0, 3))])
def test_what_reads_no_pixel_has_the_potential_of_its_bias(
    signed: bool, channels: int, outputs: int, kernel: tuple[int, int]
) -> None:
    code = PhaseCode(2.0, 4, signed=signed)
    spikes = Spikes(torch.ones(2, channels, 5, 5, dtype=torch.int8), torch.tensor(1.0), code)
    weight, bias = torch.rand(outputs, channels, *kernel), torch.rand(outputs)
    found = phase_conv2d(spikes, weight, bias)
    assert found.shape == (2, outputs, 6 - kernel[0], 6 - kernel[1])
    assert torch.equal(found, bias[:, None, None].expand_as(found))
    fired = phase_conv2d_fire(spikes, weight, Fire(torch.tensor(1.0), code), bias)
    assert torch.equal(fired.code, encode(found, torch.tensor(1.0), code).code)
