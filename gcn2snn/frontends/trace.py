"""Reading a module by running its own Python: every layer and function it calls becomes nodes at once."""

from __future__ import annotations

import inspect
import operator
import re
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gcn2snn import ir
from gcn2snn.errors import Gcn2SnnError
from gcn2snn.frontends.builder import Builder, Ref, refs
from gcn2snn.frontends.call_numbers import Number, UnreadableError, plain
from gcn2snn.frontends.example_inputs import contains, method_result, part
from gcn2snn.frontends.graph_steps import matrix
from gcn2snn.frontends.known_names import OPERATORS, PRODUCTS, REFLECTED, VIEWS
from gcn2snn.frontends.layer_state import class_of, is_random
from gcn2snn.frontends.module_copy import recording_copy
from gcn2snn.frontends.refusal_reasons import RANDOM, VALUES_READ
from gcn2snn.frontends.registry import (
    FOLLOWING,
    FUNCTIONS,
    LAYOUTS,
    LEAVES,
    READOUTS,
    REFUSED_FUNCTIONS,
    REFUSED_LAYERS,
)
from gcn2snn.frontends.renamed_functions import kind_of, namespaces, recorders, renamed
from gcn2snn.frontends.traced import Storage, Traced, is_tensor_method, unpacked

Target = Callable[..., object] | str


