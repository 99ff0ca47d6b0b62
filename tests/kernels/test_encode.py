from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_problems import CODES

from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import Fire, Mismatch, PhaseCode, Spikes, decode, decode_into, encode, moments, reference
from gcn2snn.kernels import native as compiled


def hard_values(coding: PhaseCode, scale: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Ties, their neighbours, zero, infinity and NaN, for both signs."""
    ties = coding.thresholds(dtype) * scale
    around = torch.cat([ties, torch.nextafter(ties, ties * 2), torch.nextafter(ties, ties * 0)])
    special = torch.tensor([0.0, -0.0, torch.inf, torch.nan, 1e-30, 1e30], dtype=dtype)
    return torch.cat([around, -around, special, -special])


@pytest.mark.parametrize("coding", CODES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, -1), (-1, 1), (-1, 2), (-1,)])
def test_encode_equals_reference_on_ties_and_special_values(
    backend: str, coding: PhaseCode, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    scale = torch.tensor(0.37, dtype=dtype)
    x = hard_values(coding, scale, dtype).reshape(shape)
    code = encode(x, scale, coding).code
    assert code.dtype == coding.code_dtype
    assert torch.equal(code, reference.encode(x, scale, coding).code)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(0, 9),
    channels=st.sampled_from([1, 2, 7, 64, 131, 300]),
    inner=st.sampled_from([None, 1, 3]),
    coding=st.sampled_from(CODES),
    per_channel=st.booleans(),
    horizon=st.sampled_from(["none", "row", "channel", "all"]),
    double=st.booleans(),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("chosen", ["torch", "auto"])
def test_encode_and_decode_equal_reference(
    chosen: str, rows: int, channels: int, inner: int | None, coding: PhaseCode, per_channel: bool, horizon: str,
    double: bool, seed: int,
) -> None:  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    dtype = torch.float64 if double else torch.float32
    shape = (rows, channels) if inner is None else (rows, channels, inner, 2)
    x = torch.randn(shape, generator=generator, dtype=dtype)
    scale = torch.rand(channels if per_channel else (), generator=generator, dtype=dtype) + 0.5
    ones = [1] * (len(shape) - 2)
    sizes = {"row": (rows, 1, *ones), "channel": (1, channels, *ones), "all": shape}
    last = None if horizon == "none" else torch.randint(0, coding.timesteps + 2, sizes[horizon], generator=generator)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCN2SNN_BACKEND", chosen)
        got, wanted = encode(x, scale, coding, last), reference.encode(x, scale, coding, last)
        assert torch.equal(got.code, wanted.code)
        assert torch.equal(decode(got, dtype), reference.decode(wanted, dtype))


@pytest.mark.parametrize("coding", CODES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [1, 16, 61, 64, 131, 200])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("horizon", [False, True])
def test_potentials_are_summed_where_they_are_compared(
    native: None, coding: PhaseCode, dtype: torch.dtype, channels: int, per_channel: bool, horizon: bool
) -> None:
    large = 2.0 ** (26 if dtype == torch.float32 else 55)  # its neighbours are 8 above and 4 below: another order shows
    x, add = 10 * torch.randn(9, channels, dtype=dtype), torch.full((9, channels), large, dtype=dtype)
    start, scale = 4 - add[0], 9 * torch.rand(channels if per_channel else (), dtype=dtype) + 9
    last = torch.randint(0, coding.timesteps + 2, (1, channels)) if horizon else None
    kernel = compiled.Encode(Fire(scale, coding, last), dtype)
    for terms in ((None, None), (add, None), (None, start), (add, start), (add.t().contiguous().t(), start)):
        total = sum((term for term in terms if term is not None), start=x)
        assert torch.equal(kernel(x, *terms), reference.encode(total, scale, coding, last).code)
    for misfit in ((add[:, 1:], None), (add[1:], None), (None, torch.zeros(channels + 1, dtype=dtype))):
        with pytest.raises(Mismatch):
            kernel(x, *misfit)


def test_decode_of_encode_is_within_one_step(backend: str) -> None:
    coding = PhaseCode(1.3, 16, signed=True)
    x = torch.randn(500, 7)
    scale = x.abs().amax() * coding.base  # nothing saturates: the largest value is the first phase
    error = (decode(encode(x, scale, coding)) - x).abs()
    fired = encode(x, scale, coding).fired
    assert bool((error[fired] <= x[fired].abs() * (coding.base - 1) / 2 * 1.001).all())


def test_non_contiguous_input(backend: str) -> None:
    x = torch.randn(31, 40).t()[:, ::2]
    coding = CODES[0]
    assert torch.equal(encode(x, torch.ones(()), coding).code, reference.encode(x, torch.ones(()), coding).code)
    taken = Spikes(encode(x, torch.ones(()), coding).code.t(), torch.ones(()), coding)
    assert torch.equal(decode(taken), reference.decode(taken))


@pytest.mark.parametrize("per_channel", [False, True])
def test_decode_keeps_channels_last(backend: str, per_channel: bool) -> None:
    code = torch.randint(-16, 17, (2, 5, 3, 4)).to(torch.int8).contiguous(memory_format=torch.channels_last)
    images = Spikes(code, torch.rand(5) if per_channel else torch.tensor(0.3), CODES[0])
    assert torch.equal(decode(images), reference.decode(images))
    assert decode(images).is_contiguous(memory_format=torch.channels_last)


def test_encode_refuses(backend: str) -> None:
    coding = CODES[0]
    with pytest.raises(InputTypeError, match=r"x is torch.int64; allowed are torch.float32 and torch.float64"):
        encode(torch.ones(2, 2, dtype=torch.int64), torch.ones(()), coding)
    with pytest.raises(InputError, match=r"scale has shape \[3\]; allowed are \[\] and one value per channel, \[2\]"):
        encode(torch.ones(4, 2), torch.ones(3), coding)
    with pytest.raises(InputError, match=r"horizon \[3, 1\] does not broadcast to the potentials \[4, 2\]"):
        encode(torch.ones(4, 2), torch.ones(()), coding, torch.ones(3, 1))


def test_decode_refuses(backend: str) -> None:
    with pytest.raises(InputTypeError, match=r"codes are torch.int16; 16 phases are stored as torch.int8"):
        decode(Spikes(torch.zeros(2, 2, dtype=torch.int16), torch.ones(()), CODES[0]))
    with pytest.raises(InputTypeError, match=r"the dtype asked for is torch.float16"):
        decode(Spikes(torch.zeros(2, 2, dtype=torch.int8), torch.ones(()), CODES[0]), torch.float16)


@pytest.mark.parametrize("coding", [CODES[0], CODES[5], CODES[6]], ids=str)
def test_codes_that_no_neuron_sends_read_no_foreign_memory(native: None, coding: PhaseCode) -> None:
    extreme = torch.iinfo(coding.code_dtype)
    broken = Spikes(torch.tensor([[extreme.min, extreme.max]], dtype=coding.code_dtype), torch.ones(()), coding)
    value = compiled.decode(broken, torch.float32)  # the public operations refuse such codes
    if coding.timesteps > 31:
        assert value.abs().tolist() == [[pytest.approx(coding.base**-coding.timesteps)] * 2]
    assert bool(torch.isfinite(value).all())
    fire = Fire(torch.ones(()), coding)
    silent = compiled.gemm_steps(broken, torch.ones(1, 2), fire, moments(broken, fire, 1000), None, None)
    assert silent.tolist() == [[0]]


@pytest.mark.parametrize("per_channel", [False, True])
def test_encode_and_decode_keep_channels_last(backend: str, per_channel: bool) -> None:
    x = torch.randn(3, 5, 4, 7).contiguous(memory_format=torch.channels_last)
    scale = torch.rand(5) + 0.5 if per_channel else torch.tensor(0.8)
    coding = PhaseCode(1.3, 16, signed=True)
    code = encode(x, scale, coding)
    assert torch.equal(code.code, reference.encode(x, scale, coding).code)
    last = code.with_code(code.code.contiguous(memory_format=torch.channels_last))
    assert torch.equal(decode(last), reference.decode(code))
    if backend == "native":
        assert code.code.is_contiguous(memory_format=torch.channels_last)
        assert decode(last).is_contiguous(memory_format=torch.channels_last)


def test_spikes_repr_tells_sizes() -> None:
    scales = Spikes(torch.zeros(2, 3, 4, 5, dtype=torch.int16), torch.ones(3), PhaseCode(1.05, 200, signed=True))
    coding = "PhaseCode(base=1.05, timesteps=200, signed=True, shift=True, group=1, last='midpoint')"
    assert repr(scales) == f"Spikes([2, 3, 4, 5] int16, {coding}, 3 scales)"
    moved = Spikes(scales.code.to("meta"), torch.tensor(1.0), scales.coding)
    assert repr(moved) == f"Spikes([2, 3, 4, 5] int16, {coding}, one scale, meta)"


def test_decode_into_refuses_another_shape_before_it_writes() -> None:
    spikes = encode(torch.rand(3, 4), torch.tensor(1.0), PhaseCode(1.3, 8))
    for out in (torch.zeros(3, 3), torch.zeros(4, 4), torch.zeros(0)):
        with pytest.raises(InputError, match=r"the codes are \[3, 4\], and a value for each is needed"):
            decode_into(spikes, out)
        assert not out.any()


def test_a_complex_scale_is_refused() -> None:
    """Its imaginary part was dropped."""
    code, scale = PhaseCode(1.3, 8), torch.tensor(1.0 + 1.0j)
    for call in (
        lambda: encode(torch.rand(2, 2), scale, code),
        lambda: decode(Spikes(torch.ones(2, 2, dtype=torch.int8), scale, code)),
    ):
        with pytest.raises(InputTypeError, match=r"scale is torch\.complex64; a real number is needed"):
            call()
