"""What a Text GCN for new documents minimises: margins between classes, and a penalty on what each word adds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gcn2snn.kernels import CSR


@dataclass(frozen=True, eq=False)
class MarginLoss:
    """A squared margin of each document against every other class, and a penalty as of a linear support vector machine.

    With the scores Z_d of n training documents, all classified as new ones, and what words send, S_w,

    min  (1 / n) sum_d sum_(k != y_d) max(0, 1 + (Z_dk - Z_dy_d) / r)^2  +  (1 / 2 C n) q sum_w |S_w / r|^2 / d_w

    r^2 = mean_d sum_w a_dw^2,    q = mean_d sum_w a_dw^2 d_w

    A document is scored by Z_d = sum_w a_dw S_w, up to its own loop, so S_w d_w^-1/2 is the coefficient of the TF-IDF of
    the word w divided by sqrt(d_d). Measured in these coefficients the penalty treats words alike, and q makes C what it
    is for rows of norm 1. r makes weights of order one reach a margin of one.

    Args:
        labels: y_d, [documents], int64.
        reach: r.
        weight: q / (2 C n r^2 d_w), [words].

    Source: Weston and Watkins 1999 (margins against every class); squared as in Fan et al. 2008, LIBLINEAR;
        docs/method.md, Section 9.
    """

    labels: Tensor
    reach: float
    weight: Tensor

    @classmethod
    def of(cls, rows: CSR, labels: Tensor, inverse_root: Tensor, cost: float) -> MarginLoss:
        """The loss of a set of training documents.

        Args:
            rows: a_dw, [documents, words].
            labels: their classes, [documents], int64.
            inverse_root: d_w^-1/2, [words].
            cost: C.
        """
        square, documents = rows.value.double() ** 2, rows.shape[0]
        inverse_square = inverse_root.double() ** 2
        reach = float(square.sum() / documents) ** 0.5 or 1.0  # without any known word there is nothing to reach
        norm = float((square / inverse_square[rows.col.long()]).sum() / documents)
        weight = norm * inverse_square / (2 * cost * documents * reach**2)
        return cls(labels, reach, weight.float())

    def to(self, device: torch.device) -> MarginLoss:
        """The same on another device."""
        return MarginLoss(self.labels.to(device), self.reach, self.weight.to(device))

    def loss(self, scores: Tensor, labels: Tensor | None = None) -> Tensor:
        """The first sum.

        Args:
            scores: Z, [documents, classes].
            labels: of other documents than those of training, [documents], int64.
        """
        truth = (self.labels if labels is None else labels)[:, None]
        scaled = scores / self.reach
        short = torch.relu(1 + scaled - scaled.gather(1, truth)).scatter(1, truth, 0.0)
        return short.square().sum(1).mean()

    def penalty(self, sent: Tensor) -> Tensor:
        """The second sum, of what words send, S, [words, classes]."""
        return (self.weight @ sent.square()).sum()
