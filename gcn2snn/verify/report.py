"""What a verification found: a row for each layer, one for each result, and a sentence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LayerCheck:
    """One population, or the output. Errors are root mean squares, as a share of the source activation's.

    Args:
        name: population or output.
        neurons, spikes: how many, and how many fired.
        error: spiking value against the source model's activation.
        inherited: source activation function of the true weighted sum of the spikes that came in, against the source
            model's activation: what the layers before have lost.
        encoding: what the phase code loses on that weighted sum.
        own: what it would lose on the source model's own activation, with nothing inherited.
        timing: late and false spikes of a wait below T - 1; 0 otherwise.
        rounding: the engine's weighted sum against the same sum in double precision.
        outside: percent of the neurons whose sum is off by more than rounding can be, or whose value is not what
            Eq. 4 allows for their input although all of it had arrived. Anything but 0 is a bug.
        verdict: "exact", "encoding", "timing" or "bug".
    """

    name: str
    neurons: int
    spikes: int
    error: float
    inherited: float
    encoding: float
    own: float
    timing: float
    rounding: float
    outside: float
    verdict: str


@dataclass(frozen=True)
class HeadCheck:
    """One result of the network beside the source model's.

    Args:
        name: its place in what the network returns, "result" where that is one tensor.
        largest: difference of a value, and ``scale``, the largest value of the source's.
        same_class: percent of the rows with the source model's class; None where it is no matrix of class scores.
    """

    name: str
    largest: float
    scale: float
    same_class: float | None

    def __str__(self) -> str:
        told = f"{self.name}: differs by at most {self.largest:.4g} (largest value {self.scale:.4g})"
        return told if self.same_class is None else f"{told}; same class as the source model: {self.same_class:.2f} %"


@dataclass(frozen=True)
class VerifyReport:
    """What ``verify`` found.

    Args:
        layers: in order of evaluation; the output is last.
        tolerance: error from which a layer counts as departed.
        heads: each result beside the source model's: a plain network has one.
    """

    layers: tuple[LayerCheck, ...]
    tolerance: float
    heads: tuple[HeadCheck, ...]

    @property
    def same_class(self) -> float:
        """Percent of the rows of the first head of class scores with the source model's class; 100 where there is none."""
        return next((head.same_class for head in self.heads if head.same_class is not None), 100.0)

    @property
    def first_departure(self) -> LayerCheck | None:
        """The first layer whose error is above the tolerance, or None."""
        return next((layer for layer in self.layers if layer.error > self.tolerance), None)

    @property
    def bugs(self) -> tuple[LayerCheck, ...]:
        """Layers whose error is explained neither by their code nor by the timing."""
        return tuple(layer for layer in self.layers if layer.verdict == "bug")

    def table(self) -> list[dict[str, Any]]:
        """A row per layer, as JSON values."""
        return [asdict(layer) for layer in self.layers]

    def __str__(self) -> str:
        first = self.first_departure
        if self.bugs:
            bad = self.bugs[0]
            end = f"{bad.name}: {bad.outside:.3g} % of its values are not what its input and code allow. This is a bug"
        elif first is None:
            end = f"no layer departs by more than {100 * self.tolerance:.3g} %"
        else:
            why = {"encoding": "the encoding error explains it", "timing": "its wait is too short for all input"}
            end = f"{first.name} departs first, by {100 * first.error:.3g} %: {why[first.verdict]}"
        head = f"{'layer':<32}{'error':>9}{'inherited':>11}{'encoding':>10}{'own':>8}{'timing':>8}  verdict"
        lines = [
            f"{x.name:<32}{x.error:>9.4f}{x.inherited:>11.4f}{x.encoding:>10.4f}{x.own:>8.4f}{x.timing:>8.4f}  {x.verdict}"
            for x in self.layers
        ]
        return "\n".join([head, *lines, *(str(head) for head in self.heads), end])
