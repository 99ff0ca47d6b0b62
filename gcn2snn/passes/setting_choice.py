"""Which setting converts a network best: a handful are tried, and judged by how far the result departs from the source."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any, Literal

from torch import Tensor

from gcn2snn import ir
from gcn2snn.config import PAPER, ConvertConfig, LayerConfig
from gcn2snn.errors import InputError
from gcn2snn.kernels import PhaseCode
from gcn2snn.memory import current_limit
from gcn2snn.passes.bias_correction import correct_means, goals_of
from gcn2snn.passes.calibration import Batches, Statistics, with_scales
from gcn2snn.passes.choose_base import optimal_base
from gcn2snn.passes.departure import Sample, sample_of
from gcn2snn.passes.neurons import NO_EXCEPTION, coding_of
from gcn2snn.passes.settings import FEW_ROWS, Setting, candidates

WIDER = 1.25
"""Wider bases are the populations' own to this power: the range of their levels, as a power of ten, is so much larger."""

BASE_POWERS = (0.4, 0.55, 0.65, 0.75, 0.85, 0.95, 1.05, 1.2, 1.35, 1.5, 1.75, 2.1, 2.6)
"""Powers of the plain base among which a population's own base is found."""

CORRECTED_VALUES = 2**16
"""Values of a channel by which means are corrected while settings are compared; the network that is made in the end is corrected
on all of them. With 4,096, divergences of a network without batch norm moved by a fifth, and another setting was chosen."""

TIE = 0.1
"""Settings whose divergence is within this share of the least are alike."""

PLAIN_BASES = {8: 1.48, 12: 1.35, 16: float(PAPER["base"]), 20: 1.23, 24: 1.2, 32: 1.16, 64: 1.09}
"""Bases of least expected error by phases; others are searched, which takes a second. The paper reads off 1.3 for 16."""

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
        seconds: wall time of the comparison; not kept in files.
    """

    trials: tuple[Trial, ...]
    chosen: int
    measure: Literal["kl", "squared"]
    rows: int
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
        return cls(**{**values, "trials": tuple(Trial(**trial) for trial in values["trials"])})

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


@dataclass(frozen=True)
class Problem:
    """A network without codes, and what its settings are judged by.

    Args:
        network: with neurons inserted, not calibrated.
        batches: calibration inputs.
        statistics: of the network on them.
        counted: only so many first rows of each output count (documents of a text graph); None: all.
        compared: where ``batches`` are a sample of what ``statistics`` come from: the statistics of the sample itself, from
            which the networks that are compared get their scales. Degrees differ in it, and with them what layers compute.
        sample: of these batches, where it was taken already.
    """

    network: ir.Network
    batches: Batches
    statistics: Statistics
    counted: int | None = None
    compared: Statistics | None = None
    sample: Sample | None = None


def choose_setting(
    problem: Problem, config: ConvertConfig, accuracy_first: bool = False
) -> tuple[ConvertConfig, Choice | None]:
    """The configuration with everything that it leaves open chosen by measuring, and what was measured.

    Each candidate is one conversion and one evaluation on some of the calibration data, at the configuration's wait, with float
    weights and without horizons: rounding and horizons come behind and act on every setting alike. No label is used, and the
    order of the data changes nothing. Where there are several batches, half of them correct means and the others compare.

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
    judged = problem if problem.compared is None else replace(problem, statistics=problem.compared)
    configs = [configured(setting, config, judged) for setting in settings]
    networks = [with_scales(with_codes(problem.network, own), judged.statistics, own) for own in configs]
    if any(own.correct == "mean" for own in configs):
        # Under a memory limit the goals are worked out some rows at a time, by the correction itself.
        goals = None if current_limit() else goals_of(networks[0], sample.fitted, CORRECTED_VALUES)
        networks = [
            correct_means(network, lambda: sample.fitted, goals=goals) if own.correct == "mean" else network
            for own, network in zip(configs, networks, strict=True)
        ]
    found = sample.departures(networks, config.wait)
    chosen = first_of_the_best([rows for rows, _ in found])
    trials = [
        Trial(str(setting), float(rows.mean()), changed)
        for setting, (rows, changed) in zip(settings, found, strict=True)
    ]
    choice = Choice(tuple(trials), chosen, sample.measure, sample.rows, time.perf_counter() - start)
    return configs[chosen] if judged is problem else configured(settings[chosen], config, problem), choice


