"""Names of functions that lead to recorders while a model is read, in the files of its classes and of the graph libraries."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import nn

from gcn2snn.frontends.call_numbers import Number
from gcn2snn.frontends.traced import Traced, first_traced

NAMES = threading.RLock()
"""Held while names of functions lead to recorders: the namespaces of modules belong to all threads."""


def recorders(functions: Iterable[Callable[..., object]]) -> dict[int, Callable[..., object]]:
    """Functions that are not torch's own, by their ids, as those that record calls with traced values."""
    return {id(function): _recorder(function) for function in functions if not _is_torch(function)}


def _recorder(function: Callable[..., object]) -> Callable[..., object]:
    """The function, but a call with traced values is recorded."""

    @functools.wraps(function)
    def call(*args: object, **kwargs: object) -> object:
        traced = first_traced((args, kwargs))
        return function(*args, **kwargs) if traced is None else traced._tracer.call(function, args, kwargs)

    return call


def _len(value: Any, /) -> object:
    """Python's ``len``; of a traced value the number of its rows, which need not be a plain number."""
    return value._tracer.call("size", (value, 0), {}) if isinstance(value, Traced) else len(value)


def _isinstance(value: Any, kind: Any, /) -> bool:
    """Python's ``isinstance``; a traced value is what it stands for."""
    if isinstance(value, Traced):
        return issubclass(value._tracer.kind(value), kind)
    return issubclass(int, kind) if isinstance(value, Number) else isinstance(value, kind)


PYTHON: dict[str, Callable[..., object]] = {"len": _len, "isinstance": _isinstance}
"""Built-in functions that would not ask a traced value, or could not take its answer."""


@contextlib.contextmanager
def renamed(known: dict[int, Callable[..., object]], places: Iterable[dict[str, object]]) -> Iterator[None]:
    """Within, names of functions in these namespaces lead to their recorders."""
    with NAMES:
        before: list[tuple[dict[str, object], str, object]] = []
        added: list[tuple[dict[str, object], str]] = []
        try:
            for namespace in places:
                for name, value in list(namespace.items()):
                    if id(value) in known and not name.startswith("_"):
                        before.append((namespace, name, value))
                        namespace[name] = known[id(value)]
                for name in PYTHON.keys() - namespace.keys():
                    added.append((namespace, name))
                    namespace[name] = PYTHON[name]
            yield
        finally:
            for namespace, name, value in reversed(before):
                namespace[name] = value
            for namespace, name in added:
                namespace.pop(name, None)


def namespaces(root: nn.Module, functions: Iterable[Callable[..., object]]) -> list[dict[str, object]]:
    """Where functions are called by name: the files of the model's classes, and the libraries' own packages."""
    found: dict[int, dict[str, object]] = {}
    for name in sorted(_homes(functions)):
        if name in sys.modules:
            found[id(vars(sys.modules[name]))] = vars(sys.modules[name])
    classes = {c for module in root.modules() for c in type(module).__mro__ if not c.__module__.startswith("torch.")}
    methods = [value for cls in classes for value in vars(cls).values()]
    own = [value for module in root.modules() for value in vars(module).values() if inspect.isroutine(value)]
    for method in [*methods, *own]:
        names = getattr(inspect.unwrap(getattr(method, "__func__", method)), "__globals__", None)
        if names is not None and not str(names.get("__name__")).startswith("torch."):
            found[id(names)] = names
    return list(found.values())


def _homes(functions: Iterable[Callable[..., object]]) -> set[str]:
    """Modules through which the functions are called: their own, their package and its ``nn``."""
    homes = {function.__module__ for function in functions if not _is_torch(function)}
    packages = {home.split(".")[0] for home in homes}
    return homes | packages | {f"{package}.nn" for package in packages}


def _is_torch(function: Callable[..., object]) -> bool:
    return (function.__module__ or "").split(".")[0] in ("torch", "_operator", "operator", "builtins")


def kind_of(example: object) -> type:
    """The class that ``isinstance`` is asked about: the example's own, or that of every value of the network."""
    return torch.Tensor if example is None or isinstance(example, torch.Tensor) else type(example)
