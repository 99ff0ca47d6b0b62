"""Runs that differ only in late populations share the earlier ones: each continues from the first difference."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.energy import EventCounter
from gcn2snn.engines import Value, code_input, run
from gcn2snn.kernels import Spikes

KEPT_BYTES = 1 << 28
"""Memory for states of runs; the ones not used for longest go first."""


@dataclass(frozen=True, eq=False)
class _State:
    """A run just before a population fires: the values that are still read, and what was counted so far."""

    values: dict[str, Value]
    counter: EventCounter


class PrefixRuns:
    """Closed-form runs of networks that have the same nodes and differ in the codes of their populations.

    Args:
        network: the nodes.
        kept_bytes: memory for states.
    """

    def __init__(self, network: ir.Network, kept_bytes: int = KEPT_BYTES):
        self.populations = [node.name for node in network.of(ir.Population)]
        self.kept_bytes = kept_bytes
        self._alive = {name: _alive_before(network, name) for name in self.populations}
        self._wanted = set().union(*self._alive.values())
        self._states: OrderedDict[tuple[Hashable, ...], _State] = OrderedDict()

    def run(
        self,
        network: ir.Network,
        inputs: Mapping[str, Value],
        keys: Mapping[str, Hashable],
        first: Hashable,
        population: Callable[[ir.Neuron, Value], Value],
        count: Callable[[EventCounter, ir.Node, tuple[Value, ...], Value], None] = EventCounter.__call__,
    ) -> tuple[Tensor, EventCounter]:
        """Result of the output node, and the counter after it.

        Args:
            network: with codes and scales; the same nodes as the one given at first.
            inputs: by name of Input node.
            keys: what decides what a population sends, besides the populations before it.
            first: what else decides the result: which inputs these are.
            population: spikes of a potential.
            count: how a counter is told of a node.
        """
        state, done = self._longest(keys, first)
        counter = EventCounter(network) if state is None else state.counter.go_on(network)
        values = {} if state is None else dict(state.values)
        reached = list(self.populations[:done])

        def observe(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
            count(counter, node, args, value)
            if node.name in self._wanted:
                values[node.name] = value

        def fired(node: ir.Neuron, potential: Value) -> Value:
            alive = {name: values[name] for name in self._alive[node.name] if name in values}
            counter.forget(self._alive[node.name])
            self._keep((first, *(keys[name] for name in reached)), _State(alive, counter.go_on(network)))
            reached.append(node.name)
            return population(node, potential)

        with torch.no_grad():
            result = run(network, inputs, fired, code_input, observe, None if state is None else dict(state.values))
        return result, counter

    def _longest(self, keys: Mapping[str, Hashable], first: Hashable) -> tuple[_State | None, int]:
        for done in reversed(range(len(self.populations))):
            key = (first, *(keys[name] for name in self.populations[:done]))
            if key in self._states:
                self._states.move_to_end(key)
                return self._states[key], done
        return None, 0

    def _keep(self, key: tuple[Hashable, ...], state: _State) -> None:
        self._states[key] = state
        self._states.move_to_end(key)
        sizes = {name: _bytes(kept) for name, kept in self._states.items()}
        total = sum(sizes.values())
        while total > self.kept_bytes and len(self._states) > 1:
            total -= sizes[self._states.popitem(last=False)[0]]


def _alive_before(network: ir.Network, population: str) -> set[str]:
    """Nodes in front of a population that it or something behind it reads."""
    names = [node.name for node in network]
    place = names.index(population)
    return {name for node in network.nodes[place:] for name in node.inputs} & set(names[:place])


def _bytes(state: _State) -> int:
    tensors = [value.code if isinstance(value, Spikes) else value for value in state.values.values()]
    tensors += state.counter.tensors()
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors if isinstance(tensor, Tensor))
