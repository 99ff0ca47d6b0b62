"""One module -> nodes: by its handler, or by tracing it and evaluating what it calls."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from gcn2snn.errors import Gcn2SnnError
from gcn2snn.frontends.arguments import call_handler
from gcn2snn.frontends.builder import Builder, Ref, refs
from gcn2snn.frontends.graph_steps import matrix
from gcn2snn.frontends.registry import FUNCTIONS, REFUSED_FUNCTIONS, REFUSED_LAYERS
from gcn2snn.frontends.trace import ModelTracer, is_leaf


def lower_module(builder: Builder, path: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Result of one module: its handler's, or what the functions and modules it calls give."""
    cls = type(module)
    what = cls.__qualname__
    if cls in builder.handlers:
        handle = functools.partial(call_handler, builder, builder.handlers[cls], path, module, args, kwargs)
        return _guarded(builder, path, what, (args, kwargs), handle)
    if cls in REFUSED_LAYERS:
        return builder.refuse(path, what, **REFUSED_LAYERS[cls])
    if is_leaf(module):
        return builder.refuse(path, what, "no handler knows it.", f"Pass handlers={{{cls.__name__}: your_handler}}.")
    tracer = ModelTracer(builder)
    try:
        graph = tracer.trace_call(module, args, kwargs)
    except Gcn2SnnError:
        raise
    except Exception as error:
        for name, child in module.named_modules(prefix=path):
            if type(child) in REFUSED_LAYERS:
                builder.refuse(name, type(child).__qualname__, **REFUSED_LAYERS[type(child)])
        why = f"its forward cannot be traced: {str(error).splitlines()[0] if str(error) else type(error).__name__}."
        instead = f"Write it without control flow on values, or pass handlers={{{cls.__name__}: your_handler}}."
        return builder.refuse(path, f"{what}.forward", why, instead)
    return _Walk(builder, path, module, tracer).run(graph)


def _guarded(builder: Builder, path: str, what: str, given: Any, call: Callable[[], Any]) -> Any:
    """The call's result; errors of calls whose arguments depend on something refused are ignored."""
    if not builder.is_refused(given):
        return call()
    try:
        return call()
    except Exception:
        return builder.unknown(path or what)


class _Walk:
    """Evaluates a traced graph: handlers on values of the network, plain Python on everything else."""

    def __init__(self, builder: Builder, path: str, module: nn.Module, tracer: ModelTracer) -> None:
        self.builder = builder
        self.path = path
        self.module = module
        self.tracer = tracer
        self.env: dict[fx.Node, Any] = {}

    def run(self, graph: fx.Graph) -> Any:
        for node in graph.nodes:
            args, kwargs = fx.map_arg(node.args, self.env.__getitem__), fx.map_arg(node.kwargs, self.env.__getitem__)
            if node.op == "output":
                return args[0]
            if node.op == "placeholder":
                self.env[node] = self.tracer.values[node.target]
            elif node.op == "get_attr":
                self.env[node] = self._attribute(node.target)
            else:
                self.env[node] = self._call(node, list(args), dict(kwargs))
        raise AssertionError("a traced graph ends with its output")

    def _attribute(self, target: str) -> Any:
        """A tensor of the model; a sparse one is a matrix of the graph, not a constant to compute with."""
        value: Any = self.tracer.constants.get(target)
        if value is None:
            value = functools.reduce(getattr, target.split("."), self.module)
        if isinstance(value, Tensor) and value.layout is not torch.strided:
            return matrix(self.builder, self.path or "adjacency", value)
        return value.detach() if isinstance(value, Tensor) else value

    def _call(self, node: fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Any:
        path = self._path_of(node)
        self.builder.at_end = not self.path and all(user.op == "output" for user in node.users)
        if node.op == "call_module":
            module = self.module.get_submodule(str(node.target))
            result = self.builder.module(path, module, args, kwargs)
            in_place = bool(getattr(module, "inplace", False))
        else:
            result = self._function(node, path, args, kwargs)
            in_place = bool(kwargs.get("inplace")) or _is_in_place(node.target)
        if in_place and args and isinstance(args[0], Ref) and result != args[0]:
            self._check_not_read_again(node, path)
        return result

    def _path_of(self, node: fx.Node) -> str:
        stack = list(node.meta.get("nn_module_stack", {}).values())
        owner = stack[-1][0] if stack else ""
        if node.op == "call_module":
            owner = node.target
        inner = [part for part in (self.path, owner) if part]
        return ".".join(inner if node.op == "call_module" else [*inner, node.name])

    def _function(self, node: fx.Node, path: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        method = node.op == "call_method"
        target: Any = node.target
        what = f".{target}()" if method else getattr(target, "__name__", str(target))
        if not refs((args, kwargs)):
            return getattr(args[0], target)(*args[1:], **kwargs) if method else target(*args, **kwargs)
        if target in FUNCTIONS:
            try:
                inspect.signature(FUNCTIONS[target]).bind(self.builder, path, *args, **kwargs)
            except TypeError as error:
                return self.builder.refuse(path, what, f"is called in a way its handler does not know: {error}.", "")
            call = functools.partial(FUNCTIONS[target], self.builder, path, *args, **kwargs)
            return _guarded(self.builder, path, what, (args, kwargs), call)
        if target in REFUSED_FUNCTIONS:
            return self.builder.refuse(path, what, **REFUSED_FUNCTIONS[target])
        return self.builder.refuse(path, what, "no handler knows this function.", "Register one with lowers_function.")

    def _check_not_read_again(self, node: fx.Node, path: str) -> None:
        changed = node.args[0]
        assert isinstance(changed, fx.Node)
        if any(user is not node and user not in self.env for user in changed.users):  # nodes are evaluated in order
            why = "changes a value in place that is read again later, so its meaning depends on the order."
            self.builder.refuse(path, "in-place operation", why, "Use the form that gives a new tensor.")


def _is_in_place(target: Any) -> bool:
    name = target if isinstance(target, str) else getattr(target, "__name__", "")
    public = name.endswith("_") and not name.endswith("__")
    return public or (getattr(target, "__module__", "") == "_operator" and name in ("iadd", "isub", "imul", "itruediv"))
