"""What a module calls, by torch.fx: its graph of layers and functions, each handed to its handler."""

from __future__ import annotations

import contextlib
import functools
import inspect
import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn

from gcn2snn.errors import Gcn2SnnError, InputError
from gcn2snn.frontends.builder import Builder, Ref, refs
from gcn2snn.frontends.graph_steps import matrix
from gcn2snn.frontends.registry import FUNCTIONS, LEAVES, REFUSED


def lower_module(builder: Builder, path: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Result of one module: its handler's, or what the functions and modules it calls give."""
    cls = type(module)
    what = cls.__qualname__
    if cls in builder.handlers:
        arguments = _complete(builder, path, module, args, kwargs)
        return _guarded(
            builder, path, what, (args, kwargs), lambda: builder.handlers[cls](builder, path, module, arguments)
        )
    if cls in REFUSED:
        return builder.refuse(path, what, *REFUSED[cls])
    if _is_leaf(module):
        return builder.refuse(path, what, "no handler knows it.", f"Pass handlers={{{cls.__name__}: your_handler}}.")
    tracer = ModelTracer(builder)
    try:
        with torch.no_grad():
            graph = tracer.trace_call(module, args, kwargs)
    except Gcn2SnnError:
        raise
    except Exception as error:
        for name, child in module.named_modules(prefix=path):
            if type(child) in REFUSED:
                builder.refuse(name, type(child).__qualname__, *REFUSED[type(child)])
        why = f"its forward cannot be traced: {str(error).splitlines()[0] if str(error) else type(error).__name__}."
        instead = f"Write it without control flow on values, or pass handlers={{{cls.__name__}: your_handler}}."
        return builder.refuse(path, f"{what}.forward", why, instead)
    return _Walk(builder, path, module, tracer).run(graph)


def _complete(
    builder: Builder, path: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, ...]:
    try:
        bound = inspect.signature(module.forward).bind(*args, **kwargs)
    except TypeError as error:
        raise InputError(
            f"{path or type(module).__name__} is called with arguments it does not take: {error}"
        ) from None
    bound.apply_defaults()
    return (*bound.args, *bound.kwargs.values())


def _guarded(builder: Builder, path: str, what: str, given: Any, call: Callable[[], Any]) -> Any:
    """The call's result; behind something refused its own errors mean nothing."""
    if not builder.is_refused(given):
        return call()
    try:
        return call()
    except Exception:
        return builder.unknown(path or what)


def _is_leaf(module: nn.Module) -> bool:
    home = f"{type(module).__module__}."
    named = any(home.startswith(leaf) for leaf in LEAVES if isinstance(leaf, str))
    classes = tuple(leaf for leaf in LEAVES if not isinstance(leaf, str))
    return (named and not isinstance(module, nn.Sequential)) or isinstance(module, classes)


class GraphAttribute(fx.proxy.Attribute):
    """An attribute of a traced value that items can be written to: ``graph.ndata["h"] = h``."""

    def __setitem__(self, key: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, key, value), {})


class GraphProxy(fx.Proxy):
    """A traced value that may be a graph object: its frames can be written to, and it has a local scope."""

    def __getattr__(self, k: str) -> GraphAttribute:
        return GraphAttribute(self, k)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, key, value), {})

    def __enter__(self) -> GraphProxy:
        return self

    def __exit__(self, *error: object) -> None:
        return None


class ModelTracer(fx.Tracer):
    """Records calls of leaf modules and functions; looks into every other module. Never writes to the model."""

    def __init__(self, builder: Builder) -> None:
        ours = tuple(f for f in (*FUNCTIONS, *REFUSED) if inspect.isfunction(f) and not _is_torch(f))
        super().__init__(autowrap_functions=ours)
        self.builder = builder
        self.values: dict[str, Any] = {}
        self.constants: dict[str, Any] = {}
        self._autowrap_search += [sys.modules[name] for name in sorted(_homes(ours)) if name in sys.modules]
        self._call: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})

    def trace_call(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> fx.Graph:
        """The graph of ``module(*args, **kwargs)``; references become placeholders, other arguments stay as they are."""
        self._call = (args, kwargs)
        with self._plain_calls(module):
            return self.trace(module)

    @contextlib.contextmanager
    def _plain_calls(self, root: nn.Module) -> Iterator[None]:
        """Leaf classes that look at values in a ``__call__`` of their own (PyG's aggregations) go straight to the
        tracer's while a model is read."""
        leaves = {type(m) for m in root.modules() if self.is_leaf_module(m, "")}
        owners = {c for leaf in leaves for c in leaf.__mro__ if c is not nn.Module and "__call__" in vars(c)}
        before = {owner: vars(owner)["__call__"] for owner in owners}
        for owner in owners:
            type.__setattr__(owner, "__call__", _plain_call)
        try:
            yield
        finally:
            for owner, call in before.items():
                type.__setattr__(owner, "__call__", call)

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Any, list[Any]]:
        args, kwargs = (self._symbolic(part) for part in self._call)
        return functools.partial(_call_root, root_fn, self.root, args, kwargs), []

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

    def proxy(self, node: fx.Node) -> GraphProxy:
        return GraphProxy(node, self)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in self.builder.handlers or type(m) in REFUSED or _is_leaf(m)

    def create_arg(self, a: Any) -> Any:
        if isinstance(a, Tensor):  # the base class would store unknown tensors on the user's model
            name = f"constant_{len(self.constants)}"
            self.constants[name] = a
            return self.create_node("get_attr", name, (), {})
        try:
            return super().create_arg(a)
        except NotImplementedError:  # an object of a library, such as DGL's message functions: handed on as it is
            name = f"constant_{len(self.constants)}"
            self.constants[name] = a
            return self.create_node("get_attr", name, (), {})


def _homes(functions: tuple[Callable[..., Any], ...]) -> set[str]:
    """Modules through which the functions are called: their own, their package and its ``nn``."""
    packages = {function.__module__.split(".")[0] for function in functions}
    return {function.__module__ for function in functions} | packages | {f"{package}.nn" for package in packages}


def _plain_call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
    return nn.Module.__call__(module, *args, **kwargs)


def _call_root(root_fn: Callable[..., Any], root: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return root_fn(root, *args, **kwargs)


def _is_torch(function: Callable[..., Any]) -> bool:
    return (function.__module__ or "").split(".")[0] in ("torch", "_operator", "operator", "builtins")


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
            result = lower_module(self.builder, path, module, tuple(args), kwargs)
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
        if target in REFUSED:
            return self.builder.refuse(path, what, *REFUSED[target])
        return self.builder.refuse(path, what, "no handler knows this function.", "Register one with lowers_function.")

    def _check_not_read_again(self, node: fx.Node, path: str) -> None:
        changed = node.args[0]
        order = {other: place for place, other in enumerate(node.graph.nodes)}
        assert isinstance(changed, fx.Node)
        if any(order[user] > order[node] for user in changed.users):
            why = "changes a value in place that is read again later, so its meaning depends on the order."
            self.builder.refuse(path, "in-place operation", why, "Use the form that gives a new tensor.")


def _is_in_place(target: Any) -> bool:
    name = target if isinstance(target, str) else getattr(target, "__name__", "")
    public = name.endswith("_") and not name.endswith("__")
    return public or (getattr(target, "__module__", "") == "_operator" and name in ("iadd", "isub", "imul", "itruediv"))
