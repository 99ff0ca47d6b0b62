"""What handlers of graph layers share: chains of aggregations against dense algebra, matrices and graphs of the model."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.engines.arguments import bind
from gcn2snn.engines.interpreter import run_float
from gcn2snn.errors import ConversionError
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.graph_steps import (
    activation,
    add,
    adjacency,
    chebyshev,
    graph_input,
    matrix,
    maximum,
    powers,
    propagated,
    value_of,
)
from gcn2snn.frontends.read_model import load_handlers
from gcn2snn.frontends.read_module import lower_module
from gcn2snn.frontends.registry import REGISTRY
from gcn2snn.kernels import CSR

X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
EDGES = torch.tensor([[0, 1, 2, 3, 3], [1, 2, 0, 0, 1]])
A = torch.zeros(4, 4).index_put((EDGES[1], EDGES[0]), torch.tensor(1.0), accumulate=True)

Steps = Callable[[Builder, Ref, Ref], Ref]


def started() -> tuple[Builder, Ref, Ref]:
    load_handlers()
    builder = Builder(REGISTRY, lower_module)
    return builder, builder.input("x", (None, 3), example=X), builder.input("e", (None, None), "graph", EDGES)


def result(steps: Steps) -> Tensor:
    builder, x, edges = started()
    value = steps(builder, adjacency(builder, "layer", edges, None, x), x)
    builder.add(ir.Output(name="output", inputs=(value,)))
    network = builder.network()
    return run_float(network, bind(network, (X, EDGES), {}))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (lambda b, a, x: powers(b, "p", a, x, 3)[-1], A @ A @ A @ X),
        (lambda b, a, x: chebyshev(b, "p", a, x, 4)[-1], 4 * A @ A @ A @ X - 3 * A @ X),
        (lambda b, a, x: propagated(b, "p", a, x, 2, 0.1), 0.81 * A @ A @ X + 0.09 * A @ X + 0.1 * X),
        (lambda b, a, x: maximum(b, "p", [x, *powers(b, "p", a, x, 2)]), torch.stack([X, A @ X, A @ A @ X]).amax(0)),
        (lambda b, a, x: add(b, "p", (x, x), (2.0, -0.5), torch.arange(3.0)), 1.5 * X + torch.arange(3.0)),
        (lambda b, a, x: activation(b, "p", torch.relu, x), X.relu()),
        (lambda b, a, x: activation(b, "p", nn.ReLU(), x), X.relu()),
        (lambda b, a, x: activation(b, "p", lambda v: v * 2 + 1, x), 2 * X + 1),
        (lambda b, a, x: activation(b, "p", None, x), X),
    ],
)
def test_steps(steps: Steps, expected: Tensor) -> None:
    torch.testing.assert_close(result(steps), expected)


def test_refused_activations() -> None:
    for function, why in ((torch.tanh, "saturates"), (nn.Tanh(), "saturates"), (torch.erf, "no handler knows it")):
        builder, x, _ = started()
        activation(builder, "layer", function, x)
        with pytest.raises(ConversionError, match=why):
            builder.network()


def test_one_matrix_for_equal_layers() -> None:
    builder, x, edges = started()
    first = adjacency(builder, "a", edges, None, x, norm="gcn")
    assert adjacency(builder, "b", edges, None, x, norm="gcn") == first
    assert adjacency(builder, "c", edges, None, x) != first


def test_matrices_of_the_model_are_copied_and_shared() -> None:
    builder, _, _ = started()
    kept = CSR.from_dense(A)
    first = matrix(builder, "a", kept)
    assert matrix(builder, "b", A.to_sparse()) == first
    kept.col.zero_()
    kept.value.zero_()
    node = builder.nodes[first]
    assert isinstance(node, ir.FixedMatrix)
    assert torch.equal(CSR(node.rowptr, node.col, node.value, node.num_cols).to_dense(), A)


def test_graphs_of_the_model_are_copied_and_shared() -> None:
    builder, _, _ = started()
    kept = EDGES.clone()
    first = graph_input(builder, "a", kept)
    assert graph_input(builder, "b", kept) == first
    kept.zero_()
    node = builder.nodes[first]
    assert isinstance(node, ir.Fixed)
    assert torch.equal(node.value, EDGES)
    graph_input(builder, "c", ["edges"])
    with pytest.raises(ConversionError, match="c: graph input of type list: is kept in the model"):
        builder.network()


def test_a_product_of_two_values_is_refused() -> None:
    builder, x, _ = started()
    matrix(builder, "layer", builder.add(ir.Relu(name="relu", inputs=(x,))))
    with pytest.raises(ConversionError, match="layer: matrix product: multiplies two values of the network"):
        builder.network()


def test_a_table_of_the_model_is_a_value() -> None:
    builder, x, _ = started()
    assert value_of(builder, "layer", x) == x
    table = value_of(builder, "layer", nn.Parameter(torch.ones(4, 3)))
    assert isinstance(builder.nodes[table], ir.Lookup)
    assert (builder.shape(table), builder.rows(table)) == ((4, 3), "layer.nodes")