class ModelTracer(TorchFunctionMode):
    """Runs a copy of a module in which traced values stand for the network's own, and tells each call to its handler.

    No class is touched: the copy's layers tell that they are called, torch hands its functions over in this thread alone, and
    names of other functions that a handler knows lead to recorders meanwhile, which are the functions themselves for all
    arguments but ours. Values that do not depend on the call are tensors of the model, and are computed with as such.
    """

    def __init__(self, builder: Builder, path: str, module: nn.Module) -> None:
        super().__init__()
        self.builder = builder
        self.path = path
        self.module = module
        self.stack: list[str] = [""]
        self.names: dict[str, int] = {}

    def run(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """What the module gives for these arguments, with references in place of the network's values."""
        root = recording_copy(self.module, is_leaf_of(self.builder), self._record, self._enter, self._parameter)
        given, named = self._wrapped(args), self._wrapped(kwargs)
        functions = [f for f in (*FUNCTIONS, *REFUSED_FUNCTIONS) if inspect.isfunction(f)]
        place = self.builder.place
        try:
            with torch.no_grad(), renamed(recorders(functions), namespaces(self.module, functions)), self:
                result = self._unwrapped(ir.record_of(root(*given, **named)))
        except UnreadableError:
            self._refuse_what_is_left()
            return self.builder.unknown(self.path)
        except Gcn2SnnError:
            if not self.builder.refusals:
                raise
            return self.builder.unknown(self.path)
        except Exception as error:
            return self._failed(error)
        finally:
            self.builder.place = place
        return result

    def _failed(self, error: Exception) -> Ref:
        """The model's own code fails on what stands for its values: a refusal, unless one is the cause already."""
        known = bool(self.builder.refusals)
        self._refuse_what_is_left()
        if known:
            return self.builder.unknown(self.path)
        cls = type(self.module).__qualname__
        self.builder.cause = error
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        why = f"its forward cannot be read: {said}. It looks at values, or calls what no handler knows."
        instead = f"Write it without control flow on values, or pass handlers={{{cls}: your_handler}}."
        return self.builder.refuse(self._inside("") or self.path, f"{cls}.forward", why, instead)

    def _refuse_what_is_left(self) -> None:
        """Layers that are refused wherever they stand, for reading stops before it comes to them."""
        for name, child in self.module.named_modules(prefix=self.path):
            if (reason := REFUSED_LAYERS.get(class_of(child))) is not None:
                self.builder.refuse(name, class_of(child).__qualname__, **reason)

    def __torch_function__(
        self, func: Any, types: object, args: tuple[object, ...] = (), kwargs: dict[str, object] | None = None
    ) -> object:
        kwargs = kwargs or {}
        graph = getattr(func, "__name__", "") in PRODUCTS and any(_is_sparse(value) for value in args)
        return self.call(func, args, kwargs) if graph or _has_traced((args, kwargs)) else func(*args, **kwargs)

    def call(self, target: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """The result of a function, or of a tensor's method by its name, with traced values among its arguments."""
        target, args = _known_as(target, args)
        name = _name(target)
        path = self._inside(self._unique(name))
        self.builder.place = path
        first, known = args[0] if args else None, len(self.builder.refusals)
        given, named = self._unwrapped(args), self._unwrapped(kwargs)
        if target is operator.contains and self._is_object(first):
            return contains(self.builder, given[0], given[1])
        if target == "__call__" or (isinstance(target, str) and self._is_object(first)):
            result = self._method(path, target, given, named)
        elif not refs((given, named)):
            result = self._constant(path, target, given, named)
        else:
            result = self._function(path, target, given, named)
        if not isinstance(result, Ref) or not self.builder.is_unknown(result):
            self.builder.bind_refusals(known)  # such as an assignment: what it was to change is not followed
        self.builder.place = self._inside("")
        in_place = bool(kwargs.get("inplace")) or _is_in_place(target)
        return self._result(name, args, result, in_place)

    def _result(self, name: str, args: tuple[object, ...], result: object, in_place: bool) -> object:
        first = args[0] if args else None
        same = result if isinstance(result, Ref) else None
        if self.builder.readout(same) is None:  # else its handler knows what is worked out after the last layer
            self.builder.refuse_early_readouts([ref for ref in refs(self._unwrapped(args)) if ref != same])
        if not isinstance(first, Traced):
            return self._wrapped(result)
        if in_place and isinstance(result, Ref):
            if result != first._ref:
                first.overwrite(result)
            return first
        shared = name in VIEWS or (same == first._ref and name != "clone")
        return self._wrapped(result, first._storage if shared else None)

    def _function(self, path: str, target: Any, args: Any, kwargs: Any) -> object:
        builder, what = self.builder, f".{target}()" if isinstance(target, str) else _told(target)
        if target in READOUTS and any(builder.readout(ref) is not None for ref in refs((args, kwargs))):
            return builder.guarded(
                path, what, (), lambda: READOUTS[target](builder, path, *_map(args, plain), **_map(kwargs, plain))
            )
        if target in REFUSED_FUNCTIONS and target not in FUNCTIONS:
            return builder.refuse(path, what, **REFUSED_FUNCTIONS[target])
        if FUNCTIONS.get(target) not in FOLLOWING:
            args, kwargs = _map(args, plain), _map(kwargs, plain)
        if FUNCTIONS.get(target) not in LAYOUTS and builder.refuse_held((args, kwargs)):
            return builder.unknown(path)
        if target in FUNCTIONS:
            try:
                inspect.signature(FUNCTIONS[target]).bind(builder, path, *args, **kwargs)
            except TypeError as error:
                return builder.refuse(path, what, f"is called in a way its handler does not know: {error}.", "", args)
            return builder.guarded(
                path, what, (args, kwargs), lambda: FUNCTIONS[target](builder, path, *args, **kwargs)
            )
        instead = (
            "Nobody has looked at it yet; where a spike can express it, add it with lowers_function (CONTRIBUTING.md)."
        )
        return builder.refuse(path, what, "no handler knows this function.", instead, of=(args, kwargs))

    def _constant(self, path: str, target: Any, args: Any, kwargs: Any) -> object:
        """A function of tensors of the model and numbers of the call: its result, where the numbers can be fixed."""
        args, kwargs = _map(args, plain), _map(kwargs, plain)
        return getattr(args[0], target)(*args[1:], **kwargs) if isinstance(target, str) else target(*args, **kwargs)

    def _is_object(self, value: object) -> bool:
        example = self.builder.example(value._ref) if isinstance(value, Traced) else None
        return example is not None and not isinstance(example, Tensor)

    def _method(self, path: str, target: str, args: Any, kwargs: object) -> object:
        """A method of a graph object: by its handler, or a number that it counts."""
        if target in FUNCTIONS:
            return self._function(path, target, args, kwargs)
        if self.builder.is_refused(args):
            return self.builder.unknown(path)
        found = method_result(self.builder, args[0], target) if len(args) == 1 and not kwargs else None
        return found if found is not None else self._function(path, target, args, kwargs)

    def attribute(self, traced: Traced, name: str) -> object:
        """An attribute: a part of a graph object, a size of a value, or a method to be called."""
        builder, ref = self.builder, traced._ref
        if builder.is_unknown(ref):
            return traced
        owner = builder.example(ref) if self._is_object(traced) else Tensor
        if owner is not Tensor and not hasattr(owner, name):
            builder.fix_part(ref, "present", name, False)
            raise AttributeError(f"{type(owner).__name__!r} object has no attribute {name!r}")
        if owner is not Tensor and not callable(getattr(owner, name)):
            return self._wrapped(part(builder, ref, "attribute", name))
        if owner is Tensor and not callable(getattr(Tensor, name)):
            result = self._function(self._inside(name), getattr, (self._unwrapped(traced), name), {})
            return self._wrapped(result, traced._storage)
        return lambda *args, **kwargs: self.call(name, (traced, *args), kwargs)

    def kind(self, traced: Traced) -> type:
        """The class of what a traced value stands for."""
        return kind_of(self.builder.example(traced._ref))

    def items(self, traced: Traced) -> list[object]:
        """What iterating gives: the rows of an edge index; how many rows a value has, only a call knows."""
        example = self.builder.example(traced._ref)
        if isinstance(example, Tensor) and example.dim() > 1 and not example.is_floating_point():
            return [self.call(operator.getitem, (traced, i), {}) for i in range(len(example))]
        if self.builder.is_refused(traced._ref) and (count := unpacked(sys._getframe(2))):
            return [traced] * count
        self.stop(traced, "iteration")
        raise UnreadableError

    def stop(self, traced: Traced, what: str) -> None:
        """Refuse a use that needs the value itself, and go no further."""
        path = self._inside("") or self.path
        self.builder.refuse(path, what, **VALUES_READ, of=traced._ref)
        raise UnreadableError

    def _record(self, path: str, module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        whole = ".".join(part for part in (self.path, path) if part)
        self.builder.place = whole
        given, named = self._unwrapped(args), self._unwrapped(kwargs)
        if refs((given, named)) or not class_of(module).__module__.startswith("torch.nn."):
            result = self.builder.module(whole, module, given, named)
        elif is_random(module):
            result = self.builder.refuse(whole, f"{type(module).__qualname__} in training mode", **RANDOM)
        else:
            result = module.forward(*_map(given, plain), **_map(named, plain))
        # A layer gives new memory, but for those that only change the shape; one that gives its argument back is seen there.
        name = "view" if isinstance(module, nn.Flatten | nn.Unflatten) else class_of(module).__name__
        return self._result(name, args, result, bool(getattr(module, "inplace", False)))

    def _enter(self, path: str, call: Callable[[], object]) -> object:
        self.stack.append(path)
        try:
            return call()
        finally:
            self.stack.pop()

    def _parameter(self, path: str) -> object:
        value: Any = self.module.get_parameter(path).detach()
        return value if value.layout is torch.strided else matrix(self.builder, self.path or "adjacency", value)

    def _inside(self, name: str) -> str:
        return ".".join(part for part in (self.path, self.stack[-1], name) if part)

    def _unique(self, name: str) -> str:
        count = self.names[name] = self.names.get(name, -1) + 1
        return f"{name}_{count}" if count else name

    def _wrapped(self, value: object, storage: Storage | None = None) -> Any:
        if isinstance(value, Ref):
            return Traced(self, value, storage)
        return _map(value, lambda item: Traced(self, item, storage) if isinstance(item, Ref) else item)

    def _unwrapped(self, value: object) -> Any:
        return _map(value, self._ref_of)

    def _ref_of(self, value: Any) -> object:
        if _is_sparse(value):
            return matrix(self.builder, self.path or "adjacency", value)
        if not isinstance(value, Traced):
            return value.detach() if isinstance(value, nn.Parameter) else value
        if value.is_overwritten:
            why = "changes a value in place that is read again later under another name, so its meaning depends on the order."
            self.builder.refuse(self._inside(""), "in-place operation", why, "Use the form that gives a new tensor.")
            return self.builder.unknown(self.path)
        return value._ref


def is_leaf(module: nn.Module) -> bool:
    """Whether a module is never looked into."""
    cls = class_of(module)
    home = f"{cls.__module__}."
    named = any(home.startswith(leaf) for leaf in LEAVES if isinstance(leaf, str)) and not home.startswith(
        "torch.nn.utils."
    )
    classes = tuple(leaf for leaf in LEAVES if not isinstance(leaf, str))
    return (named and not isinstance(module, nn.Sequential)) or isinstance(module, classes)


def is_leaf_of(builder: Builder) -> Callable[[nn.Module], bool]:
    """Whether a module is handed on as a whole while a model is read: what is known, refused, or never looked into."""
    return lambda module: class_of(module) in builder.handlers or class_of(module) in REFUSED_LAYERS or is_leaf(module)


def _known_as(target: Any, args: tuple[object, ...]) -> tuple[object, tuple[object, ...]]:
    """A function as handlers know it: methods of tensors by their names, Python's operators as those."""
    if isinstance(target, str) or not is_tensor_method(target):
        return target, args
    name = target.__name__
    if name in REFLECTED:
        return REFLECTED[name], args[::-1]
    return OPERATORS.get(name) or name, args


def _name(target: object) -> str:
    """What a call is named in the description."""
    name = target if isinstance(target, str) else getattr(target, "__name__", type(target).__name__)
    return re.sub(r"\W", "_", name).strip("_") or "call"


def _told(target: object) -> str:
    return str(getattr(target, "__name__", target))


def _is_in_place(target: object) -> bool:
    name = target if isinstance(target, str) else getattr(target, "__name__", "")
    public = name.endswith("_") and not name.endswith("__")
    return public or (getattr(target, "__module__", "") == "_operator" and name in ("iadd", "isub", "imul", "itruediv"))


def _map(value: object, change: Callable[[object], object]) -> Any:
    """Nested tuples, lists, dicts and slices with everything inside them changed."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_map(item, change) for item in value))
    if isinstance(value, tuple):
        return tuple(_map(item, change) for item in value)
    if type(value) is list:
        return [_map(item, change) for item in value]
    if isinstance(value, ir.Record):
        return value.with_values([_map(item, change) for item in value.values()])
    if isinstance(value, dict) and type(value).__module__ in ("builtins", "collections"):
        return {key: _map(item, change) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(*(_map(item, change) for item in (value.start, value.stop, value.step)))
    return change(value)


def _is_sparse(value: object) -> bool:
    return isinstance(value, Tensor) and value.layout is not torch.strided


def _has_traced(value: object) -> bool:
    """Whether a traced value or a number of the call is inside nested arguments."""
    if isinstance(value, Traced | Number):
        return True
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, slice):
        value = (value.start, value.stop, value.step)
    return any(_has_traced(item) for item in value) if isinstance(value, tuple | list) else False
