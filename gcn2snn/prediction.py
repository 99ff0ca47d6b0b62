"""What a network says about one text, and how sure of it it is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TEMPERATURES = torch.linspace(-3.0, 3.0, 241, dtype=torch.float64).exp()
"""Softmax temperatures, in units of the scores' standard deviation, from which calibration takes the likeliest."""


@dataclass(frozen=True)
class Prediction:
    """What the network says about one text.

    Args:
        label: the class with the largest potential, which is the most probable one.
        probability: of each class, by the softmax of the potentials divided by the stored temperature.
        known_words: words of the text that the graph knows; without any, label and probability are those of the training documents
            taken together.
        spikes: that arrive for this document, of its words and of its own neurons.
        additions: that these spikes cost.
        joules: of the additions.
        steps: from the first spike to the result, T + w for each layer that waits for the one before.
        influence: word -> what it adds to the label's potential above the mean of all classes; largest first.
    """

    label: str
    probability: dict[str, float]
    known_words: int
    spikes: int
    additions: int
    joules: float
    steps: int
    influence: dict[str, float]

    @property
    def confidence(self) -> float:
        """Probability of the label."""
        return self.probability[self.label]

    def best(self, top: int) -> list[tuple[str, float]]:
        """The most probable classes with their probabilities, at most so many."""
        return sorted(self.probability.items(), key=lambda item: -item[1])[:top]

    def to_json(self, top: int = 1, explain: bool = False) -> dict[str, object]:
        """What the command line and the service say about a text.

        Args:
            top: classes to name with their probabilities.
            explain: name the words that moved the result, with their influence.
        """
        content: dict[str, object] = {"label": self.label, "probability": dict(self.best(top))}
        content |= {"known_words": self.known_words, "spikes": self.spikes, "additions": self.additions}
        content |= {"joules": self.joules, "steps": self.steps}
        return content | {"influence": self.influence} if explain else content


def temperature(scores: Tensor, labels: Tensor) -> float:
    """Divisor of the scores under which the labels are likeliest: scalar calibration of the softmax.

    Args:
        scores: [N, C].
        labels: [N].

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017, Section 4.2.
    """
    scores = scores.double()
    unit = float(scores.std()) or 1.0
    surprise = [
        torch.nn.functional.cross_entropy(scores / (factor * unit), labels).item() for factor in TEMPERATURES.tolist()
    ]
    return float(TEMPERATURES[surprise.index(min(surprise))]) * unit
