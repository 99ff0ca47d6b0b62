"""Whether numbers are finite is seen in one pass, at any place and for either infinity."""

import pytest
import torch

from gcn2snn.kernels import all_finite


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_all_finite_sees_one_wrong_element_anywhere(dtype, wrong, size):
    x = torch.linspace(-1.0, 1.0, size, dtype=dtype)
    assert all_finite(x)
    for place in {0, size // 2, size - 1}:
        broken = x.clone()
        broken[place] = wrong
        assert not all_finite(broken)


def test_all_finite_of_the_largest_numbers_and_of_none():
    largest = torch.finfo(torch.float32).max
    assert all_finite(torch.tensor([largest, -largest, largest]))  # their sum is not finite
    assert all_finite(torch.empty(0, 3))
