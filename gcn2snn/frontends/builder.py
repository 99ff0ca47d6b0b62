"""What handlers write a network description into: nodes with their shapes and rows, and every refusal."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.errors import ConversionError, Refusal, RefusalKind
from gcn2snn.kernels import fingerprint
from gcn2snn.matrices import build_operand


class Ref(str):
    """The name of a node, where an argument stands for its result; a plain ``str`` argument is only a string."""

    __slots__ = ()


Operand = Ref | Tensor
"""A value or a graph input: a reference to what the network computes or the caller passes, or a tensor of the model."""

Handler = Callable[..., Any]
"""handler(builder, path, module, ...) -> what the module returns, a :class:`Ref` for its value; see ``frontends/arguments.py``."""

LowerModule = Callable[["Builder", str, nn.Module, tuple[Any, ...], dict[str, Any]], Any]
"""lower_module(builder, path, module, args, kwargs) -> the module's result."""


class Builder:
    """Collects nodes and refusals while a model is read; knows the shape and the rows of every result.

    Args:
        handlers: class -> handler.
        lower_module: gives the result of a module that another one holds; see ``frontends/read_module.py``.

    ``at_end``: what is being lowered gives the model's own result. ``readout``: see :class:`ir.Output`.
    ``frames``: (frame of a graph, key) -> the value that the model wrote there.
    """

    def __init__(self, handlers: Mapping[type[nn.Module], Handler], lower_module: LowerModule) -> None:
        self.nodes: dict[str, ir.Node] = {}
        self.refusals: list[Refusal] = []
        self.handlers = dict(handlers)
        self._lower_module = lower_module
        self.examples: dict[str, Any] = {}
        self.frames: dict[tuple[str, str], Ref] = {}
        self.readout = ""
        self.at_end = False
        self._shapes: dict[str, ir.Shape] = {}
        self._rows: dict[str, Ref] = {}
        self._refused: set[str] = set()
        self._operators: dict[Hashable, Ref] = {}
        self._counts: dict[str, int] = {}

    def add(self, node: ir.Node, rows: Ref | None = None) -> Ref:
        """Append a node (its name is made unique) and return its name.

        Args:
            node: the node.
            rows: the input or operator that counts its rows; default: the one of its first input.

        Raises:
            InputError: the shapes of its inputs do not meet.
        """
        name = self._unique(node.name.strip(".") or type(node).__name__.lower())
        if name != node.name:
            node = replace(node, name=name)
        if any(source in self._refused for source in node.inputs):
            return self._unknown(name)
        self._shapes[name] = node.shape(*(self._shapes[source] for source in node.inputs))
        self._rows[name] = self._rows_of(node) if rows is None else rows
        self.nodes[name] = node
        return Ref(name)

    def operator(self, node: ir.Operator, rows: Ref | None = None) -> Ref:
        """Append an operator, or find the equal one that is there already: layers on one graph share its matrix.

        Args:
            node: the operator.
            rows: for a matrix whose rows are the nodes of ``rows`` again (a square adjacency); default: rows of its own.

        Raises:
            InputError, InputTypeError: the example's graph does not fit (see :func:`gcn2snn.matrices.build_operand`).
        """
        key = _options(node)
        if key in self._operators:
            return self._operators[key]
        name = self.add(node)
        self._rows[name] = rows if rows is not None else name
        given = [self.examples.get(source) for source in node.inputs]
        if not self.is_refused(name) and all(value is not None for value in given):
            self.examples[name] = build_operand(node, *given)
        if name in self.nodes:
            self._operators[key] = name
        return name

    def input(self, name: str, size: ir.Shape, role: str = "dense", example: Any = None) -> Ref:
        """A value the caller passes, in the order of the model's own signature."""
        ref = self.add(ir.Input(name=name, size=size, role=role))
        self.examples[ref] = example
        return ref

    def shape(self, name: str) -> ir.Shape:
        """Sizes of a result, None for the batch axis or the nodes of a graph."""
        return self._shapes[name]

    def rows(self, name: str) -> Ref:
        """The graph input or operator that says how many rows (nodes) a result has."""
        return self._rows[name]

    def example(self, name: str) -> Any:
        """What the example passes for an input or a part of one; None for computed values."""
        return self.examples.get(name)

    def as_graph(self, ref: Ref) -> Ref:
        """Note that an input describes the graph (a dense adjacency, two-dimensional edge values), so it is not coded."""
        node = self.nodes[ref]
        if isinstance(node, ir.Input | ir.Part) and node.role == "dense":
            self._change(ref, replace(node, role="graph", size=(None,) * len(node.size)))
        return ref

    def fix_size(self, ref: Ref, size: ir.Shape) -> None:
        """Note sizes that an input must have, where the model knows more than the example says."""
        node = self.nodes[ref]
        assert isinstance(node, ir.Input | ir.Part)
        self._change(ref, replace(node, size=size))
        self._shapes[ref] = size

    def _change(self, ref: Ref, node: ir.Node) -> None:
        """Put a node in the place of one that has its name."""
        before, self.nodes[ref] = self.nodes[ref], node
        if self._operators.pop(_options(before), None) is not None:
            self._operators[_options(node)] = ref

    def module(self, path: str, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None) -> Any:
        """Lower a module by its handler, or by tracing what it calls. For handlers of modules that hold others."""
        return self._lower_module(self, path, module, tuple(args), dict(kwargs or {}))

    def refuse(
        self, path: str, what: str, why: str, instead: str, of: Any = None, kind: RefusalKind = "unknown"
    ) -> Ref:
        """Note one reason why the model cannot be converted, and go on so that all are found.

        ``of``: the value whose shape is the reason. Nothing is noted if it depends on something refused already.
        """
        refusal = Refusal(path or "model", what, why, instead, kind)
        if refusal not in self.refusals and not self.is_refused(of):
            self.refusals.append(refusal)
        return self.unknown(path)

    def unknown(self, path: str) -> Ref:
        """A stand-in for a result that depends on something refused."""
        return self._unknown(self._unique(f"{path}.refused"))

    def is_refused(self, value: Any) -> bool:
        """Whether a value, or one inside a tuple, list or dict, depends on something refused."""
        return any(ref in self._refused for ref in refs(value))

    def network(self) -> ir.Network:
        """The finished description, without nodes that nothing reads.

        Raises:
            ConversionError: with every refusal, if there were any.
        """
        if self.refusals:
            raise ConversionError(self.refusals)
        needed: set[str] = set()
        for node in reversed(self.nodes.values()):
            if isinstance(node, ir.Output) or node.name in needed:
                needed.add(node.name)
                needed.update(node.inputs)
        kept: list[ir.Node] = []
        for node in self.nodes.values():
            if isinstance(node, ir.Input) and node.name not in needed:
                kept.append(replace(node, role="unused"))
            elif node.name in needed:
                kept.append(node)
        return ir.Network(tuple(kept))

    def _unique(self, name: str) -> str:
        """The name, or the first free one of name_2, name_3, ..."""
        free = name
        while free in self._shapes:
            self._counts[name] = self._counts.get(name, 1) + 1
            free = f"{name}_{self._counts[name]}"
        return free

    def _unknown(self, name: str) -> Ref:
        self._shapes[name] = (None, None)
        self._rows[name] = Ref(name)
        self._refused.add(name)
        return Ref(name)

    def _rows_of(self, node: ir.Node) -> Ref:
        if isinstance(node, ir.Source | ir.Operator) or not node.inputs:
            return Ref(node.name)
        return self._rows[node.inputs[0]]


def refs(value: Any) -> list[Ref]:
    """The references inside nested tuples, lists, dicts and slices."""
    if isinstance(value, Ref):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, slice):
        value = (value.start, value.stop, value.step)
    return [ref for item in value for ref in refs(item)] if isinstance(value, tuple | list) else []


def _options(node: ir.Node) -> Hashable:
    """All that a node computes with; its tensors by what they hold, for handlers give each node copies of its own."""
    values = [getattr(node, f.name) for f in fields(node) if f.name != "name"]
    return (type(node), *((fingerprint(v), v.device) if isinstance(v, Tensor) else v for v in values))
