"""What the folder is written from: a network, and an evaluation of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.energy import EnergyReport
from gcn2snn.passes import PopulationReport


class ReadsTexts(Protocol):
    """What classifies texts with a network."""

    @property
    def class_names(self) -> tuple[str, ...]: ...

    def parts(self) -> tuple[dict[str, Tensor], dict[str, Any]]: ...


class Converted(Protocol):
    """A converted network: :class:`gcn2snn.SpikingNetwork`."""

    @property
    def network(self) -> ir.Network: ...

    @property
    def config(self) -> ConvertConfig: ...

    @property
    def report(self) -> Sequence[PopulationReport]: ...

    @property
    def documents(self) -> ReadsTexts | None: ...

    @property
    def origin(self) -> dict[str, Any]: ...


class Measured(Protocol):
    """Results on labelled data: :class:`gcn2snn.evaluation.Evaluation`, or that of images."""

    @property
    def energy(self) -> EnergyReport: ...

    def to_dict(self) -> dict[str, Any]: ...
