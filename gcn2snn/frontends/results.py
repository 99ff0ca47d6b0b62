"""What a model returns -> the heads of the network: potentials, and what is worked out of them after the last layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gcn2snn import ir
from gcn2snn.errors import ConversionError, Refusal
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.layouts import Layout


def add_result(builder: Builder, result: object, output: object = None) -> None:
    """Add the nodes of a model's result to the description.

    Args:
        builder: has read the model.
        result: what it returns, with references in place of the network's values.
        output: the part that is wanted, as :func:`gcn2snn.ir.chosen` takes it; None for all.

    Raises:
        ConversionError: a part is no value of the network; the refusals noted so far come with it.
        InputError: there is no such part.
    """
    structure, by_path = ir.pack(result, lambda item: isinstance(item, Ref))
    heads, ways = list(by_path.values()), list(by_path)
    if output is not None and not (builder.refusals and isinstance(result, Ref)):
        structure, kept = ir.renumbered(ir.chosen(structure, output))
        heads, ways = [heads[number] for number in kept], [ways[number] for number in kept]
        builder.forget_others([head for head in heads if isinstance(head, Ref)])
    if not heads:
        why = "holds no tensor that the network computes."
        raise ConversionError([*builder.refusals, Refusal("model", "output", why, "Return what its last layer gives.")])
    several = len(heads) > 1
    found = [_refusal(builder, head, way, several) for head, way in zip(heads, ways, strict=True)]
    refused = [refusal for refusal in found if refusal is not None]
    if refused or builder.refusals:
        good = [w for h, w, no in zip(heads, ways, found, strict=True) if no is None and _known(builder, h)]
        raise ConversionError([*builder.refusals, *refused, *_ways_out(good if several else [])]) from builder.cause
    _add_heads(builder, [Ref(str(head)) for head in heads], structure, ways)


def _refusal(builder: Builder, head: object, way: ir.Path, several: bool) -> Refusal | None:
    """Why something that a model returns is nothing that a network computes; None where it is."""
    what = f"output {ir.told(way)}" if several else "output"
    leave = f"Return results of layers only, or choose one: output={_typed(way)}." if several else ""
    if not isinstance(head, Ref):
        kind = type(head).__name__
        why = f"is {kind}, which no layer of the network computes; kept are tensors, None, numbers and texts."
        return Refusal(
            "model", what, why, leave.replace(f": output={_typed(way)}", " of the others: output=") or "Return tensors."
        )
    if builder.is_unknown(head):
        return None
    node = builder.nodes.get(head)
    graph = isinstance(node, ir.Operator) or (several and isinstance(node, ir.Input) and node.role != "dense")
    vector = isinstance(builder.held(head), Layout) or builder.readout(head) is not None
    if graph or (len(builder.shape(head)) < 2 and not vector):
        why = "is a description of the graph, such as edge weights, which no neuron computes."
        return Refusal("model", what, why, "Convert a model whose layers use it." if not several else leave)
    if builder.held(head) is not None and not isinstance(builder.held(head), Layout):
        builder.refuse_held(head)
    return None


def _known(builder: Builder, head: object) -> bool:
    return isinstance(head, Ref) and not builder.is_unknown(head)


def _ways_out(good: Sequence[ir.Path]) -> list[Refusal]:
    """That some of several heads convert by themselves."""
    if not good:
        return []
    choices = ", ".join(f"output={_typed(way)}" for way in good)
    why = "is more than one result, and not all of them need what stands above."
    return [Refusal("model", "output", why, f"These convert by themselves: {choices}.")]


def _typed(way: ir.Path) -> str:
    return repr(way[0]) if len(way) == 1 else repr(way)


def _add_heads(builder: Builder, heads: Sequence[Ref], structure: ir.Structure, ways: Sequence[ir.Path]) -> None:
    made: dict[str, Ref] = {}
    plain = structure == ir.HEAD
    names = [
        _added(builder, head, "output" if plain else ".".join(("output", *map(str, way))), made)
        for head, way in zip(heads, ways, strict=True)
    ]
    if not plain or not isinstance(builder.nodes[names[0]], ir.Output):
        builder.add(ir.Result(name="result", inputs=tuple(names), structure=structure))


def _added(builder: Builder, ref: Ref, name: str, made: dict[str, Ref]) -> Ref:
    """The node of one head, behind those that it is worked out from; each output is there once."""
    if ref in made:
        return made[ref]
    late, held = builder.take_readout(ref), builder.held(ref)
    if isinstance(late, ir.Readout):
        inputs = tuple(
            Ref(source)
            if isinstance(builder.nodes.get(source), ir.Operator)
            else _added(builder, Ref(source), "output", made)
            for source in late.inputs
        )
        found = builder.add(replace(late, name=name if name != "output" else late.name, inputs=inputs))
    elif isinstance(held, Layout):
        base = _added(builder, held.base, "output", made)
        found = builder.add(ir.Axes(name=f"{name}.axes", inputs=(base,), order=held.order, loose=held.loose))
    elif late is not None:
        found = builder.add(replace(late, name=name))
    else:
        found = builder.add(ir.Output(name=name, inputs=(ref,)))
    made[ref] = found
    return found
