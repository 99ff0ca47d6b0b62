"""The frames of DGL graphs: what a model writes to ``graph.ndata["h"]`` is kept in the builder, never in the caller's graph."""

from __future__ import annotations

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.example_inputs import part

OF_NODES = ("ndata", "srcdata", "dstdata")
"""Attributes that are one frame where sources and targets are the same nodes."""


UNKNOWN = ""
"""Key of what stands for any item that the model did not write by name, once it wrote to items nobody knows."""


def frame_of(builder: Builder, ref: Ref) -> str:
    """The name of the frame that a reference such as ``graph.srcdata`` stands for, the same for all its names."""
    node = builder.nodes.get(ref)
    if isinstance(node, ir.Part) and node.key in OF_NODES and _has_one_kind(builder.example(node.inputs[0])):
        return f"{node.inputs[0]}.ndata"
    return ref


def _has_one_kind(graph: object) -> bool:
    return not getattr(graph, "is_block", True) and len(getattr(graph, "ntypes", ())) == 1


def written(builder: Builder, ref: Ref, key: object) -> Ref | None:
    """What the model wrote to an item of a frame; None if it wrote nothing there."""
    frame = frame_of(builder, ref)
    if not isinstance(key, str):
        return None
    return builder.frames.get((frame, key), builder.frames.get((frame, UNKNOWN)))


def read_frame(builder: Builder, graph: Ref, which: str, key: str) -> Ref:
    """What the model wrote to ``graph.which[key]``, or what the caller's graph holds there."""
    ref: Ref = part(builder, graph, "attribute", which)
    known = written(builder, ref, key)
    found: Ref = part(builder, ref, "item", key) if known is None else known
    return found


def write_frame(builder: Builder, graph: Ref, which: str, key: str, value: Ref) -> None:
    """``graph.which[key] = value``."""
    builder.frames[frame_of(builder, part(builder, graph, "attribute", which)), key] = value
