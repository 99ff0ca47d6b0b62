"""What the files beside a network, and the files of ``reproduce table5``, must hold to be reported on."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gcn2snn.schema import Amount, Count, Json, Percent, Stored

Positive = Annotated[float, Field(gt=0.0)]


class StoredRun(Stored):
    """``run.json``: the settings of the training."""

    config: Json
    status: str


class StoredPoint(Stored):
    """A configuration that was measured on validation data."""

    config: Json
    accuracy: Percent
    agreement: Percent
    loss: float
    alpha: Positive
    alpha_eq6: Positive


class StoredTuning(Stored):
    """``tune.json``."""

    source_accuracy: Percent
    chosen: StoredPoint
    front: Annotated[list[StoredPoint], Field(min_length=1)]
    trials: Annotated[int, Field(ge=1)]
    met: bool


Alphas = Annotated[list[Positive], Field(min_length=1)]


class AlphasOfSeeds(Stored):
    """alpha by each accounting, a number a seed."""

    eq6: Alphas
    binary: Alphas
    events: Alphas
    total: Alphas


class TableRow(Stored):
    """A mode on a dataset, a number a seed."""

    dataset: str
    mode: Literal["paper", "signed", "tuned"]
    ann: Annotated[list[Percent], Field(min_length=1)]
    snn: list[Percent]
    alpha: AlphasOfSeeds

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        alpha = (self.alpha.eq6, self.alpha.binary, self.alpha.events, self.alpha.total)
        if any(len(values) != len(self.ann) for values in (self.snn, *alpha)):
            raise ValueError("every list holds one number for each seed")
        return self


class StoredTable(Stored):
    """``table5.json``."""

    rows: list[TableRow]
    missing: dict[str, str] = Field(default_factory=dict)
    broken: dict[str, str] = Field(default_factory=dict)


class SmallestTimesteps(Stored):
    """``tcurve.json``: for each dataset the fewest steps that lose little."""

    smallest: dict[str, dict[str, int | None]]


class CodingRow(Stored):
    """A code on a dataset."""

    dataset: str
    coding: str
    timesteps: Count
    latency: Amount
    accuracy: Percent
    ann: Percent
    additions: Amount


class StoredCodings(Stored):
    """``codings.json``."""

    rows: list[CodingRow]


CURVES: dict[Literal["tcurve", "codings"], type[Stored]] = {"tcurve": SmallestTimesteps, "codings": StoredCodings}
"""Files beside ``table5.json`` that a report shows too."""
