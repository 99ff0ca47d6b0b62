"""The accuracy that changed predictions cost, estimated with less variance than by counting right answers, and as little bias."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def expected_loss(probability: Tensor, source: Tensor, found: Tensor) -> float:
    """What predictions ``found`` [N] cost against ``source`` [N] if the source's class probabilities [N, C] are true, in points.

    100 mean(p_i[source_i] - p_i[found_i]):  the mean of the loss by right answers over labels drawn from p. Rows on which
    both agree add nothing, and a row on which both are wrong is not taken for a tie that was bound to be one. It varies little,
    but is too large where the predictions that a spiking network changes were uncertain for a reason that it shares.
    """
    rows = torch.arange(source.numel())
    return 100 * float((probability[rows, source] - probability[rows, found]).mean())


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


def smooth_losses(divergences: Sequence[float], losses: Sequence[float]) -> list[float]:
    """The loss that a divergence stands for, from all configurations that were measured.

        loss(k) = k sum_j w_j y_j / sum_j w_j k_j,    w_j = exp(-(log k_j - log k)^2 / (2 WIDTH^2))

    Predictions change, and each change costs accuracy, about in proportion to a small disturbance, so the loss y grows
    like its square, and so does the divergence k. Their ratio differs from data set to data set and slowly with k; it is
    taken from the measured losses of the configurations of similar divergence. A configuration whose few changed
    predictions happen to be right is thus not taken for a better one than its like.

    Args:
        divergences: k, in nats.
        losses: y, points of accuracy.

    Source: ours; the weighted mean of ratios is a kernel regression (Nadaraya 1964, Watson 1964).
    """
    if not divergences:
        return []
    k = torch.tensor(divergences, dtype=torch.float64).clamp(min=LEAST_DIVERGENCE)
    y = torch.tensor(losses, dtype=torch.float64)
    weight = _nearness(k, WIDTH)
    found: list[float] = (k * (weight @ y) / (weight @ k)).tolist()
    return found


FACTOR_WIDTH = math.log(4.0)
"""As :data:`WIDTH`, for the ratio of counted to expected losses: it changes less with the divergence."""

PRIOR_DEVIATION = 0.5
"""How far the ratio of counted to expected losses is taken to lie from 1 before anything was counted."""

LEAST_FACTOR = 0.25
"""A search may not believe that changed predictions cost less than this share of what is expected."""


def factors(
    divergences: Sequence[float], expected: Sequence[float], counted: Sequence[float], variances: Sequence[float]
) -> list[float]:
    """By how much the expected losses have to be multiplied to agree with what was counted around each divergence.

        factor(k) = (1 / s^2 + sum_j w_j e_j c_j / v_j) / (1 / s^2 + sum_j w_j e_j^2 / v_j),    sum_j w_j = 1

    This is the mean of a ratio that is normal around 1 with deviation s before, and measured once: all configurations are
    counted on the same documents, so many of them say hardly more than one. Where few predictions change, counting says
    next to nothing and the factor stays near 1; where many do, it follows the count.

    Args:
        divergences: k, in nats.
        expected: e, points.
        counted: c, points, without bias.
        variances: v of c, points squared.

    Source: ours; the posterior mean of a normal ratio with known variance.
    """
    if not divergences:
        return []
    k, e, c, v = (torch.tensor(values, dtype=torch.float64) for values in (divergences, expected, counted, variances))
    weight = _nearness(k.clamp(min=LEAST_DIVERGENCE), FACTOR_WIDTH)
    weight = weight / weight.sum(1, keepdim=True)
    prior = PRIOR_DEVIATION**-2
    found: list[float] = (
        ((prior + weight @ (e * c / v)) / (prior + weight @ (e * e / v))).clamp(min=LEAST_FACTOR).tolist()
    )
    return found


def _nearness(k: Tensor, width: float) -> Tensor:
    """exp(-(log k_j - log k_i)^2 / (2 width^2)), [N, N]."""
    return torch.exp(-(((k[:, None].log() - k.log()) / width).square()) / 2)
