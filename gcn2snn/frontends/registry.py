"""Which layer or function becomes what: the registries that handlers enter themselves into, and what every handler may use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from gcn2snn.errors import ConfigError
from gcn2snn.frontends.builder import Builder

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


def parameter(tensor: Tensor) -> Tensor:
    """A copy of a parameter that shares nothing with the source model."""
    return tensor.detach().clone()
