"""Where the axes of a value lie while a model is read: the network keeps rows on axis 0, a model may move them for a while.

``x.unsqueeze(0).squeeze(0)``, ``torch.stack([a, b]).sum(0)`` and ``(W @ x.t()).t()`` put the rows on another axis in between. Such
a value is a stand-in (``Builder.hold``) that names a value with rows on axis 0 and the order of its axes; only handlers with
``registry.follows_layouts`` read it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gcn2snn import ir
from gcn2snn.errors import Refusal
from gcn2snn.frontends.builder import Builder, Ref


@dataclass(frozen=True)
class Layout:
    """A value as the model sees it: axis k is axis ``order[k]`` of ``base``, whose rows are on axis 0.

    A vector of one number for each row has the order (0,), and its base is [N, 1]. ``loose``: as for :class:`ir.Axes`; only
    the model's result looks at it.
    """

    base: Ref
    order: tuple[int, ...]
    loose: bool = False

    def axis(self, dim: int) -> int:
        """The axis of the base that an axis of the model is, which may count from the end.

        Raises:
            IndexError: there is no such axis.
        """
        if not -len(self.order) <= dim < len(self.order):
            raise IndexError(f"there are {len(self.order)} axes, and no axis {dim}")
        return self.order[dim]

    @property
    def is_vector(self) -> bool:
        """Whether it is one number for each row."""
        return len(self.order) == 1


def layout_of(builder: Builder, x: Ref) -> Layout:
    """How a value lies: rows on axis 0, unless it is a stand-in for another layout."""
    held = builder.held(x)
    return held if isinstance(held, Layout) else Layout(x, tuple(range(len(builder.shape(x)))))


def value_with(builder: Builder, path: str, base: Ref, order: Sequence[int], *, loose: bool = False) -> Ref:
    """The value whose axis k is axis ``order[k]`` of ``base``: a node if its rows are on axis 0, else a stand-in."""
    if len(order) > 1 and order[0] == 0:
        return permuted(builder, path, base, tuple(order))
    sizes = builder.shape(base)
    shape = tuple(None if axis == 0 else sizes[axis] for axis in order)
    where = "is one number for each row" if len(order) == 1 else f"has its rows on axis {list(order).index(0)}"
    why = f"{where}, where this step reads it; values of the network have rows on axis 0 and channels on axis 1."
    instead = "Move the axes back before."
    layout = Layout(base, tuple(order), loose)
    refusal = Refusal(path or "model", "axes in another order", why, instead, "unknown")
    return builder.hold(path or "axes", shape, builder.rows(base), layout, refusal)


def permuted(builder: Builder, path: str, x: Ref, order: tuple[int, ...]) -> Ref:
    """Axes in another order, rows first; two such steps in a row become one, or none."""
    before = builder.nodes.get(x)
    if isinstance(before, ir.Permute):
        x, order = Ref(before.inputs[0]), tuple(before.order[axis] for axis in order)
    if order == tuple(range(len(order))):
        return x
    return builder.add(ir.Permute(name=path, inputs=(x,), order=order))


def viewed(builder: Builder, path: str, x: Ref, sizes: Sequence[int]) -> Ref:
    """[N, ...] -> [N, *sizes]; the value that an earlier view was made of where that has these sizes."""
    before = builder.nodes.get(x)
    while isinstance(before, ir.View | ir.Flatten):
        x = Ref(before.inputs[0])
        before = builder.nodes.get(x)
    if builder.shape(x)[1:] == tuple(sizes):
        return x
    if len(sizes) == 1:
        return builder.add(ir.Flatten(name=path, inputs=(x,)))
    return builder.add(ir.View(name=path, inputs=(x,), sizes=tuple(sizes)))


def taken(builder: Builder, path: str, x: Ref, axis: int, numbers: Sequence[int]) -> Ref:
    """Some of the channels or pixels along one axis of a value with rows on axis 0."""
    if list(numbers) == list(range(builder.shape(x)[axis] or -1)):
        return x
    return builder.add(ir.Take(name=path, inputs=(x,), axis=axis, index=torch.tensor(list(numbers), dtype=torch.int64)))


def as_image(builder: Builder, path: str, x: Ref, channels: int) -> tuple[Ref, list[int], tuple[int, ...]]:
    """A value with its axis ``channels`` on axis 1 and all others in one: [N, C, rest, 1].

    Returns:
        The image, the sizes of the rest, and the order that :func:`from_image` undoes.
    """
    count = len(builder.shape(x))
    order = (0, channels, *(axis for axis in range(1, count) if axis != channels))
    moved = permuted(builder, f"{path}.channels_first", x, order)
    rest = known_sizes(builder, moved)[1:]
    return viewed(builder, f"{path}.image", moved, (known_sizes(builder, moved)[0], math.prod(rest), 1)), rest, order


def from_image(builder: Builder, path: str, image: Ref, rest: Sequence[int], order: tuple[int, ...]) -> Ref:
    """[N, C', rest, 1] -> the axes of the value that :func:`as_image` was given, with C' channels."""
    moved = viewed(builder, f"{path}.axes", image, (known_sizes(builder, image)[0], *rest))
    back = tuple(order.index(axis) for axis in range(len(order)))
    return permuted(builder, path, moved, back)


def known_sizes(builder: Builder, x: Ref) -> list[int]:
    """Sizes of all axes but the rows.

    Raises:
        LookupError: one of them is only known to a call.
    """
    sizes = builder.shape(x)[1:]
    if None in sizes:
        raise LookupError(f"a size of {x} is known only when a call comes")
    return [size for size in sizes if size is not None]


def is_value(builder: Builder, x: Ref) -> bool:
    """Whether a reference is a value of the network, or may become one; not a description of the graph."""
    node = builder.nodes.get(x)
    if builder.held(x) is not None or node is None:
        return True
    if isinstance(node, ir.Input | ir.Part):
        example = builder.example(x)
        images = isinstance(example, torch.Tensor) and example.layout is torch.strided and example.dim() > 2
        return node.role == "dense" or images
    return not isinstance(node, ir.Operator)
