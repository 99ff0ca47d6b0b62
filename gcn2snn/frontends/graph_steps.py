"""What handlers of graph layers share: matrices from graph inputs, aggregations, sums and chains of both."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Operand, Ref
from gcn2snn.frontends.registry import FUNCTIONS, REFUSED_FUNCTIONS, Reason, parameter
from gcn2snn.kernels import CSR
from gcn2snn.matrices import to_csr


def graph_input(builder: Builder, path: str, value: Operand | Sequence[object]) -> Ref:
    """A graph input as a reference: the caller's, or a tensor of the model, which is copied into the description."""
    if isinstance(value, Ref):
        return builder.as_graph(value)
    if isinstance(value, Tensor) and value.layout is torch.strided:
        return builder.operator(ir.Fixed(name=f"{path}.edges", value=parameter(value)))
    what = f"graph input of type {type(value).__name__}"
    return builder.refuse(path, what, "is kept in the model.", "Pass it as an argument of the model.")


def reversed_edges(builder: Builder, path: str, edge_index: Operand) -> Ref:
    """The edge index with every edge turned round."""
    return builder.operator(ir.Reversed(name=f"{path}.reversed", inputs=(graph_input(builder, path, edge_index),)))


def matrix(builder: Builder, path: str, value: Operand | CSR) -> Ref:
    """A matrix that multiplies values, as an operator: the caller's (sparse, dense or CSR), or a tensor of the model."""
    if isinstance(value, Ref):
        node = builder.nodes.get(value)
        if (isinstance(node, ir.Input) and node.role == "operator") or isinstance(node, ir.FixedMatrix):
            return value
        if isinstance(node, ir.Input | ir.Part):
            return builder.operator(ir.Matrix(name=f"{value}.matrix", inputs=(builder.as_graph(value),)))
        why = "multiplies two values of the network; a spike only adds its weight."
        return builder.refuse(
            path,
            "matrix product",
            why,
            "Multiply by weights, or by an adjacency that is passed in.",
            value,
            "impossible",
        )
    csr = to_csr(value)
    return builder.operator(
        ir.FixedMatrix(
            name=f"{path}.matrix",
            rowptr=parameter(csr.rowptr),
            col=parameter(csr.col),
            value=parameter(csr.value),
            num_cols=csr.num_cols,
        )
    )


def value_of(builder: Builder, path: str, x: Operand) -> Ref:
    """A value of the network; a table of the model (learned node features) is one-hot nodes times that table."""
    if isinstance(x, Ref):
        return x
    rows = builder.operator(ir.Fixed(name=f"{path}.nodes", value=x.detach().new_empty(x.shape[0], 0)))
    one_hot = builder.add(ir.OneHot(name=f"{path}.one_hot", count=x.shape[0]), rows)
    return builder.add(ir.Lookup(name=f"{path}.table", inputs=(one_hot,), table=parameter(x)), rows)


def adjacency(
    builder: Builder,
    path: str,
    edges: Operand,
    weight: Operand | None,
    x: Ref,
    target: Ref | None = None,
    *,
    types: Operand | None = None,
    own_rows: bool = False,
    **options: Any,
) -> Ref:
    """The operator of one graph layer; layers that normalise one graph in one way share it.

    Args:
        edges, weight: arguments of the layer.
        x: values of the source nodes.
        target: values of the target nodes of a bipartite graph; default: the sources.
        types: the relation of each edge, where ``options`` name one.
        own_rows: the graph itself says how many targets there are.
        options: fields of :class:`ir.Adjacency`.
    """
    sources, targets = builder.rows(x), builder.rows(x if target is None else target)
    weights = () if weight is None else (graph_input(builder, f"{path}.weight", weight),)
    relations = () if types is None else (graph_input(builder, f"{path}.types", types),)
    inputs = (graph_input(builder, path, edges), *weights, *relations, targets, sources)
    own_rows = own_rows or options.get("targets") is not None
    node = ir.Adjacency(name=f"{path}.adjacency", inputs=inputs, weighted=bool(weights), **options)
    return builder.operator(node, None if own_rows else targets)


def aggregate(builder: Builder, path: str, operator: Ref, x: Ref, name: str = "aggregation") -> Ref:
    """A X."""
    return builder.add(ir.Aggregate(name=f"{path}.{name}", inputs=(operator, x)))


