"""What the sources of a membrane send, time step by time step: populations, input coders and one-hot inputs."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.encoding import binary_levels, check_finite, encode_binary
from gcn2snn.engines.interpreter import single_coding
from gcn2snn.engines.node_rules import Value
from gcn2snn.engines.topology import timesteps_of
from gcn2snn.kernels import Spikes, emit_step, encode, per_channel


class Emission(ABC):
    """The output of one source, given out by time step."""

    spikes: Spikes | None = None
    """All spikes at once, for a source that sends at most one for each neuron."""

    @abstractmethod
    def between(self, first: int, last: int, out: Tensor | None = None) -> tuple[Value, bool]:
        """What arrives from local step ``first`` to ``last``, spikes or values, and whether that is anything at all.

        Args:
            first, last: 1 <= first <= last; silence arrives once the source has no step left.
            out: memory for the codes of a population, overwritten; a new tensor when None.
        """


class SpikeTrain(Emission):
    """At most one spike a neuron. Memory: one code a neuron."""

    def __init__(self, spikes: Spikes):
        self.spikes: Spikes = spikes

    def between(self, first: int, last: int, out: Tensor | None = None) -> tuple[Value, bool]:
        out = torch.empty_like(self.spikes.code) if out is None else out
        coding = self.spikes.coding
        last = max(first, min(last, coding.steps))
        sent = emit_step(self.spikes, (first - 1) * coding.group + 1, last * coding.group, out)
        return self.spikes.with_code(out), sent


class BinaryWords(Emission):
    """Input data as binary words, the highest bit first."""

    def __init__(self, node: ir.Coder, x: Tensor):
        self.node, self.dtype = node, x.dtype
        self.words = encode_binary(x, node.scale, node.timesteps)

    def between(self, first: int, last: int, out: Tensor | None = None) -> tuple[Value, bool]:
        last = min(last, self.node.timesteps)
        if first > last:
            return torch.zeros_like(self.words, dtype=self.dtype), False
        bits = binary_levels(self.words, self.node.timesteps, first, last).to(self.dtype)
        return bits * (2.0**-last * per_channel(self.node.scale, bits.dim())), True


class AnalogValues(Emission):
    """Input data as they are, all at the first step."""

    def __init__(self, x: Tensor):
        self.x = x

    def between(self, first: int, last: int, out: Tensor | None = None) -> tuple[Value, bool]:
        return (self.x, True) if first == 1 else (torch.zeros_like(self.x), False)


class OneHotSpikes(Emission):
    """The one spike of each one-hot input, or the T spikes of 1.0 in T bits."""

    def __init__(self, node: ir.OneHot):
        self.node = node

    def between(self, first: int, last: int, out: Tensor | None = None) -> tuple[Value, bool]:
        last = min(last, timesteps_of(self.node))
        if first > last:
            return 0.0, False
        return (2.0 ** (1 - first) - 2.0**-last if self.node.binary else 1.0), True


def emission_of_coder(node: ir.Coder, x: Tensor) -> Emission:
    """Input data as they arrive in time."""
    check_finite(node.name, x)
    if node.kind == "analog":
        return AnalogValues(x)
    if node.kind == "single":
        return SpikeTrain(encode(x, node.scale, single_coding(node)))
    return BinaryWords(node, x)
