"""A copy of a model whose layers record that they are called: reading a model changes neither it nor any class."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import MethodType
from typing import Any

from torch import nn

from gcn2snn.frontends.layer_state import as_called

BACKWARD_HOOKS = ("_backward_hooks", "_backward_pre_hooks")

Record = Callable[[str, nn.Module, tuple[object, ...], dict[str, object]], object]
"""record(path, module, args, kwargs) -> the result of a layer's call."""

Enter = Callable[[str, Callable[[], object]], object]
"""enter(path, forward) -> what ``forward()`` gives, while the path is the one of this module."""


ReadParameter = Callable[[str], object]
"""read(path) -> what stands for a parameter."""


def recording_copy(
    root: nn.Module, is_leaf: Callable[[nn.Module], bool], record: Record, enter: Enter, read: ReadParameter
) -> nn.Module:
    """The same tree of modules with the same buffers, whose leaves call ``record`` and whose other modules ``enter``.

    Containers such as ``nn.ModuleList`` are leaves too, and hold the copies. Attributes can be set, and lists and dicts of
    the modules written to, without a trace in the source. Hooks of the forward pass run as in the model; a leaf's handler gets
    the layer without them, and with the tensors that they gave the copy (``frontends/layer_state.py``).
    """
    modules = dict(root.named_modules())  # the first path of a module that stands in several places
    leaves = {path for path, module in modules.items() if path and is_leaf(module)}
    copies: dict[int, nn.Module] = {
        id(module): object.__new__(_called_by_forward(type(module)) if path in leaves else type(module))
        for path, module in modules.items()
    }
    for path, module in modules.items():
        twin = copies[id(module)]
        if path in leaves:
            vars(twin).update(vars(module))
            vars(twin).update(_buffers=dict(module._buffers), _modules=_copied(module._modules, copies))
            vars(twin)["forward"] = functools.partial(_recorded, record, path, module, twin)
        else:
            vars(twin).update({name: _copied(value, copies) for name, value in vars(module).items()})
            forward = _forward_of(twin)
            vars(twin)["forward"] = _entered(enter, path, forward) if path else forward
        vars(twin).update({name: OrderedDict() for name in BACKWARD_HOOKS}, _compiled_call_impl=None)
        for name, parameter in module._parameters.items():  # what stands in __dict__ is found before the parameter
            if parameter is not None:
                vars(twin)[name] = read(f"{path}.{name}" if path else name)
    return copies[id(root)]


def _copied(value: Any, copies: Mapping[int, nn.Module]) -> object:
    """An attribute for the copy: containers of its own, modules and their methods those of the copy."""
    kind = type(value)
    if kind is dict or kind is OrderedDict:
        return kind((key, _copied(item, copies)) for key, item in value.items())
    if kind is list or kind is tuple:
        return kind(_copied(item, copies) for item in value)
    if kind is set:
        return set(value)
    if kind is MethodType and id(value.__self__) in copies:
        return MethodType(value.__func__, copies[id(value.__self__)])
    return copies.get(id(value), value)


def _forward_of(twin: nn.Module) -> Callable[..., object]:
    """The forward of a copy; of a model that went through ``torch.compile``, the one it was made from."""
    original = twin._modules.get("_orig_mod")
    return twin.forward if original is None else original


def _recorded(record: Record, path: str, module: nn.Module, twin: nn.Module, *args: object, **kwargs: object) -> object:
    return record(path, as_called(module, twin), args, kwargs)


def _entered(enter: Enter, path: str, forward: Callable[..., object]) -> Callable[..., object]:
    def call(*args: object, **kwargs: object) -> object:
        return enter(path, lambda: forward(*args, **kwargs))

    return call


def _called_by_forward(cls: type[nn.Module]) -> type[nn.Module]:
    """The class, or where it looks at values in a ``__call__`` of its own (PyG's aggregations), a sub-class without."""
    if cls.__call__ is nn.Module.__call__:
        return cls
    metaclass: Callable[..., type[nn.Module]] = type(cls)
    return metaclass(cls.__name__, (cls,), {"__call__": nn.Module.__call__})
