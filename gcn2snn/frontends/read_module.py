"""One module -> nodes: by its handler, or by running its own Python on what stands for its values."""

from __future__ import annotations

from torch import nn

from gcn2snn.frontends.arguments import call_handler
from gcn2snn.frontends.builder import Builder
from gcn2snn.frontends.layer_state import as_called, class_of, hooked, unwrapped
from gcn2snn.frontends.refusal_reasons import HOOKS, REPLACED_FORWARD, unknown_layer
from gcn2snn.frontends.registry import CHECKS, LAYOUTS, REFUSED_LAYERS
from gcn2snn.frontends.trace import ModelTracer, is_leaf


def lower_module(
    builder: Builder, path: str, module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]
) -> object:
    """Result of one module: its handler's, or what the functions and modules it calls give."""
    module = unwrapped(module)
    cls = class_of(module)
    what = cls.__qualname__
    if cls in builder.handlers:
        if "forward" in vars(module):
            return builder.refuse(path, what, **REPLACED_FORWARD)
        for check in CHECKS:
            if (found := check(module)) is not None:
                return builder.refuse(path, *found, kind="model")
        layer = as_called(module)
        builder.unread_hooks |= {f"{path}.{part}".strip("."): what for part in hooked(layer)}
        handler = builder.handlers[cls]
        if handler not in LAYOUTS and builder.refuse_held((args, kwargs)):
            return builder.unknown(path)
        given = (args, kwargs)
        result = builder.guarded(path, what, given, lambda: call_handler(builder, handler, path, layer, args, kwargs))
        for part in [name for name in builder.unread_hooks if f"{name}.".startswith(f"{path}." if path else "")]:
            builder.unread_hooks.pop(part)
            builder.refuse(part, "forward hook", **HOOKS)
        return result
    if cls in REFUSED_LAYERS:
        return builder.refuse(path, what, **REFUSED_LAYERS[cls])
    if is_leaf(module):
        return builder.refuse(path, what, **unknown_layer(cls))
    for part in hooked(module):
        builder.unread_hooks.pop(f"{path}.{part}".strip("."), None)
    return ModelTracer(builder, path, module).run(args, kwargs)
