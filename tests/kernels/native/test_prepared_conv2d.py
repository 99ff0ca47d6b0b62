"""A prepared convolution with a second input: values, or spikes that are decoded where they are added."""

from __future__ import annotations

import pytest
import torch
from kernel_problems import spikes

from gcn2snn.kernels import Fire, Mismatch, PhaseCode, Spikes, decode
from gcn2snn.kernels.geometry import Geometry
from gcn2snn.kernels.native import Conv2d, conv2d

CODES = [
    PhaseCode(1.3, 16),
    PhaseCode(1.4, 12, signed=True),
    PhaseCode(1.2, 31),
    PhaseCode(1.2, 32),
    PhaseCode(1.1, 60, signed=True),
]


def images(channels: int, side: int, coding: PhaseCode, per_channel: bool, seed: int) -> Spikes:
    flat = spikes(2, channels * side * side, coding, seed)
    scale = torch.rand(channels) + 0.5 if per_channel else torch.tensor(1.2)
    return Spikes(flat.code.view(2, channels, side, side), scale, coding)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("outputs", [8, 16, 40, 70])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("coding", CODES, ids=str)
def test_spikes_beside_are_added_as_their_values(
    native: None, coding: PhaseCode, per_channel: bool, outputs: int, layout: torch.memory_format
) -> None:
    read, beside = images(5, 7, CODES[0], False, 1), images(outputs, 7, coding, per_channel, 2)
    beside = beside.with_code(beside.code.contiguous(memory_format=layout))
    weight, bias, geometry = torch.randn(outputs, 5, 3, 3), torch.randn(outputs), Geometry(padding=(1, 1, 1, 1))
    fire = Fire(torch.rand(outputs) + 0.5, CODES[0])
    kernel = Conv2d(read.scale, read.coding, weight, bias, geometry, fire)
    assert kernel.adds(beside)
    wanted = conv2d(read, weight, bias, decode(beside), geometry, fire)
    assert torch.equal(kernel(read.code, beside), wanted)
    assert torch.equal(kernel(read.code, decode(beside)), wanted)
    assert torch.equal(kernel(read.code), conv2d(read, weight, bias, None, geometry, fire))
    assert torch.equal(kernel(read.code, beside), wanted)


def test_spikes_of_another_population_are_read_by_their_own_levels(native: None) -> None:
    read, geometry = images(5, 7, CODES[0], False, 1), Geometry(padding=(1, 1, 1, 1))
    weight, fire = torch.randn(16, 5, 3, 3), Fire(torch.tensor(0.9), CODES[0])
    kernel = Conv2d(read.scale, read.coding, weight, None, geometry, fire)
    for coding in CODES:
        beside = images(16, 7, coding, False, 3)
        assert torch.equal(kernel(read.code, beside), conv2d(read, weight, None, decode(beside), geometry, fire))


def test_what_does_not_fit_is_left_to_the_public_operation(native: None) -> None:
    read, geometry = images(5, 7, CODES[0], False, 1), Geometry(padding=(1, 1, 1, 1))
    kernel = Conv2d(
        read.scale, read.coding, torch.randn(16, 5, 3, 3), None, geometry, Fire(torch.tensor(0.9), CODES[0])
    )
    with pytest.raises(Mismatch):
        kernel(read.code, images(8, 7, CODES[0], False, 3))
    wide = PhaseCode(1.05, 200, signed=True)
    assert not kernel.adds(images(16, 7, wide, False, 3))
    double = images(16, 7, CODES[0], True, 3)
    assert not kernel.adds(Spikes(double.code, double.scale.double(), double.coding))
