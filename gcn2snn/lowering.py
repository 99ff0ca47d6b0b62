"""Trained model -> network description: the builder that handlers write into, and the registry that finds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.errors import ConfigError, ConversionError, Refusal

Handler = Callable[["Builder", str, nn.Module, tuple[Any, ...]], str]
"""handler(builder, path, module, args) -> name of the node that holds the module's result.

``args`` are the call's arguments: names of nodes for values, anything else as it is.
"""

REGISTRY: dict[type[nn.Module], Handler] = {}
"""Exact class -> handler. Sub-classes are not assumed to compute what their parents do."""


class Builder:
    """Collects nodes and refusals while a model is read."""

    def __init__(self) -> None:
        self.nodes: dict[str, ir.Node] = {}
        self.refusals: list[Refusal] = []

    def add(self, node: ir.Node) -> str:
        """Append a node (its name is made unique) and return its name."""
        name, count = node.name, 2
        while name in self.nodes:
            name = f"{node.name}_{count}"
            count += 1
        if name != node.name:
            node = type(node)(**{**vars(node), "name": name})
        self.nodes[name] = node
        return name

    def input(self, name: str, size: ir.Shape, role: str = "dense") -> str:
        """A value the caller passes, in the order of the model's own signature."""
        return self.add(ir.Input(name=name, size=size, role=role))

    def refuse(self, path: str, what: str, why: str, instead: str) -> str:
        """Note one reason why the model cannot be converted, and go on so that all are found."""
        self.refusals.append(Refusal(path, what, why, instead))
        return ""

    def network(self) -> ir.Network:
        """The finished description.

        Raises:
            ConversionError: with every refusal, if there were any.
        """
        if self.refusals:
            raise ConversionError(self.refusals)
        return ir.Network(tuple(self.nodes.values()))


def lowers(*classes: type[nn.Module]) -> Callable[[Handler], Handler]:
    """Register a handler for exact classes.

    Raises:
        ConfigError: one of them has a handler already; pass yours as ``convert(..., handlers={Class: handler})`` instead.
    """

    def register(handler: Handler) -> Handler:
        for cls in classes:
            if cls in REGISTRY:
                raise ConfigError(
                    f"{cls.__qualname__} already has a handler; use convert(..., handlers={{{cls.__name__}: yours}})"
                )
            REGISTRY[cls] = handler
        return handler

    return register


def lower(
    model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], handlers: Mapping[type[nn.Module], Handler]
) -> ir.Network:
    """Description of a whole model called as ``model(*args, **kwargs)``.

    Raises:
        ConversionError: listing everything that cannot become spikes.
    """
    import gcn2snn.lower_gcn  # noqa: F401 - registers the built-in handlers

    builder = Builder()
    handler = {**REGISTRY, **handlers}.get(type(model))
    if handler is None:
        raise ConversionError([Refusal("model", type(model).__name__, "no handler knows it.", "Register one.")])
    result = handler(builder, "", model, args)
    if not builder.refusals:
        builder.add(ir.Output(name="output", inputs=(result,)))
    return builder.network()


def parameter(tensor: Tensor) -> Tensor:
    """A copy of a parameter that shares nothing with the source model."""
    return tensor.detach().clone()
