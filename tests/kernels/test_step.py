from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_problems import CODES, spikes

from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import Fire, PhaseCode, emit_step, fire_step, reference

SHAPES = ((3, 70), (5, 1), (1, 130), (2, 3, 4, 5), (2, 3, 0, 5), (0, 4))


@pytest.mark.parametrize("coding", CODES, ids=str)
@pytest.mark.parametrize("shape", [*SHAPES, (90, 101)])
def test_emit_step_picks_phases(backend: str, coding: PhaseCode, shape: tuple[int, ...]) -> None:
    inner = [1] * (len(shape) - 2)
    sent = spikes(shape[0], shape[1], coding, 3)
    sent = sent.with_code(sent.code.view(*shape[:2], *inner).repeat(1, 1, *shape[2:]))
    if len(shape) == 4:
        sent = sent.with_code(sent.code.contiguous(memory_format=torch.channels_last))
    for first in range(1, coding.timesteps + 3):
        for last in (first, first + 3, 999):
            out = torch.empty_like(sent.code)
            phase = sent.code.abs().int()
            wanted = torch.where((phase >= first) & (phase <= last), sent.code, 0)
            assert emit_step(sent, first, last, out) is bool(wanted.any())
            assert torch.equal(out, wanted)


def test_emit_step_refuses(backend: str) -> None:
    sent = spikes(2, 3, CODES[0], 0)
    out = torch.empty(2, 3, dtype=torch.int8)
    for first, last in ((0, 1), (3, 2)):
        with pytest.raises(InputError, match=f"phases {first} to {last} were asked for; neurons fire at phase 1"):
            emit_step(sent, first, last, out)
    with pytest.raises(InputError, match=r"out is \[3, 2\] on cpu; \[2, 3\] on cpu is needed"):
        emit_step(sent, 1, 1, out.view(3, 2))
    with pytest.raises(InputError, match=r"out has strides \(1, 2\) beside \(3, 1\); it is written in place"):
        emit_step(sent, 1, 1, out.view(3, 2).t())
    with pytest.raises(InputTypeError, match=r"out is torch\.float32; the codes are torch\.int8"):
        emit_step(sent, 1, 1, torch.empty(2, 3))


@settings(max_examples=40, deadline=None)
@given(
    shape=st.sampled_from(SHAPES),
    coding=st.sampled_from(CODES),
    per_channel=st.booleans(),
    horizon=st.sampled_from(["none", "row", "channel", "all"]),
    double=st.booleans(),
    seed=st.integers(0, 99),
    last_channels=st.booleans(),
)
@pytest.mark.parametrize("chosen", ["torch", "auto"])
def test_steps_make_the_first_crossing(
    chosen: str, shape: tuple[int, ...], coding: PhaseCode, per_channel: bool, horizon: str, double: bool, seed: int,
    last_channels: bool,
) -> None:  # fmt: skip
    """Potentials that move at every step, some of them onto a threshold: the reference looks at all of them at once."""
    random = torch.Generator().manual_seed(seed)
    dtype = torch.float64 if double else torch.float32
    inner = [1] * (len(shape) - 2)
    scale = torch.rand(shape[1] if per_channel else (), generator=random, dtype=dtype) + 0.5
    sizes = {"row": (shape[0], 1, *inner), "channel": (1, shape[1], *inner), "all": shape}
    last = None if horizon == "none" else torch.randint(0, coding.timesteps + 2, sizes[horizon], generator=random)
    steps = [0.2 * torch.randn(shape, generator=random, dtype=dtype) for _ in range(coding.timesteps)]
    potential, code = torch.zeros(shape, dtype=dtype), torch.zeros(shape, dtype=coding.code_dtype)
    seen, fire = [], Fire(scale, coding, last)
    if len(shape) == 4 and last_channels:
        potential, code = (x.contiguous(memory_format=torch.channels_last) for x in (potential, code))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCN2SNN_BACKEND", chosen)
        for phase, arriving in enumerate(steps, start=1):
            fire_step(potential, None if phase == 3 else arriving, code, fire, phase)
            seen.append(potential.clone())
    before = [torch.zeros_like(potential), *seen[:-1]]
    for phase, (old, new, arriving) in enumerate(zip(before, seen, steps, strict=True), start=1):
        assert torch.equal(new, old if phase == 3 else old + arriving)
    wanted = reference.first_crossing(seen, list(range(coding.timesteps)), scale, coding, None)
    if last is None:
        assert torch.equal(code, wanted.code)
    else:  # a neuron may still fire at a later phase only if that phase is within its horizon
        assert torch.equal(code, torch.where(wanted.code.abs() <= last, wanted.code, 0).to(code.dtype))


