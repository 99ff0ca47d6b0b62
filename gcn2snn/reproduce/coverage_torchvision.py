"""One example of every image classifier of torchvision, with random weights."""

from __future__ import annotations

import functools

import torch
from torch import nn

from gcn2snn.reproduce.coverage_cases import Case

SIZES = {"inception_v3": 299}
"""Pixels a side where a model needs more than 224."""


def cases() -> dict[str, Case]:
    """Name of a model -> its example."""
    from torchvision import models

    names = models.list_models(module=models)
    return {name: functools.partial(_example, name) for name in names}


def _example(name: str) -> tuple[nn.Module, tuple[torch.Tensor]]:
    from torchvision import models

    size = SIZES.get(name, 224)
    model, x = models.get_model(name, weights=None), torch.randn(2, 3, size, size)
    _settle(model, x)
    return model, (x,)


@torch.no_grad()
def _settle(model: nn.Module, x: torch.Tensor) -> None:
    """Give batch norms the statistics of the example where random weights alone let values grow beyond all numbers.

    The deepest residual networks double the variance in every block, until single precision ends.
    """
    if bool(torch.isfinite(model.eval()(x)).all()):
        return
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
        norm.momentum = None  # the plain mean, of this one batch
    model(x)
    model.eval()
