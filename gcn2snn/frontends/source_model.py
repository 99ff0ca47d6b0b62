"""Running the source model on an example so that neither keeps a trace of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.overrides import TorchFunctionMode

Undo = Callable[[], None]


@contextlib.contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Undo what a forward pass writes to the modules: attributes, containers such as ``_buffers``, values of buffers.

    A layer with ``cached=True`` would hold the example's graph, a batch norm in training mode new running statistics.
    Parameters, which hardly any forward pass writes to, are copied when something writes to one, not before.
    """
    before = [undo for module in model.modules() for undo in _undo(vars(module))]
    with _WatchedParameters(model) as watched:
        try:
            yield
        finally:
            with torch.no_grad():
                for undo in (*watched.undo, *before):
                    undo()


class _WatchedParameters(TorchFunctionMode):
    """Keeps the values of a parameter when a function in place is about to change them (``self.weight.data.clamp_(0)``).

    A look-up counts as one: ``nn.Embedding`` with ``max_norm`` shortens the rows that it looks up.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.undo: list[Undo] = []
        self._memory = {_memory(parameter): parameter for parameter in model.parameters()}

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        # A compiler that follows these lines cannot follow a cache.
        place = _place_of(func) if torch.compiler.is_compiling() else _written(func)
        if place is None and not kwargs:
            return func(*args)
        written = [(kwargs or {}).get("out"), *(() if place is None else args[place : place + 1])]
        for value in written:
            parameter = self._memory.pop(_memory(value), None) if isinstance(value, Tensor) else None
            if parameter is not None:
                self.undo += [
                    _put_back(parameter.data, parameter.detach().clone()),
                    _point_back(parameter, parameter.data),
                ]
        return func(*args, **(kwargs or {}))


def _point_back(parameter: Tensor, memory: Tensor) -> Undo:
    def undo() -> None:
        parameter.data = memory

    return undo


def _place_of(func: Callable[..., object]) -> int | None:
    """The place of the argument that a function changes, or None."""
    name = getattr(func, "__name__", "")
    public = name.endswith("_") and not name.endswith("__")
    if name in ("__setitem__", "__set__") or name.startswith("__i") or public:
        return 0
    return 1 if name == "embedding" else None


_written = cache(_place_of)
"""The same, kept: it is asked at every step of a forward pass."""


def _memory(tensor: Tensor) -> int | None:
    """Where a tensor's memory begins; views of one tensor share it."""
    if tensor.layout is not torch.strided or isinstance(tensor, UninitializedParameter):
        return None
    return tensor.untyped_storage().data_ptr() or None


def copied(value: Any) -> Any:
    """A copy of an argument whose tensors can be written to: of tensors, graph objects, and containers of these."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(copied, value))
    if type(value) in (list, tuple):
        return type(value)(copied(item) for item in value)
    if hasattr(value, "srcdata"):
        return _copied_dgl(value)
    return value.clone() if hasattr(value, "clone") else value  # such as Data of PyTorch Geometric


def _copied_dgl(graph: Any) -> object:
    """A DGL graph with features of its own. Its ``clone`` shares them, and fails on sampled blocks."""
    copy = graph.local_var()
    for frame in (copy.srcdata, copy.dstdata, copy.edata):
        for key in list(frame):
            frame[key] = copied(frame[key])
    return copy


def _undo(value: object) -> list[Undo]:
    """What puts back the values of a tensor, or the items of a container and their values.

    A large model has thousands of containers, most of them empty, so little is done for these, and nothing is made for
    what cannot be written to.
    """
    if isinstance(value, Tensor):
        own = not isinstance(value, nn.Parameter) and value.layout is torch.strided
        return [_put_back(value, value.detach().clone())] if own else []
    found: list[Undo]
    if not value:
        return [value.clear] if isinstance(value, dict | list) else []
    if isinstance(value, dict):
        items = dict(value)
        found, inside = [partial(_refill, value, items)], list(items.values())
    elif isinstance(value, list):
        inside = list(value)
        found = [partial(value.__setitem__, slice(None), inside)]
    else:
        return []
    for item in inside:
        if isinstance(item, Tensor | dict | list):
            found += _undo(item)
    return found


def _put_back(tensor: Tensor, before: Tensor) -> Undo:
    def undo() -> None:
        if tensor.shape != before.shape:
            tensor.resize_(before.shape)
        if not torch.equal(tensor, before):
            tensor.copy_(before)

    return undo


def _refill(container: dict[object, object], items: dict[object, object]) -> None:
    container.clear()
    container.update(items)