def dense(
    builder: Builder, path: str, x: Ref, weight: Tensor, bias: Tensor | None = None, name: str = "message"
) -> Ref:
    """X W^T + b, with copies of weight [out, in] and bias [out]."""
    constant = None if bias is None else parameter(bias)
    return builder.add(
        ir.Dense(name=f"{path}.{name}", inputs=(x,), weight=parameter(weight).contiguous(), bias=constant)
    )


class Linear(Protocol):
    """A linear layer of any library."""

    weight: Tensor
    bias: Tensor | None


def linear(builder: Builder, path: str, module: Linear, x: Ref, name: str) -> Ref:
    """A linear layer inside a graph layer."""
    return dense(builder, path, x, module.weight, module.bias, name)


def add(
    builder: Builder,
    path: str,
    values: Sequence[Ref],
    coefficients: Sequence[float] | None = None,
    bias: Tensor | None = None,
    name: str = "sum",
) -> Ref:
    """sum_i c_i X_i + b: all meet in one membrane; the value itself where that changes nothing."""
    factors = tuple(float(c) for c in coefficients or (1.0,) * len(values))
    if bias is None and factors == (1.0,):
        return values[0]
    constant = None if bias is None else parameter(bias)
    node = ir.Add(name=f"{path}.{name}", inputs=tuple(values), coefficients=factors, bias=constant)
    return builder.add(node)


def powers(builder: Builder, path: str, operator: Ref, x: Ref, count: int) -> list[Ref]:
    """A X, A^2 X, ..., A^count X."""
    found = []
    for k in range(count):
        x = aggregate(builder, path, operator, x, f"aggregation{k + 1}" if count > 1 else "aggregation")
        found.append(x)
    return found


def chebyshev(builder: Builder, path: str, operator: Ref, x: Ref, count: int) -> list[Ref]:
    """T_0 X, ..., T_{count-1} X with T_0 = I, T_1 = L, T_k = 2 L T_{k-1} - T_{k-2}."""
    terms = [x]
    if count > 1:
        terms.append(aggregate(builder, path, operator, x, "aggregation1"))
    for k in range(2, count):
        step = aggregate(builder, path, operator, terms[-1], f"aggregation{k}")
        terms.append(add(builder, path, (step, terms[-2]), (2.0, -1.0), name=f"chebyshev{k}"))
    return terms


def propagated(builder: Builder, path: str, operator: Ref, x: Ref, count: int, alpha: float) -> Ref:
    """Personalised PageRank by ``count`` steps from x."""
    value = x
    for k in range(1, count + 1):
        step = aggregate(builder, path, operator, value, f"aggregation{k}")
        value = add(builder, path, (step, x), (1.0 - alpha, alpha), name=f"step{k}")
    return value


def maximum(builder: Builder, path: str, values: Sequence[Ref]) -> Ref:
    """max_i X_i by ReLUs alone: max(a, b) = a + ReLU(b - a)."""
    best = values[0]
    for k, value in enumerate(values[1:], start=1):
        excess = add(builder, path, (value, best), (1.0, -1.0), name=f"excess{k}")
        positive = builder.add(ir.Relu(name=f"{path}.excess{k}.relu", inputs=(excess,)))
        best = add(builder, path, (best, positive), name=f"max{k}")
    return best


class _Function(nn.Module):
    """A plain function, such as ``lambda x: x``, as a module to be traced."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def activation(builder: Builder, path: str, function: Callable[[Tensor], Tensor] | None, x: Ref) -> Ref:
    """What a layer's own activation makes of x: a module, a function, or None."""
    if function is None:
        return x
    if isinstance(function, nn.Module):
        return builder.module(f"{path}.activation", function, (x,))
    if function in FUNCTIONS:
        return FUNCTIONS[function](builder, f"{path}.relu", x)
    if inspect.isfunction(function) and function not in REFUSED_FUNCTIONS:
        return builder.module(f"{path}.activation", _Function(function), (x,))
    what = f"activation {getattr(function, '__name__', type(function).__name__)}"
    unknown = Reason(why="no handler knows it.", instead="Use ReLU.")
    return builder.refuse(path, what, **REFUSED_FUNCTIONS.get(function, unknown))
