"""Sizes, views, items and endings of a model."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gcn2snn import ir
from gcn2snn.engines.arguments import bind
from gcn2snn.engines.interpreter import run_float
from gcn2snn.errors import ConversionError
from gcn2snn.frontends.read_model import lower

IMAGE = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
POOLED = IMAGE[:, :, :1, :1]


class Apply(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: x.view(x.size(0), -1), IMAGE),
        (lambda x: x.view(x.shape[0], 48), IMAGE),
        (lambda x: x.reshape(-1, 48), IMAGE),
        (lambda x: torch.reshape(x, (x.size()[0], -1)), IMAGE),
        (lambda x: x.view(x.size(0), x.size(1) * x.size(2) * x.size(3)), IMAGE),
        (lambda x: x.squeeze(), POOLED),
        (lambda x: x.squeeze((2, 3)), POOLED),
        (lambda x: x[:, :, ::2, ::2], IMAGE),
        (lambda x: x[:, :, ::2, ::3], IMAGE),
        (lambda x: x[:, 0], IMAGE),
        (lambda x: x.squeeze(2), POOLED),
        (lambda x: x * x.dim() + x.ndim, IMAGE),
    ],
)
def test_same_values(function: Callable[[Tensor], Tensor], x: Tensor) -> None:
    network = lower(Apply(function), (x,), {})
    torch.testing.assert_close(run_float(network, bind(network, (x,), {})), function(x))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x.view(-1, 4), r"view: turns \['\*', 3, 4, 4\] into \[-1, 4\]"),
        (lambda x: x[0], "indexing: takes a single row out of a value of the network"),
        (lambda x: x.is_leaf, ".is_leaf: no handler knows this attribute"),
        (lambda x: x.softmax(1) + 1, "softmax in the middle: divides by a sum over the layer"),
        (lambda x: functional.log_softmax(x, 2), r"log_softmax\(dim=2\): does not normalise each row's classes"),
    ],
)
def test_refused(function: Callable[[Tensor], Tensor], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        lower(Apply(function), (IMAGE,), {})


@pytest.mark.parametrize("kind", ["softmax", "log_softmax"])
def test_the_end_is_remembered(kind: str) -> None:
    layer = {"softmax": nn.Softmax(1), "log_softmax": nn.LogSoftmax(1)}[kind]
    for model in (
        nn.Sequential(nn.Linear(3, 2), layer),
        nn.Sequential(nn.Linear(3, 2), Apply(getattr(functional, kind))),
    ):
        if isinstance(model[1], Apply):
            model[1].function = lambda x: getattr(functional, kind)(x, 1)
        network = lower(model, (torch.randn(2, 3),), {})
        assert network.of(ir.Output)[0].readout == kind
