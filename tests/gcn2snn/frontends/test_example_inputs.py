"""The example's arguments: values, graphs, options, and their parts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.errors import InputError
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.example_inputs import declare, part, role_of
from gcn2snn.kernels import CSR


class Model(nn.Module):
    def forward(self, x: Tensor, edges: Tensor, *more: Any, wide: bool = False, **named: Any) -> Tensor:
        return x


def declared(*args: Any, **kwargs: Any) -> tuple[Builder, tuple[Any, ...], dict[str, Any]]:
    builder = Builder({}, lambda *call: None)
    return (builder, *declare(builder, Model(), args, kwargs))


def test_an_input_for_every_argument() -> None:
    x, edges = torch.ones(4, 3), torch.zeros(2, 5, dtype=torch.int64)
    builder, args, kwargs = declared(x, edges, x, 3, wide=True, weight=torch.ones(5))
    assert args == ("x", "edges", "more0", 3)
    assert kwargs == {"wide": True, "weight": "weight"}
    assert isinstance(args[0], Ref)
    roles = {name: (node.role, node.size) for name, node in builder.nodes.items() if isinstance(node, ir.Input)}
    assert roles["x"] == roles["more0"] == ("dense", (None, 3))
    assert roles["edges"] == ("graph", (None, None))
    assert roles["weight"] == ("graph", (None,))
    assert list(roles) == ["x", "edges", "more0", "more1", "wide", "weight"]


def test_items_of_containers_are_parts() -> None:
    builder, args, _ = declared([torch.ones(4, 3), 2.0], {"e": torch.zeros(2, 5, dtype=torch.int64)})
    assert args == (["x[0]", 2.0], {"e": "edges[e]"})
    assert isinstance(builder.nodes["x[0]"], ir.Part)
    assert builder.example("x[0]").shape == (4, 3)


def test_attributes_of_objects_are_parts() -> None:
    class Data:
        x, nothing = torch.ones(2, 3), None

    builder = Builder({}, lambda *call: None)
    data = builder.input("data", (None, None), "graph", Data())
    assert part(builder, data, "attribute", "x") == "data.x"
    assert part(builder, data, "attribute", "x") == "data.x"  # the same part again
    assert part(builder, data, "attribute", "nothing") is None


@pytest.mark.parametrize(
    ("value", "role"),
    [
        (torch.ones(2, 3), ("dense", (None, 3))),
        (torch.ones(2, 3, 4, 5), ("dense", (None, 3, 4, 5))),
        (torch.ones(2), ("graph", (None,))),
        (torch.ones(2, 2, dtype=torch.int64), ("graph", (None, None))),
        (torch.eye(2).to_sparse(), ("graph", (None, None))),
        (CSR.from_dense(torch.eye(2)), ("operator", (None, None))),
        (object(), ("graph", (None, None))),
    ],
)
def test_roles(value: Any, role: tuple[str, ir.Shape]) -> None:
    assert role_of(value) == role


def test_a_call_that_does_not_fit() -> None:
    with pytest.raises(
        InputError, match=r"the example does not fit Model\.forward\(x: .*: missing a required argument"
    ):
        declared(torch.ones(2, 3))
