"""Neuron updates of a chip that touches a neuron only when something happens to it."""

from __future__ import annotations

from collections import Counter
from functools import singledispatchmethod

import torch
from torch import Tensor
from torch.nn import functional

from gcn2snn import ir
from gcn2snn.encoding import binary_levels, encode_binary
from gcn2snn.engines import Value, apply, dense_value, matrix_value
from gcn2snn.kernels import CSR, Spikes, spmm


class EventDrivenUpdates:
    """Counts updates with nothing done in vain; an observer of ``run_closed``.

    updates_n = a_n + c_n,    c_n = g t_n if the neuron fires at step t_n;  g if it is silent and a_n > 0;  else 0

    a_n is the number of time steps at which at least one spike reaches the neuron: its potential is multiplied then, by the
    power of the base that the steps since the last time make. When all input has arrived, a neuron below its last
    threshold (the one of its horizon) can no longer fire: that is one comparison, and it is never looked at again. One
    that fires is compared with one threshold after the other, as everywhere, by each of the g neurons of its group. What a
    neuron does that no spike reaches follows from its bias, so it is known before any input.

    Any weight that is not stored as zero in a sparse matrix counts as a connection.

    Args:
        network: what runs in closed form: all input has arrived before a population decides.

    Source: ours; the report's other updates are those of a chip that steps every neuron at every time step.
    """

    def __init__(self, network: ir.Network):
        self.updates: dict[str, int] = {}
        self._readers = Counter(name for node in network for name in node.inputs)
        self._left: Counter[str] = Counter()
        self._arrived: dict[str, Tensor | None] = {}  # [steps, ...] bool: spikes at this step; None: values, not spikes

    def __call__(self, node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if isinstance(value, CSR):
            return
        self._arrived[node.name] = self._visit(node, args, value)
        self._left[node.name] = self._readers[node.name]
        for name in node.inputs:
            self._left[name] -= 1
            if self._left[name] <= 0:
                self._arrived.pop(name, None)

    def _from(self, node: ir.Node) -> Tensor | None:
        return self._arrived.get(node.inputs[-1])

    @singledispatchmethod
    def _visit(self, node: ir.Node, args: tuple[Value, ...], value: Value) -> Tensor | None:
        """Wires, and maxima of values: a result is reached when one of what it reads is."""
        shown = [self._arrived[name] for name in node.inputs if name in self._arrived]
        known = _padded([flags for flags in shown if flags is not None])
        if not known or len(known) < len(shown):
            return None
        before = args[: len(args) - len(known)]  # operators
        steps = range(known[0].shape[0])
        return torch.stack(
            [dense_value(apply(node, *before, *(flags[s].float() for flags in known))) > 0 for s in steps]
        )

    @_visit.register
    def _add(self, node: ir.Add, args: tuple[Value, ...], value: Tensor) -> Tensor | None:
        shown = [self._arrived.get(name) for name in node.inputs]
        once = [torch.ones(1, *value.shape, dtype=torch.bool) if flags is None else flags for flags in shown]
        if all(flags is None for flags in shown):
            return None
        first, *others = _padded(once)
        for other in others:
            first = first | other
        return first

    @_visit.register
    def _kept(self, node: ir.Kept, args: tuple[Value, ...], value: Tensor) -> Tensor:
        return torch.ones(1, *value.shape, dtype=torch.bool)  # handed over once

    @_visit.register
    def _one_hot(self, node: ir.OneHot, args: tuple[Value, ...], value: Value) -> Tensor:
        return torch.ones(max(node.binary, 1), node.count, dtype=torch.bool)

    @_visit.register
    def _coder(self, node: ir.Coder, args: tuple[Value, ...], value: Value) -> Tensor | None:
        if node.kind == "analog":
            return None
        if isinstance(value, Spikes):
            return _steps_of(value)
        code = encode_binary(dense_value(args[0]), node.scale, node.timesteps)
        steps = range(1, node.timesteps + 1)
        return torch.stack([binary_levels(code, node.timesteps, step) != 0 for step in steps])

    @_visit.register
    def _neuron(self, node: ir.Neuron, args: tuple[Value, ...], value: Spikes) -> Tensor:
        arrived = self._from(node)
        touched = torch.ones_like(value.code, dtype=torch.int64) if arrived is None else arrived.sum(0)
        phase, group = value.code.abs().int(), node.coding.group
        compared = group * torch.where(phase > 0, node.coding.step_of(phase), (touched > 0).int())
        count = int(touched.sum(dtype=torch.int64)) + int(compared.sum(dtype=torch.int64))
        self.updates[node.name] = self.updates.get(node.name, 0) + count
        return _steps_of(value)

    @_visit.register
    def _lookup(self, node: ir.Lookup, args: tuple[Value, ...], value: Tensor) -> Tensor | None:
        arrived = self._from(node)
        return None if arrived is None else arrived[..., None].expand(-1, *value.shape)

    @_visit.register
    def _dense(self, node: ir.Dense, args: tuple[Value, ...], value: Tensor) -> Tensor | None:
        arrived = self._from(node)
        return None if arrived is None else arrived.any(-1, keepdim=True).expand(-1, *value.shape)

    @_visit.register
    def _conv(self, node: ir.Conv, args: tuple[Value, ...], value: Tensor) -> Tensor | None:
        arrived = self._from(node)
        if arrived is None:
            return None
        steps, rows, _, height, width = arrived.shape
        in_groups = arrived.view(steps * rows, node.groups, -1, height, width).any(2).float()
        kernel, stride, dilation = node.weight.shape[2:], node.stride, node.dilation
        padded = functional.pad(in_groups, node.padding)
        met = functional.max_pool2d(padded, (kernel[0], kernel[1]), stride, 0, dilation) > 0
        out = met.view(steps, rows, node.groups, 1, *met.shape[2:])
        return out.expand(-1, -1, -1, value.shape[1] // node.groups, -1, -1).reshape(steps, *value.shape)

    @_visit.register(ir.Aggregate)
    @_visit.register(ir.AggregateMax)
    def _aggregate(self, node: ir.Node, args: tuple[Value, ...], value: Tensor) -> Tensor | None:
        arrived = self._from(node)
        if arrived is None:
            return None
        matrix = matrix_value(args[0])
        ones = CSR(matrix.rowptr, matrix.col, torch.ones_like(matrix.value), matrix.num_cols)
        return torch.stack([spmm(ones, flags.to(matrix.dtype)) > 0 for flags in arrived])

    @_visit.register
    def _max_pool(self, node: ir.MaxPool, args: tuple[Value, ...], value: Value) -> Tensor | None:
        return _steps_of(value) if isinstance(value, Spikes) else None


def _steps_of(spikes: Spikes) -> Tensor:
    """[steps, ...] bool: who fires at each step."""
    step = spikes.coding.step_of(spikes.code.abs().int())
    return torch.stack([step == s for s in range(1, spikes.coding.steps + 1)])


def _padded(flags: list[Tensor]) -> list[Tensor]:
    """The same with as many steps each."""
    most = max((each.shape[0] for each in flags), default=0)
    return [torch.cat([each, each.new_zeros(most - each.shape[0], *each.shape[1:])]) for each in flags]
