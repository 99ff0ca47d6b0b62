"""The arguments of a layer's call -> those of its handler, by name, so that a library may add some to its layers."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from gcn2snn.errors import InputError
from gcn2snn.frontends.builder import Builder, Handler, Ref
from gcn2snn.frontends.call_numbers import Number
from gcn2snn.frontends.registry import FOLLOWING

EMPTY = inspect.Parameter.empty
STARRED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def call_handler(
    builder: Builder,
    handler: Handler,
    path: str,
    module: nn.Module,
    args: tuple[object, ...],
    kwargs: Mapping[str, object],
) -> object:
    """What a handler makes of ``module(*args, **kwargs)``.

    A handler ``(builder, path, module, args)`` gets all arguments of ``module.forward`` as one tuple, in the order of its
    signature with defaults filled in. object other handler names the arguments that it knows, as ``forward`` names them:
    ``(builder, path, module, x, edge_index, edge_weight=None)``. What such a handler does not name is ignored as long as
    it has the value that ``forward`` gives it by default, and refused otherwise; what ``forward`` does not have keeps the
    handler's default.

    Raises:
        InputError: the module cannot be called like this.
    """
    signature = _signature_of_forward(module)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise InputError(
            f"{path or type(module).__name__} is called with arguments it does not take: {error}"
        ) from None
    bound.apply_defaults()
    if handler not in FOLLOWING:
        bound.arguments.update({name: _plain(value) for name, value in bound.arguments.items()})
    wanted = dict(list(_signature(handler).parameters.items())[3:])
    if list(wanted) == ["args"] and wanted["args"].kind not in STARRED:
        return handler(builder, path, module, (*bound.args, *bound.kwargs.values()))
    for name, parameter in wanted.items():
        if name not in bound.arguments and parameter.default is EMPTY:
            why = f"reads {name!r}, but forward{signature} has no such argument."
            instead = "Name the handler's arguments as forward names them, or take all of them as one tuple, args."
            return builder.refuse(path, f"handler of {type(module).__qualname__}", why, instead)
    for name, value in bound.arguments.items():
        if name not in wanted and not _is_default(signature.parameters[name], value):
            what = f"argument {name!r} of {type(module).__qualname__}"
            return builder.refuse(path, what, "is not known to the layer's handler.", "Leave it at its default.")
    return handler(builder, path, module, **{name: bound.arguments[name] for name in wanted if name in bound.arguments})


def _signature_of_forward(module: nn.Module) -> inspect.Signature:
    function = getattr(module.forward, "__func__", None)
    if function is None:  # put on the instance
        return inspect.signature(module.forward)
    whole = _signature(function)
    return whole.replace(parameters=list(whole.parameters.values())[1:])


@functools.lru_cache(maxsize=512)
def _signature(function: Callable[..., object]) -> inspect.Signature:
    return inspect.signature(function)


def _plain(value: Any) -> object:
    """Numbers of the call as the example's, inside nested arguments too."""
    if isinstance(value, Number):
        return value.fixed()
    if type(value) in (tuple, list):
        return type(value)(_plain(item) for item in value)
    return {key: _plain(item) for key, item in value.items()} if type(value) is dict else value


def _is_default(parameter: inspect.Parameter, value: object) -> bool:
    """Whether an argument has no effect: it equals the default, or is an empty ``*args`` or ``**kwargs``."""
    if parameter.kind in STARRED:
        return not value
    if value is parameter.default:
        return True
    return not isinstance(value, Tensor | Ref) and type(value) is type(parameter.default) and value == parameter.default
