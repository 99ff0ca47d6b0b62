"""The first thing that a report says: accuracy of both networks, what is lost, and whether energy is saved, in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gcn2snn.report.collect import Measured
from gcn2snn.report.numbers import count, fixed, signed

DEVIATIONS = 1.959964
"""Standard deviations of a normal distribution that hold 95 % of it, to each side."""


@dataclass(frozen=True)
class Card:
    """One number with what it means.

    Args:
        title: what was asked.
        value: the answer, short.
        text: a sentence.
        look: "saves", "costs" or "".
    """

    title: str
    value: str
    text: str
    look: str = ""


def loss_interval(only_source: int, only_spiking: int, rows: int) -> tuple[float, float]:
    """Interval that holds the loss of accuracy with 95 % confidence, in points, for rows drawn like these.

    Both networks answer the same rows, so only those count on which one of them is right and the other wrong:

        d = (b - c) / (n + 2) +- 1.96 sqrt(b + c - (b - c)^2 / (n + 2)) / (n + 2)

    with b = only_source + 1/2, c = only_spiking + 1/2.

    >>> [round(bound, 2) for bound in loss_interval(9, 3, 2189)]
    [-0.06, 0.61]

    Args:
        only_source, only_spiking: rows on which only that network is right.
        rows: all rows.

    Source: Agresti and Min, Simple improved confidence intervals for comparing matched proportions, 2005, Section 2.
    """
    b, c, n = only_source + 0.5, only_spiking + 0.5, rows + 2
    middle = (b - c) / n
    half = DEVIATIONS * math.sqrt(b + c - (b - c) ** 2 / n) / n
    return 100 * (middle - half), 100 * (middle + half)


def energy_in_words(alpha: float) -> tuple[str, str]:
    """ "saves", "costs" or "" and the ratio in words; equal is what two decimals do not tell apart.

    >>> energy_in_words(5.55), energy_in_words(0.5), energy_in_words(1.0)
    (('saves', 'saves: 5.55 times less'), ('costs', 'costs 2.00 times as much'), ('', 'the same'))
    """
    if abs(alpha - 1) < 0.005:
        return "", "the same"
    if alpha > 1:
        return "saves", f"saves: {fixed(alpha)} times less"
    return "costs", f"costs {fixed(1 / alpha) if alpha else 'infinitely'} times as much"


def cards(measured: Measured) -> list[Card]:
    """Accuracy of source and network, the loss with its interval, and energy by three ways of counting."""
    result, energy = measured.evaluation, measured.evaluation.energy
    rows, unit = result.test_nodes, measured.subject.unit
    low, high = loss_interval(measured.only_ann, measured.only_snn, rows)
    lost = result.ann.accuracy - result.snn.accuracy
    return [
        Card("Source network", f"{fixed(result.ann.accuracy)} %", f"of {count(rows)} {unit} are classified correctly."),
        Card("Spiking network", f"{fixed(result.snn.accuracy)} %", "of the same, with one spike a neuron at most."),
        Card(
            "Accuracy gained" if lost < 0 else "Accuracy lost",
            f"{fixed(abs(lost))} points",
            f"With 95 % confidence the loss is between {signed(low)} and {signed(high)}. "
            f"Both networks say the same of {fixed(result.agreement)} % of the {unit}.",
        ),
        _energy(
            "Energy of the arithmetic", energy.alpha_events, "Each spike counted with the synapses that it reaches."
        ),
        _energy("Energy by the paper's Eq. 6", energy.alpha_eq6, "Arithmetic too, from the mean rate of each layer."),
        _energy("With updates and memory", energy.alpha_total, "Also all that moves to and from a small memory."),
    ]


def _energy(title: str, alpha: float, text: str) -> Card:
    look, words = energy_in_words(alpha)
    return Card(title, words, f"{text} Alpha {fixed(alpha)}.", look)
