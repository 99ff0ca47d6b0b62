"""What a search tries, finds and returns: plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked_dataclass

from gcn2snn.config import ConvertConfig, own_errors, to_dict
from gcn2snn.schema import Amount, Json, Percent, Stored, checked


@own_errors
@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid", allow_inf_nan=False), kw_only=True)
class TuneConfig:
    """How the search goes and which point of the front is taken."""

    trials: Annotated[int, Field(ge=1, description="configurations to try")] = 150
    seed: Annotated[int, Field(ge=0, description="of the sampler")] = 0
    max_timesteps: Annotated[int, Field(ge=1, le=255, description="largest T of any population")] = 16
    max_loss: Annotated[float | None, Field(ge=0.0, description="points of validation accuracy that may be lost")] = 0.3
    min_alpha: Annotated[float | None, Field(gt=0.0, description="take the most accurate with this alpha instead")] = (
        None
    )


@dataclass(frozen=True)
class Point:
    """One configuration, measured on validation data.

    Args:
        config: what was tried.
        accuracy: percent of the validation rows.
        agreement: percent of them on which source and spiking network predict the same.
        loss: points of accuracy lost: as expected when measured, as the rule sees it in what a search returns (``tune/loss.py``).
        alpha: by exact events.
        alpha_eq6: by Eq. 6.
        alpha_total: with neuron updates and memory.
        divergence: Kullback-Leibler divergence of the predicted class probabilities from the source's, in nats; needs no
            label.
    """

    config: ConvertConfig
    accuracy: float
    agreement: float
    loss: float
    alpha: float
    alpha_eq6: float
    alpha_total: float
    divergence: float

    @property
    def saving(self) -> float:
        """sqrt(alpha alpha_total): what a search makes large; a tenth less of either costs counts as a tenth."""
        return math.sqrt(self.alpha * self.alpha_total)


POINT_NUMBERS = ("accuracy", "agreement", "loss", "alpha", "alpha_eq6", "alpha_total", "divergence")


@dataclass(frozen=True)
class TuneResult:
    """What a search found.

    Args:
        source_accuracy: percent of the validation rows.
        points: all that were measured, in order.
        front: from the most accurate to the cheapest.
        chosen: what the rule picks, or the nearest to it.
        met: whether the chosen point is within the rule.
    """

    source_accuracy: float
    points: tuple[Point, ...]
    front: tuple[Point, ...]
    chosen: Point
    met: bool

    def to_dict(self) -> dict[str, object]:
        """JSON values."""
        return {
            "source_accuracy": self.source_accuracy,
            "chosen": point_dict(self.chosen),
            "met": self.met,
            "front": [point_dict(point) for point in self.front],
            "trials": len(self.points),
        }


def point_dict(point: Point) -> dict[str, object]:
    """JSON values of a point."""
    return {key: getattr(point, key) for key in POINT_NUMBERS} | {"config": to_dict(point.config)}


class StoredPoint(Stored):
    """The JSON values of a point; a network that sends nothing has an infinite alpha."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=True)

    config: Json
    accuracy: Percent
    agreement: Percent
    loss: float
    alpha: Amount
    alpha_eq6: Amount
    alpha_total: Amount
    divergence: float


def point_of(values: object) -> Point:
    """The point whose JSON values these are.

    Raises:
        ArtefactError, ConfigError: they are of another kind, or no configuration.
    """
    known = checked(values, StoredPoint, "a point")
    return Point(ConvertConfig(**known["config"]), **{key: known[key] for key in POINT_NUMBERS})
