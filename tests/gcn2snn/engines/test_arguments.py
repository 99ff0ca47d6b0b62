"""Arguments of a call by name of input."""

from __future__ import annotations

import pytest
import torch

from gcn2snn import ir
from gcn2snn.engines.arguments import bind
from gcn2snn.errors import InputError

NETWORK = ir.Network(
    (
        ir.Input(name="graph", size=(2, None), role="graph"),
        ir.Input(name="x", size=(None, 3)),
        ir.Output(name="o", inputs=("x",)),
    )
)
X = torch.zeros(5, 3)


def test_bind_takes_positions_and_names():
    graph = object()  # only what makes matrices of it looks at it
    for args, kwargs in (((graph, X), {}), ((graph,), {"x": X}), ((), {"x": X, "graph": graph})):
        bound = bind(NETWORK, args, kwargs)
        assert bound["graph"] is graph
        assert bound["x"] is X
        assert len(bound) == 2


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((X, X, X), {}, r"3 arguments, but the network takes \['graph', 'x'\]"),
        ((X,), {"y": X}, "argument 'y' is unknown"),
        ((X,), {"graph": X}, "argument 'graph' is given twice"),
        ((X,), {}, "argument 'x' is missing"),
        ((X, torch.zeros(5, 4)), {}, r"x has shape \[5, 4\]; the network needs \['\*', 3\]"),
        ((X, torch.zeros(5, 3, 1)), {}, r"x has shape \[5, 3, 1\]"),
    ],
)
def test_bind_refuses(args, kwargs, message):
    with pytest.raises(InputError, match=message):
        bind(NETWORK, args, kwargs)
