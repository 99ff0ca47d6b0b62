"""Other ways to send activations as spikes, on the same converted network: rate, time to first spike, multi-spike phase."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.encoding import check_finite
from gcn2snn.energy import EnergyReport, EventCounter
from gcn2snn.engines import Value, dense_value, depths, latency, run
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import PhaseCode, Spikes, encode, per_channel


@dataclass(frozen=True)
class CodedRun:
    """What one run under another code gave: output potentials, what it cost, and the steps until the output is there."""

    output: Tensor
    energy: EnergyReport
    latency: int


@dataclass
class _Sent:
    """Spikes of each source so far: net (signed) and in all, in spikes per neuron."""

    net: dict[str, Tensor] = field(default_factory=dict)
    total: dict[str, Tensor] = field(default_factory=dict)

    def add(self, name: str, spikes: Tensor) -> Tensor:
        """The net number of spikes after ``spikes`` more."""
        self.net[name] = self.net[name] + spikes if name in self.net else spikes
        self.total[name] = self.total[name] + spikes.abs() if name in self.total else spikes.abs()
        return self.net[name]


def run_rate(network: ir.Network, inputs: Mapping[str, Value], timesteps: int, preset: str = "fp32") -> CodedRun:
    """Rate coding: integrate-and-fire with soft reset, T steps, at most one spike a step.

    V(t) = V(t-1) + sum_i w_i s_i(t) + b - scale s(t-1);  s(t) = 1 if V(t) >= scale (-1 if signed and V <= -scale)

    A spike carries the scale, so the rate times the scale is the activation. Because everything between two
    populations is linear, V(t) = t f(mean input so far) - scale * spikes so far, which is what is computed. A maximum is
    taken over the rates so far. Input data pass integrate-and-fire neurons, too; ``input="analog"`` is a constant
    current. A one-hot 1 is a spike at every step.

    Args:
        network: calibrated; ``percentile`` scales suit a rate code best.
        inputs: by Input name.
        timesteps: T; every layer works on every step, so T steps give the output.
        preset: of the energy report.

    Source: [16] (soft reset), Rueckauer et al. 2017 (percentile scales).
    """
    network = _unit_one_hot(network)
    sent = _Sent()
    counts = sent.total
    counter = EventCounter(network, sent=counts, steps=timesteps)
    output = torch.empty(0)
    for step in range(1, timesteps + 1):

        def fire(node: ir.Neuron, potential: Value, step: int = step) -> Tensor:
            return _scaled(node, _integrate(sent, node.name, _normalised(node, potential), node.coding.signed, step))

        def code(node: ir.Coder, x: Tensor, step: int = step) -> Tensor:
            check_finite(node.name, x)
            if node.kind == "analog":
                return x
            return _scaled(node, _integrate(sent, node.name, _normalised(node, x), True, step))

        for one_hot in network.of(ir.OneHot):
            sent.add(one_hot.name, torch.ones(one_hot.count))
        output = run(network, inputs, fire, code, counter if step == timesteps else None)
    return CodedRun(output, counter.report(preset), timesteps)


def _integrate(sent: _Sent, name: str, mean: Tensor, signed: bool, step: int) -> Tensor:
    """Rate after this step of neurons whose mean input so far is ``mean`` (in units of their scale)."""
    potential = mean * step - sent.net[name] if name in sent.net else mean * step
    spikes = (potential >= 1).to(mean.dtype)
    if signed:
        spikes = spikes - (potential <= -1).to(mean.dtype)
    return sent.add(name, spikes) / step


def run_first_spike(
    network: ir.Network,
    inputs: Mapping[str, Value],
    timesteps: int,
    tau: float | None = None,
    preset: str = "fp32",
) -> CodedRun:
    """Time to first spike with an exponential kernel: a spike at time t = 0 .. T-1 carries scale * exp(-t / tau).

    The threshold falls as scale * exp(-t / tau), the neuron fires once when its potential reaches it; a layer gets all
    its input before it may fire. Input data are coded the same way, with a sign.

    Args:
        network: calibrated.
        inputs: by Input name.
        timesteps: T.
        tau: decay; default T / 4, so that the smallest value is near e^-4 of the scale.
        preset: of the energy report.

    Raises:
        ConfigError: tau is not positive.

    Source: T2FSNN [28], without its training of tau and without early firing. It is the phase code of base exp(1 / tau)
    that starts at phase 0 and floors.
    """
    tau = timesteps / 4 if tau is None else tau
    if not tau > 0:
        raise ConfigError(f"tau is {tau}; a decay is positive")
    base = math.exp(1 / tau)
    network = _unit_one_hot(network)

    def spikes(node: ir.Neuron | ir.Coder, potential: Value, signed: bool) -> Spikes:
        z = _normalised(node, potential)
        # Divided by the base, phase t = 1 .. T of the code stands for time t - 1.
        sent = encode(z / base, z.new_ones(()), PhaseCode(base, timesteps, signed, shift=False))
        return replace(sent, scale=node.scale * base)

    def coder(node: ir.Coder, x: Tensor) -> Value:
        check_finite(node.name, x)
        return x if node.kind == "analog" else spikes(node, x, True)

    counter = EventCounter(network, timesteps - 1)
    output = run(network, inputs, lambda node, u: spikes(node, u, node.coding.signed), coder, counter)
    return CodedRun(output, counter.report(preset), _layered_latency(network, timesteps))


def run_phase(
    network: ir.Network, inputs: Mapping[str, Value], timesteps: int, base: float = 2.0, preset: str = "fp32"
) -> CodedRun:
    """Multi-spike phase coding: a spike at phase t carries scale * Q^-t, and a neuron sends as many as it needs.

    r(0) = |z|;  at t = 1..T: fire if r >= Q^-t, then r -= Q^-t (soft reset). With Q = 2 these are the T bits of z. A layer
    gets all its input before phase 1.

    Args:
        network: calibrated.
        inputs: by Input name.
        timesteps: T.
        base: Q.
        preset: of the energy report.

    Source: weighted spikes [20], neuron-based as in Section II-B.
    """
    levels = PhaseCode(base, timesteps, shift=False).levels().tolist()
    network = _unit_one_hot(network)
    sent: dict[str, Tensor] = {}

    def expand(node: ir.Neuron | ir.Coder, potential: Value, signed: bool) -> Tensor:
        z = _normalised(node, potential)
        left = z.abs() if signed else z.clamp(min=0)
        value, count = torch.zeros_like(z), torch.zeros_like(z)
        for level in levels:
            fires = left >= level
            left, value, count = left - level * fires, value + level * fires, count + fires
        sent[node.name] = count
        return _scaled(node, torch.where(z < 0, -value, value))

    def coder(node: ir.Coder, x: Tensor) -> Tensor:
        check_finite(node.name, x)
        return x if node.kind == "analog" else expand(node, x, True)

    counter = EventCounter(network, sent=sent, steps=2 * timesteps - 1)
    output = run(network, inputs, lambda node, u: expand(node, u, node.coding.signed), coder, counter)
    return CodedRun(output, counter.report(preset), _layered_latency(network, timesteps))


def _layered_latency(network: ir.Network, timesteps: int) -> int:
    return latency(1, timesteps, timesteps - 1, 1 + max(depths(network).values()))


def _unit_one_hot(network: ir.Network) -> ir.Network:
    return network.replace({node.name: [replace(node, binary=0)] for node in network.of(ir.OneHot)})


def _scaled(node: ir.Neuron | ir.Coder, z: Tensor) -> Tensor:
    """z times the scale of its layer or channel."""
    return z * per_channel(node.scale.to(z.dtype), z.dim())


def _normalised(node: ir.Neuron | ir.Coder, potential: Value) -> Tensor:
    """z = U / (scale gain), at most cap / scale where the source's activation has a cap: these codes send what z is."""
    x = dense_value(potential)
    scale = node.threshold_scale if isinstance(node, ir.Neuron) else node.scale
    z = x / per_channel(scale.to(x.dtype), x.dim())
    if not isinstance(node, ir.Neuron) or node.activation.cap is None:
        return z
    return torch.minimum(z, per_channel(node.activation.cap / node.scale.to(x.dtype), x.dim()))
