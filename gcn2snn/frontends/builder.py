"""What handlers write a network description into: nodes with their shapes and rows, and every refusal."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.errors import ConversionError, Gcn2SnnError, Refusal, RefusalKind
from gcn2snn.frontends.call_numbers import UnreadableError
from gcn2snn.kernels import fingerprint
from gcn2snn.matrices import build_operand


class Ref(str):
    """The name of a node, where an argument stands for its result; a plain ``str`` argument is only a string."""

    __slots__ = ()


Operand = Ref | Tensor
"""A value or a graph input: a reference to what the network computes or the caller passes, or a tensor of the model."""

Handler = Callable[..., object]
"""handler(builder, path, module, ...) -> what the module returns, a :class:`Ref` for its value; see ``frontends/arguments.py``."""

LowerModule = Callable[["Builder", str, nn.Module, tuple[object, ...], dict[str, object]], object]
"""lower_module(builder, path, module, args, kwargs) -> the module's result."""


class Builder:
    """Collects nodes and refusals while a model is read; knows the shape and the rows of every result.

    Args:
        handlers: class -> handler.
        lower_module: gives the result of a module that another one holds; see ``frontends/read_module.py``.

    ``place``: the path of what is being lowered, for refusals that do not know theirs. ``cause``: what the model's own code
    raised while it was read. ``unread_hooks``: parts of the layer being lowered whose hooks nobody has run yet. ``frames``:
    (frame of a graph, key) -> the value that the model wrote there.
    """

    def __init__(self, handlers: Mapping[type[nn.Module], Handler], lower_module: LowerModule) -> None:
        self.nodes: dict[str, ir.Node] = {}
        self.refusals: list[Refusal] = []
        self.handlers = dict(handlers)
        self._lower_module = lower_module
        self.examples: dict[str, object] = {}
        self.frames: dict[tuple[str, str], Ref] = {}
        self.place = ""
        self.cause: Exception | None = None
        self.unread_hooks: dict[str, str] = {}
        self._readouts: dict[str, tuple[ir.Node, Refusal]] = {}
        self._binding: set[Refusal] = set()
        self._held: dict[str, tuple[object, Refusal]] = {}
        self._fixed: dict[str, dict[tuple[ir.Step, ...], ir.Plain]] = {}
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
        self.refuse_early_readouts(node.inputs)
        self.refuse_held([Ref(source) for source in node.inputs])
        if not isinstance(node, ir.Operator):
            for source in node.inputs:
                self.as_value(Ref(source))
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

    def input(
        self, name: str, size: ir.Shape, role: str = "dense", example: object = None, optional: bool = False
    ) -> Ref:
        """A value the caller passes, in the order of the model's own signature; fields as of :class:`ir.Input`."""
        ref = self.add(ir.Input(name=name, size=size, role=role, optional=optional))
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

    def number_kind(self) -> Tensor:
        """A tensor of the number type that the example has, on its device."""
        found = (v for v in self.examples.values() if isinstance(v, Tensor) and v.is_floating_point())
        return next(found, torch.empty(0))

    def as_graph(self, ref: Ref) -> Ref:
        """Note that an input describes the graph (a dense adjacency, two-dimensional edge values), so it is not coded."""
        node = self.nodes[ref]
        if isinstance(node, ir.Input | ir.Part) and node.role == "dense":
            self._change(ref, replace(node, role="graph", size=(None,) * len(node.size)))
        return ref

    def as_value(self, ref: Ref) -> Ref:
        """Note that an input is a value of the network, whole numbers too; a vector cannot be one, and is refused."""
        node = self.nodes.get(ref)
        if not isinstance(node, ir.Input | ir.Part) or node.role != "graph":
            return ref
        example = self.examples.get(ref)
        if not isinstance(example, Tensor) or example.layout is not torch.strided or example.dim() < 2:
            what = f"{ref} as a value of the network"
            why = "is no matrix of one row for each node or sample, so it describes the graph."
            self.refuse(self.place or "model", what, why, "Pass values as a matrix, such as x[:, None].")
            self._refused.add(ref)
        elif not example.is_floating_point():
            size: ir.Shape = (None, *example.shape[1:])
            self._change(ref, replace(node, role="dense", size=size))
            self._shapes[ref] = size
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

    def module(
        self, path: str, module: nn.Module, args: Sequence[object], kwargs: Mapping[str, object] | None = None
    ) -> Any:
        """Lower a module by its handler, or by tracing what it calls. For handlers of modules that hold others."""
        return self._lower_module(self, path, module, tuple(args), dict(kwargs or {}))

    def guarded(self, path: str, what: str, given: object, call: Callable[[], object]) -> object:
        """The call's result. Errors of a handler become refusals; none is noted where its arguments were refused already.

        Raises:
            Gcn2SnnError: what the handler says on purpose.
        """
        try:
            return call()
        except UnreadableError:
            raise
        except Exception as error:
            if self.is_refused(given):
                return self.unknown(path or what)
            if isinstance(error, Gcn2SnnError):
                raise
            why = f"is called in a way its handler does not know ({type(error).__name__}: {str(error).strip()[:200]})."
            return self.refuse(path, what, why, "", kind="unknown")

    def read_out(self, node: ir.Output | ir.Readout, refusal: Refusal, rows: Ref | None = None) -> Ref:
        """A stand-in for what is worked out of potentials after the last layer; refused if a layer reads it.

        Args:
            node: what is added for it if it belongs to the model's result; it names values and other stand-ins.
            refusal: noted once anything else than the result reads it.
            rows: what counts its rows; default: those of its last input.
        """
        softmax = isinstance(node, ir.Output)
        early = [source for source in node.inputs if softmax or isinstance(self.readout(Ref(source)), ir.Output)]
        self.refuse_early_readouts(early)  # a softmax that was left out is the very end, and stands on no other step
        name = self._unique(node.name.strip(".") or "result")
        self._shapes[name] = node.shape(*(self._shapes[source] for source in node.inputs))
        self._rows[name] = self._rows[node.inputs[-1]] if rows is None else rows
        self._readouts[name] = (node, refusal)
        if any(source in self._refused for source in node.inputs):
            self._refused.add(name)
        return Ref(name)

    def readout(self, ref: object) -> ir.Node | None:
        """The node that :meth:`read_out` keeps for a stand-in; None for anything else."""
        return self._readouts[ref][0] if isinstance(ref, Ref) and ref in self._readouts else None

    def refusal_of_readout(self, ref: Ref) -> Refusal | None:
        """What is noted once a layer reads such a stand-in."""
        return self._readouts[ref][1] if ref in self._readouts else None

    def take_readout(self, ref: Ref) -> ir.Node | None:
        """As :meth:`readout`, and nothing that reads it later is refused: it belongs to the result."""
        if ref not in self._readouts:
            return None
        self._shapes.pop(ref)
        return self._readouts.pop(ref)[0]

    def hold(self, path: str, shape: ir.Shape, rows: Ref, what: object, refusal: Refusal) -> Ref:
        """A stand-in for a step that only another step can complete, such as ``unsqueeze(0)`` before ``squeeze(0)``.

        Args:
            path: its place.
            shape: what the model sees.
            rows: what counts its rows.
            what: for the handlers that know it (``registry.follows_layouts``), by :meth:`held`.
            refusal: noted once anything else reads it.
        """
        name = self._unique(path)
        self._shapes[name], self._rows[name] = shape, rows
        self._held[name] = (what, refusal)
        return Ref(name)

    def held(self, ref: object) -> object | None:
        """What :meth:`hold` keeps for a stand-in; None for anything else."""
        return self._held[ref][0] if isinstance(ref, Ref) and ref in self._held else None

    def refuse_held(self, value: object) -> bool:
        """Whether stand-ins are inside a value that something reads which does not know them; their refusals are noted."""
        found = [ref for ref in refs(value) if ref in self._held]
        for ref in found:
            refusal = self._held[ref][1]
            if refusal not in self.refusals:
                self.refusals.append(refusal)
            self._refused.add(ref)
        return bool(found)

    def refuse_early_readouts(self, names: Sequence[str]) -> None:
        """Note that a layer reads what is worked out after the last layer."""
        for name in names:
            if name in self._readouts:
                self.refusals.append(self._readouts.pop(name)[1])
                self._refused.add(name)

    def bind_refusals(self, since: int) -> None:
        """Note that refusals from number ``since`` on may change values that do not depend on what was refused."""
        self._binding |= set(self.refusals[since:])

    def forget_others(self, heads: Sequence[Ref]) -> None:
        """Drop refusals of what the chosen heads do not depend on."""
        if not any(head in self._refused for head in heads):
            self.refusals = [refusal for refusal in self.refusals if refusal in self._binding]

    def fix(self, ref: Ref, value: ir.Plain, axis: int | None = None) -> None:
        """Note that reading the model depended on a plain value that the caller passes: every call must pass it again.

        Args:
            ref: an input, or a part of one.
            value: the example's.
            axis: it is this size of the tensor that is passed, not the thing itself.
        """
        root, steps = self._way_to(ref)
        known: ir.Step = ("size", axis)
        self._fixed.setdefault(root, {})[(*steps, known) if axis else steps] = value

    def fix_part(self, ref: Ref, by: str, key: str | int | tuple[str, ...], value: ir.Plain) -> None:
        """As :meth:`fix`, for a plain attribute, item or answer (``by`` "contains", "present") of an input or a part."""
        root, steps = self._way_to(ref)
        self._fixed.setdefault(root, {})[(*steps, (by, key))] = value

    def _way_to(self, ref: Ref) -> tuple[str, tuple[ir.Step, ...]]:
        """The input that something is a part of, and how to come from there to the part."""
        steps: list[ir.Step] = []
        name, node = str(ref), self.nodes[ref]
        while isinstance(node, ir.Part):
            steps.insert(0, (node.by, node.key))
            name = node.inputs[0]
            node = self.nodes[name]
        return name, tuple(steps)

    def refuse(
        self, path: str, what: str, why: str, instead: str, of: object = None, kind: RefusalKind = "unknown"
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

    def is_unknown(self, ref: Ref) -> bool:
        """Whether one value depends on something refused; asking does not count as reading it."""
        return ref in self._refused

    def is_refused(self, value: object) -> bool:
        """Whether a value, or one inside a tuple, list or dict, depends on something refused."""
        self.refuse_early_readouts([ref for ref in refs(value) if ref in self._readouts])
        return any(ref in self._refused for ref in refs(value))

    def network(self) -> ir.Network:
        """The finished description, without nodes that nothing reads.

        Raises:
            ConversionError: with every refusal, if there were any.
        """
        if self.refusals:
            raise ConversionError(self.refusals) from self.cause
        needed: set[str] = set()
        for node in reversed(self.nodes.values()):
            if isinstance(node, ir.Output | ir.Result) or node.name in needed:
                needed.add(node.name)
                needed.update(node.inputs)
        kept: list[ir.Node] = []
        for node in self.nodes.values():
            if isinstance(node, ir.Input):
                fixed = tuple(self._fixed.get(node.name, {}).items())
                node = replace(node, fixed=fixed, role=node.role if node.name in needed else "unused")
                kept.append(node)
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


def refs(value: object) -> list[Ref]:
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
