"""Message passing that users of DGL write themselves: ``update_all`` and ``apply_edges`` with the functions of dgl.function."""

from __future__ import annotations

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.dgl_convolutions import edges_of
from gcn2snn.frontends.frames import UNKNOWN, read_frame, write_frame
from gcn2snn.frontends.graph_steps import add, graph_input
from gcn2snn.frontends.reductions import Neighbours, OfSources, OnEdges, Reducer
from gcn2snn.frontends.refusal_reasons import UNKNOWN_REDUCTION, VALUES_AS_WEIGHTS
from gcn2snn.frontends.registry import Reason, lowers_function
from gcn2snn.frontends.torch_picks import lower_getitem

OWN_FUNCTION = Reason(
    why="runs a Python function of the model along the edges, which is not looked into.",
    instead="Use functions of dgl.function: copy_u, u_mul_e, u_add_e, u_sub_v with sum, mean, max or min.",
)
FRAMES = {"u": "srcdata", "v": "dstdata", "e": "edata"}
"""Letter in the name of a message function -> the frame that it reads."""


@lowers_function("update_all")
def lower_update_all(
    builder: Builder,
    path: str,
    graph: Ref,
    message_func: object,
    reduce_func: object,
    apply_node_func: None = None,
    etype: None = None,
) -> None:
    """A frame summed, averaged, maximised or minimised along the edges, times numbers of the edges if need be."""
    if apply_node_func is not None or etype is not None:
        builder.refuse(path, "update_all with apply_node_func or etype", **OWN_FUNCTION)
    kind, out = getattr(reduce_func, "name", None), getattr(reduce_func, "out_field", None)
    if not isinstance(kind, str) or not isinstance(out, str) or not _is_built_in(message_func):
        refused = builder.refuse(path, "update_all with functions of its own", **OWN_FUNCTION)
        write_frame(builder, graph, "dstdata", out if isinstance(out, str) else UNKNOWN, refused)
        return
    values = _messages(builder, path, graph, message_func)
    if kind in ("sum", "mean", "max"):
        result = values.reduce({"sum": "none"}.get(kind, kind))
    elif kind == "min":
        result = add(builder, path, (values.reduce("max", -1.0),), (-1.0,), name="minimum")
    else:
        result = builder.refuse(path, f"update_all(..., {kind})", **UNKNOWN_REDUCTION)
    write_frame(builder, graph, "dstdata", out, result)


@lowers_function("apply_edges")
def lower_apply_edges(
    builder: Builder, path: str, graph: Ref, func: object, edges: None = None, etype: None = None
) -> None:
    """A value for each edge from those of its ends: one neuron an edge and channel, where one follows."""
    if edges is not None or etype is not None or not _is_built_in(func):
        refused = builder.refuse(path, "apply_edges with a function of its own", **OWN_FUNCTION)
        write_frame(builder, graph, "edata", UNKNOWN, refused)
        return
    values = _messages(builder, path, graph, func)
    result = _on_edges(values) if isinstance(values, OnEdges | OfSources) else builder.unknown(path)
    write_frame(builder, graph, "edata", str(getattr(func, "out_field", "")), result)


def _on_edges(values: OnEdges | OfSources) -> Ref:
    if isinstance(values, OnEdges):
        return values.values
    return values.neighbours.at_edges("source", values.x, weighted=True)


def _is_built_in(function: object) -> bool:
    """Whether it is one of dgl.function, which have a name and the frames that they read."""
    return isinstance(getattr(function, "name", None), str) and hasattr(function, "out_field")


def _messages(builder: Builder, path: str, graph: Ref, function: object) -> Reducer:
    """What a message function sends: values of the sources, times numbers of the edges, or values of single edges."""
    name = str(getattr(function, "name", ""))
    words = name.split("_")
    if words[0] == "copy":
        left, operation, right = words[1], "copy", ""
        fields = (str(getattr(function, "in_field", "")), "")
    else:
        left, operation, right = words[0], words[1], words[2]
        fields = (str(getattr(function, "lhs_field", "")), str(getattr(function, "rhs_field", "")))
    first = read_frame(builder, graph, FRAMES[left], fields[0])
    if operation == "copy" and left == "u":
        return OfSources(edges_of(builder, path, graph, first), first)
    second = read_frame(builder, graph, FRAMES[right], fields[1]) if right else first
    source = {left: first, right: second}.get("u")
    if source is None:
        source = _nodes(builder, path, graph, first)
    edges = edges_of(builder, path, graph, source)
    if operation == "mul" and {left, right} == {"u", "e"}:
        weight = second if right == "e" else first
        return _weighted(builder, path, name, graph, source, weight)
    if operation in ("add", "sub", "copy"):
        parts = [_at_edge(edges, letter, value) for letter, value in ((left, first), (right, second)) if letter]
        signs = (1.0, -1.0 if operation == "sub" else 1.0)[: len(parts)]
        return OnEdges(edges, add(builder, path, parts, signs, name="messages"))
    return OnEdges(edges, builder.refuse(path, f"message function {name}", **VALUES_AS_WEIGHTS))


def _nodes(builder: Builder, path: str, graph: Ref, values: Ref) -> Ref:
    """What counts the source nodes where a message reads none of their values."""
    node = ir.SourceNodes(name=f"{path}.nodes", inputs=(graph_input(builder, path, graph), builder.rows(values)))
    return builder.operator(node)


def _at_edge(edges: Neighbours, letter: str, value: Ref) -> Ref:
    return value if letter == "e" else edges.at_edges("source" if letter == "u" else "target", value)


def _weighted(builder: Builder, path: str, name: str, graph: Ref, source: Ref, weight: Ref) -> Reducer:
    """Values of the sources times one number an edge, which the caller passes or the model holds."""
    given = builder.nodes.get(weight)
    width = builder.shape(weight)[1:]
    if isinstance(given, ir.Input | ir.Operator) and all(size in (1, None) for size in width):
        return OfSources(edges_of(builder, path, graph, source, weight), source)
    refused = builder.refuse(path, f"message function {name}", of=weight, **VALUES_AS_WEIGHTS)
    return OnEdges(edges_of(builder, path, graph, source), refused)


@lowers_function("pop")
def lower_pop(builder: Builder, path: str, input: Ref, key: str) -> Ref:
    """``graph.ndata.pop("h")``: what the model wrote there."""
    found: Ref = lower_getitem(builder, path, input, key)
    return found
