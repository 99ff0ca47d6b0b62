"""Sizes of windows over images: pairs, paddings, adaptive windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def pair(size: int | Sequence[int]) -> tuple[int, int]:
    """(height, width) from one number or two."""
    if isinstance(size, int):
        return (size, size)
    return (size[0], size[0]) if len(size) == 1 else (size[0], size[1])


def sides(padding: tuple[int, int]) -> tuple[int, int, int, int]:
    """(left, right, top, bottom) from (height, width)."""
    return (padding[1], padding[1], padding[0], padding[0])


def same_padding(kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int, int, int]:
    """(left, right, top, bottom) of ``padding="same"``: an odd pixel goes right and bottom, as in torch."""
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    (top, left), (bottom, right) = [t // 2 for t in totals], [t - t // 2 for t in totals]
    return (left, right, top, bottom)


def window_of_adaptive(size: Sequence[int | None], output_size: Any) -> tuple[int, int] | None:
    """Window and stride of an adaptive pooling, or None where its windows have unequal sizes."""
    wanted = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
    kernel = []
    for own, target in zip(size, wanted, strict=True):
        if own is None:
            return None
        target = own if target is None else target
        if own % target:
            return None
        kernel.append(own // target)
    return (kernel[0], kernel[1])


def adaptive_windows(size: int, target: int) -> list[range]:
    """The pixels of each window of an adaptive pooling along one axis; windows may share pixels, and differ in size."""
    return [range(place * size // target, -(-(place + 1) * size // target)) for place in range(target)]
