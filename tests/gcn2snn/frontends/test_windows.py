"""Sizes of windows, against what torch does."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from gcn2snn.frontends.windows import pair, same_padding, sides, window_of_adaptive


def test_pairs_and_sides() -> None:
    assert (pair(3), pair((3,)), pair([2, 5])) == ((3, 3), (3, 3), (2, 5))
    assert sides((1, 2)) == (2, 2, 1, 1)  # width first


@given(st.tuples(st.integers(1, 4), st.integers(1, 4)), st.tuples(st.integers(1, 3), st.integers(1, 3)))
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
def test_same_padding(kernel: tuple[int, int], dilation: tuple[int, int]) -> None:
    x, weight = torch.randn(1, 1, 9, 8), torch.randn(1, 1, *kernel)
    padded = functional.conv2d(functional.pad(x, same_padding(kernel, dilation)), weight, dilation=dilation)
    torch.testing.assert_close(padded, functional.conv2d(x, weight, padding="same", dilation=dilation))


@pytest.mark.parametrize(
    ("size", "output", "window"),
    [
        ((8, 6), 2, (4, 3)),
        ((8, 6), (None, 3), (1, 2)),
        ((8, 6), (8, 6), (1, 1)),
        ((8, 6), 5, None),
        ((None, 6), 2, None),
    ],
)
def test_adaptive_windows(
    size: tuple[int | None, int], output: int | tuple[int | None, int], window: tuple[int, int] | None
) -> None:
    assert window_of_adaptive(size, output) == window
    if window is not None:
        x = torch.randn(1, 1, *[int(length or 1) for length in size])
        torch.testing.assert_close(functional.adaptive_avg_pool2d(x, output), functional.avg_pool2d(x, window, window))
