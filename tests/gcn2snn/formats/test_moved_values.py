"""Values that are only moved, in every export that knows wires: the network's own spikes and potentials."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gcn2snn import convert
from gcn2snn.engines import bind, run_temporal
from gcn2snn.formats.wiring import wire
from tests.gcn2snn.formats.test_wiring import run_events

Forward = Callable[["Net", Tensor], Tensor]
MOVES: dict[str, Forward] = {
    "channels": lambda n, x: n.b(F.relu(n.a(x)).view(-1, 2, 2).mT.flatten(1)[:, [2, 0, 1, 3]]),
    "rows": lambda n, x: n.b(F.relu(n.a(x))[1:4]),
    "rows by number": lambda n, x: n.b(F.relu(n.a(x))[torch.tensor([4, 0, 4, 1, 3])]),
}


class Net(nn.Module):
    def __init__(self, function: Forward) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.function, self.a, self.b = function, nn.Linear(6, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


@pytest.mark.parametrize("name", MOVES)
def test_the_wiring_gives_the_same_spikes(name: str) -> None:
    x = torch.randn(5, 6)
    snn = convert(Net(MOVES[name]).eval(), x)
    inputs = bind(snn.network, (x,), {})
    potentials = run_events(wire(snn.network, inputs, None))[1]
    wanted = run_temporal(snn.network, inputs, None).numpy()
    np.testing.assert_allclose(potentials.reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-5)
