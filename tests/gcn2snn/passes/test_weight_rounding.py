"""Weights rounded to 8 bits."""

from __future__ import annotations

import torch

from gcn2snn import ir
from gcn2snn.passes.weight_rounding import round_rows, round_weights


def test_round_weights_has_255_values_per_output_channel() -> None:
    weight = torch.randn(6, 4, 3, 3)
    weight[2] = 0
    rounded = round_rows(weight)
    step = weight.abs().flatten(1).amax(1).clamp(min=1e-12) / 127
    whole = rounded / step.view(-1, 1, 1, 1)
    torch.testing.assert_close(whole, whole.round(), rtol=0, atol=1e-4)
    assert (rounded - weight).abs().flatten(1).amax(1).le(step / 2 * 1.0001).all()
    assert not rounded[2].any()


def test_round_weights_rounds_every_weighted_node_and_no_bias() -> None:
    """A table has its output channels in columns, weights have them in rows."""
    table, bias = torch.randn(5, 3), torch.randn(3)
    weight = torch.randn(4, 3)
    nodes = (
        ir.OneHot(name="x", count=5),
        ir.Lookup(name="t", inputs=("x",), table=table, bias=bias),
        ir.Dense(name="d", inputs=("t",), weight=weight),
        ir.Output(name="o", inputs=("d",)),
    )
    rounded = round_weights(ir.Network(nodes))
    assert torch.equal(rounded["t"].table, round_rows(table.t()).t())
    assert torch.equal(rounded["d"].weight, round_rows(weight))
    assert torch.equal(rounded["t"].bias, bias)
    assert not torch.equal(rounded["t"].table, table)
    again = round_weights(rounded)
    torch.testing.assert_close(again["d"].weight, rounded["d"].weight)
