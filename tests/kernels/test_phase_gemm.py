from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_problems import CODES, spikes

from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import Fire, PhaseCode, decode, encode, phase_gemm, phase_gemm_fire, reference


@settings(max_examples=30, deadline=None)
@given(
    rows=st.sampled_from([0, 1, 13, 700]),
    inputs=st.sampled_from([0, 1, 17, 200]),
    outputs=st.sampled_from([0, 1, 8, 53]),
    coding=st.sampled_from(CODES),
    per_channel=st.booleans(),
    epilogue=st.sampled_from(["", "bias", "bias add"]),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.int8]),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("chosen", ["torch", "auto"])
def test_phase_gemm_equals_reference(
    chosen: str, rows: int, inputs: int, outputs: int, coding: PhaseCode, per_channel: bool, epilogue: str,
    dtype: torch.dtype, seed: int,
) -> None:  # fmt: skip
    code = spikes(rows, inputs, coding, seed, per_channel)
    weight, weight_scale = torch.randn(outputs, inputs, dtype=torch.float64), None
    real = torch.float32 if dtype == torch.int8 else dtype
    if dtype == torch.int8:
        weight, weight_scale = (weight * 40).to(torch.int8), torch.rand(outputs) + 0.1
        dense = weight.float() * weight_scale[:, None]
    else:
        weight = dense = weight.to(dtype)
    bias = torch.randn(outputs, dtype=real) if "bias" in epilogue else None
    add = torch.randn(rows, outputs, dtype=real) if "add" in epilogue else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCN2SNN_BACKEND", chosen)
        got = phase_gemm(code, weight, bias, weight_scale=weight_scale, add=add)
        fire = Fire(torch.tensor(2.5, dtype=real), CODES[0], torch.full((rows, 1), 11))
        fired = phase_gemm_fire(code, weight, fire, bias, weight_scale=weight_scale, add=add)
    wanted = reference.phase_gemm(code, dense, bias) + (0 if add is None else add)
    magnitude = reference.decode(code, real).abs() @ dense.abs().t()
    magnitude += sum(t.abs() for t in (bias, add) if t is not None)
    assert bool(((got - wanted).abs() <= (inputs + 4) * torch.finfo(real).eps * magnitude).all())
    # One unit in the last place may move a potential across a threshold: BLAS may round a block differently.
    assert int((fired.code != encode(got, fire.scale, fire.coding, fire.horizon).code).sum()) <= max(
        2, got.numel() // 1000
    )


def test_gradient_reaches_the_weight(backend: str) -> None:
    code = spikes(700, 200, CODES[0], 0)
    weight = torch.randn(3, 200, requires_grad=True)
    phase_gemm(code, weight).sum().backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, decode(code).sum(0).expand(3, -1), atol=1e-3, rtol=1e-4)


def test_phase_gemm_refuses(backend: str) -> None:
    code = spikes(5, 7, CODES[0], 0)
    with pytest.raises(
        InputError, match=r"spikes \[5, 7\] times weight \[2, 8\]: \[N, in\] and \[out, in\] are needed"
    ):
        phase_gemm(code, torch.ones(2, 8))
    with pytest.raises(InputError, match="int8 weights need weight_scale"):
        phase_gemm(code, torch.ones(2, 7, dtype=torch.int8))
    with pytest.raises(InputTypeError, match=r"weight is torch.float32 and has a weight_scale"):
        phase_gemm(code, torch.ones(2, 7), weight_scale=torch.ones(()))
    with pytest.raises(InputTypeError, match=r"weight is torch.float16"):
        phase_gemm(code, torch.ones(2, 7, dtype=torch.float16))
    with pytest.raises(InputError, match=r"bias has shape \[3\]"):
        phase_gemm(code, torch.ones(2, 7), torch.ones(3))
    with pytest.raises(InputError, match="the weight is on meta"):
        phase_gemm(code, torch.ones(2, 7, device="meta"))
