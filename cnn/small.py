"""A CNN of two convolutions for 8 x 8 or 28 x 28 grey images, small enough to train on a CPU in seconds."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SmallCNN(nn.Module):
    """Two convolutions with batch norm and ReLU, a max pooling after each, then one hidden linear layer.

    Args:
        classes: outputs.
        in_channels: channels of the images.
        width: channels of the first convolution.
    """

    def __init__(self, classes: int = 10, in_channels: int = 1, width: int = 16):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(2 * width)
        self.pool = nn.MaxPool2d(2)
        self.avgpool = nn.AdaptiveAvgPool2d(2)
        self.hidden = nn.Linear(8 * width, 64)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.2)
        self.linear = nn.Linear(64, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, channels, H, W] -> logits [N, classes]."""
        x = self.pool(self.relu(self.bn1(self.conv1(images))))
        x = self.pool(self.relu(self.bn2(self.conv2(x))))
        x = self.relu(self.hidden(torch.flatten(self.avgpool(x), 1)))
        return self.linear(self.dropout(x))
