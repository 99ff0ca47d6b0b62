"""The accuracy that changed predictions cost, estimated with less variance than by counting right answers."""

from __future__ import annotations

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
