"""How handlers get their arguments: by name, or all of them as one tuple."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gcn2snn import convert
from gcn2snn.errors import ConversionError, InputError
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.read_model import load_handlers, lower
from gcn2snn.frontends.registry import REGISTRY

X = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))


class Layer(nn.Module):
    """A layer whose forward is that of several versions of one library."""

    def forward(
        self, x: Tensor, scale: float = 1.0, extra: Tensor | None = None, *more: Tensor, **named: Any
    ) -> Tensor:
        return x * scale


class Call(nn.Module):
    def __init__(self, layer: nn.Module, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.layer, self.args, self.kwargs = layer, args, kwargs

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, *self.args, **self.kwargs)


def nothing(builder: Builder, path: str, module: nn.Module, x: Ref) -> Ref:
    return x


def scaled(builder: Builder, path: str, module: nn.Module, x: Ref, scale: float = 1.0, unknown: float = 7.0) -> Ref:
    assert unknown == 7.0
    return builder.module(f"{path}.times", Times(scale), (x,))


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def test_new_arguments_at_their_defaults_are_ignored() -> None:
    for call in (Call(Layer()), Call(Layer(), 1.0), Call(Layer(), extra=None)):
        lower(call.eval(), (X,), {}, {Layer: nothing})


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (Call(Layer(), 2.0), "scale"),
        (Call(Layer(), extra=torch.ones(4)), "extra"),
        (Call(Layer(), 1.0, None, X), "more"),
        (Call(Layer(), other=1), "named"),
    ],
)
def test_new_arguments_that_are_given_are_refused(call: Call, name: str) -> None:
    with pytest.raises(
        ConversionError, match=f"layer: argument '{name}' of Layer: is not known to the layer's handler"
    ):
        lower(call.eval(), (X,), {}, {Layer: nothing})


def test_arguments_go_by_name_and_missing_ones_keep_the_default_of_the_handler() -> None:
    for call in (Call(Layer(), 2.0), Call(Layer(), scale=2.0)):
        torch.testing.assert_close(convert(call.eval(), X, handlers={Layer: scaled}).source(X), 2.0 * X)


def test_all_arguments_as_one_tuple() -> None:
    seen = []

    def handler(builder: Builder, path: str, module: nn.Module, args: tuple[Any, ...]) -> Ref:
        seen.append(args)
        return args[0]

    lower(Call(Layer(), extra=None).eval(), (X,), {}, {Layer: handler})
    assert seen == [("x", 1.0, None)]


def test_a_handler_that_reads_what_forward_does_not_have() -> None:
    def handler(builder: Builder, path: str, module: nn.Module, features: Ref) -> Ref:
        return features

    with pytest.raises(
        ConversionError, match=r"handler of Layer: reads 'features', but forward\(x: .* has no such argument"
    ):
        lower(Call(Layer()).eval(), (X,), {}, {Layer: handler})


def test_a_call_that_the_layer_does_not_take() -> None:
    class Strict(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    with pytest.raises(InputError, match="layer is called with arguments it does not take"):
        lower(Call(Strict(), 1.0).eval(), (X,), {}, {Strict: nothing})


def test_a_graph_layer_of_a_newer_and_an_older_version() -> None:
    pyg = pytest.importorskip("torch_geometric.nn")

    class Newer(pyg.GCNConv):
        def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Any = None, extra: Any = None) -> Tensor:
            return super().forward(x, edge_index, edge_weight)

    class Older(pyg.GCNConv):
        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
            return super().forward(x, edge_index)

    class Net(nn.Module):
        def __init__(self, layer: type[nn.Module]) -> None:
            super().__init__()
            self.layer = layer(4, 3)

        def forward(self, x: Tensor, edges: Tensor) -> Tensor:
            return self.layer(x, edges)

    load_handlers()
    edges = torch.tensor([[0, 1, 2], [1, 2, 0]])
    for layer in (Newer, Older):
        model = Net(layer).eval()
        snn = convert(model, (X, edges), handlers={layer: REGISTRY[pyg.GCNConv]})
        torch.testing.assert_close(snn.source(X, edges), model(X, edges))
