"""Models whose result hangs on more than their arguments and weights: state of their own, replaced forwards, compiled parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gcn2snn
from gcn2snn.errors import ConversionError, InputError, InputTypeError

PAPER = gcn2snn.ConvertConfig.paper()


class Written(nn.Module):
    """A linear layer whose forward is given."""

    def __init__(self, forward: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.written = nn.Linear(4, 3), forward
        self.number, self.items = 0, [1.0]
        self.register_buffer("buffer", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.written(self, x)


def by_number(self: Any, x: Tensor) -> Tensor:
    self.number += 1
    found: Tensor = self.layer(x) * self.number
    return found


def by_new_number(self: Any, x: Tensor) -> Tensor:
    self.calls = getattr(self, "calls", 0) + 1
    found: Tensor = self.layer(x) * self.calls
    return found


def by_buffer(self: Any, x: Tensor) -> Tensor:
    self.buffer.add_(1.0)
    found: Tensor = self.layer(x) + self.buffer
    return found


def by_new_buffer(self: Any, x: Tensor) -> Tensor:
    found: Tensor = self.layer(x) + self.buffer
    self.buffer = self.buffer + 1.0
    return found


def by_list(self: Any, x: Tensor) -> Tensor:
    self.items.append(1.0)
    found: Tensor = self.layer(x) * len(self.items)
    return found


@pytest.mark.parametrize(
    ("forward", "name"),
    [
        (by_number, "number"),
        (by_new_number, "calls"),
        (by_buffer, "buffer"),
        (by_new_buffer, "buffer"),
        (by_list, "items"),
    ],
)
def test_a_result_that_depends_on_earlier_calls_is_refused(forward: Callable[[Any, Tensor], Tensor], name: str) -> None:
    model = Written(forward).eval()
    with pytest.raises(
        ConversionError, match=f"{name}: state: is changed by the model's own forward, and a second call"
    ):
        gcn2snn.convert(model, torch.rand(5, 4), PAPER)
    assert (model.number, model.items, bool(model.buffer.any())) == (0, [1.0], False)
    assert "calls" not in vars(model)


def test_state_that_the_result_does_not_read_is_no_reason() -> None:
    def counted(self: Any, x: Tensor) -> Tensor:
        self.number += 1
        self.items.append(float(self.number))
        found: Tensor = self.layer(x)
        return found

    model = Written(counted).eval()
    snn = gcn2snn.convert(model, torch.rand(5, 4), PAPER)
    x = torch.rand(2, 4)
    torch.testing.assert_close(snn.source(x), model.layer(x))


@pytest.mark.parametrize("name", ["x", "input"])
def test_a_forward_put_on_one_layer_is_refused_by_that_name(name: str) -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU()).eval()
    original = model[0].forward
    own: dict[str, Any] = {}
    exec(f"def forward({name}): return original({name}) * 3", {"original": original}, own)
    vars(model[0])["forward"] = own["forward"]
    with pytest.raises(ConversionError, match="0: Linear: has a forward that was put on this one object"):
        gcn2snn.convert(model, torch.rand(5, 4), PAPER)


def test_a_forward_put_on_the_model_is_read() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU()).eval()
    original = model.forward
    vars(model)["forward"] = lambda x: original(x) * 3
    x = torch.rand(2, 4)
    torch.testing.assert_close(gcn2snn.convert(model, torch.rand(5, 4), PAPER).source(x), model(x))


def test_a_layer_compiled_by_jit_is_refused_by_its_path() -> None:
    with pytest.deprecated_call(match="torch.jit.script"):
        layer = torch.jit.script(nn.Linear(4, 3))
    with pytest.raises(ConversionError, match=r"1: RecursiveScriptModule: is compiled by torch\.jit"):
        gcn2snn.convert(nn.Sequential(nn.ReLU(), layer).eval(), torch.rand(5, 4), PAPER)


@pytest.mark.parametrize("rows", [3, 5])
def test_a_table_by_the_number_of_rows_is_refused(rows: int) -> None:
    """Also where the example's number is not in the table, so that the model gives the default for it."""
    model = Written(lambda self, x: self.layer(x) * {3: 2.0}.get(x.shape[0], 1.0)).eval()
    with pytest.raises(ConversionError, match="computes with the number of rows of x, which only a call knows"):
        gcn2snn.convert(model, torch.rand(rows, 4), PAPER)


def test_an_iterator_is_no_example() -> None:
    model = nn.Linear(4, 3).eval()
    with pytest.raises(InputTypeError, match=r"example\[0\] is a generator, whose items are gone once they were read"):
        gcn2snn.convert(model, (torch.rand(5, 4) for _ in range(2)))


def test_batches_without_rows_say_nothing() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    x, none = torch.rand(50, 4), torch.rand(0, 4)
    first, second = (gcn2snn.convert(model, x, calibration=batches) for batches in ([x], [none, x, none]))
    assert first.choice == second.choice
    assert first(x).equal(second(x))
    with pytest.raises(InputError, match="no calibration data: no batch has a row"):
        gcn2snn.convert(model, x, calibration=[none])
