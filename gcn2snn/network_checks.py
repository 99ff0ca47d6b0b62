"""Whether the values of a description are those that a calibrated network can have; shapes are checked by the description.

A file may be whole and its checksum right, and still not say what a conversion would: a scale of zero, a weight that is no
number, a horizon beyond the last phase. What passes here is a network that runs, if perhaps another one than was written.
"""

from __future__ import annotations

from functools import singledispatch
from itertools import chain

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.errors import InputError
from gcn2snn.kernels import CSR, all_finite

BITS = 24
"""Most bits of an input code, as in :class:`gcn2snn.ConvertConfig`."""

FLOW = ("source_to_target", "target_to_source")
LOOPS = ("keep", "add", "remaining", "replace", "remove")
ADJACENCY = (
    *("none", "gcn", "mean", "max", "degree", "cluster", "rows", "root", "left", "right", "both", "in", "weights"),
    *("any", "square_root", "amplification", "attenuation", "linear", "inverse_linear"),
)
WORDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("Input", "role"): ("dense", "operator", "graph", "unused"),
    ("Part", "role"): ("dense", "operator", "graph", "unused"),
    ("Part", "by"): ("attribute", "item", "call"),
    ("Coder", "kind"): ("binary", "single", "analog"),
    ("Output", "readout"): ("", "softmax", "log_softmax"),
    ("Matrix", "norm"): ("none", "both", "right", "mean_with_self", "chebyshev"),
    ("Adjacency", "norm"): ADJACENCY,
    ("Adjacency", "loops"): LOOPS,
    ("Adjacency", "flow"): FLOW,
    ("Laplacian", "norm"): ("sym", "rw", "none", "dgl"),
    ("EdgeWeights", "norm"): ("both", "right", "none"),
    ("Incidence", "end"): ("source", "target"),
    ("Incidence", "norm"): ADJACENCY,
    ("Incidence", "loops"): LOOPS,
    ("Incidence", "flow"): FLOW,
    ("OfDegree", "flow"): FLOW,
}
"""Class and field of a node -> the words that its docstring names."""


def check_network(network: ir.Network) -> None:
    """Refuse a network whose values no conversion gives.

    Raises:
        InputError: names the node, what is wrong with it and what is allowed.
    """
    types = {tensor.dtype for node in network for tensor in node.tensors().values() if tensor.is_floating_point()}
    if not (types <= {torch.float32} or types <= {torch.float64}):
        names = ", ".join(sorted(str(kind) for kind in types))
        raise InputError(f"the network's tensors are of {names}; all must be float32, or all float64")
    for node in network:
        for field, tensor in node.tensors().items():
            _check_tensor(node, field, tensor)
        for (kind, field), words in WORDS.items():
            if type(node).__name__ == kind:
                value = getattr(node, field)
                _need(node, value in words, f"{field} {value!r}; allowed are {', '.join(map(repr, words))}")
        _check(node)
    for node in network.of(ir.Neuron):
        _check_neuron(node, network.shapes[node.name])
    for kept in network.of(ir.Kept):
        population = any(isinstance(reader, ir.Neuron) for reader in network.readers(kept.inputs[0]))
        _need(
            kept,
            population,
            f"the input {kept.inputs[0]!r}, which no population reads; what a population reads is kept",
        )
        if kept.gain is not None:
            channels = network.shapes[kept.name][1]
            fits = kept.gain.dim() == 0 or kept.gain.shape == (channels,)
            _need(kept, fits and _positive(kept.gain), _scale_told(kept.gain))
    for take in network.of(ir.Take):
        _check_take(take, network.shapes[take.inputs[0]])


def _need(node: ir.Node, good: bool, got: str) -> None:
    if not good:
        raise InputError(f"{node.name} ({type(node).__name__}) has {got}")


def _check_tensor(node: ir.Node, field: str, tensor: Tensor) -> None:
    plain = tensor.layout == torch.strided and not tensor.is_complex() and not tensor.is_meta
    _need(node, plain, f"{field} of {tensor.dtype} and {tensor.layout}; plain real tensors are needed")
    if tensor.is_floating_point():
        _need(node, all_finite(tensor), f"{field} with values that are NaN or infinite")


