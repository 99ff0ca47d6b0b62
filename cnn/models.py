"""The image classifiers this package knows by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from gcn2snn.cnn.resnet import ResNet
from gcn2snn.cnn.resnet8 import ResNet8
from gcn2snn.cnn.resnet_cifar import CifarResNet
from gcn2snn.cnn.small import SmallCNN
from gcn2snn.cnn.vgg import VGG
from gcn2snn.errors import ConfigError, refuses_misfits


@dataclass(frozen=True)
class ModelEntry:
    """One model by name.

    Args:
        build: ``build(classes=, in_channels=, [stem=])`` -> the untrained module.
        stems: image kinds it has a form for; the first is the default, none means one form for all.
        normalise: "imagenet" (x / 255 - mean) / std with the customary statistics, or "none": 0 to 255 as they are.
        source: where the architecture comes from.
    """

    build: Callable[..., nn.Module]
    stems: tuple[str, ...] = ()
    normalise: str = "imagenet"
    source: str = ""


_RESNET = "He et al. 2016, names of torchvision"
_CIFAR_RESNET = "He et al. 2016, Section 4.2, names of akamaster/pytorch_resnet_cifar10"

MODELS: dict[str, ModelEntry] = {
    "vgg16": ModelEntry(VGG, ("cifar", "imagenet"), source="Simonyan and Zisserman 2015, names of torchvision"),
    "resnet18": ModelEntry(partial(ResNet, (2, 2, 2, 2)), ("cifar", "imagenet"), source=_RESNET),
    "resnet34": ModelEntry(partial(ResNet, (3, 4, 6, 3)), ("cifar", "imagenet"), source=_RESNET),
    "resnet20": ModelEntry(partial(CifarResNet, 3), source=_CIFAR_RESNET),
    "resnet32": ModelEntry(partial(CifarResNet, 5), source=_CIFAR_RESNET),
    "resnet44": ModelEntry(partial(CifarResNet, 7), source=_CIFAR_RESNET),
    "resnet56": ModelEntry(partial(CifarResNet, 9), source=_CIFAR_RESNET),
    "resnet8": ModelEntry(ResNet8, normalise="none", source="mlcommons/tiny, image classification"),
    "small": ModelEntry(SmallCNN, source="gcn2snn"),
}
"""Every model by name; docs/images.md says where their weights come from."""


@refuses_misfits
def build_model(name: str, classes: int, in_channels: int = 3, stem: str = "") -> nn.Module:
    """An untrained model in ``eval()`` mode.

    >>> sum(p.numel() for p in build_model("resnet20", classes=10).parameters())
    269722

    Args:
        name: a key of ``MODELS``.
        classes: outputs.
        in_channels: channels of the images.
        stem: "cifar" or "imagenet" for models that have both; default "cifar".

    Raises:
        ConfigError: unknown model or stem.
    """
    entry = MODELS.get(name)
    if entry is None:
        raise ConfigError(f"model {name!r} is unknown; there are {', '.join(MODELS)}")
    if not entry.stems:
        return entry.build(classes=classes, in_channels=in_channels).eval()
    if stem and stem not in entry.stems:
        raise ConfigError(f"stem {stem!r} is unknown to {name}; allowed are {', '.join(entry.stems)}")
    return entry.build(classes=classes, in_channels=in_channels, stem=stem or entry.stems[0]).eval()
