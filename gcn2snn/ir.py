"""The description of a network between the trained model and the spikes: plain frozen data, no execution.

A :class:`Network` is a list of nodes in the order of evaluation; a node names its inputs. Axis 0 of every value is the
batch or the graph's nodes, axis 1 the channels. Sparse operands travel along edges too, so one description serves many
graphs. Front ends write it (``lower_*.py``), passes rewrite it (``fold.py``, ``neurons.py``, ``calibrate.py``),
``spiking.py`` runs it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from torch import Tensor

from gcn2snn.errors import InputError
from gcn2snn.kernels import PhaseCode

Shape = tuple[int | None, ...]
"""Sizes with None for the batch axis or an unknown number of nodes."""

NODE_TYPES: dict[str, type[Node]] = {}
"""Every node class by name; what a saved description may contain."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Node:
    """One step of the network. ``name`` is its place in the source model; ``inputs`` are names of earlier nodes."""

    name: str
    inputs: tuple[str, ...] = ()
    arity: ClassVar[int | None] = 1

    def __init_subclass__(cls) -> None:
        NODE_TYPES[cls.__name__] = cls

    def shape(self, *inputs: Shape) -> Shape:
        """Shape of the result, or an InputError that says which sizes do not meet."""
        return inputs[0]

    def tensors(self) -> dict[str, Tensor]:
        """The node's tensor fields."""
        return {f.name: v for f in fields(self) if isinstance(v := getattr(self, f.name), Tensor)}


class Source(Node):
    """A node whose result does not depend on other nodes."""

    arity: ClassVar[int | None] = 0


class Synapse(Node):
    """A linear node with weights: each incoming spike costs it additions."""


class Wire(Node):
    """A linear node without weights: sums, pooling sums, re-arrangement. Spikes pass through it into the next membrane."""


