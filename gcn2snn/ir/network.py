"""The description of a network between the trained model and the spikes: plain frozen data, no execution.

A :class:`Network` is a list of nodes in the order of evaluation; a node names its inputs. Axis 0 of every value is the
batch or the graph's nodes, axis 1 the channels. Sparse operands travel along edges too, so one description serves many
graphs. Front ends write it (``lower_*.py``), passes rewrite it (``passes/fold.py``, ``passes/neurons.py``, ``passes/calibration.py``),
``engines/interpreter.py`` runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import Tensor

from gcn2snn.errors import InputError
from gcn2snn.ir.graph_operands import Adjacency, FixedMatrix, Laplacian, Matrix, Membership
from gcn2snn.ir.layers import Output
from gcn2snn.ir.node import Node, Operator, Shape


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

    @property
    def has_graph(self) -> bool:
        """Whether layers make their matrices from a graph, as those of PyTorch Geometric, DGL and sparse products do."""
        return any(isinstance(node, Adjacency | Laplacian | Membership | Matrix | FixedMatrix) for node in self.nodes)

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
