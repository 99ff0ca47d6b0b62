"""Sums, means and maxima over the neighbours of each node, over single edges and over graphs, for handlers of any library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Operand, Ref
from gcn2snn.frontends.graph_steps import add, adjacency, aggregate, dense, graph_input, maximum
from gcn2snn.frontends.refusal_reasons import ATTENTION, DEVIATION, UNKNOWN_REDUCTION

OWN_SHARE = {"none": "degree", "mean": "any", "max": "any", "root": "square_root"}
"""Norm of a reduction -> norm of the diagonal matrix that a value of the target itself, sent along each edge, is reduced by."""


PYG_LINEAR = "torch_geometric.nn.dense.linear.Linear"


class Reducer(Protocol):
    """Something that can be reduced in several ways, once for each."""

    def reduce(self, kind: str, sign: float = 1.0) -> Ref:
        """The values times ``sign``, reduced by ``kind``: "none" (a sum), "mean", "max" or "root"."""

    def scaled(self, kind: str, factor: float, x: Ref) -> Ref:
        """A reduced value times a diagonal matrix of the degrees, a norm of :class:`gcn2snn.ir.Adjacency`."""


@dataclass(frozen=True)
class Neighbours:
    """The edges of a graph as one layer reads them.

    Args:
        x, target: values of the sources and of the targets (default: the sources); they say how many there are.
        options: see ``graph_steps.adjacency``.
    """

    builder: Builder
    path: str
    edges: Operand
    x: Ref
    target: Ref | None = None
    weight: Operand | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def matrix(self, norm: str, *, weighted: bool = True, factor: float = 0.0) -> Ref:
        """The operator [targets, sources], or a diagonal one [targets, targets]."""
        options = {**self.options, "norm": norm, "factor": factor}
        weight = self.weight if weighted else None
        return adjacency(self.builder, self.path, self.edges, weight, self.x, self.target, **options)

    def reduced(self, kind: str, x: Ref) -> Ref:
        """Values of the sources, reduced over the neighbours of each target.

        The first spike wins in a maximum, whatever the weight of its edge; with edge weights, each edge has a neuron.
        """
        if kind != "max":
            return aggregate(self.builder, self.path, self.matrix(kind), x)
        if self.weight is not None:
            return OnEdges(self, self.at_edges("source", x, weighted=True)).reduce("max")
        return _largest(self.builder, self.path, self.matrix("max"), x)

    def at_edges(self, end: str, x: Ref, *, weighted: bool = False) -> Ref:
        """The value of the "source" or "target" of each edge [E, C], times its weight if ``weighted``."""
        edges = self if weighted else replace(self, weight=None)
        return aggregate(self.builder, self.path, edges._incidence(end=end), x, f"at_{end}")

    def _incidence(self, **fields: object) -> Ref:
        target = self.x if self.target is None else self.target
        weights = () if self.weight is None else (graph_input(self.builder, f"{self.path}.weight", self.weight),)
        rows = (self.builder.rows(target), self.builder.rows(self.x))
        inputs = (graph_input(self.builder, self.path, self.edges), *weights, *rows)
        taken = {key: self.options[key] for key in ("flow", "loops", "targets") if key in self.options}
        node = ir.Incidence(name=f"{self.path}.incidence", inputs=inputs, weighted=bool(weights), **{**taken, **fields})
        own_rows = self.options.get("own_rows") or self.options.get("targets") is not None
        keeps_rows = fields.get("onto_nodes") and not own_rows
        return self.builder.operator(node, rows[0] if keeps_rows else None)


def _largest(builder: Builder, path: str, operator: Ref, x: Ref) -> Ref:
    return builder.add(ir.AggregateMax(name=f"{path}.aggregation", inputs=(operator, x)))


@dataclass(frozen=True)
class OfSources:
    """Values of the source nodes, to be reduced over the neighbours of each target."""

    neighbours: Neighbours
    x: Ref

    def reduce(self, kind: str, sign: float = 1.0) -> Ref:
        """See :class:`Reducer`."""
        value = add(self.neighbours.builder, self.neighbours.path, (self.x,), (sign,), name="negative")
        return self.neighbours.reduced(kind, value)

    def scaled(self, kind: str, factor: float, x: Ref) -> Ref:
        """See :class:`Reducer`."""
        return _scaled(self.neighbours, kind, factor, x)


@dataclass(frozen=True)
class OnEdges:
    """Values of single edges, to be reduced over the edges into each target."""

    neighbours: Neighbours
    values: Ref

    def reduce(self, kind: str, sign: float = 1.0) -> Ref:
        """See :class:`Reducer`."""
        builder, path = self.neighbours.builder, self.neighbours.path
        values = add(builder, path, (self.values,), (sign,), name="negative")
        gather = replace(self.neighbours, weight=None)._incidence(onto_nodes=True, norm=kind)
        if kind == "max":
            return _largest(builder, path, gather, values)
        return aggregate(builder, path, gather, values)

    def scaled(self, kind: str, factor: float, x: Ref) -> Ref:
        """See :class:`Reducer`."""
        return _scaled(self.neighbours, kind, factor, x)


def _scaled(neighbours: Neighbours, kind: str, factor: float, x: Ref) -> Ref:
    diagonal = neighbours.matrix(kind, weighted=False, factor=factor)
    return aggregate(neighbours.builder, neighbours.path, diagonal, x, kind)


Term = tuple[Ref, Tensor]
"""A value [rows, in] and its weights [out, in]."""


@dataclass(frozen=True)
class LinearMessages:
    """m_ij = sum W X_j over ``near`` + sum W X_i over ``own`` + sum W e_ij over ``along`` + b, for edges j -> i.

    Without values of the edges it is reduced at the nodes: max_j m_ij = max_j (W X_j + b) + W X_i where i has neighbours.
    """

    neighbours: Neighbours
    near: Sequence[Term]
    own: Sequence[Term] = ()
    along: Sequence[Term] = ()
    bias: Tensor | None = None

    def reduce(self, kind: str, sign: float = 1.0) -> Ref:
        """See :class:`Reducer`; only without values of the edges."""
        assert not self.along
        builder, path = self.neighbours.builder, self.neighbours.path
        near = _total(builder, path, self.near, sign, self.bias, "message")
        parts = [self.neighbours.reduced(kind, near)]
        if self.own:
            diagonal = self.neighbours.matrix(OWN_SHARE[kind], weighted=False)
            seen = [(aggregate(builder, path, diagonal, x, "neighboured"), weight) for x, weight in self.own]
            parts.append(_total(builder, path, seen, sign, None, "own"))
        return add(builder, path, parts)

    def scaled(self, kind: str, factor: float, x: Ref) -> Ref:
        """See :class:`Reducer`."""
        return _scaled(self.neighbours, kind, factor, x)

    def on_edges(self) -> Ref:
        """The messages themselves, one row an edge."""
        builder, path = self.neighbours.builder, self.neighbours.path
        near = _total(builder, path, self.near, 1.0, self.bias, "message")
        parts = [self.neighbours.at_edges("source", near)]
        if self.own:
            own = _total(builder, path, self.own, 1.0, None, "own")
            parts.append(self.neighbours.at_edges("target", own))
        if self.along:
            parts.append(_total(builder, path, self.along, 1.0, None, "along"))
        return add(builder, path, parts, name="messages")


def _total(builder: Builder, path: str, terms: Sequence[Term], sign: float, bias: Tensor | None, name: str) -> Ref:
    values = []
    for k, (x, weight) in enumerate(terms):
        constant = sign * bias if bias is not None and k == 0 else None
        values.append(dense(builder, path, x, sign * weight, constant, name))
    return add(builder, path, values, name=f"{name}.sum")


def together(builder: Builder, path: str, parts: Sequence[Ref], mode: str) -> Ref:
    """Sum, mean, maximum or minimum of several values of one shape, or these side by side ("cat")."""
    if len(parts) == 1:
        return parts[0]
    if mode == "cat":
        return builder.add(ir.Concat(name=f"{path}.side_by_side", inputs=tuple(parts)))
    if mode in ("sum", "add", "mean"):
        share = 1.0 / len(parts) if mode == "mean" else 1.0
        return add(builder, path, parts, (share,) * len(parts), name="together")
    if mode == "max":
        return maximum(builder, path, parts)
    if mode == "min":
        negative = [add(builder, path, (part,), (-1.0,), name="negative") for part in parts]
        return add(builder, path, (maximum(builder, path, negative),), (-1.0,), name="minimum")
    reasons = {"std": DEVIATION, "var": DEVIATION, "attn": ATTENTION}
    return builder.refuse(path, f"combining by {mode!r}", **reasons.get(mode, UNKNOWN_REDUCTION))


def first_linear(network: object) -> tuple[nn.Linear, list[tuple[str, nn.Module]]] | None:
    """The linear layer that a network starts with, and (name, module) of what follows; None if it starts otherwise."""
    modules = [("", network)]
    if type(network) is nn.Sequential:
        modules = [(f".{name}", child) for name, child in network._modules.items()]
    if not modules or not _is_linear(modules[0][1]):
        return None
    first = modules[0][1]
    rest = [(name, child) for name, child in modules[1:] if isinstance(child, nn.Module)]
    return first, rest  # type: ignore[return-value]


def _is_linear(module: object) -> bool:
    """PyTorch's linear layer, or PyG's own: a handler of any library may ask."""
    known = type(module) is nn.Linear or f"{type(module).__module__}.{type(module).__name__}" == PYG_LINEAR
    return known and isinstance(getattr(module, "weight", None), Tensor)


def is_monotone(modules: Sequence[tuple[str, nn.Module]]) -> bool:
    """Whether modules keep the order of their inputs and 0, so that a maximum may be taken before them."""
    return all(type(module) in (nn.ReLU, nn.Dropout, nn.Identity) for _, module in modules)