class Operator(Node):
    """A node that makes a sparse operand (a CSR) out of graph inputs; it carries no spikes."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Input(Source):
    """A value the caller passes.

    ``role``: "dense" values, an "operator" (a CSR) for aggregations, "graph" (what operators are made of: edge indices,
    weights, sparse tensors, graph objects), or "unused" (an argument that changes nothing).
    """

    size: Shape
    role: str = "dense"

    def shape(self, *inputs: Shape) -> Shape:
        return self.size


@dataclass(frozen=True, eq=False, kw_only=True)
class Part(Operator):
    """A part of what the caller passes: attribute ``key`` (``by`` "attribute"), or item ``key`` ("item").

    ``data.x`` of a PyG object, ``graph.ndata["feat"]`` of a DGL graph, ``blocks[0]`` of a list. ``role`` and ``size``:
    see :class:`Input`.
    """

    key: str | int
    by: str
    size: Shape
    role: str = "graph"

    def shape(self, *inputs: Shape) -> Shape:
        return self.size


@dataclass(frozen=True, eq=False, kw_only=True)
class Fixed(Operator):
    """A tensor of the model that describes its graph: an edge index or edge weights kept as a buffer."""

    arity: ClassVar[int | None] = 0
    value: Tensor

    def shape(self, *inputs: Shape) -> Shape:
        return tuple(self.value.shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class FixedMatrix(Operator):
    """A sparse matrix of the model [rows, num_cols] in compressed rows, such as an adjacency kept as a buffer."""

    arity: ClassVar[int | None] = 0
    rowptr: Tensor
    col: Tensor
    value: Tensor
    num_cols: int

    def shape(self, *inputs: Shape) -> Shape:
        return (self.rowptr.numel() - 1, self.num_cols)


@dataclass(frozen=True, eq=False, kw_only=True)
class Matrix(Operator):
    """A sparse or dense matrix that the caller passes, as an operator."""

    def shape(self, *inputs: Shape) -> Shape:
        return (None, None)


@dataclass(frozen=True, eq=False, kw_only=True)
class Adjacency(Operator):
    """A [targets, sources] of a graph: self-loops first, then the normalisation; ``operators.py`` has the equations.

    inputs: (edges, weights if ``weighted``, rows of the targets, rows of the sources); edges are an index [2, E], a
    sparse tensor whose rows are targets, or a DGL graph. The last two only tell how many nodes there are.

    Args:
        norm: "none", "gcn", "mean", "max", "degree", "cluster", or DGL's "left", "right", "both", "in", "weights".
        loops: "keep", "add" one a node, "remaining" (one for each node that lacks it), "replace", "remove".
        loop_weight: weight of an added self-loop.
        flow: "source_to_target" or "target_to_source".
        factor: what the self-loops are multiplied by, less one ("cluster").
        targets: number of targets if the model fixes it.
    """

    arity: ClassVar[int | None] = None
    norm: str = "none"
    loops: str = "keep"
    loop_weight: float = 1.0
    weighted: bool = False
    flow: str = "source_to_target"
    factor: float = 0.0
    targets: int | None = None

    def shape(self, *inputs: Shape) -> Shape:
        return (None, None)


@dataclass(frozen=True, eq=False, kw_only=True)
class Laplacian(Operator):
    """The scaled Laplacian 2 L / lambda_max - I of Chebyshev filters; its entries have both signs.

    inputs: (edges, weights if ``weighted``, lambda_max if ``given``, graph of each node if ``batched``, rows).

    Args:
        norm: "sym" L = I - D^-1/2 A D^-1/2, "rw" L = I - D^-1 A, "none" L = D - A; "dgl" as "sym" with degrees >= 1.
        lambda_max: largest eigenvalue assumed; None: twice the largest entry of L ("dgl": 2).
    """

    arity: ClassVar[int | None] = None
    norm: str = "sym"
    weighted: bool = False
    given: bool = False
    batched: bool = False
    lambda_max: float | None = None

    def shape(self, *inputs: Shape) -> Shape:
        return (None, None)


@dataclass(frozen=True, eq=False, kw_only=True)
class Membership(Operator):
    """[graphs, nodes]: 1 where a node belongs to a graph, or 1 / (nodes of the graph) with ``mean``.

    inputs: (graph of each node or a batched DGL graph, if ``batched``; rows of the nodes). Without it all nodes are one
    graph. ``graphs``: their number if the model fixes it.
    """

    arity: ClassVar[int | None] = None
    mean: bool = False
    batched: bool = True
    graphs: int | None = None

    def shape(self, *inputs: Shape) -> Shape:
        return (self.graphs if self.batched else 1, None)


@dataclass(frozen=True, eq=False, kw_only=True)
class OneHot(Source):
    """The identity as features: node i is one-hot i. ``binary`` 0: one unit spike; T: the T spikes of 1.0 in T-bit binary.

    value = 1 (unit) or 1 - 2^-T (binary). Source: docs/method.md; Table V's alpha(MR) implies the binary form.
    """

    count: int
    binary: int = 0

    def shape(self, *inputs: Shape) -> Shape:
        return (self.count, self.count)


@dataclass(frozen=True, eq=False, kw_only=True)
class Coder(Node):
    """Input data to spikes. "binary": sign-magnitude, many spikes, base 2; "single": one signed spike; "analog": as it is.

    binary: x ~ sign * scale * sum_t b_t 2^-t, b = floor(|x| / scale * 2^T) in T bits, saturating at 1 - 2^-T.
    """

    kind: str = "binary"
    timesteps: int = 16
    base: float = 2.0
    scale: Tensor | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Lookup(Synapse):
    """One-hot times weights: Y = table [count, out]; needs no product."""

    table: Tensor
    bias: Tensor | None = None

    def shape(self, *inputs: Shape) -> Shape:
        _meet(self, inputs[0][1] == self.table.shape[0], f"[*, {len(self.table)}]", inputs[0])
        _meet_bias(self, self.bias, self.table.shape[1])
        return (self.table.shape[0], self.table.shape[1])


@dataclass(frozen=True, eq=False, kw_only=True)
class Dense(Synapse):
    """Y = X W^T + b: message passing of a graph layer, or a linear layer. weight [out, in], bias [out]."""

    weight: Tensor
    bias: Tensor | None = None

    def shape(self, *inputs: Shape) -> Shape:
        size = inputs[0]
        _meet(self, len(size) == 2 and _same(size[1], self.weight.shape[1]), f"[*, {self.weight.shape[1]}]", size)
        _meet_bias(self, self.bias, self.weight.shape[0])
        return (size[0], self.weight.shape[0])


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv(Synapse):
    """2-D convolution; weight [out, in / groups, kh, kw]; padding (left, right, top, bottom) with zeros."""

    weight: Tensor
    bias: Tensor | None = None
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def shape(self, *inputs: Shape) -> Shape:
        size = inputs[0]
        channels = self.weight.shape[1] * self.groups
        _meet(self, len(size) == 4 and _same(size[1], channels), f"[*, {channels}, height, width]", size)
        _meet_bias(self, self.bias, self.weight.shape[0])
        kernel = (self.weight.shape[2], self.weight.shape[3])
        return (size[0], self.weight.shape[0], *_windows(self, size, kernel, self.stride, self.padding, self.dilation))


@dataclass(frozen=True, eq=False, kw_only=True)
class Aggregate(Synapse):
    """Y = A X over the edges of a graph. inputs: (operator, features); the operator is a CSR [rows, nodes]."""

    arity: ClassVar[int | None] = 2

    def shape(self, *inputs: Shape) -> Shape:
        operator, size = inputs
        _meet(self, _same(operator[1], size[0]), f"[{operator[1]}, *]", size)
        return (operator[0], *size[1:])


@dataclass(frozen=True, eq=False, kw_only=True)
class AggregateMax(Node):
    """Y_i = max over neighbours j of X_j, 0 without neighbours; the earliest spike wins. inputs: (operator, features)."""

    arity: ClassVar[int | None] = 2

    def shape(self, *inputs: Shape) -> Shape:
        operator, size = inputs
        _meet(self, _same(operator[1], size[0]), f"[{operator[1]}, *]", size)
        return (operator[0], *size[1:])


@dataclass(frozen=True, eq=False, kw_only=True)
class BatchNorm(Node):
    """y = gamma (x - mean) / sqrt(var + eps) + beta per channel; goes away in ``fold.py``. All tensors [channels]."""

    mean: Tensor
    var: Tensor
    gamma: Tensor
    beta: Tensor
    eps: float = 1e-5

    def shape(self, *inputs: Shape) -> Shape:
        _meet(self, _same(inputs[0][1], self.mean.numel()), f"{self.mean.numel()} channels", inputs[0])
        return inputs[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class AvgPool(Wire):
    """Sum over windows divided by ``divisor`` (the window size, or with ``count_padding`` False the valid part of it)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    ceil_mode: bool = False
    count_padding: bool = True

    def shape(self, *inputs: Shape) -> Shape:
        return _pool_shape(self, inputs[0], self.kernel, self.stride, self.padding, (1, 1), self.ceil_mode)


