"""One population (or the output) while its input arrives: Algorithm 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines.emission import AnalogValues, Emission
from gcn2snn.engines.fused import firing
from gcn2snn.engines.interpreter import start_of, started
from gcn2snn.engines.node_rules import Value, apply, dense_value, pool_max
from gcn2snn.engines.topology import input_timesteps, kept_of, path, sources
from gcn2snn.kernels import Spikes, fire_step, per_channel


@dataclass
class Recording:
    """What one membrane did, step by step.

    >>> import torch, gcn2snn
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2)).eval()
    >>> snn = gcn2snn.convert(model, torch.rand(4, 2), gcn2snn.ConvertConfig(timesteps=8))
    >>> recordings = {"1": Recording()}
    >>> _ = snn.simulate(torch.rand(1, 2), engine="temporal", recordings=recordings)
    >>> len(recordings["1"].potential), recordings["1"].potential[0].shape
    (16, torch.Size([1, 3]))

    Args:
        potential: U(n) / s after each step, in units of the scale, one [N, C, ...] per step.
        fired: signed spikes emitted at each step, int8.
        threshold: threshold of each firing step, in the same unit; None while the neuron waits.
        neurons: flat numbers of the neurons to keep, [k] int64, so that potential and fired are [k]; None keeps all of them.
    """

    potential: list[Tensor] = field(default_factory=list)
    fired: list[Tensor] = field(default_factory=list)
    threshold: list[float | None] = field(default_factory=list)
    neurons: Tensor | None = None

    def kept(self, values: Tensor) -> Tensor:
        """The values of the neurons to keep."""
        return values if self.neurons is None else values.flatten()[self.neurons.to(values.device)]


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
        self.feeds = (*sources(network, node), *kept_of(network, node))
        self.path = tuple(each for each in path(network, node) if not isinstance(each, ir.Kept))
        self.races = {n.name: _Race(n) for n in self.path if isinstance(n, ir.MaxPool | ir.AggregateMax)}
        self.steps_in = input_timesteps(network, node)
        self._potential: Tensor | None = None
        self._code: Tensor | None = None
        self._heard: dict[str, Tensor] = {}

    @property
    def neuron(self) -> ir.Neuron:
        """The population; only the output has none."""
        assert isinstance(self.node, ir.Neuron)
        return self.node

    @property
    def potential(self) -> Tensor:
        """U, from step 1 on."""
        assert self._potential is not None
        return self._potential

    @property
    def spikes(self) -> Spikes:
        """What the population has sent so far."""
        assert self._code is not None
        return Spikes(self._code, self.neuron.scale, self.neuron.coding)

    @property
    def last_step(self) -> int:
        """Local step after which the membrane is done."""
        firing = self.wait + self.node.coding.steps if isinstance(self.node, ir.Neuron) else 0
        return max(self.steps_in, firing)

    def kept(self, node: ir.Node) -> AnalogValues:
        """What the neurons keep, at the first step of the membrane that begins with it; all their input has arrived."""
        start, potential = self.node.start, self.potential
        own = potential if start is None else potential - start_of(start.to(potential.dtype), potential.dim())
        return AnalogValues(dense_value(apply(node, own)))

    def send(self, spikes: Spikes) -> None:
        """Take over spikes that a kernel has worked out for all steps at once."""
        self._code = spikes.code

    def step(self, n: int, emissions: Mapping[str, Emission], recording: Recording | None = None) -> None:
        """Advance from local step n - 1 to n with what each source sends at its step n."""
        current = self.arriving(n, n, emissions) if n <= self.steps_in else None
        before = None if recording is None or self._code is None else self._code.clone()
        step = n - self.wait
        if isinstance(self.node, ir.Neuron) and 1 <= step <= self.node.coding.steps:
            self.fire(step, current)
        elif current is not None:
            self._potential = self.potential.add_(current)
        if recording is not None:
            self._record(recording, step, before)

    def arriving(self, first: int, last: int, emissions: Mapping[str, Emission]) -> Tensor | None:
        """Weighted sum of what the sources send at steps ``first`` to ``last``; None: nothing to add.

        Step 1 comes with the biases and becomes the potential itself.
        """
        values, anything = dict(self.constants), first == 1
        for name in self.feeds:
            value, sent = emissions[name].between(first, last, self._heard.get(name))
            values[name] = value
            anything |= sent
            if isinstance(value, Spikes):
                self._heard[name] = value.code
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
        coding = self.neuron.coding
        phases = coding.phases_of(step)[0], coding.phases_of(until or step)[-1]
        fire_step(self.potential, current, self.spikes.code, firing(self.neuron), *phases)

    def _start(self, current: Tensor) -> None:
        dense = current.dim() == 4 and current.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if dense else torch.contiguous_format
        self._potential = started(self.node, current).clone(memory_format=layout)
        if isinstance(self.node, ir.Neuron):
            self._code = torch.zeros_like(self._potential, dtype=self.node.coding.code_dtype)

    def _record(self, recording: Recording, step: int, before: Tensor | None) -> None:
        potential, coding, code = self.potential, self.neuron.coding, self.spikes.code
        phases = coding.phases_of(step) if 1 <= step <= coding.steps else range(0)
        scale = self.neuron.threshold_scale.to(potential.dtype)
        recording.potential.append(recording.kept(potential / per_channel(scale, potential.dim())))
        fired = code if before is None else code - before
        recording.fired.append(recording.kept(fired).sign().to(torch.int8))
        recording.threshold.append(float(coding.thresholds(potential.dtype)[phases[-1] - 1]) if phases else None)


class _Race:
    """Max over a window in time: the first positive spike wins; a negative one passes when all have fired negative."""

    def __init__(self, node: ir.MaxPool | ir.AggregateMax):
        self.node = node
        self.won: Tensor | None = None
        self.negative: Tensor | None = None

    def step(self, args: list[Value]) -> Tensor:
        """What the node passes on at this step; ``args`` as for :func:`apply`."""
        x = dense_value(args[-1])
        operator = args[0]
        fell = (x < 0).to(x.dtype)
        self.negative = fell if self.negative is None else self.negative + fell
        best = self._max(operator, x)
        last = self._max(operator, -self.negative) < 0  # every member has fired negative
        falling = self._max(operator, torch.where(x < 0, x, -torch.inf))  # the spike that completes them
        if self.won is None:
            self.won = torch.zeros_like(best, dtype=torch.bool)
        result = torch.where(best > 0, best, torch.where(last & (falling < 0), falling, 0.0))
        result = torch.where(self.won, 0.0, result)
        self.won = self.won | (result != 0)
        return result

    def _max(self, operator: Value, x: Tensor) -> Tensor:
        if isinstance(self.node, ir.MaxPool):
            return pool_max(self.node, x)
        return dense_value(apply(self.node, operator, x))
