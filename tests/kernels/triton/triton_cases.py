"""Run by test_triton.py in a process of its own: interpreted on the CPU, or on a real device."""

from __future__ import annotations

import os

import pytest
import torch
from kernel_problems import CODES, bound, sparse, spikes

from gcn2snn.kernels import (
    CSR,
    Fire,
    PhaseCode,
    Spikes,
    backend,
    binary_entries,
    binary_values,
    decode,
    encode,
    event_count,
    phase_conv2d,
    phase_conv2d_bucketed,
    phase_conv2d_fire,
    phase_gemm,
    phase_gemm_bucketed,
    phase_gemm_fire,
    phase_spmm,
    phase_spmm_bucketed,
    phase_spmm_fire,
    reference,
    spike_count,
)
from gcn2snn.kernels.bucketed import moments, up_to
from gcn2snn.kernels.geometry import Geometry

DEVICE = os.environ["GCN2SNN_TEST_DEVICE"]
LARGE = DEVICE != "cpu"  # the interpreter takes about a millisecond for each inner iteration


def on_device(population: Spikes) -> Spikes:
    return Spikes(population.code.to(DEVICE), population.scale.to(DEVICE), population.coding)


def operands(channels: int, coding: PhaseCode, per_channel: bool) -> tuple[CSR, Spikes]:
    """Rows without entries, and (17 or 5,000 entries) one that is cut into several segments."""
    rows, cols = (1009, 5003) if LARGE else (5, 17)
    matrix = sparse(rows, cols, 0.1 if LARGE else 0.4, 1)
    dense = matrix.to_dense()
    dense[3] = torch.randn(cols)
    return CSR.from_dense(dense).to(DEVICE), on_device(spikes(cols, channels, coding, 1, per_channel))


def test_triton_runs() -> None:
    assert backend.choose(torch.device(DEVICE)) == "triton"


