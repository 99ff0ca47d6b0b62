"""Inputs of odd kinds: an error of ours for each that cannot be meant, and the same result for each that can.

`tests/battery/odd_inputs.py` does the same at random for every public function.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gcn2snn import ConvertConfig, SpikingNetwork, convert, encode
from gcn2snn.errors import InputError, InputTypeError

X = torch.rand(6, 8, generator=torch.Generator().manual_seed(0))

REFUSED: dict[str, Callable[[Tensor], object]] = {
    "quantised": lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
    "nested": lambda t: torch.nested.nested_tensor([t, t[:1]]),
    "on the meta device": lambda t: t.to("meta"),
    "complex": lambda t: t.to(torch.complex64),
    "without dimensions": lambda t: t[0, 0],
    "without columns": lambda t: t[:, :0],
    "with a column too few": lambda t: t[:, 1:],
    "transposed": lambda t: t.T,
    "of five dimensions": lambda t: t.reshape(1, 1, 1, 6, 8)[..., :7],
    "a ragged list": lambda t: [*t.tolist(), [1.0]],
    "a list of texts": lambda t: [["1"] * 8] * 6,
    "a list of None": lambda t: [[None] * 8] * 6,
    "an array of objects": lambda t: np.full((6, 8), object()),
    "an array of dates": lambda t: np.zeros((6, 8), dtype="datetime64[D]"),
    "a text": lambda t: "abc",
    "an object": lambda t: object(),
    "NaN": lambda t: torch.where(t > t.mean(), torch.nan, t),
    "infinite": lambda t: torch.where(t > t.mean(), torch.inf, t),
}
FOR_SPIKES_ALONE = ("NaN", "infinite")
"""Kinds that the source model, which is torch's, computes with."""

TAKEN: dict[str, Callable[[Tensor], object]] = {
    "an array": lambda t: t.numpy(),
    "a list": lambda t: t.tolist(),
    "an array of swapped bytes": lambda t: t.numpy().astype(">f4"),
    "an array with negative strides": lambda t: t.flip(0).numpy()[::-1],
    "strided": lambda t: torch.stack([t, t], -1)[..., 0],
    "with a gradient": lambda t: t.clone().requires_grad_(),
    "a parameter": lambda t: nn.Parameter(t),
    "in inference mode": lambda t: torch.inference_mode()(torch.clone)(t),
}


@pytest.fixture(scope="module")
def snn() -> SpikingNetwork:
    torch.manual_seed(0)
    return convert(nn.Sequential(nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 3)).eval(), X, ConvertConfig.paper())


def made(kind: Callable[[Tensor], object]) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that some kinds are prototypes or deprecated
        return kind(X)


@pytest.mark.parametrize("kind", REFUSED)
def test_kinds_that_are_refused(snn: SpikingNetwork, kind: str) -> None:
    value = made(REFUSED[kind])
    calls = [snn, snn.spikes, snn.energy, lambda x: snn.simulate(x, engine="temporal")]
    for call in calls if kind in FOR_SPIKES_ALONE else [*calls, snn.source]:
        with pytest.raises((InputError, InputTypeError)) as found:
            call(value)  # type: ignore[operator]
        assert 10 < len(str(found.value)) < 900


@pytest.mark.parametrize("kind", TAKEN)
def test_kinds_that_are_taken(snn: SpikingNetwork, kind: str) -> None:
    value = made(TAKEN[kind])
    assert torch.equal(snn(value).detach(), snn(X))
    assert torch.equal(encode(value, 1.0, 1.3, 16).code, encode(X, 1.0, 1.3, 16).code)
