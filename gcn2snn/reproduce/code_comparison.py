"""One converted network under several codes, side by side: accuracy, steps, spikes, additions, energy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines import bind, depths, latency, run_float
from gcn2snn.errors import ConfigError, InputError
from gcn2snn.passes import calibrate
from gcn2snn.reproduce.other_codes import CodedRun, run_first_spike, run_phase, run_rate
from gcn2snn.spiking_network import SpikingNetwork


@dataclass(frozen=True)
class CodingRow:
    """One code's line in the comparison.

    Args:
        coding: "one-spike", "rate", "first-spike" or "phase".
        timesteps: T.
        latency: steps until the output of one input is there.
        accuracy: percent of the labels met, None without labels.
        agreement: percent of the inputs with the source model's class.
        error: root mean square of the output's difference from the source model, as a share of the output's.
        spikes: sent by all populations, coders and one-hot inputs that a synapse reads, counted once per synapse.
        additions: exact events.
        alpha_eq6, alpha_events, alpha_total: energy of the source model over that of the spikes.
    """

    coding: str
    timesteps: int
    latency: int
    accuracy: float | None
    agreement: float
    error: float
    spikes: int
    additions: int
    alpha_eq6: float
    alpha_events: float
    alpha_total: float

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


TIMESTEPS = {"rate": 32, "first-spike": 80, "phase": 8}
"""Steps that each code needs by its own literature; the one-spike network keeps its own."""


def compare_codings(
    snn: SpikingNetwork,
    inputs: object,
    labels: Tensor | None = None,
    timesteps: Mapping[str, int] | None = None,
    *,
    select: Tensor | None = None,
    calibration: Iterable[object] | None = None,
    codings: Sequence[str] = ("one-spike", "rate", "first-spike", "phase"),
    preset: str = "fp32",
) -> list[CodingRow]:
    """The same converted network under several codes, side by side.

    Args:
        snn: one-spike network.
        inputs: a :class:`~gcn2snn.graph.Graph` or the call's arguments, as for ``convert``.
        labels: class of each output row, int64, or None.
        timesteps: T by code, default :data:`TIMESTEPS`.
        select: rows of the output to score (a mask or indices), default all.
        calibration: inputs from which the rate code takes its 99.9 percentile scales; default ``inputs``.
        codings: which codes.
        preset: of the energy.

    Raises:
        ConfigError: a code is unknown, or its timesteps are below 1.
        InputError: labels do not fit the output.
    """
    from gcn2snn.conversion import call_of

    steps = {**TIMESTEPS, **(timesteps or {})}
    _check_codings(codings, steps)
    args, kwargs = call_of(inputs)
    bound = bind(snn.network, args, kwargs)
    with torch.no_grad():
        source = run_float(snn.network, bound)
        if labels is not None and labels.shape[0] != source.shape[0]:
            raise InputError(f"{labels.shape[0]} labels for {source.shape[0]} outputs; pass one label for each")

        def scored(name: str, made: CodedRun, steps_taken: int) -> CodingRow:
            return _row(name, steps_taken, made, source, labels, select)

        rows = []
        for name in codings:
            if name == "one-spike":
                rows.append(scored(name, *_one_spike(snn, args, kwargs, preset)))
            elif name == "rate":
                items = [inputs] if calibration is None else list(calibration)
                network = _percentile_scales(snn, [bind(snn.network, *call_of(item)) for item in items])
                rows.append(scored(name, run_rate(network, bound, steps[name], preset), steps[name]))
            elif name == "first-spike":
                made = run_first_spike(snn.network, bound, steps[name], preset=preset)
                rows.append(scored(name, made, steps[name]))
            else:
                rows.append(scored(name, run_phase(snn.network, bound, steps[name], preset=preset), steps[name]))
    return rows


def _check_codings(codings: Sequence[str], steps: Mapping[str, int]) -> None:
    known = ["one-spike", *TIMESTEPS]
    unknown = sorted({*codings, *steps} - set(known))
    if unknown:
        raise ConfigError(f"unknown codings {unknown}; allowed are {known}")
    short = {name: count for name, count in steps.items() if count < 1}
    if short:
        raise ConfigError(f"timesteps are {short}; allowed are 1 and more")


def _one_spike(
    snn: SpikingNetwork, args: tuple[object, ...], kwargs: dict[str, Any], preset: str
) -> tuple[CodedRun, int]:
    longest = max((node.coding.steps for node in snn.network.of(ir.Neuron)), default=1)
    wait = longest - 1 if snn.config.wait is None else snn.config.wait
    steps = latency(1, longest, wait, 1 + max(depths(snn.network).values()))
    energy = snn.energy(*args, preset=preset, **kwargs)
    return CodedRun(snn(*args, **kwargs), energy, steps), longest


def _percentile_scales(snn: SpikingNetwork, batches: list[dict[str, Any]]) -> ir.Network:
    layers = {name: replace(layer, scale=None) for name, layer in snn.config.layers.items()}
    config = replace(snn.config, scale="percentile", percentile=99.9, layers=layers)
    return calibrate(snn.network, lambda: batches, config)[0]


def _row(
    name: str, steps: int, made: CodedRun, source: Tensor, labels: Tensor | None, select: Tensor | None
) -> CodingRow:
    output, energy = made.output, made.energy
    if select is not None:
        output, source = output[select], source[select]
        labels = None if labels is None else labels[select]
    chosen = output.argmax(1)
    return CodingRow(
        name,
        steps,
        made.latency,
        None if labels is None else _percent(chosen == labels),
        _percent(chosen == source.argmax(1)),
        float((output - source).norm() / source.norm().clamp(min=1e-30)),
        sum(layer.input_spikes for layer in energy.layers),
        sum(layer.events for layer in energy.layers),
        energy.alpha_eq6,
        energy.alpha_events,
        energy.alpha_total,
    )


def _percent(right: Tensor) -> float:
    return 100 * float(right.double().mean())
