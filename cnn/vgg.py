"""VGG-16 with batch norm, with the parameter names of torchvision's ``vgg16_bn``.

Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", configuration D;
the CIFAR form with one linear layer as in the public CIFAR collections.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CONFIGURATION_D: tuple[int | None, ...] = (
    *(64, 64, None),
    *(128, 128, None),
    *(256, 256, 256, None),
    *(512, 512, 512, None),
    *(512, 512, 512, None),
)
"""Channels of each convolution; None is a 2 x 2 max pooling."""


class VGG(nn.Module):
    """Convolutions with batch norm and ReLU, max pooling between blocks, then a linear classifier.

    Args:
        classes: outputs.
        in_channels: channels of the images.
        stem: "cifar": 32 x 32 images, one linear layer; "imagenet": 7 x 7 average pooling, three linear layers.
    """

    def __init__(self, classes: int = 10, in_channels: int = 3, stem: str = "cifar"):
        super().__init__()
        self.features = _features(in_channels)
        self.avgpool = nn.AdaptiveAvgPool2d(7 if stem == "imagenet" else 1)
        if stem == "imagenet":
            self.classifier: nn.Module = nn.Sequential(
                *(nn.Linear(512 * 49, 4096), nn.ReLU(inplace=True), nn.Dropout(0.5)),
                *(nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout(0.5)),
                nn.Linear(4096, classes),
            )
        else:
            self.classifier = nn.Linear(512, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, channels, H, W] -> logits [N, classes]."""
        return self.classifier(torch.flatten(self.avgpool(self.features(images)), 1))


def _features(in_channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in CONFIGURATION_D:
        if channels is None:
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [nn.Conv2d(in_channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        in_channels = channels
    return nn.Sequential(*layers)
