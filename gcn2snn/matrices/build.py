"""Graph inputs -> sparse operands: what an ``ir.Operator`` computes when a graph comes, with a cache for repeated calls."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import fields
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from gcn2snn import ir
from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import CSR
from gcn2snn.matrices.edges import coordinates, edges_of, plain, sum_at, with_loops
from gcn2snn.matrices.normalisation import NORMS, unscaled

_CACHE: MutableMapping[Any, list[tuple[tuple[Any, ...], Any]]] = WeakIdKeyDictionary()
"""First input (by identity, while it lives) -> [(what else the matrix depends on, the matrix)]."""

CACHED_FORMS = 16
"""Matrices kept per graph: one for each way its layers normalise it."""


def build_operand(node: ir.Operator, *inputs: Any) -> Any:
    """The operand of a node: a CSR matrix, or for :class:`ir.Part` what the caller passed.

    A matrix is built once for one graph: again only if a tensor it came from was replaced or written to.

    Raises:
        InputError: indices out of range, sizes that do not meet, or weights that the normalisation forbids.
        InputTypeError: an index that is not of whole numbers, or an object that is no graph.
    """
    if isinstance(node, ir.Part):
        return _part(node, inputs[0])
    if not inputs or not _weakly_referable(inputs[0]):
        return _matrix(node, *inputs)
    key = _key(node, inputs)
    entries = _CACHE.setdefault(inputs[0], [])
    for known, matrix in entries:
        if _same(known, key):
            return matrix
    matrix = _matrix(node, *inputs)
    entries.insert(0, (key, matrix))
    del entries[CACHED_FORMS:]
    return matrix


def _part(node: ir.Part, whole: Any) -> Any:
    try:
        value = getattr(whole, str(node.key)) if node.by == "attribute" else whole[node.key]
    except (AttributeError, KeyError, IndexError) as error:
        raise InputError(f"the input has no {node.name.split('.', 1)[-1]!r}, which the example had ({error})") from None
    if value is None:
        raise InputError(f"the input has no {node.name.split('.', 1)[-1]!r}, which the example had (it is None)")
    if node.role == "dense" and not isinstance(value, Tensor):
        raise InputTypeError(f"{node.name} is {type(value).__name__}; the network needs a tensor there")
    return value


def _weakly_referable(value: Any) -> bool:
    return isinstance(value, Tensor) or hasattr(value, "__weakref__")


def _state(value: Any) -> tuple[Any, ...]:
    """What tells that a graph input is still the same: a tensor and its version, or a DGL graph's structure."""
    if isinstance(value, Tensor):
        return (value, value._version)
    return (getattr(value, "_graph", value),)


