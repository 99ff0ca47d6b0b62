"""Registry, builder, own layers, and the tables of supported layers in the documents."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.conversion import convert
from gcn2snn.errors import ConfigError, ConversionError, DataError, InputError
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.read_model import lower
from gcn2snn.frontends.read_module import lower_module
from gcn2snn.frontends.registry import FUNCTIONS, REFUSED_LAYERS, REGISTRY, lowers, lowers_function, parameter, refuses

README = Path(__file__).parents[3] / "README.md"
WHAT_CONVERTS = README.parent / "docs" / "what-converts.md"


class Scale(nn.Module):
    """A layer of somebody's own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([2.0, -1.0, 0.5]))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("nc,c->nc", x, self.weight)


def lower_scale(builder: Builder, path: str, module: nn.Module, args: tuple[Any, ...]) -> Ref:
    return builder.add(ir.Dense(name=path, inputs=(args[0],), weight=torch.diag(parameter(module.weight))))


def wrong_scale(builder: Builder, path: str, module: nn.Module, args: tuple[Any, ...]) -> Ref:
    return args[0]


def test_own_layer_by_argument() -> None:
    model, x = nn.Sequential(nn.Linear(4, 3), Scale()).eval(), torch.randn(5, 4)
    with pytest.raises(ConversionError, match="is neither a product with weights of the model"):
        convert(model, x)
    snn = convert(model, x, handlers={Scale: lower_scale})
    torch.testing.assert_close(snn.source(x), model(x))
    assert Scale not in REGISTRY


def test_own_handler_wins_and_is_checked() -> None:
    model, x = nn.Sequential(nn.Linear(4, 3), Scale()).eval(), torch.randn(5, 4)
    with pytest.raises(ConversionError, match=r"differs by .* A handler does not compute what its layer computes"):
        convert(model, x, handlers={Scale: wrong_scale})
    with pytest.raises(ConversionError, match="differs by"):
        convert(nn.Sequential(nn.Linear(4, 3), nn.ReLU()).eval(), x, handlers={nn.ReLU: wrong_scale})


def test_own_layer_by_decorator() -> None:
    class Mine(Scale):
        pass

    try:
        lowers(Mine)(lower_scale)
        convert(nn.Sequential(nn.Linear(4, 3), Mine()).eval(), torch.randn(5, 4))
        with pytest.raises(ConfigError, match="Mine already has a handler; use convert"):
            lowers(Mine)(lower_scale)
    finally:
        REGISTRY.pop(Mine, None)


def double(x: Tensor) -> Tensor:
    return x + float(x.sum()) * 0 + x


def test_own_function() -> None:
    class Model(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return double(x)

    try:

        @lowers_function(double)
        def lower_double(builder: Builder, path: str, x: Ref) -> Ref:
            return builder.add(ir.Add(name=path, inputs=(x,), coefficients=(2.0,)))

        assert lower(Model(), (torch.randn(2, 3),), {})["double"].inputs == ("x",)
        with pytest.raises(ConfigError, match="already has a handler"):
            lowers_function(double)(lower_double)
    finally:
        FUNCTIONS.pop(double, None)


def test_own_refusal() -> None:
    class Never(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    try:
        refuses(Never, why="is only a test.", instead="Leave it out.")
        with pytest.raises(ConversionError, match=r"0: .*Never: is only a test\. Leave it out\."):
            lower(nn.Sequential(Never()), (torch.randn(2, 3),), {})
    finally:
        REFUSED_LAYERS.pop(Never, None)


def test_builder_knows_shapes_and_rows() -> None:
    builder = Builder({}, lower_module)
    x = builder.input("x", (None, 4), example=torch.zeros(3, 4))
    y = builder.add(ir.Dense(name="y", inputs=(x,), weight=torch.zeros(2, 4)))
    assert builder.shape(y) == (None, 2)
    assert builder.rows(y) == "x"
    assert builder.add(ir.Relu(name="y", inputs=(y,))) == "y_2"
    with pytest.raises(InputError, match=r"z \(Dense\) needs an input of \[\*, 9\]"):
        builder.add(ir.Dense(name="z", inputs=(x,), weight=torch.zeros(2, 9)))


def test_equal_operators_are_shared() -> None:
    builder = Builder({}, lower_module)
    x = builder.input("x", (None, 4), example=torch.zeros(3, 4))
    edges = builder.input("edges", (2, None), "graph", torch.tensor([[0, 1], [1, 2]]))
    first = builder.operator(ir.Adjacency(name="a", inputs=(edges, x, x), norm="gcn"), x)
    assert builder.operator(ir.Adjacency(name="b", inputs=(edges, x, x), norm="gcn"), x) == first
    assert builder.operator(ir.Adjacency(name="b", inputs=(edges, x, x), norm="mean"), x) == "b"
    assert builder.example(first).shape == (3, 3)


def test_graph_libraries_are_not_imported() -> None:
    code = (
        "import sys, torch, gcn2snn.frontends.read_model as l; l.load_handlers(); "
        "l.lower(torch.nn.Linear(2, 2), (torch.zeros(1, 2),), {}); "
        "sys.exit(any(name in sys.modules for name in ('torch_geometric', 'dgl')))"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0


def test_support_tables_in_the_documents_are_fresh() -> None:
    pytest.importorskip("torch_geometric", reason="the table needs PyTorch Geometric")
    os.environ.setdefault("DGLBACKEND", "pytorch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # DGL 1.1.3 uses deprecated parts of NumPy
        pytest.importorskip("dgl", reason="the table needs DGL", exc_type=ImportError)
        from gcn2snn.frontends.support_table import COUNTS, TABLE, support_counts, support_table, updated

        table, counts = support_table(), support_counts()
        for name, made in ((TABLE, table), (COUNTS, counts)):
            text = WHAT_CONVERTS.read_text(encoding="utf-8")
            assert updated(text, name, made) == text, "run: python -m gcn2snn.frontends.support_table"
    rows = [line.split(" | ") for line in counts.splitlines()[2:]]
    becoming = table.split("**Refused")[0]
    first_cells = re.findall(r"^\| (`.+?`) \|", becoming, flags=re.M)
    assert sum(int(row[1]) for row in rows) == sum(cell.count("`") // 2 for cell in first_cells)
    assert all(
        name in table for name in ("`GCNConv`", "`GraphConv`", "`Linear`", "`Conv2d`", "`GATConv`", "`global_add_pool`")
    )
    with pytest.raises(DataError, match="the text has no"):
        updated("no markers", TABLE, table)
