"""Activations of PyTorch become one population with or without a cap, or are refused with the reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.conversion import convert
from gcn2snn.errors import ConversionError
from gcn2snn.frontends.read_model import lower

Function = Callable[[Tensor], Tensor]


class Call(nn.Module):
    """A function between two linear layers, so that its result is read as spikes."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.first, self.function, self.last = nn.Linear(4, 8), function, nn.Linear(8, 3)
        self.six = nn.Parameter(torch.tensor(6.0))

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(10 * x)
        return self.last(self.function(h))


CAPS: dict[str, tuple[Function, float | None]] = {
    "relu": (torch.relu, None),
    "clamp min": (lambda h: h.clamp(min=0), None),
    "clip min": (lambda h: h.clip(0), None),
    "clamp_min": (lambda h: torch.clamp_min(h, 0.0), None),
    "clamp to infinity": (lambda h: h.clamp(0, float("inf")), None),
    "ReLU6": (nn.ReLU6(), 6.0),
    "ReLU6 in place": (nn.ReLU6(inplace=True), 6.0),
    "Hardtanh": (nn.Hardtanh(0, 2.5), 2.5),
    "F.relu6": (F.relu6, 6.0),
    "F.relu6 in place": (lambda h: F.relu6(h, inplace=True), 6.0),
    "F.hardtanh": (lambda h: F.hardtanh(h, 0, 3), 3.0),
    "F.hardtanh by name": (lambda h: F.hardtanh(h, min_val=0.0, max_val=3.0, inplace=True), 3.0),
    "F.hardtanh_": (lambda h: F.hardtanh_(h, 0.0, 3.0), 3.0),
    "torch.clamp": (lambda h: torch.clamp(h, 0, 4), 4.0),
    "torch.clamp_": (lambda h: torch.clamp_(h, 0, 4), 4.0),
    "torch.clip": (lambda h: torch.clip(h, min=0.0, max=4.0), 4.0),
    "x.clamp": (lambda h: h.clamp(0, 4), 4.0),
    "x.clamp_": (lambda h: h.clamp_(0, 4), 4.0),
    "x.clip": (lambda h: h.clip(0, max=4), 4.0),
    "x.clip_": (lambda h: h.clip_(0, 4), 4.0),
    "clamp by tensors": (lambda h: h.clamp(torch.tensor(0.0), torch.tensor([4.0])), 4.0),
    "relu, then clamp(max)": (lambda h: h.relu().clamp(max=5), 5.0),
    "relu, then clamp below 0": (lambda h: h.relu().clamp(-1, 5), 5.0),
    "clamp_min, then clamp_max": (lambda h: h.clamp_min_(0).clamp_max_(5), 5.0),
    "torch.clamp_max": (lambda h: torch.clamp_max(torch.relu(h), 5), 5.0),
    "two caps": (lambda h: F.hardtanh(F.relu6(h), 0, 7), 6.0),
    "two caps, the lower last": (lambda h: F.relu6(h).clamp(max=2), 2.0),
}


@pytest.mark.parametrize("name", CAPS)
def test_one_population_with_the_cap(name: str) -> None:
    function, cap = CAPS[name]
    model, x = Call(function).eval(), torch.randn(64, 4)
    snn = convert(model, x)
    (population,) = (node for node in snn.network.of(ir.Neuron) if node.activation.rectifies)
    assert population.activation == ir.Activation(cap=cap)
    torch.testing.assert_close(snn.source(x), model(x), rtol=1e-5, atol=1e-5)


def test_a_result_that_is_read_with_and_without_its_cap_is_two_populations() -> None:
    def both(h: Tensor) -> Tensor:
        positive = h.relu()
        return positive - 0.5 * positive.clamp(max=2)

    model, x = Call(both).eval(), torch.randn(64, 4)
    snn = convert(model, x)
    caps = [node.activation.cap for node in snn.network.of(ir.Neuron) if node.activation.rectifies]
    assert caps == [None, 2.0]
    torch.testing.assert_close(snn.source(x), model(x), rtol=1e-5, atol=1e-5)


def test_a_parameter_as_cap() -> None:
    class Model(Call):
        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.first(10 * x).clamp(torch.tensor(0.0), self.six))

    model, x = Model(torch.relu).eval(), torch.randn(64, 4)
    snn = convert(model, x)
    assert [node.activation.cap for node in snn.network.of(ir.Neuron)] == [6.0]
    torch.testing.assert_close(snn.source(x), model(x), rtol=1e-5, atol=1e-5)


REFUSED: dict[str, tuple[Function, str]] = {
    "Hardtanh": (nn.Hardtanh(), r"Hardtanh\(-1, 1\): is no ReLU, with or without a cap"),
    "F.hardtanh": (F.hardtanh, r"hardtanh\(-1\.0, 1\.0\): is no ReLU"),
    "no lower end": (lambda h: h.clamp(max=6), r"clamp\(min=None, max=6\): is no ReLU"),
    "clamp_max": (lambda h: h.clamp_max(6), r"clamp\(min=None, max=6\): is no ReLU"),
    "lower end above 0": (lambda h: h.clamp(0.5, 6), r"clamp\(min=0\.5, max=6\): is no ReLU"),
    "lower end below 0": (lambda h: h.clamp(-1, 1), r"clamp\(min=-1, max=1\): is no ReLU.*Use min=0"),
    "nothing between": (lambda h: h.clamp(0, 0), r"clamp\(min=0, max=0\): is no ReLU"),
    "cap below 0": (lambda h: h.relu().clamp(max=-1), r"clamp\(min=None, max=-1\): is no ReLU"),
    "no number": (lambda h: h.clamp(0, float("nan")), r"max=nan\): is no ReLU"),
    "a cap for each channel": (lambda h: h.clamp(torch.zeros(8), torch.ones(8)), r"max=tensor \[8\]\): is no ReLU"),
    "a computed cap": (lambda h: torch.clamp(h, torch.tensor(0.0), h.relu()), r"max=a value of the network\): is no"),
    "LeakyReLU": (nn.LeakyReLU(), "is not a ReLU"),
    "Hardswish": (nn.Hardswish(), "is not a ReLU"),
    "Hardsigmoid": (nn.Hardsigmoid(), "saturates"),
    "GELU": (F.gelu, "is not a ReLU"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    function, match = REFUSED[name]
    with pytest.raises(ConversionError, match=match):
        lower(Call(function).eval(), (torch.randn(6, 4),), {})
