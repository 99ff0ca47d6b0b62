"""The source model and the example are read, not changed."""

from __future__ import annotations

import contextlib
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gcn2snn import convert
from gcn2snn.errors import ConversionError
from gcn2snn.frontends.source_model import copied, untouched

X = torch.randn(30, 8, generator=torch.Generator().manual_seed(0))


class Writes(nn.Module):
    """Writes to itself in every way that a forward pass may."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(8, 3)
        self.register_buffer("calls", torch.zeros(1))
        self.register_buffer("mean", torch.zeros(8))
        self.plain, self.history, self.by_name = torch.zeros(2), [torch.zeros(1)], {"a": torch.zeros(1)}

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.mean = self.mean + 1
        self.plain.add_(1)
        self.history[0] += 1
        self.history.append(x)
        self.by_name["a"] += 1
        self.by_name["b"] = x
        self.new = x
        return self.lin(x)


def state(model: Writes) -> Any:
    return (
        {name: tensor.clone() for name, tensor in model.state_dict().items()},
        model.plain.clone(),
        [entry.clone() for entry in model.history],
        {name: entry.clone() for name, entry in model.by_name.items()},
        set(vars(model)),
    )


@pytest.mark.parametrize("use", [lambda model: model(X), lambda model: convert(model, X)], ids=["untouched", "convert"])
def test_nothing_that_a_forward_pass_writes_stays(use: Callable[[Writes], object]) -> None:
    model = Writes().eval()
    before, buffers = state(model), dict(model.named_buffers())
    with torch.no_grad(), untouched(model):
        use(model)
    after = state(model)
    assert after[4] == before[4]
    for got, wanted in zip(after[:4], before[:4], strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=0)
    assert all(tensor is buffers[name] for name, tensor in model.named_buffers())


def test_convert_leaves_a_model_that_writes_to_itself() -> None:
    model = Writes().eval()
    before = state(model)
    convert(model, X)
    for got, wanted in zip(state(model)[:4], before[:4], strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=0)


def test_a_batch_norm_in_training_mode() -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4)).eval()
    model[1].train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(
        ConversionError, match="1: batch norm in training mode: normalises by the statistics of the batch"
    ):
        convert(model, X)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_a_dropout_in_training_mode() -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.Dropout(), nn.ReLU(), nn.Identity(), nn.Dropout(0.0)).eval()
    for child in (model[3], model[4]):
        child.train()
    convert(model, X)
    model[1].train()
    with pytest.raises(ConversionError, match="1: Dropout in training mode: is active in evaluation mode"):
        convert(model, X)


def test_an_example_that_the_model_writes_to() -> None:
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(8, 4)).eval()
    example = X.clone()
    snn = convert(model, example)
    assert torch.equal(example, X)
    (coder,) = [node for node in snn.network if type(node).__name__ == "Coder"]
    assert float(coder.scale) == float(X.abs().max())


def test_copies_of_arguments() -> None:
    Pair = namedtuple("Pair", ["a", "b"])
    value = ({"x": X}, [X], Pair(X, 1), "text", None)
    copy = copied(value)
    assert type(copy[2]) is Pair
    assert copy[3:] == ("text", None)
    for tensor in (copy[0]["x"], copy[1][0], copy[2].a):
        assert torch.equal(tensor, X)
        assert tensor.data_ptr() != X.data_ptr()


def test_copies_of_graphs() -> None:
    data = pytest.importorskip("torch_geometric.data").Data(x=X, edge_index=torch.zeros(2, 3, dtype=torch.int64))
    copy = copied(data)
    copy.x.zero_()
    copy.y = X
    assert "y" not in data
    dgl = pytest.importorskip("dgl")
    graph = dgl.graph(([0, 1], [1, 0]))
    graph.ndata["x"] = torch.ones(2)
    copied(graph).ndata["x"].zero_()
    assert graph.ndata["x"].tolist() == [1.0, 1.0]
    assert bool(X.any())


class WritesToItself(nn.Module):
    """Changes its parameters in its forward pass, in several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.lin, self.table = how, nn.Linear(8, 4), nn.Embedding(30, 8, max_norm=0.1)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.lin.weight
        if self.how == "data":
            weight.data.clamp_(0)
        elif self.how == "item":
            weight[0] = 0
        elif self.how == "out":
            torch.mul(weight, 2, out=weight)
        elif self.how == "new memory":
            weight.data = weight.data * 2
        elif self.how == "look-up":
            x = x + self.table(torch.arange(30))
        return self.lin(x)  # type: ignore[no-any-return]


@pytest.mark.parametrize("how", ["data", "item", "out", "new memory", "look-up"])
def test_parameters_are_put_back(how: str) -> None:
    model = WritesToItself(how).eval().requires_grad_(False)
    before = {name: (value, value.clone()) for name, value in model.named_parameters()}
    with contextlib.suppress(ConversionError):
        convert(model, torch.rand(30, 8))
    for name, parameter in model.named_parameters():
        assert parameter is before[name][0]
        assert torch.equal(parameter, before[name][1])