def configured(setting: Setting, config: ConvertConfig, problem: Problem) -> ConvertConfig:
    """The configuration that a setting stands for; populations with a base of their own in ``config`` keep it."""
    plain = config.common_base if config.base is not None else plain_base(config.timesteps, setting.group)
    words: dict[str, Any] = {"scale": setting.scale, "per": setting.per, "correct": setting.correct}
    own = replace(config, base=plain, group=setting.group, **words)
    if not setting.base.startswith("own"):
        return own
    power = WIDER if setting.base == "own wider" else 1.0
    layers = dict(config.layers)
    for node in problem.network.of(ir.UncalibratedNeuron):
        exception = layers.get(node.name, NO_EXCEPTION)
        if exception.base is None:
            best = _own_base(node, own, exception, problem.statistics)
            layers[node.name] = replace(exception, base=round(best**power, 4))
    return replace(own, layers=layers)


@cache
def plain_base(timesteps: int, group: int = 1) -> float:
    """The base per time step of least expected error (Eq. 5), as the paper reads it off for T = 16; else two digits.

    >>> plain_base(16), plain_base(8)
    (1.3, 1.48)
    """
    phases = timesteps * group
    return (PLAIN_BASES[phases] if phases in PLAIN_BASES else round(optimal_base(phases), 2)) ** group


def _own_base(node: ir.UncalibratedNeuron, config: ConvertConfig, own: LayerConfig, statistics: Statistics) -> float:
    """The base of least squared error for a population, scales of least error included."""
    codes = _codes(coding_of(config, node.name, node.coding.signed))
    per = own.per or config.per
    errors = [statistics.least_error(node, coding, per) for coding in codes]
    best = codes[min(range(len(codes)), key=lambda number: errors[number])]
    return float(best.base**best.group)


@cache
def _codes(coding: PhaseCode) -> tuple[PhaseCode, ...]:
    """The code with each of the bases among which a population's own is found."""
    plain = plain_base(coding.timesteps)
    bases = (plain**power for power in BASE_POWERS)
    return tuple(replace(coding, base=base) for base in bases if base**coding.timesteps < 1e30)


def with_codes(network: ir.Network, config: ConvertConfig) -> ir.Network:
    """The network, not calibrated, with the codes of a configuration."""
    changes: dict[str, list[ir.Node]] = {
        node.name: [replace(node, coding=coding_of(config, node.name, node.coding.signed))]
        for node in network.of(ir.UncalibratedNeuron)
    }
    if config.input == "single":
        for coder in network.of(ir.UncalibratedCoder):
            changes[coder.name] = [replace(coder, base=config.common_base)]
    return network.replace(changes)


def first_of_the_best(departures: Sequence[Tensor]) -> int:
    """Number of the first setting that is near the best, from the divergence of each row, [rows] each.

    Near is within :data:`TIE` of its mean, or within one standard error of the paired difference: a few rows of another class
    make most of a divergence, so the least of several means is often chance. A setting with a divergence that is no number is the worst.

    Source: the one-standard-error rule of Breiman et al., "Classification and Regression Trees", 1984.
    """
    means = [mean if math.isfinite(mean) else math.inf for mean in (float(rows.mean()) for rows in departures)]
    best = min(range(len(means)), key=lambda number: means[number])
    for number, rows in enumerate(departures[:best]):
        difference = rows - departures[best]
        error = float(difference.std()) / len(rows) ** 0.5 if len(rows) > 1 else 0.0
        if float(difference.mean()) <= max(error, TIE * means[best]):
            return number
    return best
