"""Random changes of a batch of images, the same for a seed."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


def shift_images(
    pixels: Tensor,
    most: int,
    generator: torch.Generator,
    mirrored: Tensor | None = None,
    border: Literal["zeros", "reflect"] = "zeros",
) -> Tensor:
    """Each image moved by up to ``most`` pixels, and some mirrored.

    Args:
        pixels: uint8 [N, C, H, W].
        most: 4 is the customary "pad by 4 and crop" of CIFAR.
        generator: draws the shifts; on the CPU.
        mirrored: which images are mirrored left and right, [N] bool; None: none (digits).
        border: what comes in from outside: zeros, or the image itself, reflected at its border.

    Returns:
        uint8 [N, C, H, W].
    """
    n, _, h, w = pixels.shape
    rows, columns = torch.randint(0, 2 * most + 1, (2, n, 1), generator=generator)
    across = columns + torch.arange(w)
    if mirrored is not None:
        across = torch.where(mirrored[:, None], across.flip(1), across)
    down = rows + torch.arange(h)
    around = (most, most, most, most)
    padded = (
        functional.pad(pixels.float(), around, "reflect").to(pixels.dtype)
        if border == "reflect"
        else functional.pad(pixels, around)
    )
    image = torch.arange(n).view(-1, 1, 1)
    picked = padded.permute(0, 2, 3, 1)[image, down[:, :, None], across[:, None, :]]
    return picked.permute(0, 3, 1, 2).contiguous()