@pytest.mark.parametrize("coding", [CODES[0], CODES[6]], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_encode_and_decode(coding: PhaseCode, dtype: torch.dtype) -> None:
    scale = torch.rand(5, dtype=dtype, device=DEVICE) + 0.5
    ties = (coding.thresholds(dtype, DEVICE)[:, None] * scale).clone()
    x = torch.cat(
        [ties, -ties, torch.tensor([[0.0, torch.inf, -torch.inf, torch.nan, 1e9]], dtype=dtype, device=DEVICE)]
    )
    horizon = torch.randint(0, coding.timesteps + 2, (x.shape[0], 1), device=DEVICE)
    for last in (None, horizon):
        for s in (scale, scale[0]):
            got, wanted = encode(x, s, coding, last), reference.encode(x, s, coding, last)
            assert torch.equal(got.code, wanted.code)
            assert torch.equal(decode(got, dtype), reference.decode(got, dtype))
    maps = torch.randn(2, 5, 3, 3, dtype=dtype, device=DEVICE)
    assert torch.equal(encode(maps, scale, coding).code, reference.encode(maps, scale, coding).code)


@pytest.mark.parametrize("shape", [(6, 9), (2, 3, 4, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_input_words(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = torch.randn(shape, dtype=dtype, device=DEVICE) * (torch.rand(shape, device=DEVICE) < 0.5)
    per_channel = torch.rand(shape[1], dtype=dtype, device=DEVICE) + 0.3
    for scale in (per_channel, per_channel[0]):
        for bits in (1, 8, 24):
            wanted = reference.binary_values(x, scale, bits)
            assert torch.equal(binary_values(x, scale, bits), wanted)
            if len(shape) == 2:
                found = binary_entries(x, scale, bits)
                assert found is not None
                assert torch.equal(found.to_dense(), wanted)


@pytest.mark.parametrize("channels", [1, 7, 200, 300] if LARGE else [1, 7, 16])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_phase_spmm(channels: int, per_channel: bool, dtype: torch.dtype) -> None:
    matrix, code = operands(channels, CODES[0], per_channel)
    x = reference.decode(code, dtype)
    first = phase_spmm(matrix, code, dtype)
    assert bool(((first - reference.phase_spmm(matrix, code, dtype)).abs() <= bound(matrix, x)).all())
    assert torch.equal(first, phase_spmm(matrix, code, dtype))  # the two stages add in a fixed order
    bias, add = (torch.randn(*shape, dtype=dtype, device=DEVICE) for shape in ((channels,), first.shape))
    fire = Fire(
        torch.rand(channels, device=DEVICE) + 0.5, CODES[1], torch.randint(1, 17, (first.shape[0], 1), device=DEVICE)
    )
    potential = phase_spmm(matrix, code, dtype, bias=bias, add=add)
    fired = phase_spmm_fire(matrix, code, fire, dtype, bias=bias, add=add)
    assert torch.equal(fired.code, reference.encode(potential, fire.scale, fire.coding, fire.horizon).code)


def test_rows_that_were_written_to_are_cut_again() -> None:
    matrix, code = operands(7, CODES[0], False)
    phase_spmm(matrix, code)
    matrix.rowptr[1:-1] = matrix.rowptr[1:-1].flip(0).sort().values // 2
    moved = CSR(matrix.rowptr.clone(), matrix.col, matrix.value, matrix.num_cols)
    assert torch.equal(phase_spmm(matrix, code), phase_spmm(moved, code))


@pytest.mark.parametrize("level", [0, 1])
def test_silent_and_saturated_inputs(level: int) -> None:
    matrix, code = operands(3, PhaseCode(2.0, 4), False)
    code = code.with_code(torch.full_like(code.code, level))
    assert bool(
        (
            (phase_spmm(matrix, code) - reference.phase_spmm(matrix, code)).abs()
            <= bound(matrix, reference.decode(code))
        ).all()
    )


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("weights", [torch.float32, torch.float64, torch.int8])
def test_phase_gemm(per_channel: bool, weights: torch.dtype) -> None:
    rows, inputs, outputs = (1009, 211, 67) if LARGE else (5, 19, 3)
    code = on_device(spikes(rows, inputs, CODES[0], 1, per_channel))
    weight, scale = torch.randn(outputs, inputs, device=DEVICE, dtype=torch.float64), None
    if weights == torch.int8:
        weight, scale = (weight * 30).to(torch.int8), torch.rand(outputs, device=DEVICE)
    else:
        weight = weight.to(weights)
    dense = weight if scale is None else weight * scale[:, None]
    bias, add = (
        torch.randn(outputs, device=DEVICE, dtype=dense.dtype),
        torch.randn(rows, outputs, device=DEVICE, dtype=dense.dtype),
    )
    got = phase_gemm(code, weight, bias, weight_scale=scale, add=add)
    # Three tf32 products stand for one in float32: a few times its rounding error.
    torch.testing.assert_close(got, reference.phase_gemm(code, dense, bias) + add, atol=1e-4, rtol=1e-5)
    fire = Fire(torch.tensor(2.0, device=DEVICE, dtype=dense.dtype), CODES[0])
    fired = phase_gemm_fire(code, weight, fire, bias, weight_scale=scale, add=add)
    assert torch.equal(fired.code, reference.encode(got, fire.scale, fire.coding).code)


@pytest.mark.parametrize("wait", [0, 3, 40])
@pytest.mark.parametrize("channels", [5, 16, 33])  # padded, as they are, and in several blocks
def test_bucketed(wait: int, channels: int) -> None:
    full = wait == 3  # every optional input
    matrix, code = operands(channels, PhaseCode(1.05, 128, signed=True) if channels == 33 else CODES[0], full)
    scale = torch.rand(channels, device=DEVICE, dtype=torch.float64) + 1
    bias = torch.randn(channels, device=DEVICE, dtype=torch.float64)
    add = torch.randn(matrix.shape[0], channels, device=DEVICE, dtype=torch.float64) if full else None
    horizon = torch.randint(1, 10, (matrix.shape[0], 1), device=DEVICE) if full else None
    fire = Fire(scale if full else scale[0], PhaseCode(1.4, 9, signed=True), horizon)
    got = phase_spmm_bucketed(matrix, code, fire, wait, torch.float64, bias=bias, add=add)
    sums = [reference.phase_spmm(matrix, up_to(code, n), torch.float64) + bias for n in moments(code, fire, wait)[0]]
    looked = moments(code, fire, wait)[1].tolist()
    seen = [u if add is None else u + add for u in sums]
    wanted = reference.first_crossing(seen, looked, fire.scale, fire.coding, horizon)
    assert torch.equal(got.code, wanted.code)  # in float64 no random potential lies within rounding of a threshold


@pytest.mark.parametrize("wait", [0, 3, 40])
def test_bucketed_dense(wait: int) -> None:
    _, code = operands(5, CODES[0], False)
    fire = Fire(torch.tensor(2.0, device=DEVICE, dtype=torch.float64), PhaseCode(1.4, 9, signed=True))
    weight = torch.randn(3, 5, device=DEVICE)
    dense = phase_gemm_bucketed(code, weight, Fire(fire.scale.float(), fire.coding), wait).code
    exact = reference.phase_gemm_bucketed(code, weight.double(), fire.scale, fire.coding, wait).code
    assert int((dense != exact).sum()) <= dense.numel() // 1000


def test_counts() -> None:
    matrix, code = operands(5, CODES[0], False)
    assert int(spike_count(code)) == int((code.code != 0).sum())
    assert int(event_count(code, matrix.column_counts)) == reference.event_count(code, matrix.column_counts)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(
    "geometry",
    [Geometry((1, 1), (1, 0, 2, 1)), Geometry((2, 1), (1, 1, 1, 1), (1, 2), 2)],
    ids=["asymmetric", "strided groups"],
)
def test_phase_conv2d(geometry: Geometry, per_channel: bool) -> None:
    images, inputs, outputs, height, width = (8, 48, 80, 17, 19) if LARGE else (2, 4, 6, 5, 4)
    flat = spikes(images, inputs * height * width, CODES[0], 1)
    scale = torch.rand(inputs) + 0.5 if per_channel else torch.tensor(1.7)
    code = on_device(Spikes(flat.code.view(images, inputs, height, width), scale, CODES[0]))
    weight = torch.randn(outputs, inputs // geometry.groups, 3, 2, device=DEVICE)
    bias = torch.randn(outputs, device=DEVICE)
    arguments = (geometry.stride, geometry.padding, geometry.dilation, geometry.groups)
    got = phase_conv2d(code, weight, bias, *arguments)
    wanted = reference.phase_conv2d(code, weight.double(), geometry, bias.double())
    size = Spikes(code.code.abs(), code.scale, code.coding)
    terms = reference.phase_conv2d(size, weight.double().abs(), geometry, bias.double().abs())
    # n products and a bias in any order; tf32x3 keeps 22 of float32's 24 bits of each product.
    bound = (weight[0].numel() + 4) * 4 * torch.finfo(torch.float32).eps * terms
    assert bool(((got - wanted).abs() <= bound).all())
    add = torch.randn(got.shape, device=DEVICE)
    assert torch.equal(phase_conv2d(code, weight, bias, *arguments, add=add), got + add)
    horizon = torch.randint(0, 18, (1, outputs, 1, got.shape[3]), device=DEVICE)
    for last in (None, horizon):
        fire = Fire(torch.rand(outputs, device=DEVICE) + 1, CODES[0], last)
        fired = phase_conv2d_fire(code, weight, fire, bias, *arguments, add=add)
        assert torch.equal(fired.code, reference.encode(got + add, fire.scale, fire.coding, last).code)
    early = phase_conv2d_bucketed(code, weight, fire, 11, bias, *arguments, add=add)
    sums = [
        phase_conv2d(code.with_code(torch.where(code.code.abs() <= n, code.code, 0)), weight, bias, *arguments)
        for n in range(12, 17)
    ]
    moment_of = [min(k + 11, 16) - 12 for k in range(1, 17)]
    wanted_code = reference.first_crossing([u + add for u in sums], moment_of, fire.scale, fire.coding, fire.horizon)
    assert torch.equal(early.code, wanted_code.code)
