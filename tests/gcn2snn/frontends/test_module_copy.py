"""Copies of modules that record calls: they look like the source and share nothing that a forward pass writes."""

from __future__ import annotations

import functools
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from gcn2snn.frontends.module_copy import recording_copy


class Looks(nn.Linear):
    """A layer that looks at values before it is called."""

    def __call__(self, x: Tensor) -> Tensor:
        raise AssertionError("was called")


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin, self.looks = nn.Linear(3, 3), Looks(3, 3)
        self.both = [self.lin, self.looks]
        self.seen: list[Any] = []
        self.act = self.double
        self.register_buffer("count", torch.zeros(1))

    def double(self, x: Tensor) -> Tensor:
        self.last = x
        return x + x

    def forward(self, x: Tensor) -> Tensor:
        self.count = self.count + 1
        self.seen.append(x)
        for layer in self.both:
            x = layer(x)
        return self.act(x)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.list = Block(), nn.ModuleList([Block(), nn.ReLU()])
        self.again = self.a

    def forward(self, x: Tensor) -> Tensor:
        return self.list[1](self.again(self.list[0](self.a(x))))


def copy_of(model: nn.Module) -> tuple[nn.Module, list[str]]:
    calls: list[str] = []

    def record(path: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        calls.append(path)
        assert type(model.get_submodule(path)) is type(module)
        return args[0] + 1

    def enter(path: str, forward: Any) -> Any:
        calls.append(f"in {path}")
        return forward()

    def is_leaf(module: nn.Module) -> bool:
        return isinstance(module, nn.Linear | nn.ReLU | nn.ModuleList)

    return recording_copy(model, is_leaf, record, enter, lambda path: f"parameter {path}"), calls


def test_leaves_record_and_the_rest_is_entered() -> None:
    copy, calls = copy_of(Model().eval())
    result = copy.forward(torch.zeros(2, 3))
    block = ["in {0}", "{0}.lin", "{0}.looks"]
    paths = [line.format(path) for path in ("a", "list.0", "a") for line in block]
    assert calls == [*paths, "list.1"]
    assert torch.equal(result, torch.full((2, 3), 29.0))  # three times 2 (x + 2), and 1 more


def test_the_source_keeps_no_trace() -> None:
    model = Model().eval()
    before = {name: (dict(vars(m)), dict(m._buffers)) for name, m in model.named_modules()}
    copy, _ = copy_of(model)
    copy.forward(torch.zeros(2, 3))
    for name, module in model.named_modules():
        attributes, buffers = before[name]
        assert vars(module) == attributes
        assert all(module._buffers[key] is value for key, value in buffers.items())
    assert model.a.seen == []
    assert not hasattr(model.a, "last")
    assert copy.a.last is not None


def test_a_copy_looks_like_the_source() -> None:
    model = Model().eval()
    copy, _ = copy_of(model)
    assert copy.again is copy.a
    assert type(copy.a) is Block
    assert isinstance(copy.a.looks, Looks)
    assert type(copy.a.lin) is nn.Linear
    assert copy.a.lin.in_features == 3
    assert copy.a.lin.weight == "parameter a.lin.weight"
    assert copy.list[0].count is model.list[0].count
    assert not copy.training


def test_hooks_of_leaves_and_of_blocks_run() -> None:
    model = Model().eval()
    ran: list[str] = []
    model.a.lin.register_forward_hook(lambda *call: ran.append("leaf"))
    model.a.register_forward_hook(lambda *call: ran.append("block"))
    copy_of(model)[0].forward(torch.zeros(2, 3))
    assert ran == ["leaf", "block", "leaf", "block"]


def test_a_forward_put_on_the_instance() -> None:
    model = Model().eval()
    plain = model.list[0]
    plain.forward = MethodType(lambda self, x: self.lin(x), plain)
    copy, calls = copy_of(model)
    copy.list[0](torch.zeros(2, 3))
    assert calls == ["in list.0", "list.0.lin"]
    model.list[0].forward = functools.partial(lambda x, y: y, 1)
    assert torch.equal(copy_of(model)[0].list[0](torch.ones(1)), torch.ones(1))
