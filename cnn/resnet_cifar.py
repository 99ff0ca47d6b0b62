"""ResNet-20, 32, 44 and 56 for 32 x 32 images with parameter-free (option A) shortcuts.

Source: He et al., "Deep Residual Learning for Image Recognition", Section 4.2; parameter names of the public weights
by akamaster/pytorch_resnet_cifar10.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Shortcut(nn.Module):
    """Option A: every second pixel, then zero channels on both sides, [N, C, H, W] -> [N, C + 2 added, H/2, W/2]."""

    def __init__(self, added: int):
        super().__init__()
        self.added = added

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.added, self.added))


class Block(nn.Module):
    """relu(x' + BN(conv(relu(BN(conv(x)))))), x' = x or its option-A shortcut."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Sequential() if stride == 1 else Shortcut((channels - in_channels) // 2)

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(hidden)) + self.shortcut(x))


class CifarResNet(nn.Module):
    """Three stages of 16, 32 and 64 channels; depth = 6 blocks + 2.

    Args:
        blocks: residual blocks of each stage, 3 for ResNet-20.
        classes: outputs.
        in_channels: channels of the images.
    """

    def __init__(self, blocks: int, classes: int = 10, in_channels: int = 3):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, blocks, 1)
        self.layer2 = _stage(16, 32, blocks, 2)
        self.layer3 = _stage(32, 64, blocks, 2)
        self.linear = nn.Linear(64, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, channels, H, W] -> logits [N, classes]."""
        x = functional.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = functional.adaptive_avg_pool2d(x, 1)
        return self.linear(torch.flatten(x, 1))


def _stage(in_channels: int, channels: int, count: int, stride: int) -> nn.Sequential:
    rest = [Block(channels, channels, 1) for _ in range(count - 1)]
    return nn.Sequential(Block(in_channels, channels, stride), *rest)
