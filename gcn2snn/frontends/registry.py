"""Which layer or function becomes what: the registries that handlers enter themselves into, and what every handler may use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, NotRequired, ParamSpec, TypedDict, TypeVar, overload

from torch import Tensor, nn

from gcn2snn.errors import ConfigError, RefusalKind
from gcn2snn.frontends.builder import Builder, Handler, Ref

M = TypeVar("M", bound=nn.Module)
P = ParamSpec("P")
R = TypeVar("R")

Function = Callable[..., object] | str
"""A function, or the name of a tensor method."""

FunctionHandler = Callable[..., Any]
"""handler(builder, path, *args, **kwargs) -> result, called with the arguments that the function was called with."""


class Reason(TypedDict):
    """Why something cannot become spikes, and what would work; the keywords of :func:`refuses` and ``Builder.refuse``."""

    why: str
    instead: str
    kind: NotRequired[RefusalKind]


REGISTRY: dict[type[nn.Module], Handler] = {}
"""Exact class -> handler. Sub-classes are not assumed to compute what their parents do."""


FUNCTIONS: dict[Function, FunctionHandler] = {}
"""Function, or name of a tensor method -> handler."""


READOUTS: dict[Function, FunctionHandler] = {}
"""Function, or name of a tensor method -> handler where an argument is worked out after the last layer (``Builder.read_out``)."""


REFUSED_LAYERS: dict[type[nn.Module], Reason] = {}
"""Exact class -> why it is refused."""


REFUSED_FUNCTIONS: dict[Function, Reason] = {}
"""Function, or name of a tensor method -> why it is refused."""


LEAVES: list[type[nn.Module] | str] = ["torch.nn.", "torch.ao.nn."]
"""Base classes, or beginnings of the names of modules, of what is never looked into: it has a handler or is refused."""


FOLLOWING: set[Callable[..., object]] = set()
"""Handlers that take numbers of the call (``frontends/call_numbers.py``) as they are; others get the example's, which fixes it."""


LAYOUTS: set[Callable[..., object]] = set()
"""Handlers that take values whose rows are not on axis 0, and other stand-ins (``frontends/layouts.py``)."""


CHECKS: list[Callable[[nn.Module], tuple[str, str, str] | None]] = []
"""What is asked of every layer that has a handler: (what, why, instead) where the handler would misread it."""


def follows_numbers(handler: Callable[P, R]) -> Callable[P, R]:
    """Note that a handler knows what to do with numbers that only the call knows."""
    FOLLOWING.add(handler)
    return handler


def follows_layouts(handler: Callable[P, R]) -> Callable[P, R]:
    """Note that a handler knows values whose rows are not on axis 0, and other stand-ins (``frontends/layouts.py``)."""
    LAYOUTS.add(handler)
    return handler


@overload
def lowers(
    cls: type[M], /
) -> Callable[[Callable[Concatenate[Builder, str, M, P], R]], Callable[Concatenate[Builder, str, M, P], R]]: ...


@overload
def lowers(*classes: type[nn.Module]) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def lowers(*classes: type[nn.Module]) -> Callable[[Handler], Handler]:
    """Register a handler for exact classes; ``frontends/arguments.py`` says how it gets its arguments.

    >>> import torch
    >>> from gcn2snn import ir
    >>> class Double(torch.nn.Module):
    ...     def forward(self, x):
    ...         return 2 * x
    >>> @lowers(Double)
    ... def lower_double(builder, path, module, x):
    ...     return builder.add(ir.Dense(name=path, inputs=(x,), weight=2 * torch.eye(builder.shape(x)[-1])))
    >>> REGISTRY.pop(Double) is lower_double  # only so that this example leaves nothing behind
    True

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


def lowers_function(*targets: Function) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register a handler for functions (the objects) and tensor methods (their names).

    Raises:
        ConfigError: one of them has a handler already.
    """

    def register(handler: Callable[P, R]) -> Callable[P, R]:
        for target in dict.fromkeys(targets):  # torch has one function under several names
            if target in FUNCTIONS:
                raise ConfigError(f"{target} already has a handler")
            FUNCTIONS[target] = handler
        return handler

    return register


def reads_potentials(*targets: Function) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register a handler for functions of what is worked out after the last layer; others than these refuse it."""

    def register(handler: Callable[P, R]) -> Callable[P, R]:
        READOUTS.update(dict.fromkeys(targets, handler))
        return handler

    return register


def refuses(*targets: type[nn.Module] | Function, why: str, instead: str, kind: RefusalKind = "unknown") -> None:
    """Give the reason for which classes, functions or methods (by name) cannot be converted."""
    reason = Reason(why=why, instead=instead, kind=kind)
    for target in targets:
        if isinstance(target, type) and issubclass(target, nn.Module):
            REFUSED_LAYERS[target] = reason
        else:
            REFUSED_FUNCTIONS[target] = reason


def refuse_pair(builder: Builder, path: str, what: str, pair: tuple[object, object], reason: Reason) -> Ref:
    """Note that two values do not go together; nothing is noted where one of them was refused before."""
    if any(isinstance(value, Ref) and builder.is_unknown(value) for value in pair):
        return builder.unknown(path)
    return builder.refuse(path, what, **reason)


def parameter(tensor: Tensor) -> Tensor:
    """A copy of a parameter that shares nothing with the source model."""
    return tensor.detach().clone()
