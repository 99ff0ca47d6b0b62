"""ResNet-18 and ResNet-34 with the parameter names of torchvision, with its stem or the one for 32 x 32 images.

Source: He et al., "Deep Residual Learning for Image Recognition", Section 4.1; the CIFAR stem (3 x 3, stride 1, no max
pooling) as in the public CIFAR collections.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """relu(x' + BN(conv(relu(BN(conv(x)))))), x' = x or its 1 x 1 convolution with batch norm."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        hidden = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(hidden)) + shortcut)


class ResNet(nn.Module):
    """Four stages of basic blocks with 64, 128, 256 and 512 channels.

    Args:
        blocks: blocks of each stage; (2, 2, 2, 2) is ResNet-18, (3, 4, 6, 3) is ResNet-34.
        classes: outputs.
        in_channels: channels of the images.
        stem: "imagenet": 7 x 7 convolution with stride 2 and max pooling; "cifar": 3 x 3 convolution with stride 1.
    """

    def __init__(self, blocks: Sequence[int], classes: int = 10, in_channels: int = 3, stem: str = "cifar"):
        super().__init__()
        large = stem == "imagenet"
        self.conv1 = nn.Conv2d(in_channels, 64, 7 if large else 3, 2 if large else 1, 3 if large else 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool: nn.Module = nn.MaxPool2d(3, 2, 1) if large else nn.Identity()
        self.layer1 = _stage(64, 64, blocks[0], 1)
        self.layer2 = _stage(64, 128, blocks[1], 2)
        self.layer3 = _stage(128, 256, blocks[2], 2)
        self.layer4 = _stage(256, 512, blocks[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, channels, H, W] -> logits [N, classes]."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def _stage(in_channels: int, channels: int, count: int, stride: int) -> nn.Sequential:
    rest = [BasicBlock(channels, channels, 1) for _ in range(count - 1)]
    return nn.Sequential(BasicBlock(in_channels, channels, stride), *rest)
