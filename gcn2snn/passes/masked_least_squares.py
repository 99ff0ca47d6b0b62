"""min over M, zero outside a mask, of a weighted sum of |A (M - a)|^2: preconditioned conjugate gradients, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gcn2snn.kernels import CSR, spmm


@dataclass(frozen=True, eq=False)
class Objective:
    """E(M) = sum_i D_i |(A M - A a)_i|^2 + r sum_ij P_j (M - a)_ij^2, one value for each column of M.

    Args:
        matrices: A; several are added up, each with the same D.
        row_weights: D, [rows] float64.
        diagonal: P_j = sum_i D_i A_ij^2, [N] float64: what one entry of M weighs.
        ridge: r, at least 0.
    """

    matrices: tuple[CSR, ...]
    row_weights: Tensor
    diagonal: Tensor
    ridge: float

    @classmethod
    def of(cls, matrices: Sequence[CSR], row_weights: Tensor | None, ridge: float) -> Objective:
        """The objective of populations that these matrices read; D is 1 where it is not given."""
        first = matrices[0]
        weights = torch.ones(first.shape[0], dtype=torch.float64) if row_weights is None else row_weights.double()
        diagonal = torch.zeros(first.shape[1], dtype=torch.float64)
        for matrix in matrices:
            diagonal.index_add_(0, matrix.col.long(), matrix.value.double() ** 2 * weights[matrix.row])
        return cls(tuple(matrices), weights, diagonal, ridge)

    def value(self, difference: Tensor) -> Tensor:
        """E for M - a = ``difference`` [N, C], [C] float64."""
        total = self.ridge * (self.diagonal[:, None] * difference.square()).sum(0)
        for matrix in self.matrices:
            total = total + (self.row_weights[:, None] * spmm(matrix, difference).square()).sum(0)
        return total

    def times(self, x: Tensor) -> Tensor:
        """H x, half the gradient of E at difference x: (A^T D A + r P) x, [N, C]."""
        result = self.ridge * self.diagonal[:, None] * x
        for matrix in self.matrices:
            result = result + spmm(matrix.transpose, self.row_weights[:, None] * spmm(matrix, x))
        return result


CONVERGED = 1e-18
"""Columns whose squared gradient has fallen to this share of its first value are done: what is left is rounding."""


def descend(objective: Objective, goal: Tensor, values: Tensor, free: Tensor, steps: int) -> Tensor:
    """M after some steps of conjugate gradients from ``values``; what is not free stays. E never rises.

    Args:
        objective: E.
        goal: a, [N, C] float64.
        values: M to start from, [N, C] float64.
        free: entries that may change, bool [N, C].
        steps: how many; each takes one product with A and one with A^T.
    """
    weight = torch.where(objective.diagonal > 0, objective.diagonal, 1.0)[:, None] * (1.0 + objective.ridge)
    residual = torch.where(free, -objective.times(values - goal), 0.0)
    scaled = residual / weight
    direction, product = scaled, (residual * scaled).sum(0)
    done = CONVERGED * product
    for _ in range(steps):
        image = torch.where(free, objective.times(direction), 0.0)
        curvature = (direction * image).sum(0)
        going = (product > done) & (curvature > 0)
        length = torch.where(going, product, 0.0) / torch.where(going, curvature, 1.0)
        values = values + length * direction
        residual = residual - length * image
        scaled = residual / weight
        before, product = product, (residual * scaled).sum(0)
        direction = scaled + torch.where(going, product, 0.0) / torch.where(going, before, 1.0) * direction
    return values
