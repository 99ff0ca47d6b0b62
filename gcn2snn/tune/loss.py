"""The accuracy that changed predictions cost, estimated with less variance than by counting right answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """Points of accuracy lost against the source.

    Args:
        counted: right answers of the source less those of the spiking network, on the validation rows.
        expected: what the changed predictions cost if the source's calibrated probabilities are true.
        error: standard error of ``expected``.
    """

    counted: float
    expected: float
    error: float

    @property
    def bound(self) -> float:
        """(counted + expected) / 2 + error: what a rule compares.

        ``counted`` has no bias but varies much, ``expected`` varies little but is biased upwards; a search that looks
        for the least of many estimates finds those that are too low by chance, hence the standard error.
        """
        return (self.counted + self.expected) / 2 + self.error


def loss_of(probability: Tensor, source: Tensor, found: Tensor, labels: Tensor) -> Loss:
    """Loss of predictions ``found`` [N] against ``source`` [N], given class probabilities [N, C] of the source.

    expected = 100 mean(p_i[source_i] - p_i[found_i]):  the mean of ``counted`` over labels drawn from p. Rows on which
    both agree add nothing, and a row on which both are wrong is not taken for a tie that was bound to be one.
    """
    rows = torch.arange(labels.numel())
    difference = 100 * (probability[rows, source] - probability[rows, found])
    counted = 100 * ((source == labels).double() - (found == labels).double()).mean()
    error = float(difference.std()) / labels.numel() ** 0.5 if labels.numel() > 1 else 0.0
    return Loss(float(counted), float(difference.mean()), error)


def divergence_of(probability: Tensor, scores: Tensor, divisor: float) -> float:
    """Mean KL divergence of the softmax of ``scores`` / ``divisor`` from ``probability``, both [N, C], in nats.

    Every row adds to it, not only those whose class changes, so it varies far less than a count of right answers.
    """
    logarithms = (scores.double() / divisor).log_softmax(1)
    return float(torch.nn.functional.kl_div(logarithms, probability, reduction="none").sum(1).mean())


WIDTH = math.log(2.0)
"""Standard deviation, in logarithms of the divergence, of the neighbourhood that calibrates a loss."""

LEAST_DIVERGENCE = 1e-9
"""In nats; below it, rounding decides."""


def calibrated_losses(divergences: Sequence[float], losses: Sequence[float]) -> list[float]:
    """The loss that a divergence stands for, from all configurations that were measured.

        loss(k) = k sum_j w_j y_j / sum_j w_j k_j,    w_j = exp(-(log k_j - log k)^2 / (2 WIDTH^2))

    Predictions change, and each change costs accuracy, about in proportion to a small disturbance, so the loss y grows
    like its square, and so does the divergence k. Their ratio differs from data set to data set and slowly with k; it is
    taken from the measured losses of the configurations of similar divergence. A configuration whose few changed
    predictions happen to be right is thus not taken for a better one than its like.

    Args:
        divergences: k, in nats.
        losses: y, points of accuracy as measured (:attr:`Loss.bound`).

    Source: ours; the weighted mean of ratios is a kernel regression (Nadaraya 1964, Watson 1964).
    """
    if not divergences:
        return []
    k = torch.tensor(divergences, dtype=torch.float64).clamp(min=LEAST_DIVERGENCE)
    y = torch.tensor(losses, dtype=torch.float64)
    weight = torch.exp(-(((k[:, None].log() - k.log()) / WIDTH).square()) / 2)
    found: list[float] = (k * (weight @ y) / (weight @ k)).tolist()
    return found
