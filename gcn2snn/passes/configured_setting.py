"""A setting as a configuration of a network: the base that suits each population, from the histograms of its activations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from gcn2snn import ir
from gcn2snn.config import PAPER, ConvertConfig, LayerConfig
from gcn2snn.kernels import PhaseCode
from gcn2snn.passes.calibration import Batches, Statistics
from gcn2snn.passes.choose_base import optimal_base
from gcn2snn.passes.departure import Sample
from gcn2snn.passes.neurons import NO_EXCEPTION, coding_of
from gcn2snn.passes.settings import Setting

WIDER = 1.25
"""Wider bases are the populations' own to this power: the range of their levels, as a power of ten, is so much larger."""

BASE_POWERS = (0.4, 0.55, 0.65, 0.75, 0.85, 0.95, 1.05, 1.2, 1.35, 1.5, 1.75, 2.1, 2.6)
"""Powers of the plain base among which a population's own base is found."""

PLAIN_BASES = {8: 1.48, 12: 1.35, 16: float(PAPER["base"]), 20: 1.23, 24: 1.2, 32: 1.16, 64: 1.09}
"""Bases of least expected error by phases; others are searched, which takes a second. The paper reads off 1.3 for 16."""


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


def configured(setting: Setting, config: ConvertConfig, problem: Problem) -> ConvertConfig:
    """The configuration that a setting stands for; populations with a base of their own in ``config`` keep it."""
    plain = config.common_base if config.base is not None else plain_base(config.timesteps, setting.group)
    words: dict[str, Any] = {"scale": setting.scale, "per": setting.per, "correct": setting.correct}
    own = replace(config, base=plain, group=setting.group, **words)
    if not setting.base.startswith("own"):
        return own
    power = WIDER if setting.base == "own wider" else 1.0
    layers = dict(config.layers)
    nodes = [node for node in problem.network.of(ir.UncalibratedNeuron) if _exception(layers, node).base is None]
    for name, best in _own_bases(nodes, own, problem.statistics).items():
        layers[name] = replace(layers.get(name, NO_EXCEPTION), base=round(best**power, 4))
    return replace(own, layers=layers)


def _exception(layers: Mapping[str, LayerConfig], node: ir.Node) -> LayerConfig:
    return layers.get(node.name, NO_EXCEPTION)


@cache
def plain_base(timesteps: int, group: int = 1) -> float:
    """The base per time step of least expected error (Eq. 5), as the paper reads it off for T = 16; else two digits.

    >>> plain_base(16), plain_base(8)
    (1.3, 1.48)
    """
    phases = timesteps * group
    return (PLAIN_BASES[phases] if phases in PLAIN_BASES else round(optimal_base(phases), 2)) ** group


def _own_bases(
    nodes: Sequence[ir.UncalibratedNeuron], config: ConvertConfig, statistics: Statistics
) -> dict[str, float]:
    """The base of least squared error for each population, scales of least error included; those alike are ranked together."""
    alike: dict[tuple[tuple[PhaseCode, ...], str], list[ir.UncalibratedNeuron]] = {}
    for node in nodes:
        own = _exception(config.layers, node)
        key = (_codes(coding_of(config, node.name, signed=False)), own.per or config.per)
        alike.setdefault(key, []).append(node)
    bases: dict[str, float] = {}
    for (codes, per), members in alike.items():
        best = statistics.least_errors(members, codes, per).argmin(1).tolist()
        bases |= {
            node.name: codes[number].base ** codes[number].group for node, number in zip(members, best, strict=True)
        }
    return bases


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
