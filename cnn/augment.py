"""Random changes of a batch of images, the same for a seed."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def shift_images(pixels: Tensor, most: int, generator: torch.Generator, flip: bool) -> Tensor:
    """Each image moved by up to ``most`` pixels with zeros from outside, and mirrored with probability 1/2 if ``flip``.

    Args:
        pixels: uint8 [N, C, H, W].
        most: 4 is the customary "pad by 4 and crop" of CIFAR.
        generator: draws the shifts; on the CPU.
        flip: mirror left and right (not for digits).

    Returns:
        uint8 [N, C, H, W].
    """
    n, _, h, w = pixels.shape
    rows, columns = torch.randint(0, 2 * most + 1, (2, n, 1), generator=generator)
    across = columns + torch.arange(w)
    if flip:
        mirrored = torch.rand(n, 1, generator=generator) < 0.5
        across = torch.where(mirrored, across.flip(1), across)
    down = rows + torch.arange(h)
    padded = functional.pad(pixels, (most, most, most, most))
    image = torch.arange(n).view(-1, 1, 1)
    picked = padded.permute(0, 2, 3, 1)[image, down[:, :, None], across[:, None, :]]
    return picked.permute(0, 3, 1, 2).contiguous()
