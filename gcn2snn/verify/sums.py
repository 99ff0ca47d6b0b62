"""Counts and sums of squares of a verification, to which every part of the data adds."""

from __future__ import annotations

from dataclasses import dataclass, fields

from torch import Tensor

from gcn2snn.verify.report import HeadCheck, LayerCheck


@dataclass
class LayerSums:
    """Counts and sums of squares of one layer, which parts of the data add to."""

    neurons: int = 0
    spikes: int = 0
    error: float = 0.0
    inherited: float = 0.0
    encoding: float = 0.0
    own: float = 0.0
    timing: float = 0.0
    rounding: float = 0.0
    outside: int = 0
    of_truth: float = 0.0
    of_sum: float = 0.0

    def __iadd__(self, other: LayerSums) -> LayerSums:
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))
        return self

    def check(self, name: str, on_time: bool) -> LayerCheck:
        """The layer as the report has it: root mean squares as a share of the source activation's."""
        outside = 100 * self.outside / max(self.neurons, 1)
        shares = {key: self._share(getattr(self, key)) for key in ("error", "inherited", "encoding", "own", "timing")}
        late = shares["timing"] and not on_time
        verdict = "bug" if outside else "timing" if late else "encoding" if shares["error"] else "exact"
        rounding = self._share(self.rounding, self.of_sum)
        return LayerCheck(
            name, self.neurons, self.spikes, **shares, rounding=rounding, outside=outside, verdict=verdict
        )

    def _share(self, squares: float, of: float | None = None) -> float:
        count = max(self.neurons, 1)
        size = ((self.of_truth if of is None else of) / count) ** 0.5
        return float((squares / count) ** 0.5 / max(size, 1e-30))


@dataclass
class HeadSums:
    """What parts of the data say of one head; ``scores``: whether it is a matrix of class scores."""

    largest: float = 0.0
    scale: float = 0.0
    rows: int = 0
    same: int = 0
    scores: bool = True

    def add(self, got: Tensor, truth: Tensor) -> None:
        """Take in one part."""
        if got.numel():
            self.largest = max(self.largest, float((got - truth).abs().max()))
            self.scale = max(self.scale, float(truth.abs().max()))
        if self.scores and got.numel():
            self.rows += got.shape[0]
            self.same += int((got.argmax(1) == truth.argmax(1)).sum())

    def check(self, name: str) -> HeadCheck:
        """The head as the report has it."""
        same = 100 * self.same / self.rows if self.rows else 100.0
        return HeadCheck(name, self.largest, self.scale, same if self.scores else None)
