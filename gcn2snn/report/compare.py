"""Several networks side by side: a row for each question, a column for each network, and marks where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gcn2snn.report.headline import energy_in_words
from gcn2snn.report.numbers import count, fixed, signed
from gcn2snn.report.rows import NetworkRow


@dataclass(frozen=True)
class Cell:
    """An answer, and whether it is another one than that of the first network."""

    text: str
    differs: bool


@dataclass(frozen=True)
class Question:
    """A row: what is asked, and the answers in the order of the networks."""

    title: str
    cells: tuple[Cell, ...]


def side_by_side(networks: Sequence[NetworkRow]) -> list[Question]:
    """Accuracy, energy and work of all networks, and what at least two of them differ in: settings, data, training."""
    every = [_answers(network) for network in networks]
    titles = dict.fromkeys(title for answers in every for title in answers)
    rows = [_question(title, [answers.get(title, "not set") for answers in every]) for title in titles]
    return [row for row in rows if row.title in MEASURES or any(cell.differs for cell in row.cells)]


MEASURES = (
    "Accuracy of the source %",
    "Accuracy of the spiking network %",
    "Accuracy lost, points",
    "Same answer as the source %",
    "Energy of the arithmetic",
    "Energy by the paper's Eq. 6",
    "Energy with updates and memory",
    "Spikes of all populations",
    "Additions",
    "Updates of neurons",
)
"""Questions that are asked of every network, also where all answers are equal."""


def _question(title: str, answers: Sequence[str]) -> Question:
    return Question(title, tuple(Cell(answer, answer != answers[0]) for answer in answers))


def _answers(network: NetworkRow) -> dict[str, str]:
    result, energy = network.evaluation, network.evaluation.energy
    measures = (
        fixed(result.ann.accuracy),
        fixed(result.snn.accuracy),
        signed(result.ann.accuracy - result.snn.accuracy),
        fixed(result.agreement),
        *(energy_in_words(alpha)[1] for alpha in (energy.alpha_events, energy.alpha_eq6, energy.alpha_total)),
        count(sum(own.spikes for own in network.measured.populations)),
        count(sum(layer.events for layer in energy.layers)),
        count(energy.updates),
    )
    answers = dict(zip(MEASURES, measures, strict=True))
    source = {**network.source.data, **network.source.training}
    return answers | network.words | {f"Source: {name}": str(value) for name, value in source.items()}