@dataclass(frozen=True, eq=False, kw_only=True)
class MaxPool(Node):
    """Largest value of each window; among spikes of one population the earliest (largest signed value) wins."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    ceil_mode: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        return _pool_shape(self, inputs[0], self.kernel, self.stride, self.padding, self.dilation, self.ceil_mode)


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Wire):
    """Y = bias + sum_i coefficients_i X_i. One input with a coefficient is a multiplication by a constant."""

    arity: ClassVar[int | None] = None
    coefficients: tuple[float, ...]
    bias: Tensor | None = None

    def shape(self, *inputs: Shape) -> Shape:
        _meet(self, len(self.coefficients) == len(inputs), f"{len(self.coefficients)} inputs", (len(inputs),))
        for size in inputs[1:]:
            same = len(size) == len(inputs[0]) and all(map(_same, size, inputs[0]))
            _meet(self, same, str(list(inputs[0])), size)
        if self.bias is not None and inputs[0][1] is not None:
            _meet_bias(self, self.bias, inputs[0][1])
        return inputs[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Wire):
    """Channels of several values side by side (axis 1)."""

    arity: ClassVar[int | None] = None

    def shape(self, *inputs: Shape) -> Shape:
        sizes = [size[1] for size in inputs]
        for size in inputs[1:]:
            same = len(size) == len(inputs[0]) and all(map(_same, size[2:], inputs[0][2:]))
            _meet(self, same and _same(size[0], inputs[0][0]), str(list(inputs[0])), size)
        known = [size for size in sizes if size is not None]
        return (inputs[0][0], sum(known) if len(known) == len(sizes) else None, *inputs[0][2:])


@dataclass(frozen=True, eq=False, kw_only=True)
class Flatten(Wire):
    """[N, C, ...] -> [N, C * ...]."""

    def shape(self, *inputs: Shape) -> Shape:
        rest = [size for size in inputs[0][1:] if size is not None]
        return (inputs[0][0], math.prod(rest) if len(rest) == len(inputs[0]) - 1 else None)


@dataclass(frozen=True, eq=False, kw_only=True)
class Subsample(Wire):
    """Every ``stride``-th pixel, then zero channels before and after: the option-A shortcut of CIFAR ResNets."""

    stride: int
    channels_before: int
    channels_after: int

    def shape(self, *inputs: Shape) -> Shape:
        n, c, h, w = inputs[0]
        sizes = [None if v is None else -(-v // self.stride) for v in (h, w)]
        return (n, None if c is None else c + self.channels_before + self.channels_after, *sizes)


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Wire):
    """Zeros around an image, padding (left, right, top, bottom); a convolution that reads it pads by itself."""

    padding: tuple[int, int, int, int]

    def shape(self, *inputs: Shape) -> Shape:
        _meet(self, len(inputs[0]) == 4, "[*, channels, height, width]", inputs[0])
        n, c, h, w = inputs[0]
        left, right, top, bottom = self.padding
        return (n, c, None if h is None else h + top + bottom, None if w is None else w + left + right)


@dataclass(frozen=True, eq=False, kw_only=True)
class Rows(Wire):
    """The first rows of X, as many as the operator has: the target nodes of a bipartite block. inputs: (operator, X)."""

    arity: ClassVar[int | None] = 2

    def shape(self, *inputs: Shape) -> Shape:
        return (inputs[0][0], *inputs[1][1:])


@dataclass(frozen=True, eq=False, kw_only=True)
class Relu(Node):
    """max(x / gain, 0); becomes a neuron population in ``neurons.py``. ``gain``: see :class:`Neuron`."""

    gain: Tensor | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Neuron(Node):
    """A population that fires at most once: z = x / (scale * gain), phase by comparison with the thresholds of ``coding``.

    Args:
        coding: base, timesteps, signed, shift. A signed population keeps negative values.
        activation: what the source model has in this place, "relu" or "none". An unsigned population without a ReLU
            drops the negative part (``message="rectified"``).
        scale: calibrated maximum of the layer [] or of each channel [C] (Eq. 2); None before calibration.
        gain: batch norm kept in the threshold, sqrt(var + eps) / |gamma| [C] (Algorithm 1, line 4), or None.
        horizon: last phase at which a neuron may fire, [nodes, 1] or broadcastable, or None for T (docs/method.md).
        start: potential that the spiking neuron starts from beside the bias [C] (``correct.py``); the source has none.
    """

    coding: PhaseCode
    activation: str = "relu"
    scale: Tensor | None = None
    gain: Tensor | None = None
    horizon: Tensor | None = None
    start: Tensor | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Output(Node):
    """The result: potentials of the last membrane, no neuron; class = largest potential.

    ``readout``: "softmax" or "log_softmax" over the channels if the source model ends with one. It is left out, for it
    does not change which potential is largest; :func:`gcn2snn.lowering.read_out` computes it from the potentials.
    ``start``: as for :class:`Neuron`.
    """

    readout: str = ""
    start: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Network:
    """Nodes in order of evaluation, and the shape of each result.

    Raises:
        InputError: a name is used twice or unknown, a node has the wrong number of inputs, or shapes do not meet.
    """

    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        shapes: dict[str, Shape] = {}
        for node in self.nodes:
            if node.name in shapes:
                raise InputError(f"two nodes are called {node.name!r}; names must be unique")
            missing = [name for name in node.inputs if name not in shapes]
            if missing:
                raise InputError(f"{node.name} reads {missing}, not defined before it; defined are {list(shapes)}")
            if node.arity is not None and len(node.inputs) != node.arity:
                raise InputError(
                    f"{node.name} is a {type(node).__name__} with {len(node.inputs)} inputs; it takes {node.arity}"
                )
            shapes[node.name] = node.shape(*(shapes[name] for name in node.inputs))
        if not any(isinstance(node, Output) for node in self.nodes):
            raise InputError("the network has no Output node")
        object.__setattr__(self, "shapes", shapes)

    shapes: ClassVar[dict[str, Shape]]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __getitem__(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise InputError(f"no node is called {name!r}; there are {[node.name for node in self.nodes]}")

    def of(self, kind: type[Any]) -> list[Any]:
        """Nodes of one class, in order."""
        return [node for node in self.nodes if isinstance(node, kind)]

    def readers(self, name: str) -> list[Node]:
        """Nodes that read the result of ``name``."""
        return [node for node in self.nodes if name in node.inputs]

    def replace(self, changes: Mapping[str, Sequence[Node]]) -> Network:
        """Each named node becomes the given nodes (none: it is dropped); the last of them must keep readers valid."""
        return Network(tuple(new for node in self.nodes for new in changes.get(node.name, (node,))))

    def rename_inputs(self, names: dict[str, str]) -> Network:
        """Every reader of a key reads its value instead."""
        renamed = (replace(node, inputs=tuple(names.get(i, i) for i in node.inputs)) for node in self.nodes)
        return Network(tuple(renamed))

    def insert_after(self, name: str, new: Node) -> Network:
        """``new``, which reads ``name``, directly after it; every other reader of ``name`` reads ``new`` instead.

        Operators keep reading ``name``: they are made from what the caller passes.
        """
        nodes: list[Node] = []
        for node in self.nodes:
            if not isinstance(node, Operator):
                node = replace(node, inputs=tuple(new.name if i == name else i for i in node.inputs))
            nodes.append(node)
            if node.name == name:
                nodes.append(new)
        return Network(tuple(nodes))

    def map_tensors(self, change: Callable[[Tensor], Tensor]) -> Network:
        """The same network with every tensor passed through ``change`` (device and dtype moves)."""

        def changed(node: Node) -> Node:
            fields: dict[str, Any] = {name: change(tensor) for name, tensor in node.tensors().items()}
            return replace(node, **fields)

        return Network(tuple(changed(node) for node in self.nodes))


def _meet(node: Node, good: bool, needed: str, got: Shape) -> None:
    if not good:
        raise InputError(f"{node.name} ({type(node).__name__}) needs an input of {needed}, got {list(got)}")


def _same(a: int | None, b: int | None) -> bool:
    """Whether two sizes can be one; an unknown size can be any."""
    return a is None or b is None or a == b


def _meet_bias(node: Node, bias: Tensor | None, channels: int) -> None:
    if bias is not None and bias.numel() not in (1, channels):
        raise InputError(f"{node.name} ({type(node).__name__}) has {channels} channels, its bias has {bias.numel()}")


def _windows(
    node: Node,
    size: Shape,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int],
    ceil_mode: bool = False,
) -> Shape:
    result: list[int | None] = []
    for axis in (0, 1):
        length = size[2 + axis]
        # padding is (left, right, top, bottom): width first, as torch.nn.functional.pad has it
        before, after = padding[2:] if axis == 0 else padding[:2]
        if length is None:
            result.append(None)
            continue
        span = length + before + after - dilation[axis] * (kernel[axis] - 1) - 1
        _meet(node, span >= 0, f"at least the kernel's {kernel} pixels", size)
        count = (-(-span // stride[axis]) if ceil_mode else span // stride[axis]) + 1
        if ceil_mode and (count - 1) * stride[axis] >= length + before:  # torch drops windows that start in the padding
            count -= 1
        result.append(count)
    return tuple(result)


def _pool_shape(
    node: Node,
    size: Shape,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    ceil_mode: bool,
) -> Shape:
    _meet(node, len(size) == 4, "[*, channels, height, width]", size)
    around = (padding[1], padding[1], padding[0], padding[0])
    return (*size[:2], *_windows(node, size, kernel, stride, around, dilation, ceil_mode))
