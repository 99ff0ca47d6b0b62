"""Confusions between classes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

LISTED = 15
"""Confusions that are listed."""


def largest_confusions(matrix: Tensor, names: Sequence[str]) -> list[tuple[str, str, int]]:
    """(true class, predicted class, test rows), the most frequent first, without what is right."""
    wrong = matrix.clone()
    wrong.fill_diagonal_(0)
    counts, places = wrong.flatten().sort(descending=True, stable=True)
    classes = len(names)
    pairs = zip(counts[:LISTED].tolist(), places[:LISTED].tolist(), strict=True)
    return [(names[place // classes], names[place % classes], count) for count, place in pairs if count]
