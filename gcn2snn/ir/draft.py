"""A network while a pass rewrites it: every change costs what it touches, however deep the network is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from gcn2snn.errors import InputError
from gcn2snn.ir.network import Network
from gcn2snn.ir.node import Node, Operator

N = TypeVar("N", bound=Node)


class Draft:
    """The nodes of a network as a linked list, with the readers of each. :meth:`network` checks the result as a whole.

    Args:
        network: to start from; it stays as it is.
    """

    def __init__(self, network: Network):
        self._nodes = {node.name: node for node in network}
        self._readers: dict[str, dict[str, None]] = {name: {} for name in self._nodes}
        for node in network:
            self._listen(node)
        names = ["", *self._nodes, ""]  # the empty name stands for both ends
        self._next = dict(itertools.pairwise(names))
        self._previous = {after: before for before, after in itertools.pairwise(names)}

    def __getitem__(self, name: str) -> Node:
        return self._nodes[name]

    def __contains__(self, name: str) -> bool:
        return name in self._nodes

    def of(self, kind: type[N]) -> Iterator[N]:
        """Nodes of one class in order, each as it is when its turn comes; nodes that are inserted meanwhile have none."""
        for name in self._names():
            node = self._nodes.get(name)
            if isinstance(node, kind):
                yield node

    def readers(self, name: str) -> list[Node]:
        """Nodes that read the result of ``name``."""
        return [self._nodes[reader] for reader in self._readers[name]]

    def put(self, node: Node) -> None:
        """The node of this name becomes ``node``."""
        for name in self._nodes[node.name].inputs:
            self._readers[name].pop(node.name, None)
        self._nodes[node.name] = node
        self._listen(node)

    def redirect(self, name: str, to: str) -> None:
        """Every reader of ``name`` reads ``to`` instead."""
        for reader in self.readers(name):
            self.put(_reading(reader, name, to))

    def drop(self, name: str) -> None:
        """Take out a node that nobody reads any more."""
        node = self._nodes.pop(name)
        for source in node.inputs:
            self._readers[source].pop(name, None)
        del self._readers[name]
        before, after = self._previous.pop(name), self._next.pop(name)
        self._next[before], self._previous[after] = after, before

    def insert_after(self, name: str, new: Node) -> None:
        """``new``, which reads ``name``, directly after it; every other reader of ``name`` reads ``new`` instead.

        Operators keep reading ``name``: they are made from what the caller passes.
        """
        others = [reader for reader in self.readers(name) if not isinstance(reader, Operator)]
        self._insert(new, name, self._next[name])
        for reader in others:
            self.put(_reading(reader, name, new.name))

    def insert_before(self, name: str, new: Node) -> None:
        """``new`` directly before the node ``name``; nobody reads it yet."""
        self._insert(new, self._previous[name], name)

    def network(self) -> Network:
        """The network as it is now, checked.

        Raises:
            InputError: as for :class:`Network`.
        """
        return Network(tuple(self._nodes[name] for name in self._names()))

    def _names(self) -> list[str]:
        names, name = [], self._next[""]
        while name:
            names.append(name)
            name = self._next[name]
        return names

    def _insert(self, new: Node, before: str, after: str) -> None:
        if new.name in self._nodes:
            raise InputError(f"two nodes are called {new.name!r}; names must be unique")
        self._nodes[new.name] = new
        self._readers[new.name] = {}
        self._listen(new)
        self._next[before] = self._previous[after] = new.name
        self._next[new.name], self._previous[new.name] = after, before

    def _listen(self, node: Node) -> None:
        for name in node.inputs:
            self._readers[name][node.name] = None


def _reading(node: Node, name: str, to: str) -> Node:
    return replace(node, inputs=tuple(to if i == name else i for i in node.inputs))
