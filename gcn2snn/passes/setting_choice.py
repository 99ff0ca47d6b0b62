"""Which setting converts a network best: a handful are tried, and judged by how far the result departs from the source."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from torch import Tensor

from gcn2snn.config import ConvertConfig
from gcn2snn.errors import InputError
from gcn2snn.passes.comparison import Comparison, Departure
from gcn2snn.passes.configured_setting import Problem, configured
from gcn2snn.passes.departure import sample_of
from gcn2snn.passes.settings import FEW_ROWS, Setting, candidates

TIE = 0.1
"""Settings whose divergence is within this share of the least are alike."""

STANDARD_ERRORS = 2.0
"""Settings whose divergence is above the least by fewer standard errors of the difference are alike, too. With one, chance took
settings that lost up to 2.2 points more than the first on five networks (docs/decisions/0147)."""

DEPARTS = {"kl": 0.05, "squared": 0.05}
"""Divergence from which a conversion is said to depart (docs/decisions/0097)."""


@dataclass(frozen=True)
class Trial:
    """A setting and how far a network converted with it departs from its source.

    Args:
        setting: in words, as ``str(Setting)``.
        divergence: of its outputs, see :attr:`Choice.measure`.
        changed: percent of the rows whose largest output is another one; 0 for a single output.
    """

    setting: str
    divergence: float
    changed: float


@dataclass(frozen=True)
class Choice:
    """What was measured to settle a conversion.

    Args:
        trials: every setting that was compared.
        chosen: number of the one that was taken.
        measure: "kl", the mean Kullback-Leibler divergence of the class probabilities in nats, where rows have several
            outputs; "squared", the squared difference as a share of the variance of the source's outputs.
        rows: rows of the output that were compared.
        first: the codings that were left out after a first look, without corrected means.
        first_rows: rows of that look.
        seconds: wall time of the comparison; not kept in files.
    """

    trials: tuple[Trial, ...]
    chosen: int
    measure: Literal["kl", "squared"]
    rows: int
    first: tuple[Trial, ...] = ()
    first_rows: int = 0
    seconds: float = field(default=0.0, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.chosen < len(self.trials):
            raise InputError(
                f"setting {self.chosen} was chosen of {len(self.trials)}; allowed are 0 to {len(self.trials) - 1}"
            )

    @property
    def best(self) -> Trial:
        """The trial that was taken."""
        return self.trials[self.chosen]

    @property
    def departs(self) -> bool:
        """Whether even the setting that was taken is far from the source (docs/decisions/0097)."""
        return not self.best.divergence < DEPARTS[self.measure]

    def to_dict(self) -> dict[str, object]:
        """As JSON values, without the time."""
        return {name: value for name, value in asdict(self).items() if name != "seconds"}

    @classmethod
    def of_dict(cls, values: Mapping[str, Any]) -> Choice:
        """What :meth:`to_dict` gave."""
        trials = {name: tuple(Trial(**trial) for trial in values[name]) for name in ("trials", "first")}
        return cls(**{**values, **trials})

    def told(self) -> str:
        """What was compared, a line for each setting, the chosen one marked; and a warning where even that one departs."""
        width = max(len(trial.setting) for trial in self.trials)
        changed = [f"  {trial.changed:5.1f} %" if self.measure == "kl" else "" for trial in self.trials]
        rows = [
            f"{'>' if number == self.chosen else ' '} {trial.setting:{width}}  {trial.divergence:10.4g}{more}"
            for number, (trial, more) in enumerate(zip(self.trials, changed, strict=True))
        ]
        also = ", and rows that change their class" if self.measure == "kl" else ""
        head = f"chosen by the {UNITS[self.measure]} from the source on {self.rows:,} rows{also}; the first that is about as good as the best is taken:"
        if self.first:
            looks = ", ".join(f"{trial.setting} {trial.divergence:.3g}" for trial in self.first)
            rows.append(f"  left out after a first look at {self.first_rows:,} rows, without corrected means: {looks}")
        return "\n".join([head, *rows, *([f"warning: {self.warning()}"] if self.departs else [])])

    def warning(self) -> str:
        """One sentence where even the best setting departs, else nothing."""
        if not self.departs:
            return ""
        changed = f" and {self.best.changed:.1f} % of the rows change their class" if self.measure == "kl" else ""
        return (
            f"even the best setting departs from the source: its {UNITS[self.measure]} is {self.best.divergence:.3g}{changed}; "
            f"more timesteps, or accuracy_first=True (--accuracy-first), bring it closer"
        )


def choice_dict(choice: Choice | None, *, timed: bool = False) -> dict[str, object] | None:
    """JSON values of what was measured, ``timed``: with the time that it took; None where nothing was."""
    return None if choice is None else choice.to_dict() | ({"seconds": choice.seconds} if timed else {})


UNITS = {"kl": "divergence in nats", "squared": "squared error as a share of the variance"}
"""Measure in words."""


def choose_setting(
    problem: Problem, config: ConvertConfig, accuracy_first: bool = False
) -> tuple[ConvertConfig, Choice | None]:
    """The configuration with everything that it leaves open chosen by measuring, and what was measured.

    Codings (base, scale, per) go through a first look on a few rows without corrected means; those that are left are converted,
    with and without corrected means as the candidates say, and run on some of the calibration data, at the configuration's
    wait, with float weights and without horizons: rounding and horizons come behind and act on every setting alike. No label is
    used, and the order of the data changes nothing.

    Args:
        problem: network and data.
        config: what it sets stays; what it leaves open is chosen.
        accuracy_first: also try :data:`GROUPS` of neurons, where ``config`` has none.

    Source: ours.
    """
    if not config.open and not (accuracy_first and config.group == 1):
        return config, None
    start = time.perf_counter()
    sample = problem.sample or sample_of(problem.network, problem.batches, problem.counted)
    settings = candidates(config, sample.rows >= FEW_ROWS, accuracy_first)
    if len(settings) == 1 or not sample.rows:
        return configured(settings[0], config, problem), None
    comparison = Comparison(problem, config, sample)
    settings, left, first_rows = comparison.first_look(settings)
    found = comparison.departures(settings)
    chosen = first_of_the_best([rows for rows, _ in found])
    trials = tuple(_trial(setting, departure) for setting, departure in zip(settings, found, strict=True))
    first = tuple(_trial(coding, departure) for coding, departure in left)
    seconds = time.perf_counter() - start
    choice = Choice(trials, chosen, sample.measure, sample.rows, first, first_rows, seconds)
    return configured(settings[chosen], config, problem), choice


def _trial(setting: Setting, departure: Departure) -> Trial:
    rows, changed = departure
    return Trial(str(setting), float(rows.mean()), changed)


def first_of_the_best(departures: Sequence[Tensor]) -> int:
    """Number of the first setting that is near the best, from the divergence of each row, [rows] each.

    Near is within :data:`TIE` of its mean, or within :data:`STANDARD_ERRORS` of the paired difference: a few rows of another class
    make most of a divergence, so the least of several means is often chance. A setting with a divergence that is no number is the worst.

    Source: after the one-standard-error rule of Breiman et al., "Classification and Regression Trees", 1984.
    """
    means = [mean if math.isfinite(mean) else math.inf for mean in (float(rows.mean()) for rows in departures)]
    best = min(range(len(means)), key=lambda number: means[number])
    for number, rows in enumerate(departures[:best]):
        difference = rows - departures[best]
        error = float(difference.std()) / len(rows) ** 0.5 if len(rows) > 1 else 0.0
        if float(difference.mean()) <= max(STANDARD_ERRORS * error, TIE * means[best]):
            return number
    return best
