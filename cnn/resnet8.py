"""ResNet-8 of MLPerf Tiny, with Keras' SAME padding, and the reading of its Keras weights.

Source: Banbury et al., "MLPerf Tiny Benchmark"; mlcommons/tiny, image_classification/keras_model.py.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

EPS = 1e-3
"""Keras' batch norm adds this to the variance, not 1e-5."""


class SameConv(nn.Module):
    """Convolution with TensorFlow's SAME padding for even images: the odd pixel goes right and bottom."""

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int):
        super().__init__()
        total = max(kernel - stride, 0)
        self.around = (total // 2, total - total // 2) * 2
        self.conv = nn.Conv2d(in_channels, channels, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(functional.pad(x, self.around))


class Stack(nn.Module):
    """relu(x' + BN(conv(relu(BN(conv(x)))))), x' = x or its 1 x 1 convolution without batch norm."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        self.conv1 = SameConv(in_channels, channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(channels, EPS)
        self.conv2 = SameConv(channels, channels, 3, 1)
        self.bn2 = nn.BatchNorm2d(channels, EPS)
        self.shortcut: nn.Module = nn.Identity() if stride == 1 else SameConv(in_channels, channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(hidden)) + self.shortcut(x))


class ResNet8(nn.Module):
    """One stack each of 16, 32 and 64 channels; images of 0 to 255 as they are.

    Args:
        classes: outputs.
        in_channels: channels of the images.
    """

    def __init__(self, classes: int = 10, in_channels: int = 3):
        super().__init__()
        self.conv1 = SameConv(in_channels, 16, 3, 1)
        self.bn1 = nn.BatchNorm2d(16, EPS)
        self.stack1 = Stack(16, 16, 1)
        self.stack2 = Stack(16, 32, 2)
        self.stack3 = Stack(32, 64, 2)
        self.linear = nn.Linear(64, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, channels, H, W] -> logits [N, classes]."""
        x = functional.relu(self.bn1(self.conv1(images)))
        x = self.stack3(self.stack2(self.stack1(x)))
        return self.linear(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))


CONVOLUTIONS = (
    "conv1",
    *("stack1.conv1", "stack1.conv2"),
    *("stack2.conv1", "stack2.conv2", "stack2.shortcut"),
    *("stack3.conv1", "stack3.conv2", "stack3.shortcut"),
)
"""Our names of Keras' conv2d, conv2d_1, ..., conv2d_8."""

NORMS = ("bn1", "stack1.bn1", "stack1.bn2", "stack2.bn1", "stack2.bn2", "stack3.bn1", "stack3.bn2")
"""Our names of Keras' batch_normalization, ..., batch_normalization_6."""

NORM_PARTS = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def is_keras(state: Mapping[str, Tensor]) -> bool:
    """Whether the names are Keras' (kernels HWIO), not those of :class:`ResNet8`."""
    return "conv2d.kernel" in state


def from_keras(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keras names and HWIO kernels -> names and OIHW kernels of :class:`ResNet8`; unknown names stay as they are."""
    ours: dict[str, Tensor] = {}
    for key, tensor in state.items():
        layer, _, part = key.rpartition(".")
        kind, _, number = layer.rpartition("_")
        if not number.isdigit():
            kind, number = layer, "0"
        if kind == "conv2d" and int(number) < len(CONVOLUTIONS):
            name = f"{CONVOLUTIONS[int(number)]}.conv"
            ours[f"{name}.{'weight' if part == 'kernel' else part}"] = (
                tensor.permute(3, 2, 0, 1).contiguous() if part == "kernel" else tensor
            )
        elif kind == "batch_normalization" and int(number) < len(NORMS) and part in NORM_PARTS:
            ours[f"{NORMS[int(number)]}.{NORM_PARTS[part]}"] = tensor
        elif layer == "dense":
            ours["linear.weight" if part == "kernel" else "linear.bias"] = (
                tensor.t().contiguous() if part == "kernel" else tensor
            )
        else:
            ours[key] = tensor
    return ours
