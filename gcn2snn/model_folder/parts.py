"""What an evaluation has to offer a model card."""

from __future__ import annotations

from typing import Any, Protocol

from gcn2snn.energy import EnergyReport


class Measured(Protocol):
    """Results on labelled data: :class:`gcn2snn.evaluation.Evaluation`, or that of images."""

    @property
    def energy(self) -> EnergyReport: ...

    def to_dict(self) -> dict[str, Any]: ...
