"""The paper's equations, also for values exactly on a threshold."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from gcn2snn.encoding import binary_levels, binary_spikes, check_finite, decode, encode, encode_binary
from gcn2snn.errors import ConfigError, InputError, InputTypeError
from gcn2snn.kernels import PhaseCode, Spikes, reference
from gcn2snn.kernels import encode as fast_encode

codings = st.builds(
    lambda base, timesteps, signed, chosen: PhaseCode(base, timesteps, signed, **chosen),
    st.sampled_from([1.05, 1.2, 1.3, 1.5, 2.0, 3.0]),
    st.integers(1, 40),
    st.booleans(),
    st.sampled_from([{"shift": True}, {"shift": False}, {"last": "half"}]),
)
values = st.lists(st.floats(-2.0, 2.0, allow_subnormal=False, width=32), min_size=1, max_size=40)


def by_formula(z: float, coding: PhaseCode) -> int:
    """Eq. 3 or 4 with a float logarithm, as printed, or silence from Q^-T / 2 on: phase, 0 when silent."""
    base, steps = coding.base, coding.timesteps
    factor = 2 * base / (base + 1) if coding.shift else 1.0
    sign = -1 if z < 0 and coding.signed else 1
    z = abs(z) if coding.signed else z
    least = base**-steps / 2 if coding.last == "half" else base**-steps / factor
    if z <= 0 or z < least:
        return 0
    exponent = math.floor(math.log(z * factor) / math.log(base))
    return sign * -max(min(exponent, -1), -steps)


@given(codings, values)
@settings(max_examples=200, deadline=None)
def test_encode_is_reference_is_formula(coding, numbers):
    x = torch.tensor(numbers, dtype=torch.float64)
    one = torch.tensor(1.0, dtype=torch.float64)
    slow, fast = reference.encode(x, one, coding), fast_encode(x, one, coding)
    assert torch.equal(slow.code, fast.code)
    thresholds = coding.thresholds().tolist()
    for number, code in zip(numbers, slow.code.tolist(), strict=True):
        magnitude = abs(number)
        if min(abs(magnitude / t - 1) for t in thresholds) > 1e-9:  # a float logarithm cannot decide ties
            assert code == by_formula(number, coding), number


@given(codings, values)
@settings(max_examples=100, deadline=None)
def test_encode_is_reference_in_single_precision(coding, numbers):
    x = torch.tensor(numbers, dtype=torch.float32)
    scale = torch.tensor(0.7)
    assert torch.equal(reference.encode(x, scale, coding).code, fast_encode(x, scale, coding).code)


@given(codings)
@settings(max_examples=60, deadline=None)
def test_a_tie_fires(coding):
    for dtype in (torch.float32, torch.float64):
        thresholds = coding.thresholds(dtype)
        one = torch.tensor(1.0, dtype=dtype)
        on = fast_encode(thresholds, one, coding).code
        assert on.tolist() == list(range(1, coding.timesteps + 1))
        below = torch.nextafter(thresholds, torch.zeros_like(thresholds))
        off = fast_encode(below, one, coding).code.tolist()
        assert off == [*range(2, coding.timesteps + 1), 0]


@given(codings, values)
@settings(max_examples=100, deadline=None)
def test_decode_is_within_one_step(coding, numbers):
    """Inside the range of the code, |x - decode(encode(x))| is at most half a step with the shift, a step without.

    Below the last phase the next value is 0, and half of the last value is the most that rounding to the nearest leaves.
    """
    x = torch.tensor(numbers, dtype=torch.float64)
    value = decode(fast_encode(x, torch.tensor(1.0, dtype=torch.float64), coding), torch.float64)
    z = x.abs() if coding.signed else x
    base = coding.base
    inside = (z >= coding.thresholds()[-1]) & (z < 1 / base)
    upper = base ** torch.ceil(torch.log(z.clamp(min=1e-9)) / math.log(base))
    step = upper - upper / base
    allowed = step / 2 if coding.shift else step
    if coding.last == "half":
        allowed = torch.where(z < base**-coding.timesteps, base**-coding.timesteps / 2, allowed)
    allowed = allowed * (1 + 1e-9)
    assert bool(((x - value).abs() <= torch.where(inside, allowed, torch.inf)).all())
    again = decode(fast_encode(value, torch.tensor(1.0, dtype=torch.float64), coding), torch.float64)
    assert torch.equal(again, value)  # values of the code are fixed points


def test_encode_examples_of_the_paper():
    # Section III-A: 12 and 11 of 16 become 8; 7 and 6 become 4 (Q = 2, T = 4, floor).
    x = torch.tensor([12.0, 11.0, 7.0, 6.0])
    assert decode(encode(x, 16.0, 2.0, 4, shift=False)).tolist() == [8.0, 8.0, 4.0, 4.0]
    # Section III-B: the threshold of phase 1 moves to the midpoint (8 + 4) / 2 = 6, a tie fires.
    assert decode(encode(x, 16.0, 2.0, 4)).tolist() == [8.0, 8.0, 8.0, 8.0]


def test_encode_per_channel_and_signed():
    x = torch.tensor([[0.5, -5.0], [-0.25, 2.5]])
    spikes = encode(x, torch.tensor([1.0, 10.0]), 2.0, 4, signed=True)
    assert spikes.phase.tolist() == [[1, 1], [2, 2]]
    assert spikes.sign.tolist() == [[1, -1], [-1, 1]]
    assert torch.equal(decode(spikes), x)


def test_phase_and_sign_are_bytes():
    spikes = encode(torch.tensor([0.0, 0.9]), 1.0, 1.3, 200)
    assert spikes.phase.dtype == torch.uint8
    assert spikes.sign.dtype == torch.int8
    assert spikes.phase.tolist()[0] == 0


def test_encode_refuses():
    x = torch.tensor([0.5, -0.5])
    with pytest.raises(InputError, match="negative values"):
        encode(x, 1.0, 1.3, 16)
    with pytest.raises(InputError, match="NaN or infinite"):
        encode(torch.tensor([float("nan")]), 1.0, 1.3, 16)
    with pytest.raises(InputError, match="NaN or infinite"):
        check_finite("x", torch.tensor([float("inf")]))
    with pytest.raises(InputError, match="positive"):
        encode(x, 0.0, 1.3, 16, signed=True)
    with pytest.raises(ConfigError, match=r"base is 1\.0"):
        encode(x, 1.0, 1.0, 16)
    with pytest.raises(ConfigError, match="timesteps is 0"):
        encode(x, 1.0, 1.3, 0)
    with pytest.raises(ConfigError, match="timesteps is 256"):
        encode(x, 1.0, 1.01, 256)
    with pytest.raises(ConfigError, match="single precision"):
        encode(x, 1.0, 2.0, 200)


@given(st.lists(st.floats(-3.0, 3.0, width=32), min_size=1, max_size=30), st.integers(1, 24))
@settings(max_examples=100, deadline=None)
def test_binary_code_is_its_bits(numbers, bits):
    x = torch.tensor(numbers, dtype=torch.float64)
    code = encode_binary(x, torch.tensor(1.5, dtype=torch.float64), bits)
    value = sum(binary_levels(code, bits, t).double() * 2.0**-t for t in range(1, bits + 1))
    assert torch.equal(value, code.double() * 2.0**-bits)
    assert binary_spikes(code).tolist() == [bin(abs(c)).count("1") for c in code.tolist()]
    z = (x / 1.5).abs()
    inside = z < 1
    error = (value.abs() - z).abs()
    assert bool((error[inside] < 2.0**-bits).all())
    assert bool((value.abs()[~inside] == 1 - 2.0**-bits).all())
    assert bool((value.sign() * x.sign() >= 0).all())


def test_binary_code_refuses():
    for bits in (0, 25):
        with pytest.raises(InputError, match=f"{bits} bits"):
            encode_binary(torch.zeros(1), torch.tensor(1.0), bits)


def test_scaling_values_and_scale_changes_nothing():
    x = torch.rand(50, generator=torch.Generator().manual_seed(0))
    assert torch.equal(encode(x, 1.0, 1.3, 16).code, encode(8 * x, 8.0, 1.3, 16).code)


def test_a_value_is_one_level_of_the_code_or_silence():
    """A code that sent a second spike would carry a sum of two levels."""
    x = torch.rand(70, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    spikes: Spikes = encode(x, 1.0, 1.3, 16)
    coding = spikes.coding
    assert bool(torch.isin(decode(spikes, torch.float64), torch.cat([torch.zeros(1), coding.levels()])).all())
    assert torch.equal(spikes.fired, x >= coding.thresholds()[-1])
    assert 0 < int(spikes.fired.sum()) < spikes.code.numel()


@given(values)
@settings(max_examples=40, deadline=None)
def test_encode_reads_arrays_and_lists_as_tensors(numbers: list[float]) -> None:
    wanted = encode(torch.tensor(numbers), 1.0, 1.3, 16, signed=True).phase
    assert torch.equal(encode(numbers, 1.0, 1.3, 16, signed=True).phase, wanted)
    assert torch.equal(encode(np.array(numbers, dtype=np.float32), np.float64(1), 1.3, 16, signed=True).phase, wanted)
    assert torch.equal(encode([[x] for x in numbers], [1.0], 1.3, 16, signed=True).phase[:, 0], wanted)


@pytest.mark.parametrize("bad", ["text", [[1.0], [1.0, 2.0]], [1j], ["a"], None])
def test_encode_refuses_what_holds_no_real_numbers(bad: Any) -> None:
    with pytest.raises(InputTypeError, match=r"^x (is|has dtype)"):
        encode(bad, 1.0, 1.3, 16)
