"""Matrices that were built, kept for as long as the graph they came from is in use."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeAlias

from torch import Tensor

from gcn2snn.kernels import CSR

MOST_BYTES = 2**30
"""Memory of the matrices of all graphs together; the graph used last keeps its own whatever their size."""

MOST_FORMS = 128
"""Matrices kept per graph: one for each way its layers normalise it, and for each relation."""

Operand: TypeAlias = CSR | Tensor
"""A matrix, or edges and their weights as a layer changed them."""


@dataclass
class _Graph:
    """Matrices of one graph, the one used last at the end."""

    reference: weakref.ref[object]
    forms: OrderedDict[Hashable, Operand] = field(default_factory=OrderedDict)

    def size(self) -> int:
        """Bytes of the matrices."""
        return sum(size_of(matrix) for matrix in self.forms.values())


class MatrixCache:
    """(graph object, key) -> matrix, or another description of the graph.

    The key says all that the matrix depends on, the contents of the graph among it.

    A graph is held by a weak reference: its matrices go when it does. Those of the graph whose use is the longest ago
    go too when all together exceed the bound. Threads may share a cache; two that miss at once both build.

    Args:
        most_bytes: bound on the memory of the matrices, other than those of the graph used last.
        most_forms: matrices per graph.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, most_forms: int = MOST_FORMS) -> None:
        self.most_bytes = most_bytes
        self.most_forms = most_forms
        self.clear()

    def clear(self) -> None:
        """Forget everything, and the lock: in a forked process the thread that holds it does not exist."""
        self._lock = (
            threading.RLock()
        )  # a graph can be collected, and so forgotten, while its own thread holds the lock
        self._graphs: OrderedDict[int, _Graph] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        """Number of graphs."""
        return len(self._graphs)

    def get(self, graph: object, key: Hashable, make: Callable[[], Operand]) -> Operand:
        """The matrix kept for this graph and key, else a new one by ``make``."""
        with self._lock:
            known = self._forms(graph)
            if key in known:
                known.move_to_end(key)
                return known[key]
        matrix = make()
        with self._lock:
            forms = self._forms(graph)
            self._bytes += size_of(matrix) - (size_of(forms.pop(key)) if key in forms else 0)
            forms[key] = matrix
            if len(forms) > self.most_forms:
                _, oldest = forms.popitem(last=False)
                self._bytes -= size_of(oldest)
            while self._bytes > self.most_bytes and len(self._graphs) > 1:
                _, forgotten = self._graphs.popitem(last=False)
                self._bytes -= forgotten.size()
        return matrix

    def _forms(self, graph: object) -> OrderedDict[Hashable, Operand]:
        """The matrices of a graph, which becomes the one used last."""
        known = self._graphs.get(id(graph))
        if known is None or known.reference() is not graph:
            known = self._graphs[id(graph)] = _Graph(weakref.ref(graph, self._forget_when_collected(id(graph))))
        self._graphs.move_to_end(id(graph))
        return known.forms

    def _forget_when_collected(self, number: int) -> Callable[[weakref.ref[object]], None]:
        def forget(reference: weakref.ref[object]) -> None:
            with self._lock:
                known = self._graphs.get(number)
                if known is not None and known.reference is reference:  # the number may belong to a new graph by now
                    del self._graphs[number]
                    self._bytes -= known.size()

        return forget


def size_of(operand: Operand) -> int:
    """Bytes of the tensors of an operand."""
    parts = (operand,) if isinstance(operand, Tensor) else (operand.rowptr, operand.col, operand.value)
    return sum(tensor.numel() * tensor.element_size() for tensor in parts)


MATRICES = MatrixCache()
"""The matrices of every network in this process."""

FEATURES = MatrixCache(most_forms=2)
"""The sparse features of every network; what a tensor held before it was written to again soon goes."""

if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    for _cache in (MATRICES, FEATURES):
        os.register_at_fork(after_in_child=_cache.clear)