@singledispatch
def _check(node: ir.Node) -> None:
    """Nodes without a rule have nothing but what shapes and words say."""


@_check.register(ir.BatchNorm)
@_check.register(ir.Relu)
@_check.register(ir.UncalibratedCoder)
@_check.register(ir.UncalibratedNeuron)
def _not_converted(node: ir.Node) -> None:
    _need(node, False, "no spikes yet; a converted network has none of these")


@_check.register
def _input(node: ir.Input) -> None:
    _sizes(node, node.size)


@_check.register
def _part(node: ir.Part) -> None:
    _sizes(node, node.size)
    hidden = isinstance(node.key, str) and node.key.startswith("_")
    _need(node, not hidden, f"the key {node.key!r}; names that begin with _ are not read from what a caller passes")


def _sizes(node: ir.Node, size: ir.Shape) -> None:
    _need(node, all(each is None or 0 <= each < 2**31 for each in size), f"size {size}; sizes are 0 to 2^31 - 1")


@_check.register
def _one_hot(node: ir.OneHot) -> None:
    _need(node, 1 <= node.count < 2**31, f"count {node.count}; 1 and more rows are needed")
    _need(node, 0 <= node.binary <= BITS, f"binary {node.binary}; allowed are 0 to {BITS} bits")


@_check.register
def _coder(node: ir.Coder) -> None:
    _need(node, node.scale.dim() == 0 and _positive(node.scale), _scale_told(node.scale))
    _need(node, 1 <= node.timesteps <= BITS or node.kind != "binary", f"{node.timesteps} bits; allowed are 1 to {BITS}")
    _need(node, 1 <= node.timesteps <= 255, f"timesteps {node.timesteps}; allowed are 1 to 255")
    _need(node, 1.0 < node.base < 1e6, f"base {node.base}; a base is above 1")


@_check.register
def _lookup(node: ir.Lookup) -> None:
    _weights(node, node.table, "table", 2, node.bias)


@_check.register
def _dense(node: ir.Dense) -> None:
    _weights(node, node.weight, "weight", 2, node.bias)


@_check.register
def _conv(node: ir.Conv) -> None:
    _weights(node, node.weight, "weight", 4, node.bias)
    _need(node, node.groups >= 1 and len(node.weight) % max(node.groups, 1) == 0, f"{node.groups} groups")
    _windows(node, node.stride, node.dilation, node.padding)


@_check.register
def _average_pool(node: ir.AvgPool) -> None:
    _windows(node, node.kernel, node.stride, node.padding)


@_check.register
def _max_pool(node: ir.MaxPool) -> None:
    _windows(node, chain(node.kernel, node.dilation), node.stride, node.padding)
    _need(
        node, all(2 * p <= k for p, k in zip(node.padding, node.kernel, strict=True)), "padding above half the kernel"
    )


@_check.register
def _pad(node: ir.Pad) -> None:
    _windows(node, (), (), node.padding)


@_check.register
def _subsample(node: ir.Subsample) -> None:
    _windows(node, (node.stride,), (), (node.channels_before, node.channels_after))


@_check.register
def _view(node: ir.View) -> None:
    _windows(node, node.sizes, (), ())


@_check.register
def _add(node: ir.Add) -> None:
    _need(node, len(node.inputs) > 0, "no input")
    if node.bias is not None:
        _need(node, node.bias.is_floating_point(), f"a bias of {node.bias.dtype}; real numbers are needed")


@_check.register
def _concat(node: ir.Concat) -> None:
    _need(node, len(node.inputs) > 0, "no input")


@_check.register
def _of_degree(node: ir.OfDegree) -> None:
    _need(node, 0 <= node.degree <= node.cap, f"degree {node.degree} of at most {node.cap}")


@_check.register
def _slice(node: ir.RowSlice) -> None:
    _need(node, node.step is None or node.step > 0, f"step {node.step}; a step is 1 or more")


@_check.register
def _laplacian(node: ir.Laplacian) -> None:
    _need(node, node.lambda_max is None or node.lambda_max > 0, f"lambda_max {node.lambda_max}; it is positive")


