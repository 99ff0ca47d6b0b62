"""What stands for a value or a graph object while a model's own Python runs: every use of it is told to the tracer."""

from __future__ import annotations

import dis
import operator
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn, Protocol

import torch

from gcn2snn.frontends.builder import Ref
from gcn2snn.frontends.call_numbers import UnreadableError


class Tracer(Protocol):
    """What traced values tell their uses to."""

    def call(self, target: Callable[..., object] | str, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """The result of a function, or of a tensor's method by its name."""

    def attribute(self, traced: Traced, name: str) -> object:
        """An attribute of a value or of a graph object."""

    def kind(self, traced: Traced) -> type:
        """The class of what it stands for."""

    def items(self, traced: Traced) -> list[object]:
        """What iterating gives."""

    def stop(self, traced: Traced, what: str) -> None:
        """Refuse a use that needs the value itself."""


class Storage:
    """The memory that a value and its views share in the model: how often it was written to."""

    def __init__(self) -> None:
        self.version = 0


class Traced:
    """A value of the network or a graph object, by the name of its node.

    It is no ``Tensor``: torch's C++ code takes whatever says it is one for one. Functions of torch meet the tracer.
    """

    def __init__(self, tracer: Tracer, ref: Ref, storage: Storage | None = None) -> None:
        self._tracer = tracer
        self._ref = ref
        self._storage = storage or Storage()
        self._version = self._storage.version

    @property
    def is_overwritten(self) -> bool:
        """Whether an operation in place changed the memory of this value under another name."""
        return self._version != self._storage.version

    def overwrite(self, ref: Ref) -> None:
        """From now on this name stands for a new result, in the same memory."""
        self._ref = ref
        self._storage.version += 1
        self._version = self._storage.version

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        found = first_traced((args, kwargs or {}))
        assert found is not None, "torch hands a function over because of a traced argument"
        return found._tracer.call(func, args, kwargs or {})

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self._tracer.attribute(self, name)

    def __getitem__(self, key: object) -> object:
        return self._tracer.call(operator.getitem, (self, key), {})

    def __setitem__(self, key: object, value: object) -> None:
        self._tracer.call(operator.setitem, (self, key, value), {})

    def __iter__(self) -> Iterator[object]:
        return iter(self._tracer.items(self))

    def __len__(self) -> int:
        return len(self._tracer.items(self))

    def __contains__(self, key: object) -> bool:
        return bool(self._tracer.call(operator.contains, (self, key), {}))

    def __enter__(self) -> Traced:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self._tracer.call("__call__", (self, *args), kwargs)

    def __bool__(self) -> bool:
        return self._stopped("a condition")

    def __float__(self) -> float:
        return self._stopped("float()")

    def __int__(self) -> int:
        return self._stopped("int()")

    def __index__(self) -> int:
        return self._stopped("a whole number")

    def __complex__(self) -> complex:
        return self._stopped("complex()")

    def __array__(self, *args: object, **kwargs: object) -> object:
        self._stopped("a NumPy array")

    def __format__(self, spec: str) -> str:
        return f"<{self._ref}>"

    def __repr__(self) -> str:
        return f"<{self._ref}>"

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> object:  # type: ignore[override]
        return self._tracer.call(operator.eq, (self, other), {})

    def __ne__(self, other: object) -> object:  # type: ignore[override]
        return self._tracer.call(operator.ne, (self, other), {})

    def _stopped(self, what: str) -> NoReturn:
        self._tracer.stop(self, what)
        raise UnreadableError


def first_traced(value: object) -> Traced | None:
    """The first traced value inside nested tuples, lists, dicts and slices."""
    if isinstance(value, Traced):
        return value
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, slice):
        value = (value.start, value.stop, value.step)
    if isinstance(value, tuple | list):
        return next((found for item in value if (found := first_traced(item)) is not None), None)
    return None


def unpacked(frame: FrameType) -> int:
    """How many names the line that runs in a frame unpacks a value into, as in ``a, b = value``; 0 for any other use."""
    for step in dis.get_instructions(frame.f_code):
        if step.offset == frame.f_lasti:
            return int(step.argval) if step.opname == "UNPACK_SEQUENCE" else 0
    return 0


def _tell(name: str, function: Callable[..., object]) -> None:
    """Let an operator of Python with one or two operands tell its use."""
    setattr(Traced, name, lambda self, *other: self._tracer.call(function, (self, *other), {}))


def _tell_reflected(name: str, function: Callable[..., object]) -> None:
    """As :func:`_tell`, for an operator whose second operand is the traced value."""
    setattr(Traced, name, lambda self, other: self._tracer.call(function, (other, self), {}))


for _name in (
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and_",
    "or_",
    "xor",
    "lshift",
    "rshift",
):
    _short = _name.rstrip("_")
    _tell(f"__{_short}__", getattr(operator, _name))
    _tell_reflected(f"__r{_short}__", getattr(operator, _name))
    _tell(f"__i{_short}__", getattr(operator, f"i{_short}"))
for _name in ("lt", "gt", "le", "ge", "neg", "pos", "abs", "invert"):
    _tell(f"__{_name}__", getattr(operator, _name))


def is_tensor_method(function: object) -> bool:
    """Whether torch hands over a method of ``Tensor``, which handlers know by name."""
    return bool(torch.overrides.is_tensor_method_or_property(function))  # type: ignore[arg-type]
