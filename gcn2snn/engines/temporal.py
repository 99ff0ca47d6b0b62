"""The neuron in time (Algorithm 1): one membrane after the other, or the whole network on one clock as a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.encoding import binary_levels, check_finite, encode_binary
from gcn2snn.engines.fused import firing
from gcn2snn.engines.interpreter import single_coding, started
from gcn2snn.engines.node_rules import Value, apply, dense_value, pool_max
from gcn2snn.engines.topology import input_timesteps, network_dtype, path, sources, timesteps_of, wait_of
from gcn2snn.kernels import Spikes, emit_step, encode, fire_step, per_channel


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

    def between(self, first: int, last: int, out: Tensor | None = None) -> tuple[Value, bool]:
        """What arrives from local step ``first`` to ``last``, spikes or values, and whether that is anything at all.

        Args:
            first, last: 1 <= first <= last; silence arrives once the source has no phase left.
            out: memory for the codes of a population, overwritten; a new tensor when None.
        """
        last = min(last, timesteps_of(self.node))
        over = first > last
        if self.spikes is not None:
            out = torch.empty_like(self.spikes.code) if out is None else out
            group = self.spikes.coding.group
            sent = emit_step(self.spikes, (first - 1) * group + 1, max(first, last) * group, out)
            return self.spikes.with_code(out), sent
        if isinstance(self.node, ir.OneHot):
            return (0.0 if over else 2.0 ** (1 - first) - 2.0**-last if self.node.binary else 1.0), not over
        if isinstance(self.node, ir.Coder) and self.node.kind == "binary" and not over:
            assert self.node.scale is not None
            bits = binary_levels(self.value, self.node.timesteps, first, last).to(self.dtype)
            return bits * (2.0**-last * per_channel(self.node.scale, bits.dim())), True
        return (torch.zeros_like(self.value, dtype=self.dtype) if over else self.value), not over


class Membrane:
    """State of one population (or of the output) while its input arrives: potential, who has fired, who won a pool.

    U(n) = b + sum of the input spikes with phase <= n, in value units; a neuron fires at output phase k = n - w as soon as
    U(min(n, T_in)) / (s gain) >= Q^-k (Q+1)/(2Q), then it is done. This is Algorithm 1 with potential and threshold both
    divided by Q_in^n: multiplying by Q_in each step and by Q_in / Q_out the threshold gives the same comparison.

    A step in which no source sends a spike adds nothing and skips the synapses. Potential, codes and the values that
    arrive are changed in place: memory is the same at every step.
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
        self._heard: dict[str, Tensor] = {}

    @property
    def last_step(self) -> int:
        """Local step after which the membrane is done."""
        firing = self.wait + self.node.coding.steps if isinstance(self.node, ir.Neuron) else 0
        return max(self.steps_in, firing)

    def step(self, n: int, emissions: Mapping[str, Emission], recording: Recording | None = None) -> None:
        """Advance from local step n - 1 to n with what each source sends at its phase n."""
        current = self.arriving(n, n, emissions) if n <= self.steps_in else None
        before = None if recording is None or self.code is None else self.code.clone()
        step = n - self.wait
        if isinstance(self.node, ir.Neuron) and 1 <= step <= self.node.coding.steps:
            self.fire(step, current)
        elif current is not None:
            assert self.potential is not None
            self.potential += current
        if recording is not None:
            self._record(recording, step, before)

    def arriving(self, first: int, last: int, emissions: Mapping[str, Emission]) -> Tensor | None:
        """Weighted sum of what the sources send at phases ``first`` to ``last``; None: nothing to add.

        Phase 1 comes with the biases and becomes the potential itself.
        """
        values, anything = dict(self.constants), first == 1
        for name in self.feeds:
            values[name], sent = emissions[name].between(first, last, self._heard.get(name))
            anything |= sent
            if emissions[name].spikes is not None:
                self._heard[name] = values[name].code
        if last >= self.steps_in:
            self._heard = {}
        if not anything:
            return None
        for node in self.path:
            args = [values[name] for name in node.inputs]
            race = self.races.get(node.name)
            values[node.name] = race.step(args) if race else apply(node, *args, bias=first == 1)
        current = dense_value(values[self.node.inputs[0]])
        if first > 1:
            return current
        self._start(current)
        return None

    def fire(self, step: int, current: Tensor | None = None, until: int | None = None) -> None:
        """Add ``current`` to the potential and compare it with the thresholds of one step, or of several in turn."""
        assert isinstance(self.node, ir.Neuron)
        assert self.potential is not None
        assert self.code is not None
        phases = self.node.coding.phases_of(step)[0], self.node.coding.phases_of(until or step)[-1]
        fire_step(self.potential, current, self.code, firing(self.node), *phases)

    def _start(self, current: Tensor) -> None:
        dense = current.dim() == 4 and current.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if dense else torch.contiguous_format
        self.potential = started(self.node, current).clone(memory_format=layout)
        if isinstance(self.node, ir.Neuron):
            self.code = torch.zeros_like(self.potential, dtype=self.node.coding.code_dtype)

    def _record(self, recording: Recording, step: int, before: Tensor | None) -> None:
        assert isinstance(self.node, ir.Neuron)
        assert self.potential is not None
        assert self.code is not None
        potential, coding = self.potential, self.node.coding
        phases = coding.phases_of(step) if 1 <= step <= coding.steps else range(0)
        recording.potential.append(
            potential / per_channel(firing(self.node).scale.to(potential.dtype), potential.dim())
        )
        fired = self.code if before is None else self.code - before
        recording.fired.append(fired.sign().to(torch.int8))
        recording.threshold.append(float(coding.thresholds(potential.dtype)[phases[-1] - 1]) if phases else None)

    @property
    def spikes(self) -> Spikes:
        """What the population has sent so far."""
        assert isinstance(self.node, ir.Neuron)
        assert self.code is not None
        assert self.node.scale is not None
        return Spikes(self.code, self.node.scale, self.node.coding)

    def emission(self, dtype: torch.dtype) -> Emission:
        """The population as a source for the next membranes."""
        return Emission(self.node, self.spikes, dtype)


