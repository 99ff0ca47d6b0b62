"""einsum -> description, where it is a product with weights of the model, an aggregation, or axes moved or added up."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.frontends.axis_reductions import lower_sum
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.graph_steps import aggregate, matrix, value_of
from gcn2snn.frontends.layouts import known_sizes, layout_of, permuted, value_with, viewed
from gcn2snn.frontends.registry import follows_layouts, lowers_function
from gcn2snn.frontends.torch_layers import dense
from gcn2snn.frontends.torch_potentials import product, sum_late
from gcn2snn.frontends.torch_shapes import lower_permute

WHY = "is neither a product with weights of the model, nor one with a matrix of the graph, nor a sum over axes."


@lowers_function(torch.einsum)
@follows_layouts
def lower_einsum(builder: Builder, path: str, equation: Any, *operands: Any) -> object:
    """A product with weights of the model, A X with a matrix of the graph, or axes in another order or added up."""
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    terms, result = _read(equation, len(operands)) if isinstance(equation, str) else ([], "")
    fits = len(terms) == len(operands) and all(len(set(term)) == len(term) for term in terms)
    if fits and len(operands) == 1:
        return _one(builder, path, operands[0], terms[0], result)
    if fits and len(operands) == 2 and set(result) <= set("".join(terms)):
        (first, second), (a, b) = operands, terms
        pairs = ((second, first, b, a), (first, second, a, b))
        for rule in (_by_weights, _by_graph):
            for value, other, v, o in pairs:
                found = rule(builder, path, value, other, v, o, result)
                if found is not None:
                    return found
        if (late := _of_results(builder, path, first, second, a, b, result)) is not None:
            return late
    return builder.refuse(path, f"einsum({equation!r})", WHY, "Use linear layers, or A @ x.", operands)


def _of_results(builder: Builder, path: str, first: object, second: object, a: str, b: str, result: str) -> Ref | None:
    """Products of two results at the very end of the model; None for any other product."""
    if len(a) != 2 or len(b) != 2 or a[1] != b[1]:
        return None
    if a[0] != b[0]:
        return product(builder, path, ir.Gram, first, second) if result == a[0] + b[0] else None
    late = product(builder, path, ir.Hadamard, first, second) if result in (a, a[0]) else None
    return late if late is None or result == a else sum_late(builder, f"{path}.sum", late, 1)


def _read(equation: str, count: int) -> tuple[list[str], str]:
    """The letters of each operand and of the result; none for an equation with an ellipsis."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if "." in equation or len(terms) != count:
        return [], ""
    letters = "".join(terms)
    return terms, right if arrow else "".join(sorted(x for x in set(letters) if letters.count(x) == 1))


def _one(builder: Builder, path: str, x: Ref, term: str, result: str) -> Ref:
    """Axes added up, the others in another order."""
    gone = [axis for axis, letter in enumerate(term) if letter not in result]
    if not set(result) <= set(term):
        return builder.refuse(path, "einsum", WHY, "Use linear layers, or A @ x.", x)
    left = [letter for letter in term if letter in result]
    total = lower_sum(builder, f"{path}.sum", x, gone) if gone else x
    return lower_permute(builder, path, total, *(left.index(letter) for letter in result))


def _by_weights(builder: Builder, path: str, value: object, other: object, v: str, o: str, result: str) -> Ref | None:
    """A value times weights of the model; None where it is no such product."""
    if not isinstance(other, Tensor) or not isinstance(value, Ref):
        return None
    layout = layout_of(builder, builder.as_value(value))
    return None if v[layout.order.index(0)] in o else _weights(builder, path, value, other, v, o, result)


def _by_graph(builder: Builder, path: str, value: object, other: object, v: str, o: str, result: str) -> Ref | None:
    """A matrix that the caller passes, or one of the model, times a value; None where it is no such product."""
    square = len(o) == 2 and v[0] == o[1] and o[0] not in v and result == o[0] + v[1:]
    given = not isinstance(other, Ref) or isinstance(builder.nodes.get(other), ir.Input | ir.Operator)
    if not square or not given or builder.held(value) is not None:
        return None
    return _aggregation(builder, path, other, value)


def _weights(builder: Builder, path: str, x: Ref, weight: Tensor, v: str, o: str, result: str) -> Ref | None:
    """sum over the letters that both have and the result has not; the rows are letters of the value alone."""
    summed = [letter for letter in v if letter in o and letter not in result]
    kept = [letter for letter in v if letter not in o]
    new = [letter for letter in o if letter not in v]
    if not summed or len(summed) + len(kept) != len(v) or set(result) != {*kept, *new}:
        return None
    sizes = {letter: weight.shape[axis] for axis, letter in enumerate(o)}
    ordered = weight.permute([o.index(letter) for letter in (*new, *summed)])
    table = ordered.reshape(math.prod(sizes[n] for n in new), -1)
    layout = layout_of(builder, x)
    rows = v[layout.order.index(0)]
    rest = [letter for letter in kept if letter != rows]
    axes = (0, *(layout.axis(v.index(letter)) for letter in (*rest, *summed)))
    moved = permuted(builder, f"{path}.axes", layout.base, axes)
    lengths = known_sizes(builder, moved)[: len(rest)]
    flat = viewed(builder, f"{path}.flat", moved, (*lengths, table.shape[1]))
    product = dense(builder, path, flat, table)
    whole = viewed(builder, f"{path}.result", product, (*lengths, *(sizes[n] for n in new)) or (1,))
    places = {letter: axis for axis, letter in enumerate((rows, *rest, *new))}
    return value_with(builder, path, whole, [places[letter] for letter in result])


def _aggregation(builder: Builder, path: str, adjacency: Any, x: Any) -> Ref:
    operator = matrix(builder, path, adjacency)
    if builder.is_refused(operator):
        return operator
    value = builder.as_value(value_of(builder, path, x))
    sizes = builder.shape(value)[1:]
    if len(sizes) == 1:
        return aggregate(builder, path, operator, value, "")
    known = known_sizes(builder, value)
    flat = viewed(builder, f"{path}.flat", value, (math.prod(known),))
    return viewed(builder, f"{path}.result", aggregate(builder, path, operator, flat, ""), known)
