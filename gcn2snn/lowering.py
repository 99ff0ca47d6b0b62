"""Trained model -> network description: the registries of handlers, and ``lower``, which calls them."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.builder import Builder, Ref
from gcn2snn.errors import ConfigError, ConversionError, Refusal
from gcn2snn.example_inputs import declare

Handler = Callable[[Builder, str, nn.Module, tuple[Any, ...]], Any]
"""handler(builder, path, module, args) -> name of the node that holds the module's result.

``args`` are the arguments of ``module.forward`` in the order of its signature, defaults filled in: a :class:`Ref` for
a value of the network or a graph input, anything else as it is.
"""

FunctionHandler = Callable[..., Any]
"""handler(builder, path, *args, **kwargs) -> result, called with the arguments that the function was called with."""

REGISTRY: dict[type[nn.Module], Handler] = {}
"""Exact class -> handler. Sub-classes are not assumed to compute what their parents do."""

FUNCTIONS: dict[Callable[..., Any] | str, FunctionHandler] = {}
"""Function, or name of a tensor method -> handler."""

REFUSED: dict[Any, tuple[str, str]] = {}
"""Class, function or method name -> (why it cannot become spikes, what would work)."""

LEAVES: list[type[nn.Module] | str] = ["torch.nn."]
"""Base classes, or beginnings of the names of modules, of what is never looked into: it has a handler or is refused."""

OPTIONAL = {
    "torch_geometric": ("gcn2snn.lower_pyg", "gcn2snn.lower_pyg_filters", "gcn2snn.lower_pyg_models"),
    "dgl": ("gcn2snn.lower_dgl", "gcn2snn.lower_dgl_models"),
}
"""Library -> modules with its handlers, loaded only if the library is: a model of it implies that."""


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


def lowers_function(*targets: Callable[..., Any] | str) -> Callable[[FunctionHandler], FunctionHandler]:
    """Register a handler for functions (the objects) and tensor methods (their names).

    Raises:
        ConfigError: one of them has a handler already.
    """

    def register(handler: FunctionHandler) -> FunctionHandler:
        for target in dict.fromkeys(targets):  # torch has one function under several names
            if target in FUNCTIONS:
                raise ConfigError(f"{target} already has a handler")
            FUNCTIONS[target] = handler
        return handler

    return register


def refuses(*targets: Any, why: str, instead: str) -> None:
    """Give the reason for which classes, functions or methods (by name) cannot be converted."""
    REFUSED.update(dict.fromkeys(targets, (why, instead)))


def load_handlers() -> None:
    """Register the built-in handlers: ours, those for images, and those of the graph libraries that are in use."""
    import gcn2snn.lower_gcn
    import gcn2snn.lower_products
    import gcn2snn.lower_shape
    import gcn2snn.lower_torch  # noqa: F401

    if importlib.util.find_spec("gcn2snn.cnn.lower") is not None:
        importlib.import_module("gcn2snn.cnn.lower")
    for library, modules in OPTIONAL.items():
        for module in modules if library in sys.modules else ():
            importlib.import_module(module)


def lower(
    model: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    handlers: Mapping[type[nn.Module], Handler] | None = None,
) -> ir.Network:
    """Description of a whole model called as ``model(*args, **kwargs)``.

    A softmax or log-softmax at the very end is left out, for the class with the largest potential is the same; the
    Output node remembers it as ``readout``.

    Raises:
        ConversionError: listing everything that cannot become spikes.
        InputError: sizes do not meet, or the arguments are not those of the model.
    """
    load_handlers()
    builder = Builder({**REGISTRY, **(handlers or {})})
    given, named = declare(builder, model, args, kwargs)
    result = builder.module("", model, given, named)
    if not builder.refusals:
        if not isinstance(result, Ref):
            why = f"returns {type(result).__name__}; a spiking network gives one tensor of potentials."
            raise ConversionError([Refusal("model", "output", why, "Return only the class scores.")])
        builder.add(ir.Output(name="output", inputs=(result,), readout=builder.readout))
    return builder.network()


def parameter(tensor: Tensor) -> Tensor:
    """A copy of a parameter that shares nothing with the source model."""
    return tensor.detach().clone()


@contextlib.contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Undo what a forward pass keeps on the modules: a layer with ``cached=True`` would hold the example's graph."""
    before = [(module, dict(vars(module))) for module in model.modules()]
    try:
        yield
    finally:
        for module, attributes in before:
            vars(module).clear()
            vars(module).update(attributes)


def read_out(network: ir.Network, potentials: Tensor) -> Tensor:
    """What the source model makes of the potentials at its very end: itself, or their softmax or log-softmax."""
    kinds = {"": lambda x: x, "softmax": lambda x: x.softmax(1), "log_softmax": lambda x: x.log_softmax(1)}
    return kinds[network.of(ir.Output)[0].readout](potentials)
