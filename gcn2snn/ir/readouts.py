"""What a source model computes after its last layer, on the potentials themselves: products of two results, a sigmoid, other axes.

None of it is spikes: potentials are numbers in memory there, and products of them are multiply-accumulates in the spiking
network as in its source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gcn2snn.ir.node import Node, Shape, meet, same
from gcn2snn.ir.structures import Structure


class Readout(Node):
    """A node behind the membranes: it reads outputs and other readouts, and works in floats."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Axes(Readout):
    """Axis k of the result is axis ``order[k]`` of X; the order (0,) makes a vector [N] of X [N, 1].

    ``loose``: the vector of a call with one row is that number alone, [], as ``x.squeeze()`` of the source model gives it.
    """

    order: tuple[int, ...]
    loose: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        size = inputs[0]
        fits = max(self.order) < len(size) and (len(self.order) == len(size) or (self.order, size[1:]) == ((0,), (1,)))
        meet(self, fits, f"{len(self.order)} axes, or [*, 1] for a vector", size)
        return tuple(size[axis] for axis in self.order)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Sigmoid(Readout):
    """Y = 1 / (1 + exp(-X)): probabilities, which a caller compares with 0.5, so it is not left out as a softmax is."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Scaled(Readout):
    """Y = factor X + shift, with numbers of the model."""

    factor: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Endpoints(Readout):
    """Y_i = X_j, j the only column of row i of the operator: the embeddings of one end of each edge. inputs: (operator, X)."""

    arity: ClassVar[int | None] = 2

    def shape(self, *inputs: Shape) -> Shape:
        operator, size = inputs
        meet(self, same(operator[1], size[0]), f"[{operator[1]}, *]", size)
        return (operator[0], *size[1:])


class Product(Readout):
    """A product of two results. inputs: (A, B)."""

    arity: ClassVar[int | None] = 2

    def operations(self, a: Tensor, b: Tensor, result: Tensor) -> int:
        """Multiply-accumulates of one evaluation."""
        return a.numel()


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Hadamard(Product):
    """Y = A * B element by element, [N, C]."""

    def shape(self, *inputs: Shape) -> Shape:
        meet(self, _fit(*inputs), str(list(inputs[0])), inputs[1])
        return inputs[0]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class InnerProduct(Product):
    """y_i = sum_c A_ic B_ic, [N], or [N, 1] with ``keepdim``: the score of each edge."""

    keepdim: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        meet(self, len(inputs[0]) == 2 and _fit(*inputs), str(list(inputs[0])), inputs[1])
        return (inputs[0][0], 1) if self.keepdim else (inputs[0][0],)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Gram(Product):
    """Y = A B^T: the scores of all pairs of rows, [N, M]."""

    def shape(self, *inputs: Shape) -> Shape:
        a, b = inputs
        meet(self, len(a) == len(b) == 2 and same(a[1], b[1]), f"[*, {a[1]}]", b)
        return (a[0], b[0])

    def operations(self, a: Tensor, b: Tensor, result: Tensor) -> int:
        return result.numel() * a.shape[1]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Bilinear(Product):
    """Y_ik = sum_cd A_ic W_kcd B_id + b_k; weight [K, C, D], bias [K]."""

    weight: Tensor
    bias: Tensor | None = None

    def shape(self, *inputs: Shape) -> Shape:
        (a, b), (out, first, second) = inputs, self.weight.shape
        meet(self, len(a) == 2 and same(a[1], first), f"[*, {first}]", a)
        meet(self, len(b) == 2 and same(b[1], second) and same(a[0], b[0]), f"[*, {second}]", b)
        return (a[0], out)

    def operations(self, a: Tensor, b: Tensor, result: Tensor) -> int:
        out, first, second = self.weight.shape
        return a.shape[0] * out * second * (first + 1)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Result(Node):
    """The last node of a network that gives more than the potentials of one output: ``inputs`` are its heads.

    ``structure``: the tuple, list or dict that the source model returns, with the heads in their places.
    """

    arity: ClassVar[int | None] = None
    structure: Structure

    def shape(self, *inputs: Shape) -> Shape:
        return ()


def _fit(a: Shape, b: Shape) -> bool:
    return len(a) == len(b) and all(map(same, a, b))
