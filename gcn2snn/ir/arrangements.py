"""The nodes that only move or leave out values: other axes, other sizes, some of the channels, some of the rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gcn2snn.ir.node import Operator, Shape, Wire, meet, same


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class View(Wire):
    """[N, ...] -> [N, *sizes], the values of each row in their order; for one axis beside the rows there is :class:`Flatten`."""

    sizes: tuple[int, ...]

    def shape(self, *inputs: Shape) -> Shape:
        size = inputs[0]
        known = None not in size[1:] and math.prod(v for v in size[1:] if v is not None) == math.prod(self.sizes)
        meet(self, known, f"{math.prod(self.sizes)} values in each row", size)
        return (size[0], *self.sizes)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Permute(Wire):
    """Axes in another order; axis k of the result is axis ``order[k]`` of X, and axis 0, the rows, stays: ``order[0]`` = 0."""

    order: tuple[int, ...]

    def shape(self, *inputs: Shape) -> Shape:
        size = inputs[0]
        fits = sorted(self.order) == list(range(len(size))) and self.order[0] == 0
        meet(self, fits, f"{len(self.order)} axes of which the first stays", size)
        return tuple(size[axis] for axis in self.order)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Take(Wire):
    """Y[:, ..., k, ...] = X[:, ..., index[k], ...] along one axis that is not the rows: channels or pixels picked by number.

    ``index``: int64 [count], each from 0 to the size of the axis less one; a number may come several times.
    """

    axis: int
    index: Tensor

    def shape(self, *inputs: Shape) -> Shape:
        size = inputs[0]
        meet(self, 0 < self.axis < len(size), f"more than {self.axis} axes", size)
        return (*size[: self.axis], self.index.numel(), *size[self.axis + 1 :])


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PickRows(Wire):
    """Y_i = X_j, j the only column of row i of the operator: some rows, in any order. inputs: (operator, X)."""

    arity: ClassVar[int | None] = 2

    def shape(self, *inputs: Shape) -> Shape:
        operator, size = inputs
        meet(self, same(operator[1], size[0]), f"[{operator[1]}, *]", size)
        return (operator[0], *size[1:])


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RowSlice(Operator):
    """[rows of x[start:stop:step], rows of x] with one 1 in each row. inputs: (rows of x, and a number if ``counted``).

    ``counted``: the stop is a number that the caller passes, such as the size of a batch of seed nodes; ``stop`` is None then.
    """

    arity: ClassVar[int | None] = None
    row_inputs: ClassVar[int] = 2
    start: int | None = None
    stop: int | None = None
    step: int | None = None
    counted: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        return (None, None)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RowIndex(Operator):
    """[count, rows of x] with a 1 in column index[i] of row i. inputs: (index, rows of x).

    The index is whole numbers [count] (negative ones count from the end) or a mask, bool [rows of x].
    """

    arity: ClassVar[int | None] = 2
    row_inputs: ClassVar[int] = 1

    def shape(self, *inputs: Shape) -> Shape:
        return (None, None)
