"""Tracing: which calls are followed, that the model is not changed, and refusals with their paths."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.engines.arguments import bind
from gcn2snn.engines.interpreter import run_float
from gcn2snn.errors import ConversionError, InputError
from gcn2snn.frontends.read_model import lower

X = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))


def run(model: nn.Module, *args: Any, **kwargs: Any) -> Tensor:
    network = lower(model, args, kwargs)
    return run_float(network, bind(network, args, kwargs))


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.ModuleDict({"a": nn.Sequential(nn.Linear(4, 6), nn.ReLU())})
        self.head = nn.Linear(6, 2)
        self.scale = nn.Parameter(torch.tensor(1.5))
        self.shift = torch.tensor([0.5, -1.0])  # no buffer, only an attribute

    def forward(self, x: Tensor, again: bool = False, extra: Tensor | None = None) -> Tensor:
        h = self.body["a"](x)
        if again:
            h = h + F.relu(h * 2)
        if extra is not None:
            h = h + extra
        return self.scale * self.head(h) + self.shift


@pytest.mark.parametrize("call", [{}, {"again": True}, {"extra": torch.ones(5, 6)}])
def test_follows_the_call_of_the_example(call: dict[str, Any]) -> None:
    model = Nested().eval()
    torch.testing.assert_close(run(model, x=X, **call), model(X, **call))


def test_names_are_paths() -> None:
    network = lower(Nested().eval(), (X,), {"again": True})
    names = [node.name for node in network if isinstance(node, ir.Dense | ir.Relu)]
    assert names == ["body.a.0", "body.a.1", "relu", "head"]


def test_arguments_keep_their_places() -> None:
    network = lower(Nested().eval(), (X, False, torch.ones(5, 6)), {})
    roles = {node.name: node.role for node in network.of(ir.Input)}
    assert roles == {"x": "dense", "again": "unused", "extra": "dense"}


def test_nothing_is_written_to_the_model() -> None:
    model = Nested().eval()
    before = {name: (set(vars(m)), set(m._buffers)) for name, m in model.named_modules()}
    lower(model, (X,), {})
    assert {name: (set(vars(m)), set(m._buffers)) for name, m in model.named_modules()} == before


def test_containers_and_star_arguments() -> None:
    class Many(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lin = nn.Linear(4, 3)

        def forward(self, pair: tuple[Tensor, Tensor], *more: Tensor, **named: Tensor) -> Tensor:
            a, b = pair
            return self.lin(a) + self.lin(b) + sum(self.lin(m) for m in more) + self.lin(named["last"])

    model = Many().eval()
    args = ((X, 2 * X), X, 3 * X)
    torch.testing.assert_close(run(model, *args, last=-X), model(*args, last=-X))


def test_module_used_twice_and_value_read_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lin, self.act = nn.Linear(4, 4), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            h = self.act(self.lin(x))
            return self.act(self.lin(h)) + h

    model = Twice().eval()
    torch.testing.assert_close(run(model, X), model(X))


class Control(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin, self.act = nn.Linear(4, 4), nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x) if self.lin(x) else x


def test_dynamic_control_flow_is_refused_with_all_else() -> None:
    with pytest.raises(
        ConversionError, match="a condition: needs the value itself, which only a call brings"
    ) as caught:
        lower(Control().eval(), (X,), {})
    assert [r.path for r in caught.value.refusals] == ["model", "act"]


def test_in_place_changes_that_are_read_again() -> None:
    class InPlace(nn.Module):
        def __init__(self, view: bool) -> None:
            super().__init__()
            self.lin, self.act, self.drop, self.view = nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Dropout(), view

        def forward(self, x: Tensor) -> Tensor:
            h = self.lin(x)
            same = self.drop(h) if self.view else h.clone()
            y = self.act(h)
            y += 1.0
            return y + h + same

    model = InPlace(False).eval()  # y and h are one tensor, and the clone is another
    torch.testing.assert_close(run(model, X), model(X))
    with pytest.raises(ConversionError, match="changes a value in place that is read again later under another name"):
        lower(InPlace(True).eval(), (X,), {})


def test_unknown_functions_and_results() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return torch.cumsum(x, 0), x

    with pytest.raises(ConversionError, match="cumsum: no handler knows this function"):
        lower(Odd(), (X,), {})

    class Settings(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return {"settings": self}

    with pytest.raises(ConversionError, match="output: is Settings, which no layer of the network computes"):
        lower(Settings(), (X,), {})


def test_what_stands_behind_a_refusal_adds_no_noise() -> None:
    class Behind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru, self.lin, self.act = nn.GRU(4, 4), nn.Linear(4, 2), nn.Tanh()

        def forward(self, x: Tensor) -> Tensor:
            h, _ = self.gru(x)
            h = torch.cat([h, h], 1).view(h.size(0), -1)[:, :4] + 1
            return self.act(self.lin(h))

    with pytest.raises(ConversionError) as caught:
        lower(Behind().eval(), (X,), {})
    assert [r.path for r in caught.value.refusals] == ["gru", "act"]


def test_wrong_calls() -> None:
    with pytest.raises(InputError, match=r"the example does not fit Nested\.forward"):
        lower(Nested(), (), {})
    with pytest.raises(InputError, match="unexpected keyword argument 'y'"):
        lower(Nested(), (X,), {"y": 1})
    with pytest.raises(InputError, match=r"needs an input of \[\*, 4\]"):
        lower(Nested(), (X[:, :3],), {})


class Larger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(self.a(x), self.b(x)).maximum(self.a(x) * 2)


def test_maximum_of_two_values() -> None:
    model = Larger().eval()
    torch.testing.assert_close(run(model, X), model(X))


def test_a_compiled_model_is_read_as_what_it_was_made_from() -> None:
    inner = torch.compile(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), backend="eager")
    for model in (torch.compile(Nested().eval(), backend="eager"), nn.Sequential(inner, nn.Linear(4, 2)).eval()):
        network = lower(model, (X,), {})
        assert network.of(ir.Relu)
        assert network.of(ir.Input)[0].name in ("x", "input")


def test_forward_of_an_instance_and_layers_kept_in_a_list() -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)
            self.layers = [self.a, self.b]

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = layer(x)
            return x

    model = Listed().eval()
    names = [node.name for node in lower(model, (X,), {}).of(ir.Dense)]
    assert names == ["a", "b"]
    model.forward = lambda x: model.b(x)  # type: ignore[method-assign]
    torch.testing.assert_close(run(model, X), model(X))


class Slow(nn.Module):
    """Waits in the middle of its forward pass, which is when it is traced."""

    def __init__(self, inside: threading.Event, go_on: threading.Event) -> None:
        super().__init__()
        self.lin, self.wait = nn.Linear(4, 4), (inside, go_on)

    def forward(self, x: Tensor) -> Tensor:
        inside, go_on = self.wait
        inside.set()
        assert go_on.wait(20)
        return F.relu(self.lin(x))


def test_models_run_in_other_threads_while_one_is_traced() -> None:
    inside, go_on = threading.Event(), threading.Event()
    model, other = Slow(inside, go_on).eval(), Nested().eval()
    wanted, patched = other(X, True), (nn.Module.__call__, nn.Module.__getattr__, math.sqrt(4.0))
    thread = threading.Thread(target=lower, args=(model, (X,), {}))
    thread.start()
    try:
        assert inside.wait(20)
        assert (nn.Module.__call__, nn.Module.__getattr__, math.sqrt(4.0)) == patched
        assert torch.equal(other(X, True), wanted)
        assert torch.equal(model.lin(X), F.linear(X, model.lin.weight, model.lin.bias))
    finally:
        go_on.set()
        thread.join()


def test_graph_models_run_while_one_is_traced_and_converted_in_four_threads() -> None:
    pyg = pytest.importorskip("torch_geometric.nn")

    class Graphs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.pool, self.lin = pyg.GCNConv(4, 8), pyg.SumAggregation(), nn.Linear(8, 2)

        def forward(self, x: Tensor, edges: Tensor, batch: Tensor) -> Tensor:
            h = F.relu(self.conv(x, edges))
            return self.lin(self.pool(h, batch)) + self.lin(pyg.global_add_pool(h, batch))

    call = (X, torch.tensor([[0, 1, 2, 3], [1, 2, 0, 4]]), torch.tensor([0, 0, 1, 1, 1]))
    model = Graphs().eval()
    wanted = model(*call)
    failures: list[BaseException] = []
    stop = threading.Event()

    def attempt(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    def convert_some() -> None:
        for _ in range(4):
            torch.testing.assert_close(run(model, *call), wanted)

    def use() -> None:
        while not stop.is_set():
            assert torch.equal(model(*call), wanted)

    convert_some()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        user = threading.Thread(target=attempt, args=(use,))
        threads = [threading.Thread(target=attempt, args=(convert_some,)) for _ in range(4)]
        for thread in (user, *threads):
            thread.start()
        for thread in threads:
            thread.join()
        stop.set()
        user.join()
    finally:
        sys.setswitchinterval(interval)
    assert failures == []
