"""Matrix products: message passing, aggregation, and what is neither."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.engines.arguments import bind
from gcn2snn.engines.interpreter import run_float
from gcn2snn.errors import ConversionError
from gcn2snn.frontends.read_model import lower
from gcn2snn.kernels import CSR, spmm

X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
A = (torch.rand(4, 4, generator=torch.Generator().manual_seed(1)) < 0.5).float()


class Product(nn.Module):
    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.randn(3, 2))
        self.bias = nn.Parameter(torch.randn(2))

    def forward(self, x: Tensor, adjacency: Any) -> Tensor:
        return self.function(self, x, adjacency)


def network_of(function: Callable[..., Tensor], adjacency: Any) -> tuple[ir.Network, Product]:
    model = Product(function).eval()
    return lower(model, (X, adjacency), {}), model


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x, a: torch.sparse.mm(a, x @ m.weight),
        lambda m, x, a: torch.mm(a, torch.matmul(x, m.weight)),
        lambda m, x, a: a.matmul(x.mm(m.weight)),
        lambda m, x, a: a @ torch.addmm(m.bias, x, m.weight, beta=0.5, alpha=2.0),
        lambda m, x, a: a @ m.bias.addmm(x, m.weight),
    ],
)
@pytest.mark.parametrize("layout", ["dense", "coo", "csr"])
def test_products(function: Callable[..., Tensor], layout: str) -> None:
    adjacency = {"dense": A.clone, "coo": A.to_sparse, "csr": A.to_sparse_csr}[layout]()
    network, model = network_of(function, adjacency)
    got = run_float(network, bind(network, (X, adjacency), {}))
    torch.testing.assert_close(got, model(X, adjacency))
    assert [type(node) for node in network if isinstance(node, ir.Synapse)] == [ir.Dense, ir.Aggregate]


def test_a_csr() -> None:
    matrix = CSR.from_dense(A)
    network, model = network_of(lambda m, x, a: spmm(a, x @ m.weight), matrix)
    torch.testing.assert_close(run_float(network, bind(network, (X, matrix), {})), model(X, matrix))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda m, x, a: (x @ m.weight) @ (x @ m.weight).relu(), "multiplies two values of the network"),
        (lambda m, x, a: a.t() @ x, "changes the layout of an input inside the model"),
        (lambda m, x, a: torch.sparse.mm(a, x, "mean"), "sparse product with a reduction: is no sum"),
    ],
)
def test_refused(function: Callable[..., Tensor], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        network_of(function, A.to_sparse_csr())


def test_sparse_features_are_refused() -> None:
    class Features(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x @ torch.ones(5, 2)

    with pytest.raises(ConversionError, match="sparse features: are no adjacency, which is square"):
        lower(Features(), (torch.ones(4, 5).to_sparse(),), {})