def _key(node: ir.Operator, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Options of the node, and its inputs; of those that only count rows, their sizes."""
    rows = 2 if isinstance(node, ir.Adjacency) else 1 if isinstance(node, ir.Laplacian | ir.Membership) else 0
    graph, counted = inputs[: len(inputs) - rows], inputs[len(inputs) - rows :]
    options = tuple(getattr(node, f.name) for f in fields(node) if f.name not in ("name", "inputs"))
    # the first input holds the entry alive, so the entry must not hold the first input
    states = tuple(_state(value) for value in graph[1:]) + tuple(_state(value)[1:] for value in graph[:1])
    structure = getattr(inputs[0], "_graph", None)
    return (type(node), options, states, structure, tuple((int(v.shape[0]), v.dtype, v.device) for v in counted))


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    plain = (int, float, str, type, torch.dtype, torch.device)
    return a is b or (isinstance(a, plain) and isinstance(b, plain) and a == b)


@singledispatch
def _matrix(node: ir.Operator, *inputs: Any) -> Any:
    raise AssertionError(f"no rule for {type(node).__name__}")


@_matrix.register
def _fixed(node: ir.Fixed) -> Tensor:
    return node.value


@_matrix.register
def _fixed_matrix(node: ir.FixedMatrix) -> CSR:
    return CSR(node.rowptr, node.col, node.value, node.num_cols)


@_matrix.register
def _given(node: ir.Matrix, matrix: Any) -> CSR:
    return to_csr(matrix)


def to_csr(matrix: Any) -> CSR:
    """A sparse or dense tensor as CSR; stored zeros of a sparse one are kept.

    Raises:
        InputTypeError: it is something else.
    """
    if isinstance(matrix, CSR):
        return matrix
    if not isinstance(matrix, Tensor):
        raise InputTypeError(f"an adjacency is {type(matrix).__name__}; pass a sparse or dense tensor, or a CSR")
    if matrix.layout is torch.strided:
        return CSR.from_dense(matrix)
    target, source, weight = coordinates(matrix)
    return CSR.from_coo(target, source, weight, (matrix.shape[0], matrix.shape[1]))


@_matrix.register
def _adjacency(node: ir.Adjacency, edges: Any, *rest: Any) -> CSR:
    weight = rest[0] if node.weighted else None
    targets, sources = (count_rows(value) for value in rest[-2:])
    found = edges_of(edges, weight, node.flow, targets if node.targets is None else node.targets, sources)
    return NORMS[node.norm](with_loops(found, node.loops, node.loop_weight), rest[-1].dtype, node.factor)


def count_rows(value: Any) -> int:
    """Rows of a tensor or operator."""
    return int(value.shape[0])


@_matrix.register
def _laplacian(node: ir.Laplacian, edges: Any, *rest: Any) -> CSR:
    rows = rest[-1]
    count, dtype = count_rows(rows), rows.dtype
    values = list(rest[:-1])
    weight = values.pop(0) if node.weighted else None
    largest = values.pop(0) if node.given else node.lambda_max
    batch = values.pop(0) if node.batched else None
    found = edges_of(edges, weight, "source_to_target", count, count)
    every = torch.arange(count, device=found.target.device)
    entries, diagonal = unscaled(found, node.norm, dtype, count)
    if largest is None:
        largest = 2.0 if node.norm == "dgl" else 2.0 * float(torch.cat([entries[1], diagonal]).max())
    largest = torch.as_tensor(largest, dtype=dtype, device=diagonal.device).reshape(-1)
    if not bool((largest > 0).all()):
        raise InputError(
            f"lambda_max is {float(largest.min()):g}; the Laplacian can only be scaled by a positive number. "
            "A graph without edges has none: pass lambda_max"
        )
    if node.norm == "dgl" and largest.numel() > 1:
        batch = torch.repeat_interleave(torch.arange(largest.numel()), edges.batch_num_nodes())
    at_source = largest[batch.long()][entries[0].source] if batch is not None and largest.numel() > 1 else largest
    at_node = largest[batch.long()] if batch is not None and largest.numel() > 1 else largest
    row, col = torch.cat([entries[0].target, every]), torch.cat([entries[0].source, every])
    value = torch.cat([2.0 * entries[1] / at_source, 2.0 * diagonal / at_node - 1.0])
    return CSR.from_coo(row, col, torch.where(torch.isinf(value), 0.0, value), (count, count))


@_matrix.register
def _membership(node: ir.Membership, *inputs: Any) -> CSR:
    rows = inputs[-1]
    count = count_rows(rows)
    if not node.batched:
        batch, graphs = torch.zeros(count, dtype=torch.int64, device=rows.device), 1
    elif isinstance(inputs[0], Tensor):
        batch = plain(inputs[0]).long()
        if batch.numel() != count:
            raise InputError(f"batch has {batch.numel()} entries for {count} nodes; one each is needed")
        graphs = node.graphs if node.graphs is not None else int(batch.max()) + 1 if count else 0
    else:
        sizes = inputs[0].batch_num_nodes()
        graphs = sizes.numel()
        batch = torch.repeat_interleave(torch.arange(graphs, device=sizes.device), sizes)
    value = torch.ones(count, dtype=rows.dtype, device=rows.device)
    if node.mean:
        value = value / sum_at(batch, value, graphs).clamp(min=1)[batch]
    return CSR.from_coo(batch, torch.arange(count, device=rows.device), value, (graphs, count))
