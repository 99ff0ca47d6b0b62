"""Matrix products -> description: values times weights are message passing, a graph's matrix times values aggregation."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.graph_steps import add, aggregate, dense, matrix, value_of
from gcn2snn.frontends.layouts import layout_of, value_with
from gcn2snn.frontends.registry import follows_layouts, lowers_function
from gcn2snn.frontends.torch_layers import dense as linear_of_last_axis
from gcn2snn.frontends.torch_layers import weighted_sum
from gcn2snn.frontends.torch_potentials import gram
from gcn2snn.kernels import spmm


@lowers_function(
    torch.mm, torch.matmul, torch.sparse.mm, torch.spmm, torch.smm, operator.matmul, "mm", "matmul", "spmm", "smm"
)
@follows_layouts
def lower_product(builder: Builder, path: str, input: Any, mat2: Any, *more: object) -> Any:
    """Y = X W with weights of the model: message passing. Y = A X with a matrix of the graph: aggregation."""
    if more:
        return builder.refuse(path, "sparse product with a reduction", "is no sum.", "Use torch.sparse.mm(A, x).")
    if isinstance(input, Tensor) and isinstance(mat2, Ref) and input.layout is torch.strided:
        layout = layout_of(builder, mat2)
        if layout.order == (1, 0):  # W X^T = (X W^T)^T
            product = dense(builder, path, layout.base, input, name="")
            return value_with(builder, f"{path}.turned", product, (1, 0))
    if (late := gram(builder, path, input, mat2)) is not None:
        return late
    if builder.refuse_held((input, mat2)):
        return builder.unknown(path)
    if isinstance(input, Ref) and isinstance(mat2, Tensor) and not is_matrix(builder, input):
        if mat2.dim() == 2 and len(builder.shape(input)) > 2:
            return linear_of_last_axis(builder, path, input, mat2.t())
        return dense(builder, path, input, mat2.t(), name="")
    operand = matrix(builder, path, input)
    if builder.is_refused(operand):
        return operand
    return aggregate(builder, path, operand, value_of(builder, path, mat2), "")


def is_matrix(builder: Builder, ref: Ref) -> bool:
    """Whether a reference is a sparse matrix that is passed in or kept in the model: an adjacency, not features."""
    example = builder.example(ref)
    if isinstance(builder.nodes.get(ref), ir.FixedMatrix):
        return True
    sparse = isinstance(example, Tensor) and example.layout is not torch.strided
    if sparse and example.shape[0] != example.shape[1]:
        builder.refuse(
            ref, "sparse features", "are no adjacency, which is square.", "Pass dense features: x.to_dense()."
        )
    return sparse


@lowers_function(spmm)
def lower_spmm(builder: Builder, path: str, matrix: object, x: object) -> object:
    """Y = A X with a CSR that is passed in or kept in the model."""
    return lower_product(builder, path, matrix, x)


@lowers_function(torch.addmm, torch.sparse.addmm, "addmm")
def lower_addmm(
    builder: Builder, path: str, input: Any, mat1: object, mat2: object, *, beta: float = 1.0, alpha: float = 1.0
) -> object:
    """Y = beta B + alpha X Z."""
    product = lower_product(builder, f"{path}.product", mat1, mat2)
    if isinstance(input, Tensor):
        channels = builder.shape(product)[1]
        assert channels is not None
        return add(builder, path, (product,), (alpha,), (beta * input).expand(channels), name="")
    return weighted_sum(builder, path, (product, input), (alpha, beta))


@lowers_function("to_dense", "coalesce", "to_sparse", "to_sparse_csr")
def lower_layout(builder: Builder, path: str, input: Ref, *args: object) -> Ref:
    """Another layout of a matrix that the caller passes."""
    why = "changes the layout of an input inside the model."
    return builder.refuse(path, "layout change", why, "Do it before the model is called.")
