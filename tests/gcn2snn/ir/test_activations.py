"""An activation's function, where it follows its input, and the largest scale under its cap."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from gcn2snn import ir
from gcn2snn.errors import InputError
from gcn2snn.kernels import PhaseCode, decode, encode

X = torch.tensor([-2.0, 0.0, 1.0, 6.0, 7.0])


@pytest.mark.parametrize(
    ("activation", "values", "follows", "name"),
    [
        (ir.IDENTITY, [-2.0, 0.0, 1.0, 6.0, 7.0], [True] * 5, "none"),
        (ir.RELU, [0.0, 0.0, 1.0, 6.0, 7.0], [False, False, True, True, True], "ReLU"),
        (ir.Activation(cap=6.0), [0.0, 0.0, 1.0, 6.0, 6.0], [False, False, True, False, False], "ReLU6"),
        (ir.Activation(cap=0.25), [0.0, 0.0, 0.25, 0.25, 0.25], [False] * 5, "ReLU capped at 0.25"),
    ],
)
def test_function(activation: ir.Activation, values: list[float], follows: list[bool], name: str) -> None:
    assert activation(X).tolist() == values
    assert activation.follows(X).tolist() == follows
    assert activation.name == repr(activation) == name


@pytest.mark.parametrize(
    "fields", [{"cap": 0.0}, {"cap": -1.0}, {"cap": math.inf}, {"cap": math.nan}, {"rectifies": False, "cap": 1.0}]
)
def test_a_cap_is_a_positive_number_of_a_rectified_value(fields: dict[str, float]) -> None:
    with pytest.raises(InputError, match="a cap is a positive number, and only what is 0 below 0 has one"):
        ir.Activation(**fields)


@given(
    cap=st.floats(1e-3, 1e3),
    base=st.floats(1.01, 4.0),
    shift=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    part=st.floats(0.05, 1.0),
)
@settings(max_examples=100, deadline=None)
def test_the_largest_scale_keeps_the_cap_and_sends_it_at_phase_1(
    cap: float, base: float, shift: bool, dtype: torch.dtype, part: float
) -> None:
    activation, coding = ir.Activation(cap=cap), PhaseCode(base, 8, shift=shift)
    largest = activation.largest_scale(coding, dtype)
    assert largest is not None
    assert largest.dtype == dtype
    top = torch.tensor([cap], dtype=dtype)
    x = torch.cat([top, torch.nextafter(top, 2 * top), 5 * top, top * torch.linspace(0.0, 1.2, 200, dtype=dtype)])[None]
    for scale in (largest, largest * part):
        sent = encode(x, scale, coding)
        assert bool((decode(sent, dtype) <= top).all())
        assert sent.code[0, :3].tolist() == [1, 1, 1]
        assert torch.equal(sent.code, encode(activation(x), scale, coding).code)
    # Two roundings, of the product Q cap and of the level, and the steps down that make up for them.
    assert float(decode(encode(top[None], largest, coding), dtype)) >= cap * (1 - 8 * torch.finfo(dtype).eps)


def test_without_a_cap_every_scale_is_allowed() -> None:
    assert ir.RELU.largest_scale(PhaseCode(2.0, 4), torch.float32) is None
