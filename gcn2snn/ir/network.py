"""The description of a network between the trained model and the spikes: plain frozen data, no execution.

A :class:`Network` is a list of nodes in the order of evaluation; a node names its inputs. Axis 0 of every value is the
batch or the graph's nodes, axis 1 the channels. Sparse operands travel along edges too, so one description serves many
graphs. Front ends (``frontends/``) write it, passes (``passes/``) rewrite it, engines (``engines/``) run it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Concatenate, ParamSpec, TypeVar

from torch import Tensor

from gcn2snn.errors import InputError
from gcn2snn.ir.layers import Input, Output
from gcn2snn.ir.node import Node, Shape
from gcn2snn.ir.readouts import Result
from gcn2snn.ir.structures import HEAD, Structure, chosen, paths, renumbered, told

N = TypeVar("N", bound=Node)
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, eq=False, repr=False)
class Network:
    """Nodes in order of evaluation, and the shape of each result.

    Args:
        nodes: in an order in which every node stands behind its inputs.

    Raises:
        InputError: a name is used twice or unknown, a node has the wrong number of inputs, shapes do not meet, or there
            is no output.
    """

    nodes: tuple[Node, ...]
    shapes: dict[str, Shape] = field(init=False, repr=False)
    """Sizes of each result by name of its node, None where they depend on the call."""
    output: Output = field(init=False, repr=False)
    """The node that gives the result, or the first of several such nodes."""
    heads: tuple[str, ...] = field(init=False, repr=False)
    """Names of the nodes whose values are the result, in the places that ``structure`` gives them."""
    structure: Structure = field(init=False, repr=False)
    """What the network returns; one head alone unless a :class:`Result` node says more."""
    _by_name: dict[str, Node] = field(init=False, repr=False)
    _readers: dict[str, list[Node]] = field(init=False, repr=False)
    _kept: dict[Hashable, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        shapes: dict[str, Shape] = {}
        readers: dict[str, list[Node]] = {}
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
            readers[node.name] = []
            for name in dict.fromkeys(node.inputs):
                readers[name].append(node)
        outputs = [node for node in self.nodes if isinstance(node, Output)]
        if not outputs:
            raise InputError("the network has no Output node")
        results = [node for node in self.nodes if isinstance(node, Result)]
        worked_out: dict[str, object] = {
            "shapes": shapes,
            "output": outputs[0],
            "heads": results[-1].inputs if results else (outputs[0].name,),
            "structure": results[-1].structure if results else HEAD,
            "_by_name": {node.name: node for node in self.nodes},
            "_readers": readers,
            "_kept": {},
        }
        for name, value in worked_out.items():
            object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[type[Network], tuple[tuple[Node, ...]]]:
        """Copies and pickles hold the nodes alone; everything else is worked out of them again."""
        return Network, (self.nodes,)

    def __repr__(self) -> str:
        return "Network(\n" + "".join(f"  {node}\n" for node in self.nodes) + ")"

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Node:
        if name not in self._by_name:
            raise InputError(f"no node is called {name!r}; there are {list(self._by_name)}")
        return self._by_name[name]

    def check_scores(self, what: str) -> None:
        """Refuse a result that is not one matrix of class scores, before any work.

        Raises:
            InputError: it names what needs them, and the way out.
        """
        if self.structure != HEAD:
            there = ", ".join(map(told, paths(self.structure)))
            raise InputError(
                f"{what} needs class scores, and this network gives {len(self.heads)} results: {there}. Take one of them: "
                f"snn.head(...) of a converted network, convert(..., output=...), or --head on the command line"
            )
        shape = self.shapes[self.heads[0]]
        if len(shape) != 2 or shape[1] is None:
            told_size = " x ".join("*" if size is None else str(size) for size in shape)
            raise InputError(f"{what} needs class scores [rows, classes], and this network gives [{told_size}]")

    def of(self, kind: type[N]) -> list[N]:
        """Nodes of one class, in order."""
        return [node for node in self.nodes if isinstance(node, kind)]

    def readers(self, name: str) -> list[Node]:
        """Nodes that read the result of ``name``, in order."""
        return list(self._readers.get(name, ()))

    def only(self, output: object) -> Network:
        """The network of a part of the result alone, without the nodes that only others need; inputs stay.

        Raises:
            InputError: there is no such part.
        """
        structure, numbers = renumbered(chosen(self.structure, output))
        heads = [self.heads[number] for number in numbers]
        if not heads:
            raise InputError(
                f"output={output!r} is no tensor that the network computes, but a constant of the source model"
            )
        needed = set(heads)
        for node in reversed(self.nodes):
            if node.name in needed:
                needed.update(node.inputs)
        kept: list[Node] = [
            replace(node, role="unused") if isinstance(node, Input) and node.name not in needed else node
            for node in self.nodes
            if node.name in needed or isinstance(node, Input)
        ]
        if structure != HEAD or not isinstance(self[heads[0]], Output):
            kept.append(Result(name="result", inputs=tuple(heads), structure=structure))
        return Network(tuple(kept))

    def replace(self, changes: Mapping[str, Sequence[Node]]) -> Network:
        """Each named node becomes the given nodes (none: it is dropped); the last of them must keep readers valid.

        The whole network is checked again, so many changes belong into one call or into a :class:`Draft`.
        """
        return Network(tuple(new for node in self.nodes for new in changes.get(node.name, (node,))))

    def map_tensors(self, change: Callable[[Tensor], Tensor]) -> Network:
        """The same network with every tensor passed through ``change`` (device and dtype moves)."""

        def changed(node: Node) -> Node:
            fields: dict[str, Any] = {name: change(tensor) for name, tensor in node.tensors().items()}
            return replace(node, **fields)

        return Network(tuple(changed(node) for node in self.nodes))


def once_per_network(work_out: Callable[Concatenate[Network, P], T]) -> Callable[Concatenate[Network, P], T]:
    """A function of a network whose results are kept with the network, so that each is worked out once.

    The results are shared by all callers and threads: they must not be changed, so give tuples, not lists. Further
    arguments are given by position and have to be hashable. Copies of a network start without results.
    """

    @functools.wraps(work_out)
    def kept(network: Network, *args: P.args, **kwargs: P.kwargs) -> T:
        key = (work_out, args)
        found = network._kept.get(key)
        if found is None:
            # Two threads may both get here; both then return what the first of them has stored.
            found = network._kept.setdefault(key, (work_out(network, *args, **kwargs),))
        result: T = found[0]
        return result

    return kept
