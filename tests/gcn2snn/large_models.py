"""Two large image classifiers with the published sizes, for tests that count work and memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class DenseLayer(nn.Module):
    """Batch norm, ReLU and convolution twice; reads everything that its block has made so far."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(channels), nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, features: list[Tensor]) -> Tensor:
        squeezed = self.conv1(self.norm1(torch.cat(features, 1)).relu())
        found: Tensor = self.conv2(self.norm2(squeezed).relu())
        return found


class DenseBlock(nn.Module):
    """Layers side by side with all that came before."""

    def __init__(self, layers: int, channels: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DenseLayer(channels + i * growth, growth) for i in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.layers:
            features.append(layer(features))
        return torch.cat(features, 1)


def densenet(
    blocks: Sequence[int] = (6, 12, 32, 32), growth: int = 32, channels: int = 64, classes: int = 10, halve: bool = True
) -> nn.Module:
    """DenseNet (Huang et al. 2017); the default is DenseNet-169. ``halve``: pool between blocks, as published."""
    stem = [nn.Conv2d(3, channels, 7, 2, 3, bias=False), nn.BatchNorm2d(channels), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    parts: list[nn.Module] = list(stem)
    for number, layers in enumerate(blocks):
        parts.append(DenseBlock(layers, channels, growth))
        channels += layers * growth
        if number < len(blocks) - 1:
            parts += [nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels // 2, 1, bias=False)]
            parts += [nn.AvgPool2d(2)] if halve else []
            channels //= 2
    parts += [nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]
    return nn.Sequential(*parts).eval()


def vgg11(classes: int = 1000) -> nn.Module:
    """VGG-11 without batch norm (Simonyan and Zisserman 2015), for images of 224 x 224."""
    parts: list[nn.Module] = []
    channels = 3
    for width in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0):
        if not width:
            parts.append(nn.MaxPool2d(2))
            continue
        parts += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        channels = width
    parts += [nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(25088, 4096), nn.ReLU()]
    parts += [nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, classes)]
    return nn.Sequential(*parts).eval()