def test_a_tie_fires_as_in_encode(backend: str) -> None:
    coding, scale = CODES[0], torch.tensor(0.37)
    for phase, threshold in enumerate(coding.thresholds(torch.float32), start=1):
        tie = threshold * scale
        x = torch.stack([tie, torch.nextafter(tie, tie * 2), torch.nextafter(tie, tie * 0)])
        x = torch.cat([x, -x, torch.tensor([torch.nan, 0.0])]).view(1, -1)
        code = torch.zeros_like(x, dtype=torch.int8)
        fire_step(x, None, code, Fire(scale, coding), phase)
        reached = reference.encode(x, scale, coding).code
        assert torch.equal(code, torch.where((reached != 0) & (reached.abs() <= phase), phase * reached.sign(), 0))


@pytest.mark.parametrize("coding", CODES, ids=str)
@pytest.mark.parametrize("horizon", [False, True])
def test_several_phases_are_one_after_the_other(backend: str, coding: PhaseCode, horizon: bool) -> None:
    u = torch.randn(9, 70, dtype=torch.float64)
    last = torch.randint(0, coding.timesteps + 2, (9, 1)) if horizon else None
    fire = Fire(torch.tensor(0.7, dtype=torch.float64), coding, last)
    middle = (coding.timesteps + 1) // 2
    once, steps = (torch.zeros_like(u, dtype=coding.code_dtype) for _ in range(2))
    fire_step(u, None, once, fire, middle, coding.timesteps)
    for phase in range(middle, coding.timesteps + 1):
        fire_step(u, None, steps, fire, phase)
    assert torch.equal(once, steps)
    assert int((once.abs() == middle).sum()) > 0 or horizon


def test_who_has_fired_stays_silent(backend: str) -> None:
    code = torch.tensor([[2, -1, 0]], dtype=torch.int8)
    fire_step(torch.full((1, 3), 5.0), None, code, Fire(torch.tensor(1.0), CODES[0]), 4)
    assert code.tolist() == [[2, -1, 4]]


def test_fire_step_refuses(backend: str) -> None:
    u, code, fire = torch.zeros(4, 2), torch.zeros(4, 2, dtype=torch.int8), Fire(torch.ones(()), CODES[0])
    with pytest.raises(InputError, match="phases 17 to 17 were asked for; the population fires at 1 to 16"):
        fire_step(u, None, code, fire, 17)
    with pytest.raises(InputTypeError, match=r"codes are torch.int16; the population stores torch.int8"):
        fire_step(u, None, code.short(), fire, 1)
    with pytest.raises(InputError, match=r"code is \[2, 4\] on cpu; \[4, 2\] on cpu is needed"):
        fire_step(u, None, code.view(2, 4), fire, 1)
    with pytest.raises(InputError, match=r"\[4, 1\] of torch.float32 arrives at potentials \[4, 2\] of torch.float32"):
        fire_step(u, torch.zeros(4, 1), code, fire, 1)
    with pytest.raises(InputError, match=r"code has strides \(2, 1\) beside \(1, 4\); it is written in place"):
        fire_step(torch.zeros(2, 4).t(), None, code, fire, 1)
    with pytest.raises(InputTypeError, match=r"potential is torch\.int64"):
        fire_step(u.long(), None, code, fire, 1)
