"""What every node of a description is: a name, inputs, a shape; and the checks that sizes meet."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from torch import Tensor

from gcn2snn.errors import InputError

Shape = tuple[int | None, ...]
"""Sizes with None for the batch axis or an unknown number of nodes."""

Plain = bool | int | float | str | None
"""A plain value that a caller may pass; other plain objects, such as a ``torch.dtype``, by what ``str`` makes of them."""

Step = tuple[str, str | int | tuple[str, ...] | None]
"""One step from an argument to a part of it: an ("attribute", name), an ("item", key), the answer of a ("call", method), a
tensor's ("size", axis), the ("length", "") of a list, whether a key is there ("contains", key), or an attribute ("present", name)."""

NODE_TYPES: dict[str, type[Node]] = {}
"""Every node class by name; what a saved description may contain."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Node:
    """One step of the network. ``name`` is its place in the source model; ``inputs`` are names of earlier nodes."""

    name: str
    inputs: tuple[str, ...] = ()
    arity: ClassVar[int | None] = 1

    def __init_subclass__(cls) -> None:
        NODE_TYPES[cls.__name__] = cls

    def shape(self, *inputs: Shape) -> Shape:
        """Shape of the result, or an InputError that says which sizes do not meet."""
        return inputs[0]

    def __repr__(self) -> str:
        """``Dense(0: input.code -> weight [3, 4], bias [3])``: tensors by their shapes, options that are not the default."""
        told = []
        for item in fields(self):
            value = getattr(self, item.name)
            default = value is None or (not isinstance(value, Tensor) and value == item.default)
            if item.name in ("name", "inputs") or default:
                continue
            told.append(f"{item.name} {list(value.shape)}" if isinstance(value, Tensor) else f"{item.name}={value!r}")
        parts = (", ".join(self.inputs), ", ".join(told))
        return f"{type(self).__name__}({self.name}: {' -> '.join(part for part in parts if part)})"

    def tensors(self) -> dict[str, Tensor]:
        """The node's tensor fields."""
        return {f.name: v for f in fields(self) if isinstance(v := getattr(self, f.name), Tensor)}


class Source(Node):
    """A node whose result does not depend on other nodes."""

    arity: ClassVar[int | None] = 0


class Synapse(Node):
    """A linear node with weights: each incoming spike costs it additions."""


class Wire(Node):
    """A linear node without weights: sums, pooling sums, re-arrangement. Spikes pass through it into the next membrane."""


class Operator(Node):
    """A node that makes a sparse operand (a CSR), or another description of a graph, out of graph inputs; it carries no spikes.

    ``row_inputs``: how many of its last inputs only tell how many rows there are.
    """

    row_inputs: ClassVar[int] = 0


def meet(node: Node, good: bool, needed: str, got: Shape) -> None:
    if not good:
        raise InputError(f"{node.name} ({type(node).__name__}) needs an input of {needed}, got {list(got)}")


def same(a: int | None, b: int | None) -> bool:
    """Whether two sizes can be one; an unknown size can be any."""
    return a is None or b is None or a == b


def meet_bias(node: Node, bias: Tensor | None, channels: int) -> None:
    if bias is not None and bias.numel() not in (1, channels):
        raise InputError(f"{node.name} ({type(node).__name__}) has {channels} channels, its bias has {bias.numel()}")


def windows(
    node: Node,
    size: Shape,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int],
    ceil_mode: bool = False,
) -> Shape:
    result: list[int | None] = []
    for axis in (0, 1):
        length = size[2 + axis]
        # padding is (left, right, top, bottom): width first, as torch.nn.functional.pad has it
        before, after = padding[2:] if axis == 0 else padding[:2]
        if length is None:
            result.append(None)
            continue
        span = length + before + after - dilation[axis] * (kernel[axis] - 1) - 1
        meet(node, span >= 0, f"at least the kernel's {kernel} pixels", size)
        count = (-(-span // stride[axis]) if ceil_mode else span // stride[axis]) + 1
        if ceil_mode and (count - 1) * stride[axis] >= length + before:  # torch drops windows that start in the padding
            count -= 1
        result.append(count)
    return tuple(result)


def pool_shape(
    node: Node,
    size: Shape,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    ceil_mode: bool,
) -> Shape:
    meet(node, len(size) == 4, "[*, channels, height, width]", size)
    around = (padding[1], padding[1], padding[0], padding[0])
    return (*size[:2], *windows(node, size, kernel, stride, around, dilation, ceil_mode))
