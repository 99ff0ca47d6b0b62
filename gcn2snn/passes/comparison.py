"""Settings compared on calibration data: first all codings roughly, then the best few as they would be converted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.engines import Value, choose_engine, dense_value, fire
from gcn2snn.kernels import decode_into
from gcn2snn.memory import current_limit
from gcn2snn.passes.bias_correction import correct_means, corrected_run, goals_of
from gcn2snn.passes.calibration import with_scales
from gcn2snn.passes.configured_setting import Problem, configured, with_codes
from gcn2snn.passes.departure import Sample
from gcn2snn.passes.settings import FEW_ROWS, Setting
from gcn2snn.passes.side_by_side import rows_alone

FIRST_ROWS = 64
"""Rows of the first look, where rows are computed by themselves; a graph is looked at as a whole."""

KEPT_CODINGS = 2
"""Codings that are compared after the first look, of which the first candidate's is one (docs/decisions/0146)."""

CORRECTED_VALUES = 2**16
"""Values of a channel by which means are corrected while settings are compared; the network that is made in the end is corrected
on all of them. With 4,096, divergences of a network without batch norm moved by a fifth, and another setting was chosen."""

Departure = tuple[Tensor, float]
"""Divergence of each row, [rows], and percent of rows that change their class."""


class Comparison:
    """Networks of one problem with different settings, each as far as it is needed.

    Args:
        problem: network and data.
        config: what it sets is in every setting.
        sample: inputs that correct and compare.
    """

    def __init__(self, problem: Problem, config: ConvertConfig, sample: Sample) -> None:
        self.problem = problem if problem.compared is None else replace(problem, statistics=problem.compared)
        self.config, self.sample = config, sample
        self._coded: dict[Setting, ir.Network] = {}
        self._plain: dict[Setting, Departure] = {}

    def first_look(self, settings: Sequence[Setting]) -> tuple[list[Setting], list[tuple[Setting, Departure]], int]:
        """The settings whose coding is the first one or among the best on a few rows, the codings left out, and the rows.

        Means are not corrected here, which takes most of the time and moves the codings alike.
        """
        codings = list(dict.fromkeys(map(_coding, settings)))
        if len(codings) <= KEPT_CODINGS or self.sample.rows < FEW_ROWS:
            return list(settings), [], 0
        part = self.sample.part(self._network(codings[0]), FIRST_ROWS)
        corrects = any(setting.correct == "mean" for setting in settings)
        if part is self.sample and not corrects:
            return list(settings), [], 0  # looking roughly is looking at everything
        found = part.departures([self._network(coding) for coding in codings], self.config.wait)
        if part is self.sample:
            self._plain = dict(zip(codings, found, strict=True))
        means = {coding: float(rows.mean()) for coding, (rows, _) in zip(codings, found, strict=True)}
        best = sorted(codings[1:], key=lambda coding: (means[coding] != means[coding], means[coding]))
        kept = {codings[0], *best[: KEPT_CODINGS - 1]}
        left = [(coding, one) for coding, one in zip(codings, found, strict=True) if coding not in kept]
        return [setting for setting in settings if _coding(setting) in kept], left, part.rows

    def departures(self, settings: Sequence[Setting]) -> list[Departure]:
        """Of networks with these settings from the source, on the whole sample."""
        found: dict[Setting, Departure] = {}
        plain = [setting for setting in settings if setting.correct != "mean"]
        missing = [setting for setting in plain if setting not in self._plain]
        networks = [self._network(setting) for setting in missing]
        if networks:
            self._plain |= dict(zip(missing, self.sample.departures(networks, self.config.wait), strict=True))
        found |= {setting: self._plain[setting] for setting in plain}
        corrected = [setting for setting in settings if setting.correct == "mean"]
        if corrected:
            networks = [self._network(_coding(setting)) for setting in corrected]
            found |= dict(zip(corrected, self._corrected(networks), strict=True))
        return [found[setting] for setting in settings]

    def _network(self, coding: Setting) -> ir.Network:
        """The network with the codes and scales of a setting, means not corrected."""
        if coding not in self._coded:
            own = configured(coding, self.config, self.problem)
            coded = with_codes(self.problem.network, own)
            self._coded[coding] = with_scales(coded, self.problem.statistics, own)
        return self._coded[coding]

    def _corrected(self, networks: Sequence[ir.Network]) -> list[Departure]:
        """Departures of networks once their means are corrected, by the run that corrects them where nothing else is to be timed."""
        sample, wait = self.sample, self.config.wait
        if current_limit() is not None:  # the goals are worked out some rows at a time, by the correction itself
            return sample.departures([correct_means(network, lambda: sample.inputs) for network in networks], wait)
        goals = goals_of(networks[0], sample.inputs, CORRECTED_VALUES)
        alone = all(rows_alone(networks[0], item) is not None for item in sample.inputs)
        population = _values_of_spikes if alone else fire
        runs = [corrected_run(network, sample.inputs, goals, population) for network in networks]
        closed = choose_engine(networks[0], wait, "auto") == "closed"
        if closed:
            return [sample.departure(network, heads) for network, heads in runs]
        return sample.departures([network for network, _ in runs], wait)


def _coding(setting: Setting) -> Setting:
    return replace(setting, correct="none")


def _values_of_spikes(node: ir.Neuron, potential: Value) -> Tensor:
    """What a population sends as values, which a few calls of torch read faster than spikes."""
    spikes = fire(node, potential)
    out = torch.empty(spikes.code.shape, dtype=dense_value(potential).dtype)
    decode_into(spikes, out)
    return out