class _Race:
    """Max over a window in time: the first positive spike wins; a negative one passes when all have fired negative."""

    def __init__(self, node: ir.MaxPool | ir.AggregateMax):
        self.node = node
        self.won: Tensor | None = None
        self.negative: Tensor | None = None

    def step(self, known: list[Value]) -> Tensor:
        x = dense_value(known[-1])
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

    def step(membrane: Membrane, emissions: Mapping[str, Emission]) -> None:
        recording = None if recordings is None else recordings.get(membrane.node.name)
        for n in range(1, membrane.last_step + 1):
            membrane.step(n, emissions, recording)

    return run_membranes(network, inputs, wait, step, emitted)


def run_membranes(
    network: ir.Network,
    inputs: Mapping[str, Value],
    wait: int | None,
    work: Callable[[Membrane, Mapping[str, Emission]], None],
    emitted: dict[str, Spikes] | None = None,
) -> Tensor:
    """Potentials of the output; ``work`` takes one membrane after the other to its last step.

    The spikes of a population are let go after its last reader.
    """
    fixed = constants(network, inputs)
    dtype = network_dtype(network)
    emissions = emissions_of_inputs(network, fixed, dtype)
    nodes: list[ir.Neuron | ir.Output] = [node for node in network if isinstance(node, ir.Neuron | ir.Output)]
    last_reader = {name: node.name for node in nodes for name in sources(network, node)}
    result: Tensor | None = None
    for node in nodes:
        membrane = Membrane(network, node, fixed, wait_of(network, node, wait))
        work(membrane, emissions)
        if isinstance(node, ir.Output):
            result = membrane.potential
        else:
            emissions[node.name] = membrane.emission(dtype)
            if emitted is not None:
                emitted[node.name] = membrane.spikes
        for name in membrane.feeds:
            if last_reader[name] == node.name:
                del emissions[name]
    assert result is not None
    return result
