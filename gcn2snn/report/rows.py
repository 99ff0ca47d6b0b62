"""What the rows of a report's tables are made of; :mod:`gcn2snn.report.columns` says what they show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from gcn2snn.evaluation import Evaluation
from gcn2snn.report.chart import Chart
from gcn2snn.report.collect import Measured
from gcn2snn.report.headline import Card
from gcn2snn.report.population import Degrees, Population
from gcn2snn.report.samples import Shown


@dataclass(frozen=True)
class Accounting:
    """Energy counted in one way: joules of both networks, and source over spiking."""

    name: str
    what: str
    ann: float
    snn: float
    alpha: float


@dataclass(frozen=True)
class Work:
    """Operations and energy of the source with and without its zeros, or of the spiking network."""

    name: str
    kind: str
    operations: int
    joules: float
    factor: float
    accuracy: float


@dataclass(frozen=True)
class PopulationRow:
    """A population as it is shown: its numbers, its neuron, and the range of its scales and of its last phases."""

    own: Population
    name: str
    id: str
    kind: str
    scale: str
    horizon: str
    charts: list[Chart]
    degrees: list[tuple[str, Degrees]]


@dataclass(frozen=True)
class SourceRow:
    """What a source model was trained on and how.

    Args:
        names: the networks that were made of it.
        key: id of its section.
        data: what people read of the data.
        folded: what is left of them: checksums, and what is not set.
        training: its configuration, by option with its meaning.
    """

    names: tuple[str, ...]
    key: str
    data: dict[str, object]
    folded: dict[str, object]
    training: dict[str, object]

    def equals(self, other: SourceRow) -> bool:
        """Whether data and training are the same."""
        return (self.data, self.folded, self.training) == (other.data, other.folded, other.training)


@dataclass(frozen=True)
class NetworkRow:
    """A network as it is shown."""

    name: str
    key: str
    cards: list[Card]
    flow: list[Chart]
    samples: list[tuple[str, list[Shown]]]
    words: dict[str, str]
    settings: dict[str, object]
    environment: dict[str, str]
    source: SourceRow
    evaluation: Evaluation
    measured: Measured
    unit: tuple[str, float]
    accountings: list[Accounting]
    work: list[Work]
    budget: list[Chart]
    raster: list[Chart]
    populations: list[PopulationRow]
    matrix: list[list[int]] | None
    confusions: list[tuple[str, str, int]]


@dataclass(frozen=True)
class FrontPoint:
    """A configuration of a search, measured on validation data."""

    name: str
    accuracy: float
    loss: float
    agreement: float
    alpha: float
    alpha_eq6: float


@dataclass(frozen=True)
class ModeRow:
    """A row of Table V, as text; what the paper does not print is empty."""

    dataset: str
    mode: str
    seeds: str
    ann: str
    snn: str
    loss: str
    eq6: str
    binary: str = ""
    events: str = ""
    total: str = ""
    look: str = ""


@dataclass(frozen=True)
class SeedRow:
    """One seed of one mode."""

    mode: str
    seed: int
    ann: float
    snn: float
    alpha: float


class Coding(TypedDict):
    """A row of ``codings.json``."""

    dataset: str
    coding: str
    timesteps: int
    latency: float
    accuracy: float
    ann: float
    additions: float
    alpha_events: float
