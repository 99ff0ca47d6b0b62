"""The neuron in time (Algorithm 1): one membrane after the other, or the whole network on one clock as a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.encoding import binary_levels, check_finite, encode_binary
from gcn2snn.kernels import Spikes, decode, encode
from gcn2snn.kernels.reference import per_channel
from gcn2snn.spiking import input_timesteps, single_coding, sources, started, timesteps_of
from gcn2snn.synapse import Value, apply, dense_value, pool_max


@dataclass
class Recording:
    """What one membrane did, step by step.

    Args:
        potential: U(n) / s after each step, in units of the scale, one [N, C, ...] per step.
        fired: signed spikes emitted at each step, int8.
        threshold: threshold of each firing step, in the same unit; None while the neuron waits.
    """

    potential: list[Tensor] = field(default_factory=list)
    fired: list[Tensor] = field(default_factory=list)
    threshold: list[float | None] = field(default_factory=list)


class Emission:
    """The spikes of one population, coder or one-hot input, given out phase by phase. Memory: one code per neuron."""

    def __init__(self, node: ir.Node, value: Value, dtype: torch.dtype):
        self.node = node
        self.dtype = dtype
        self.spikes: Spikes | None = value if isinstance(value, Spikes) else None
        self.value = value

    @classmethod
    def of_coder(cls, node: ir.Coder, x: Tensor) -> Emission:
        """Input data as spikes in time."""
        check_finite(node.name, x)
        if node.kind == "analog":
            return cls(node, x, x.dtype)
        assert node.scale is not None
        if node.kind == "single":
            return cls(node, encode(x, node.scale, single_coding(node)), x.dtype)
        return cls(node, encode_binary(x, node.scale, node.timesteps), x.dtype)

    def at(self, step: int) -> Value:
        """What arrives at local step ``step`` = 1, 2, ..., in value units; zeros once the source has no phase left."""
        over = step > timesteps_of(self.node)
        if self.spikes is not None:
            return self._phase(self.spikes, step)
        if isinstance(self.node, ir.OneHot):
            return 0.0 if over else 2.0**-step if self.node.binary else 1.0
        if isinstance(self.node, ir.Coder) and self.node.kind == "binary":
            assert self.node.scale is not None
            bits = torch.zeros_like(self.value) if over else binary_levels(self.value, self.node.timesteps, step)
            return bits.to(self.dtype) * (2.0**-step * per_channel(self.node.scale, bits.dim()))
        return torch.zeros_like(self.value) if over else self.value

    def _phase(self, spikes: Spikes, step: int) -> Tensor:
        now = spikes.coding.step_of(spikes.code.abs()) == step
        return decode(spikes.with_code(torch.where(now, spikes.code, 0)), self.dtype)


class Membrane:
    """State of one population (or of the output) while its input arrives: potential, who has fired, who won a pool.

    U(n) = b + sum of the input spikes with phase <= n, in value units; a neuron fires at output phase k = n - w as soon as
    U(min(n, T_in)) / (s gain) >= Q^-k (Q+1)/(2Q), then it is done. This is Algorithm 1 with potential and threshold both
    divided by Q_in^n: multiplying by Q_in each step and by Q_in / Q_out the threshold gives the same comparison.
    """

    def __init__(self, network: ir.Network, node: ir.Neuron | ir.Output, constants: Mapping[str, Value], wait: int):
        self.node = node
        self.wait = wait
        self.constants = constants
        self.feeds = sources(network, node)
        self.path = path(network, node)
        self.races = {n.name: _Race(n) for n in self.path if isinstance(n, ir.MaxPool | ir.AggregateMax)}
        self.steps_in = input_timesteps(network, node)
        self.potential: Tensor | None = None
        self.code: Tensor | None = None

    @property
    def last_step(self) -> int:
        """Local step after which the membrane is done."""
        firing = self.wait + self.node.coding.steps if isinstance(self.node, ir.Neuron) else 0
        return max(self.steps_in, firing)

    def step(self, n: int, arriving: Mapping[str, Value], recording: Recording | None = None) -> None:
        """Advance from local step n - 1 to n with what each source sent at its phase n."""
        if n <= self.steps_in:
            self._receive(n, arriving)
        if isinstance(self.node, ir.Neuron):
            self._fire(self.node, n - self.wait, recording)

    def _receive(self, n: int, arriving: Mapping[str, Value]) -> None:
        values: dict[str, Value] = {**self.constants, **arriving}
        for node in self.path:
            args = [values[name] for name in node.inputs]
            race = self.races.get(node.name)
            values[node.name] = race.step(args) if race else apply(node, *args, bias=n == 1)
        current = dense_value(values[self.node.inputs[0]])
        self.potential = started(self.node, current) if self.potential is None else self.potential + current

    def _fire(self, node: ir.Neuron, step: int, recording: Recording | None) -> None:
        assert self.potential is not None
        assert node.scale is not None
        potential, coding = self.potential, node.coding
        if self.code is None:
            self.code = torch.zeros(potential.shape, dtype=coding.code_dtype, device=potential.device)
        firing = 1 <= step <= coding.steps
        if recording is None and not firing:
            return
        scale = node.scale if node.gain is None else node.scale * node.gain
        z = potential / per_channel(scale.to(potential.dtype), potential.dim())
        threshold = None
        before = self.code
        # of a group, the neuron with the largest phase value looks first
        for phase in (
            range((step - 1) * coding.group + 1, min(step * coding.group, coding.timesteps) + 1) if firing else ()
        ):
            threshold = coding.thresholds(z.dtype, z.device)[phase - 1]
            fires = ((z.abs() if coding.signed else z) >= threshold) & (self.code == 0)
            if node.horizon is not None:
                fires &= phase <= node.horizon
            self.code = torch.where(fires, torch.where(z < 0, -phase, phase), self.code).to(coding.code_dtype)
        if recording is not None:
            recording.potential.append(z)
            recording.fired.append((self.code - before).sign().to(torch.int8))
            recording.threshold.append(None if threshold is None else float(threshold))

    def emission(self, dtype: torch.dtype) -> Emission:
        """The population as a source for the next membranes."""
        assert isinstance(self.node, ir.Neuron)
        assert self.code is not None
        assert self.node.scale is not None
        return Emission(self.node, Spikes(self.code, self.node.scale, self.node.coding), dtype)


class _Race:
    """Max over a window in time: the first positive spike wins; a negative one passes when all have fired negative."""

    def __init__(self, node: ir.MaxPool | ir.AggregateMax):
        self.node = node
        self.won: Tensor | None = None
        self.negative: Tensor | None = None

    def step(self, known: list[Value]) -> Tensor:
        x = known[-1]
        fell = (x < 0).to(x.dtype)
        self.negative = fell if self.negative is None else self.negative + fell
        best = self._max(known[:-1], x)
        last = self._max(known[:-1], -self.negative) < 0  # every member has fired negative
        falling = self._max(known[:-1], torch.where(x < 0, x, -torch.inf))  # the spike that completes them
        if self.won is None:
            self.won = torch.zeros_like(best, dtype=torch.bool)
        result = torch.where(best > 0, best, torch.where(last & (falling < 0), falling, 0.0))
        result = torch.where(self.won, 0.0, result)
        self.won = self.won | (result != 0)
        return result

    def _max(self, operator: list[Value], x: Tensor) -> Tensor:
        if isinstance(self.node, ir.MaxPool):
            return pool_max(self.node, x)
        return apply(self.node, operator[0], x)


def constants(network: ir.Network, inputs: Mapping[str, Value]) -> dict[str, Value]:
    """Values that do not change in time: what the caller passed, and the sparse operands made from it."""
    values = {node.name: inputs[node.name] for node in network.of(ir.Input)}
    for node in network.of(ir.Operator):
        values[node.name] = apply(node, *(values[name] for name in node.inputs))
    return values


def emissions_of_inputs(network: ir.Network, fixed: Mapping[str, Value], dtype: torch.dtype) -> dict[str, Emission]:
    """Sources that do not wait for a membrane: input coders and one-hot inputs."""
    coders = {n.name: Emission.of_coder(n, fixed[n.inputs[0]]) for n in network.of(ir.Coder)}
    return coders | {n.name: Emission(n, 1.0, dtype) for n in network.of(ir.OneHot)}


def run_temporal(
    network: ir.Network,
    inputs: Mapping[str, Value],
    wait: int | None,
    recordings: dict[str, Recording] | None = None,
    emitted: dict[str, Spikes] | None = None,
) -> Tensor:
    """Potentials of the output after all layers have run in time, one membrane after the other.

    A layer reads its sources phase by phase; since a neuron fires at most once, its spike train is its phase, and
    memory stays at one byte per neuron and one potential for the membrane at work.

    Args:
        network: calibrated.
        inputs: by Input name.
        wait: w; None waits for all input.
        recordings: filled with potentials, spikes and thresholds of the populations that are keys of it.
        emitted: filled with the spikes of every population.

    Source: Algorithm 1; Section V-C2 for the wait.
    """
    fixed = constants(network, inputs)
    dtype = network_dtype(network)
    emissions = emissions_of_inputs(network, fixed, dtype)
    result: Tensor | None = None
    for node in network:
        if not isinstance(node, ir.Neuron | ir.Output):
            continue
        membrane = Membrane(network, node, fixed, wait_of(network, node, wait))
        recording = None if recordings is None else recordings.get(node.name)
        for n in range(1, membrane.last_step + 1):
            membrane.step(n, {name: emissions[name].at(n) for name in membrane.feeds}, recording)
        if isinstance(node, ir.Output):
            result = membrane.potential
        else:
            emissions[node.name] = membrane.emission(dtype)
            if emitted is not None:
                spikes = emissions[node.name].spikes
                assert spikes is not None
                emitted[node.name] = spikes
    assert result is not None
    return result


def wait_of(network: ir.Network, membrane: ir.Node, wait: int | None) -> int:
    """The wait of one membrane: w, or as long as its input lasts."""
    return input_timesteps(network, membrane) if wait is None else wait


def network_dtype(network: ir.Network) -> torch.dtype:
    """Floating dtype of the weights."""
    return next((t.dtype for node in network for t in node.tensors().values() if t.is_floating_point()), torch.float32)


def path(network: ir.Network, membrane: ir.Node) -> list[ir.Node]:
    """Nodes between the sources and a membrane, in order of evaluation."""
    needed: set[str] = set()
    waiting = list(membrane.inputs)
    while waiting:
        node = network[waiting.pop()]
        if not isinstance(node, ir.Neuron | ir.Coder | ir.Source | ir.Operator) and node.name not in needed:
            needed.add(node.name)
            waiting.extend(node.inputs)
    return [node for node in network if node.name in needed]