@_check.register
def _matrix(node: ir.FixedMatrix) -> None:
    CSR(node.rowptr, node.col, node.value, node.num_cols).validate()


@_check.register
def _output(node: ir.Output) -> None:
    if node.start is not None:
        _need(node, node.start.is_floating_point() and node.start.dim() in (1, 2), f"start {_told(node.start)}")


def _weights(node: ir.Node, weight: Tensor, name: str, axes: int, bias: Tensor | None) -> None:
    good = weight.dim() == axes and weight.is_floating_point() and weight.numel() > 0
    _need(node, good, f"{name} {_told(weight)}; {axes} axes of real numbers are needed")
    if bias is not None:
        _need(node, bias.dim() <= 1 and bias.is_floating_point(), f"bias {_told(bias)}; real numbers [C] are needed")


def _windows(node: ir.Node, *sizes: object) -> None:
    """Sizes and strides are positive; the last of ``sizes``, padding, is not negative."""
    *positive, padding = (tuple(each) for each in sizes)  # type: ignore[var-annotated, arg-type]
    good = all(0 < each < 2**31 for part in positive for each in part) and all(0 <= each < 2**31 for each in padding)
    _need(node, good, f"sizes {positive} and padding {padding}; sizes are positive and padding is not negative")


def _check_neuron(node: ir.Neuron, shape: ir.Shape) -> None:
    channels = shape[1] if len(shape) > 1 else None
    for name, scale in (("scale", node.scale), ("gain", node.gain)):
        if scale is not None:
            _need(node, _positive(scale), _scale_told(scale, name))
            fits = scale.dim() == 0 or (scale.dim() == 1 and _same(channels, scale.numel()))
            _need(node, fits, f"{name} {_told(scale)} for {channels} channels; [] or [{channels}] is needed")
    if node.start is not None:
        first = shape[1:2] if node.start.dim() == 1 else shape[:2]
        fits = node.start.is_floating_point() and node.start.dim() in (1, 2) and _broadcasts(node.start, first)
        _need(node, fits, f"start {_told(node.start)} for potentials {[*shape]}")
    if node.horizon is not None:
        _need(node, not node.horizon.is_floating_point(), f"horizon {_told(node.horizon)}; whole numbers are needed")
        last = (int(node.horizon.min()), int(node.horizon.max())) if node.horizon.numel() else (0, 0)
        good = last[0] >= 0 and last[1] <= node.coding.timesteps
        _need(node, good, f"a horizon from {last[0]} to {last[1]}; phases are 0 to {node.coding.timesteps}")
        _need(node, _broadcasts(node.horizon, shape), f"horizon {_told(node.horizon)} for potentials {[*shape]}")


def _check_take(node: ir.Take, shape: ir.Shape) -> None:
    size = shape[node.axis]
    good = node.index.dtype == torch.int64 and node.index.dim() == 1 and node.index.numel() > 0
    _need(node, good, f"index {_told(node.index)}; whole numbers [count] are needed")
    low, high = int(node.index.min()), int(node.index.max())
    _need(node, low >= 0 and (size is None or high < size), f"indices from {low} to {high}; the axis has {size}")


def _broadcasts(tensor: Tensor, shape: ir.Shape) -> bool:
    """Whether a tensor broadcasts to a shape without changing it."""
    axes = shape[len(shape) - tensor.dim() :] if tensor.dim() <= len(shape) else ()
    pairs = zip(tensor.shape, axes, strict=False)
    return len(axes) == tensor.dim() and all(size == 1 or _same(axis, size) for size, axis in pairs)


def _same(size: int | None, other: int) -> bool:
    return size is None or size == other


def _positive(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.numel() > 0 and bool((tensor > 0).all())


def _scale_told(scale: Tensor, name: str = "scale") -> str:
    least = f", least {float(scale.min())}" if scale.numel() and not scale.is_complex() else ""
    return f"{name} {_told(scale)}{least}; positive numbers are needed"


def _told(tensor: Tensor) -> str:
    return f"{tensor.dtype} {[*tensor.shape]}"
