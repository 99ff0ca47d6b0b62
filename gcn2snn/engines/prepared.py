"""The closed form for short calls: what does not depend on the input is worked out at the first call and kept.

A call of a small network, or of one image, spends most of its time on looking at operands, choosing a kernel, and filling in
C structures, for every layer again. Here each step of ``plan.py`` holds its kernel with all that filled in. The result is the
same bit for bit: what has no prepared kernel, and operands of sizes that do not meet, go the way of ``interpreter.py``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

import torch
from torch import Tensor
from torch.nn import functional

from gcn2snn import ir
from gcn2snn.engines.fused import firing
from gcn2snn.engines.interpreter import code_input, fire, fire_started, start_of, started
from gcn2snn.engines.node_evaluation import evaluate_node
from gcn2snn.engines.node_rules import Value, apply, dense_value
from gcn2snn.engines.plan import Step, steps_to_heads
from gcn2snn.engines.prepared_kernels import (
    Decoders,
    adds_spikes,
    closing_kernel,
    coder_kernel,
    start_of_rows,
    synapse_kernel,
)
from gcn2snn.kernels import Mismatch, Spikes, backend

Work = Callable[[dict[str, Value], Mapping[str, Value]], None]
"""Adds the result of a step to the values that are known; the second argument holds the inputs."""

DECODED = (ir.Add, ir.AvgPool, ir.Concat, ir.Pad, ir.Subsample, ir.AggregateMax)
"""Nodes that read what spikes carry, not the spikes."""


class _Plans(threading.local):
    """The prepared steps of one network for the thread that asks, by the names of results that are there beforehand."""

    def __init__(self) -> None:
        self.versions: tuple[int, ...] = ()
        self.works: dict[frozenset[str], tuple[tuple[Work, tuple[str, ...]], ...]] = {}


@ir.once_per_network
def _plans(network: ir.Network) -> _Plans:
    return _Plans()


@ir.once_per_network
def _tensors(network: ir.Network) -> tuple[Tensor, ...] | None:
    """What prepared kernels are made from; None where nothing can be prepared: on a device, without a count of changes, or
    where gradients are wanted."""
    found = tuple(tensor for node in network for tensor in node.tensors().values())
    return found if all(map(_is_plain, found)) else None


def _is_plain(tensor: Tensor) -> bool:
    return tensor.is_cpu and tensor.layout is torch.strided and not (tensor.is_inference() or tensor.requires_grad)


def run_prepared(
    network: ir.Network, inputs: Mapping[str, Value], known: Mapping[str, Value]
) -> dict[str, Tensor] | None:
    """The heads of a network as ``run_closed`` gives them, by name; None where it has to be run otherwise.

    Args:
        network: calibrated.
        inputs: by Input name.
        known: results that need no evaluation.
    """
    tensors = _tensors(network)
    if tensors is None or backend.choose(CPU) != "native" or _wants_gradients(inputs):
        return None
    plans, names = _plans(network), frozenset(known)
    versions = tuple(tensor._version for tensor in tensors)
    if versions != plans.versions:
        plans.versions, plans.works = versions, {}
    works = plans.works.get(names)
    if works is None:
        decoders = Decoders()
        steps = steps_to_heads(network, True, names, True)
        works = plans.works[names] = tuple((_work(network, step, decoders), step.dropped) for step in steps)
    values = dict(known)
    for work, dropped in works:
        work(values, inputs)
        for name in dropped:
            values.pop(name, None)
    return {name: dense_value(values[name]) for name in network.heads}


CPU = torch.device("cpu")


def _wants_gradients(inputs: Mapping[str, Value]) -> bool:
    return torch.is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in inputs.values())


def _work(network: ir.Network, step: Step, decoders: Decoders) -> Work:
    if step.fusion is not None:
        return _Fused(network, step, decoders)
    (node,) = step.nodes
    if isinstance(node, ir.Neuron | ir.Output):
        return _Ended(node, decoders, _is_new(network, node.inputs[0]))
    if isinstance(node, ir.Coder):
        return _Coded(node)
    if isinstance(node, ir.Dense | ir.Aggregate):
        return _Synapse(node)
    return _Plain(node, decoders if isinstance(node, DECODED) else None)


def _is_new(network: ir.Network, name: str) -> bool:
    """Whether a potential is a tensor of its own that one node alone reads, which may then write to it."""
    node = network[name]
    own = isinstance(node, ir.Dense | ir.Aggregate) or (isinstance(node, ir.Add) and len(node.inputs) > 1)
    return own and len(network.readers(name)) == 1 and name not in network.heads


def _evaluated(node: ir.Node, values: Mapping[str, Value], inputs: Mapping[str, Value]) -> Value:
    """The result of a node the way of ``run_closed``."""
    args = tuple(values[name] for name in node.inputs)
    found = evaluate_node(node, args, inputs, fire, code_input)
    return started(node, dense_value(found)) if isinstance(node, ir.Output) else found


class _Plain:
    """A node by its rule, spikes decoded beforehand where ``decoders`` are given."""

    def __init__(self, node: ir.Node, decoders: Decoders | None):
        self.node, self.decoders = node, decoders
        self.rule = apply.dispatch(type(node))
        self.ruled = isinstance(node, ir.Synapse | ir.Wire | ir.Operator | ir.AggregateMax | ir.MaxPool)

    def __call__(self, values: dict[str, Value], inputs: Mapping[str, Value]) -> None:
        node = self.node
        if not self.ruled or node.name in inputs:
            values[node.name] = _evaluated(node, values, inputs)
            return
        args = [values[name] for name in node.inputs]
        if self.decoders is not None:
            args = [self.decoders(x) if isinstance(x, Spikes) else x for x in args]
        values[node.name] = self.rule(node, *args)


class _Prepared:
    """A node whose kernel is made at the first call, and again when other spikes come in."""

    def __init__(self) -> None:
        self.scale: Tensor | None = None
        self.coding: object = None
        self.kernel: Callable[..., Tensor] | None = None

    def kernel_for(
        self, x: Spikes, make: Callable[[Spikes], Callable[..., Tensor] | None]
    ) -> Callable[..., Tensor] | None:
        """The kernel for spikes of this population."""
        if x.scale is not self.scale or x.coding is not self.coding:
            self.kernel, self.scale, self.coding = make(x), x.scale, x.coding
        return self.kernel


class _Synapse(_Prepared):
    """A dense layer or an aggregation that no population reads directly."""

    def __init__(self, node: ir.Dense | ir.Aggregate):
        super().__init__()
        self.node = node

    def __call__(self, values: dict[str, Value], inputs: Mapping[str, Value]) -> None:
        node = self.node
        x = values[node.inputs[-1]]
        if isinstance(x, Spikes):
            kernel = self.kernel_for(x, self._made)
            if kernel is not None:
                try:
                    operands = (x.code,) if isinstance(node, ir.Dense) else (values[node.inputs[0]], x)
                    values[node.name] = kernel(*operands)
                    return
                except Mismatch:
                    pass
        elif isinstance(node, ir.Dense) and isinstance(x, Tensor):
            values[node.name] = functional.linear(x, node.weight, node.bias)
            return
        values[node.name] = _evaluated(node, values, inputs)

    def _made(self, x: Spikes) -> Callable[..., Tensor] | None:
        return synapse_kernel(self.node, x, None, None)


class _Fused(_Prepared):
    """A synapse, the sum behind it if there is one, and their population."""

    def __init__(self, network: ir.Network, step: Step, decoders: Decoders):
        super().__init__()
        assert step.fusion is not None
        self.step, self.fusion, self.decoders = step, step.fusion, decoders
        self.neuron, self.synapse = step.fusion.neuron, step.fusion.synapse
        self.is_aggregate = isinstance(self.synapse, ir.Aggregate)
        self.parts = [_work_alone(network, node, decoders) for node in step.nodes]

    def __call__(self, values: dict[str, Value], inputs: Mapping[str, Value]) -> None:
        x, neuron = values[self.synapse.inputs[-1]], self.neuron
        kernel = self.kernel_for(x, self._made) if isinstance(x, Spikes) else None
        if kernel is not None and isinstance(x, Spikes):
            other = None if self.fusion.beside is None else values[self.fusion.beside]
            add = other
            if isinstance(other, Spikes) and not adds_spikes(kernel, other):
                add = self.decoders(other)
            try:
                operands = (values[self.synapse.inputs[0]], x, add) if self.is_aggregate else (x.code, add)
                values[neuron.name] = Spikes(kernel(*operands), neuron.scale, neuron.coding)
                return
            except Mismatch:
                pass
        for work in self.parts:
            work(values, inputs)
        for node in self.step.nodes[:-1]:
            values.pop(node.name, None)

    def _made(self, x: Spikes) -> Callable[..., Tensor] | None:
        return synapse_kernel(self.synapse, x, firing(self.neuron), self.neuron.start, self.fusion.beside is not None)


class _Ended:
    """A population or an output that reads a potential; where that ``is_new``, the start is added in its place."""

    def __init__(self, node: ir.Neuron | ir.Output, decoders: Decoders, is_new: bool):
        self.node, self.decoders, self.is_new = node, decoders, is_new and node.start is not None
        self.kernel: Callable[..., Tensor] | None = None
        self.row_start: Tensor | None = None

    def __call__(self, values: dict[str, Value], inputs: Mapping[str, Value]) -> None:
        node = self.node
        x = values[node.inputs[0]]
        potential = dense_value(self.decoders(x) if isinstance(x, Spikes) else x)
        if isinstance(node, ir.Output):
            values[node.name] = self._started(potential)
            return
        if self.kernel is None:
            self.kernel = closing_kernel(node, potential.dtype)
            self.row_start = start_of_rows(node, potential.dtype)
        if self.row_start is not None and potential.dim() == 2:
            with suppress(Mismatch):
                values[node.name] = Spikes(self.kernel(potential, None, self.row_start), node.scale, node.coding)
                return
        potential = self._started(potential)
        try:
            values[node.name] = Spikes(self.kernel(potential), node.scale, node.coding)
        except Mismatch:
            values[node.name] = fire_started(node, potential)

    def _started(self, potential: Tensor) -> Tensor:
        node = self.node
        if self.is_new and node.start is not None and not potential.requires_grad:
            potential += start_of(node.start.to(potential.dtype), potential.dim())
            return potential
        return started(node, potential)


class _Coded:
    """An input coder."""

    def __init__(self, node: ir.Coder):
        self.node = node
        self.kernel = coder_kernel(node)

    def __call__(self, values: dict[str, Value], inputs: Mapping[str, Value]) -> None:
        x = values[self.node.inputs[0]]
        found: Value = None
        if self.kernel is not None and isinstance(x, Tensor):
            try:
                found = self.kernel(x)
            except Mismatch:
                found = None
        values[self.node.name] = _evaluated(self.node, values, inputs) if found is None else found


def _work_alone(network: ir.Network, node: ir.Node, decoders: Decoders) -> Work:
    """A node of a fusion by itself."""
    if isinstance(node, ir.Neuron):
        return _Ended(node, decoders, _is_new(network, node.inputs[0]))
    return (
        _Synapse(node)
        if isinstance(node, ir.Dense | ir.Aggregate)
        else _Plain(node, decoders if isinstance(node, DECODED) else None)
    )
