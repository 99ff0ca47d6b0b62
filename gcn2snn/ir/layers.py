"""The nodes of a description that carry values or spikes, one per primitive, with its equation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gcn2snn.ir.activations import RELU, Activation
from gcn2snn.ir.node import Node, Plain, Shape, Source, Step, Synapse, Wire, meet, meet_bias, pool_shape, same, windows
from gcn2snn.kernels import PhaseCode


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Input(Source):
    """A value the caller passes.

    ``role``: "dense" values, an "operator" (a CSR) for aggregations, "graph" (what operators are made of: edge indices,
    weights, sparse tensors, graph objects), or "unused" (an argument that changes nothing).

    ``fixed``: plain values that reading the model depended on, by the way to them from the argument; () is the argument itself.
    Every call must bring them again. ``optional``: a call may leave the argument out, for the source model's own default
    is the value it is fixed to.
    """

    size: Shape
    role: str = "dense"
    fixed: tuple[tuple[tuple[Step, ...], Plain], ...] = ()
    optional: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        return self.size


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class OneHot(Source):
    """The identity as features: node i is one-hot i. ``binary`` 0: one unit spike; T: the T spikes of 1.0 in T-bit binary.

    value = 1 (unit) or 1 - 2^-T (binary). Source: docs/method.md; Table V's alpha(MR) implies the binary form.
    """

    count: int
    binary: int = 0

    def shape(self, *inputs: Shape) -> Shape:
        return (self.count, self.count)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class InputCode(Node):
    """Input data to spikes, calibrated or not: what both have in common.

    Args:
        kind: "binary" sign-magnitude, many spikes, base 2; "single" one signed spike; "analog" as it is.
        timesteps: T, the bits of a binary word or the phases of a single spike.
        base: Q of a single spike.
    """

    kind: str = "binary"
    timesteps: int = 16
    base: float = 2.0


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class UncalibratedCoder(InputCode):
    """Where input data will become spikes; before calibration they pass as they are."""

    def calibrated(self, scale: Tensor) -> Coder:
        """The coder with its scale: the largest magnitude of the data."""
        return Coder(
            name=self.name, inputs=self.inputs, kind=self.kind, timesteps=self.timesteps, base=self.base, scale=scale
        )


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Coder(InputCode):
    """Input data to spikes.

    binary: x ~ sign * scale * sum_t b_t 2^-t, b = floor(|x| / scale * 2^T) in T bits, saturating at 1 - 2^-T.

    Args:
        scale: the largest magnitude [] that can be sent; "analog" does not use it.
    """

    scale: Tensor


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Lookup(Synapse):
    """One-hot times weights: Y = table [count, out]; needs no product."""

    table: Tensor
    bias: Tensor | None = None

    def shape(self, *inputs: Shape) -> Shape:
        meet(self, inputs[0][1] == self.table.shape[0], f"[*, {len(self.table)}]", inputs[0])
        meet_bias(self, self.bias, self.table.shape[1])
        return (self.table.shape[0], self.table.shape[1])


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Dense(Synapse):
    """Y = X W^T + b: message passing of a graph layer, or a linear layer. weight [out, in], bias [out]."""

    weight: Tensor
    bias: Tensor | None = None

    def shape(self, *inputs: Shape) -> Shape:
        size = inputs[0]
        meet(self, len(size) == 2 and same(size[1], self.weight.shape[1]), f"[*, {self.weight.shape[1]}]", size)
        meet_bias(self, self.bias, self.weight.shape[0])
        return (size[0], self.weight.shape[0])


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Conv(Synapse):
    """2-D convolution; weight [out, in / groups, kh, kw]; padding (left, right, top, bottom) with zeros."""

    weight: Tensor
    bias: Tensor | None = None
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def is_diagonal(self) -> bool:
        """Whether it multiplies each channel by a number of its own, as a batch norm with no weights in front does."""
        plain = (self.stride, self.padding, self.weight.shape[1:]) == ((1, 1), (0, 0, 0, 0), (1, 1, 1))
        return plain and self.groups == self.weight.shape[0]

    def shape(self, *inputs: Shape) -> Shape:
        size = inputs[0]
        channels = self.weight.shape[1] * self.groups
        meet(self, len(size) == 4 and same(size[1], channels), f"[*, {channels}, height, width]", size)
        meet_bias(self, self.bias, self.weight.shape[0])
        kernel = (self.weight.shape[2], self.weight.shape[3])
        return (size[0], self.weight.shape[0], *windows(self, size, kernel, self.stride, self.padding, self.dilation))


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Aggregate(Synapse):
    """Y = A X over the edges of a graph. inputs: (operator, features); the operator is a CSR [rows, nodes]."""

    arity: ClassVar[int | None] = 2

    def shape(self, *inputs: Shape) -> Shape:
        operator, size = inputs
        meet(self, same(operator[1], size[0]), f"[{operator[1]}, *]", size)
        return (operator[0], *size[1:])


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class AggregateMax(Node):
    """Y_i = max over neighbours j of X_j, 0 without neighbours; the earliest spike wins. inputs: (operator, features)."""

    arity: ClassVar[int | None] = 2

    def shape(self, *inputs: Shape) -> Shape:
        operator, size = inputs
        meet(self, same(operator[1], size[0]), f"[{operator[1]}, *]", size)
        return (operator[0], *size[1:])


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class BatchNorm(Node):
    """y = gamma (x - mean) / sqrt(var + eps) + beta per channel; goes away in ``passes/fold.py``. All tensors [channels]."""

    mean: Tensor
    var: Tensor
    gamma: Tensor
    beta: Tensor
    eps: float = 1e-5

    def shape(self, *inputs: Shape) -> Shape:
        meet(self, same(inputs[0][1], self.mean.numel()), f"{self.mean.numel()} channels", inputs[0])
        return inputs[0]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class AvgPool(Wire):
    """Sum over windows divided by ``divisor`` (the window size, or with ``count_padding`` False the valid part of it)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    ceil_mode: bool = False
    count_padding: bool = True

    def shape(self, *inputs: Shape) -> Shape:
        return pool_shape(self, inputs[0], self.kernel, self.stride, self.padding, (1, 1), self.ceil_mode)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class MaxPool(Node):
    """Largest value of each window; among spikes of one population the earliest (largest signed value) wins."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    ceil_mode: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        return pool_shape(self, inputs[0], self.kernel, self.stride, self.padding, self.dilation, self.ceil_mode)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Add(Wire):
    """Y = bias + sum_i coefficients_i X_i. One input with a coefficient is a multiplication by a constant."""

    arity: ClassVar[int | None] = None
    coefficients: tuple[float, ...]
    bias: Tensor | None = None

    def shape(self, *inputs: Shape) -> Shape:
        meet(self, len(self.coefficients) == len(inputs), f"{len(self.coefficients)} inputs", (len(inputs),))
        for size in inputs[1:]:
            fits = len(size) == len(inputs[0]) and all(map(same, size, inputs[0]))
            meet(self, fits, str(list(inputs[0])), size)
        if self.bias is not None and inputs[0][1] is not None:
            meet_bias(self, self.bias, inputs[0][1])
        return inputs[0]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Concat(Wire):
    """Channels of several values side by side (axis 1)."""

    arity: ClassVar[int | None] = None

    def shape(self, *inputs: Shape) -> Shape:
        sizes = [size[1] for size in inputs]
        for size in inputs[1:]:
            fits = len(size) == len(inputs[0]) and all(map(same, size[2:], inputs[0][2:]))
            meet(self, fits and same(size[0], inputs[0][0]), str(list(inputs[0])), size)
        known = [size for size in sizes if size is not None]
        return (inputs[0][0], sum(known) if len(known) == len(sizes) else None, *inputs[0][2:])


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Flatten(Wire):
    """[N, C, ...] -> [N, C * ...]."""

    def shape(self, *inputs: Shape) -> Shape:
        rest = [size for size in inputs[0][1:] if size is not None]
        return (inputs[0][0], math.prod(rest) if len(rest) == len(inputs[0]) - 1 else None)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Subsample(Wire):
    """Every ``stride``-th pixel, then zero channels before and after: the option-A shortcut of CIFAR ResNets."""

    stride: int
    channels_before: int
    channels_after: int

    def shape(self, *inputs: Shape) -> Shape:
        n, c, h, w = inputs[0]
        sizes = [None if v is None else -(-v // self.stride) for v in (h, w)]
        return (n, None if c is None else c + self.channels_before + self.channels_after, *sizes)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Pad(Wire):
    """Zeros around an image, padding (left, right, top, bottom); a convolution that reads it pads by itself."""

    padding: tuple[int, int, int, int]

    def shape(self, *inputs: Shape) -> Shape:
        meet(self, len(inputs[0]) == 4, "[*, channels, height, width]", inputs[0])
        n, c, h, w = inputs[0]
        left, right, top, bottom = self.padding
        return (n, c, None if h is None else h + top + bottom, None if w is None else w + left + right)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Rows(Wire):
    """The first rows of X, as many as the operator has: the target nodes of a bipartite block. inputs: (operator, X)."""

    arity: ClassVar[int | None] = 2

    def shape(self, *inputs: Shape) -> Shape:
        return (inputs[0][0], *inputs[1][1:])


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Relu(Node):
    """f(x / gain), f a ReLU with or without a cap; becomes a population in ``passes/neurons.py``.

    Args:
        gain: see :class:`Population`.
        activation: f.
    """

    gain: Tensor | None = None
    activation: Activation = RELU


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Population(Node):
    """Neurons that fire at most once, calibrated or not: what both have in common.

    Args:
        coding: base, timesteps, signed, shift. A signed population keeps negative values.
        activation: what the source model has in this place. An unsigned population where it has nothing drops the
            negative part (``message="rectified"``).
        gain: batch norm kept in the threshold, sqrt(var + eps) / |gamma| [C] (Algorithm 1, line 4), or None.
    """

    coding: PhaseCode
    activation: Activation = RELU
    gain: Tensor | None = None

    @property
    def kind(self) -> str:
        """What it does to its potential, as reports print it: "signed", the source's activation, or "rectified"."""
        return "signed" if self.coding.signed else self.activation.name if self.activation.rectifies else "rectified"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class UncalibratedNeuron(Population):
    """Where neurons will fire; before calibration it has no scale and computes what the source model does."""

    def calibrated(self, scale: Tensor) -> Neuron:
        """The population with its scale: it can fire."""
        return Neuron(
            name=self.name,
            inputs=self.inputs,
            coding=self.coding,
            activation=self.activation,
            gain=self.gain,
            scale=scale,
        )


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Neuron(Population):
    """A population that fires at most once: z = x / (scale * gain), phase by comparison with the thresholds of ``coding``.

    Args:
        scale: calibrated maximum of the layer [] or of each channel [C] (Eq. 2).
        horizon: last phase at which a neuron may fire, [nodes, 1] or broadcastable, or None for T (docs/method.md).
        start: potential that the spiking neuron starts from beside the bias, [C] (``passes/bias_correction.py``) or, where
            the population does not depend on the input, [N, C] (``passes/refit.py``); the source has none.
    """

    scale: Tensor
    horizon: Tensor | None = None
    start: Tensor | None = None

    @property
    def threshold_scale(self) -> Tensor:
        """scale * gain, [] or [C]: a potential divided by it is compared with the thresholds of the code."""
        return self.scale if self.gain is None else self.scale * self.gain


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Kept(Wire):
    """f(x / gain) of a population's potential x: what its neurons keep for the sum that their population is a term of.

    A neuron of the sum begins with what the neuron at its own place had before that was rounded to a spike
    (``passes/residuals.py``). No spike carries it: it is handed over once, when all input of the population has arrived.

    Args:
        gain, activation: those of the population.
    """

    activation: Activation = RELU
    gain: Tensor | None = None


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Output(Node):
    """The result: potentials of the last membrane, no neuron; class = largest potential.

    ``readout``: "softmax" or "log_softmax" over the channels if the source model ends with one. It is left out, for it
    does not change which potential is largest; :func:`gcn2snn.frontends.read_model.read_out` computes it from the potentials.
    ``start``: as for :class:`Neuron`.
    """

    readout: str = ""
    start: Tensor | None = None
