"""Run by test_triton_networks.py in a process of its own: whole networks through Triton, interpreted or on a real device."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gcn2snn.config import ConvertConfig
from gcn2snn.kernels import CSR, backend
from gcn2snn.spiking_network import SpikingNetwork

DEVICE = os.environ["GCN2SNN_TEST_DEVICE"]
KINDS = {
    "graph": ["dense", "aggregate", "residual", "max"],
    "images": ["conv", "residual", "maxpool", "shortcut", "avgpool"],
}


def moved(value: Any, device: str) -> Any:
    return value.to(device) if isinstance(value, Tensor | CSR) else value


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("wait", [None, 2])
@pytest.mark.parametrize("engine", ["auto", "temporal"])
def test_engines_give_what_plain_torch_gives(
    kind: str,
    wait: int | None,
    engine: str,
    make_graphs: Callable[..., Any],
    make_images: Callable[..., Any],
    make_spiking: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = ConvertConfig(timesteps=6)
    monkeypatch.setenv(backend.SWITCH, "torch")
    case = (make_graphs if kind == "graph" else make_images)(3, KINDS[kind], torch.float32)
    snn, data = SpikingNetwork(make_spiking(case, config), config), case[1]
    wanted = snn.simulate(*data.values(), engine=engine, wait=wait)
    monkeypatch.setenv(backend.SWITCH, "triton")
    assert backend.choose(torch.device(DEVICE)) == "triton"
    there = [moved(value, DEVICE) for value in data.values()]
    got = snn.to(DEVICE).simulate(*there, engine=engine, wait=wait).cpu()
    # A sum in another order moves no potential across a threshold here; the outputs are sums of the same spikes.
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5 * float(wanted.abs().max()))
