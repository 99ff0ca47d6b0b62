"""What a module calls, by torch.fx: the graph of its layers and functions."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import operator
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn

from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.module_copy import recording_copy
from gcn2snn.frontends.registry import FUNCTIONS, LEAVES, REFUSED_FUNCTIONS, REFUSED_LAYERS

NAMES = threading.RLock()
"""Held while names of functions lead to recorders: the namespaces of modules belong to all threads."""


class GraphAttribute(fx.proxy.Attribute):
    """An attribute of a traced value that items can be written to: ``graph.ndata["h"] = h``."""

    def __setitem__(self, key: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, key, value), {})


class GraphProxy(fx.Proxy):
    """A traced value that may be a graph object: its frames can be written to, and it has a local scope."""

    def __getattr__(self, k: str) -> Any:
        attribute: Any = GraphAttribute(self, k)
        assert isinstance(self.tracer, ModelTracer)
        keys = self.tracer.keys_of(self.node, k)
        return attribute if keys is None else {key: attribute[key] for key in keys}

    def __setitem__(self, key: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, key, value), {})

    def __enter__(self) -> GraphProxy:
        return self

    def __exit__(self, *error: object) -> None:
        return None


class ParameterProxy(GraphProxy):
    """A parameter of a traced module; it enters the graph when it is used."""

    def __init__(self, tracer: ModelTracer, path: str) -> None:
        self.tracer = tracer
        self.path = path
        self._node: fx.Node | None = None

    @property
    def node(self) -> fx.Node:  # type: ignore[override]
        if self._node is None:
            self._node = self.tracer.create_node("get_attr", self.path, (), {})
        return self._node


class ModelTracer(fx.Tracer):
    """Records calls of leaf modules and functions; looks into every other module.

    ``fx.Tracer.trace`` patches ``nn.Module`` for the whole process while it runs, so that models in other threads fail.
    This tracer runs a copy of the module instead, whose layers record their calls; no class is touched. Names of functions
    that a handler knows lead to recorders meanwhile, which are the functions themselves for all arguments but ours.
    """

    def __init__(self, builder: Builder) -> None:
        super().__init__()
        self.builder = builder
        self.values: dict[str, Ref] = {}
        self.constants: dict[str, Any] = {}

    def trace_call(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> fx.Graph:
        """The graph of ``module(*args, **kwargs)``; references become placeholders, other arguments stay as they are."""
        self.graph = fx.Graph(tracer_cls=type(self))
        self.root = recording_copy(module, self._is_leaf, self._record, self._enter, self._parameter)
        self.tensor_attrs: dict[Any, str] = {}
        args, kwargs = self._symbolic(args), self._symbolic(kwargs)
        ours: list[Callable[..., Any]] = [
            f for f in (*FUNCTIONS, *REFUSED_FUNCTIONS) if inspect.isfunction(f) and not _is_torch(f)
        ]
        recorders = {id(f): _recorder(f) for f in [*ours, *_public_functions(vars(math))]}
        with torch.no_grad(), _renamed(recorders, _namespaces(module, ours)):
            result = self.root.forward(*args, **kwargs)
        self.create_node("output", "output", (self.create_arg(result),), {})
        return self.graph

    def _is_leaf(self, module: nn.Module) -> bool:
        return type(module) in self.builder.handlers or type(module) in REFUSED_LAYERS or is_leaf(module)

    def _record(self, path: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self._enter(path, module, lambda: self.create_proxy("call_module", path, args, kwargs))

    def _enter(self, path: str, module: nn.Module, call: Callable[[], Any]) -> Any:
        key = f"{path}@{len(self.module_stack)}"  # a module may call itself
        self.module_stack[key] = (path, type(module))
        try:
            return call()
        finally:
            self.module_stack.pop(key)

    def _parameter(self, path: str) -> ParameterProxy:
        return ParameterProxy(self, path)

    def _symbolic(self, value: Any) -> Any:
        if isinstance(value, Ref):
            name = f"input_{len(self.values)}"
            self.values[name] = value
            return self.create_proxy("placeholder", name, (), {})
        if isinstance(value, dict):
            return {key: self._symbolic(item) for key, item in value.items()}
        if isinstance(value, tuple | list):
            return type(value)(self._symbolic(item) for item in value)
        return value

    def keys_of(self, node: fx.Node, attribute: str) -> list[Any] | None:
        """Keys of ``data.x_dict`` and the like of a graph object that the caller passes, which models iterate over."""
        graph = self.builder.example(self.values[node.target]) if node.target in self.values else None
        if graph is None or isinstance(graph, Tensor) or not attribute.endswith("_dict"):
            return None
        found = getattr(graph, attribute, None)
        return list(found) if isinstance(found, dict) else None

    def proxy(self, node: fx.Node) -> GraphProxy:
        return GraphProxy(node, self)

    def create_arg(self, a: Any) -> Any:
        if isinstance(a, Tensor):
            return self._constant(a)
        try:
            return super().create_arg(a)
        except NotImplementedError:  # an object of a library, such as DGL's message functions: handed on as it is
            return self._constant(a)

    def _constant(self, value: Any) -> fx.Node:
        name = f"constant_{len(self.constants)}"
        self.constants[name] = value
        return self.create_node("get_attr", name, (), {})


def is_leaf(module: nn.Module) -> bool:
    """Whether a module is never looked into."""
    home = f"{type(module).__module__}."
    named = any(home.startswith(leaf) for leaf in LEAVES if isinstance(leaf, str))
    classes = tuple(leaf for leaf in LEAVES if not isinstance(leaf, str))
    return (named and not isinstance(module, nn.Sequential)) or isinstance(module, classes)


def _recorder(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, but a call with traced values is recorded."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        found: list[GraphProxy] = []
        fx.node.map_aggregate(
            (args, kwargs), lambda value: found.append(value) if isinstance(value, GraphProxy) else None
        )
        if found:
            return found[0].tracer.create_proxy("call_function", function, args, kwargs)
        return function(*args, **kwargs)

    return call


@contextlib.contextmanager
def _renamed(recorders: dict[int, Callable[..., Any]], namespaces: Iterable[dict[str, Any]]) -> Iterator[None]:
    """Within, names of functions in these namespaces lead to their recorders."""
    with NAMES:
        before: list[tuple[dict[str, Any], str, Any]] = []
        try:
            for namespace in namespaces:
                for name, value in list(namespace.items()):
                    if id(value) in recorders and not name.startswith("_"):
                        before.append((namespace, name, value))
                        namespace[name] = recorders[id(value)]
            yield
        finally:
            for namespace, name, value in reversed(before):
                namespace[name] = value


def _namespaces(root: nn.Module, functions: list[Callable[..., Any]]) -> list[dict[str, Any]]:
    """Where functions are called by name: the files of the model's classes, and the libraries' own packages."""
    found = {id(vars(math)): vars(math)}
    for name in sorted(_homes(functions)):
        if name in sys.modules:
            found[id(vars(sys.modules[name]))] = vars(sys.modules[name])
    classes = {c for module in root.modules() for c in type(module).__mro__ if not c.__module__.startswith("torch.")}
    methods = [value for cls in classes for value in vars(cls).values()]
    for method in [*methods, *(vars(module).get("forward") for module in root.modules())]:
        names = getattr(inspect.unwrap(getattr(method, "__func__", method)), "__globals__", None)
        if names is not None:
            found[id(names)] = names
    return list(found.values())


def _homes(functions: list[Callable[..., Any]]) -> set[str]:
    """Modules through which the functions are called: their own, their package and its ``nn``."""
    packages = {function.__module__.split(".")[0] for function in functions}
    return {function.__module__ for function in functions} | packages | {f"{package}.nn" for package in packages}


def _public_functions(names: dict[str, Any]) -> list[Callable[..., Any]]:
    return [value for name, value in names.items() if not name.startswith("_") and callable(value)]


def _is_torch(function: Callable[..., Any]) -> bool:
    return (function.__module__ or "").split(".")[0] in ("torch", "_operator", "operator", "builtins")
