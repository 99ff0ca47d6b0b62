"""What a network says about one text and about each row of labelled data, and how sure of it it is."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from gcn2snn.errors import InputError
from gcn2snn.file_names import refuse_other_ending
from gcn2snn.files import replacing

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


@dataclass(frozen=True, eq=False)
class RowPredictions:
    """What a source and its spiking network say about each row (node, graph, image) that was scored.

    Args:
        row: its place in the data, counted from 0 over all batches, [rows], int64.
        label: its class, [rows], int64.
        source, network: the class that each of the two gives, [rows], int64.
        source_probability, network_probability: of that class, by the softmax of the scores divided by the temperature, [rows],
            float64.
    """

    row: Tensor
    label: Tensor
    source: Tensor
    network: Tensor
    source_probability: Tensor
    network_probability: Tensor

    @classmethod
    def of(
        cls, row: Tensor, label: Tensor, source: Tensor, network: Tensor, temperature: float = 1.0
    ) -> RowPredictions:
        """From the scores of both, [rows, classes]."""
        tensors = [row.cpu(), label.cpu(), source.argmax(1).cpu(), network.argmax(1).cpu()]
        tensors += [torch.softmax(scores.double() / temperature, 1).amax(1).cpu() for scores in (source, network)]
        return cls(*tensors)

    @classmethod
    def joined(cls, parts: Sequence[RowPredictions]) -> RowPredictions:
        """The rows of several batches, in their order."""
        return cls(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def save(self, path: str | Path, class_names: Sequence[str], row_names: Sequence[str] = ()) -> Path:
        """Write a CSV file, whole or not at all: row, name, label, source, network, source_probability, network_probability.

        Args:
            path: file to write; its name ends in ``.csv``, or in no format's ending.
            class_names: one per class; a class without one is called by its number.
            row_names: one per row of the data (not only of those here), or none.

        Raises:
            ArtefactError: the name ends as that of another format, or the file cannot be written.
            InputError: there are names, but fewer than rows.
        """
        if row_names and len(row_names) <= int(self.row.max()):
            raise InputError(
                f"{len(row_names)} names for row {int(self.row.max())}; one for each row is needed, or none"
            )

        def named(number: int) -> str:
            return class_names[number] if number < len(class_names) else f"class {number}"

        path = Path(path)
        refuse_other_ending(path, ".csv")
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["row", "name", *(field.name for field in fields(self) if field.name != "row")])
            for row, *classes, source, network in zip(
                *(getattr(self, field.name).tolist() for field in fields(self)), strict=True
            ):
                name = row_names[row] if row_names else ""
                writer.writerow([row, name, *map(named, classes), f"{source:.6f}", f"{network:.6f}"])
        return path


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
