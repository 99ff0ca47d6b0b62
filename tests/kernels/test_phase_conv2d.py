from __future__ import annotations

import pytest
import torch
from kernel_problems import CODES, spikes
from torch.nn import functional

from gcn2snn.errors import InputError
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
from gcn2snn.kernels.bucketed import up_to


def images(coding: PhaseCode, per_channel: bool) -> Spikes:
    flat = spikes(3, 6 * 9 * 8, coding, 1)
    return Spikes(flat.code.view(3, 6, 9, 8), torch.rand(6) + 0.5 if per_channel else torch.tensor(1.2), coding)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("groups", "stride", "padding", "dilation"), [(1, 1, 1, 1), (2, 2, 0, 1), (6, 1, 2, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int8])
def test_phase_conv2d_is_the_convolution_of_decoded_spikes(
    backend: str, per_channel: bool, groups: int, stride: int, padding: int, dilation: int, dtype: torch.dtype
) -> None:
    code, weight = images(CODES[0], per_channel), torch.randn(12, 6 // groups, 3, 3, dtype=torch.float64)
    scale = torch.rand(12) if dtype == torch.int8 else None
    weight = (weight * 30).to(torch.int8) if dtype == torch.int8 else weight.to(dtype)
    dense = weight if scale is None else weight.float() * scale[:, None, None, None]
    bias = torch.randn(12, dtype=dense.dtype)
    geometry = ((stride, stride), (padding,) * 4, (dilation, dilation), groups)
    got = phase_conv2d(code, weight, bias, *geometry, weight_scale=scale)
    # The same call of the library on the same numbers: equal bit for bit.
    assert torch.equal(
        got,
        functional.conv2d(
            reference.decode(code, dense.dtype), dense, bias, (stride, stride), padding, dilation, groups
        ),
    )
    fire = Fire(torch.rand(12).to(dense.dtype) + 1, CODES[0])
    fired = phase_conv2d_fire(code, weight, fire, bias, *geometry, weight_scale=scale)
    assert torch.equal(fired.code, encode(got, fire.scale, fire.coding).code)


def test_phase_conv2d_refuses(backend: str) -> None:
    code = images(CODES[0], False)
    with pytest.raises(InputError, match=r"convolved with weight \[4, 5, 3, 3\] in 1 group"):
        phase_conv2d(code, torch.ones(4, 5, 3, 3))
    with pytest.raises(InputError, match="int8 weights need weight_scale"):
        phase_conv2d(code, torch.ones(4, 6, 3, 3, dtype=torch.int8))


@pytest.mark.parametrize("wait", [0, 4, 15, 99])
def test_phase_conv2d_bucketed_is_the_first_crossing_of_the_running_potential(backend: str, wait: int) -> None:
    code, weight, bias = images(CODES[0], True), torch.randn(8, 6, 3, 2, dtype=torch.float64), torch.randn(8)
    fire, geometry = Fire(torch.rand(8) + 2, CODES[0]), ((2, 1), (1, 0, 2, 1), (1, 2), 1)
    bias = bias.double()
    got = phase_conv2d_bucketed(code, weight, fire, wait, bias, *geometry)
    seen = [phase_conv2d(up_to(code, n), weight, bias, *geometry) for n in range(1, 17)]
    wanted = reference.first_crossing(seen, [min(k + wait, 16) - 1 for k in range(1, 17)], fire.scale, fire.coding)
    assert torch.equal(got.code, wanted.code)
