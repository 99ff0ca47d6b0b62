"""Whole numbers that only a call knows, while a model is read: rows of a value, arguments, numbers of a graph object."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from gcn2snn.frontends.builder import Builder, Ref

KNOWN = (
    "Known are x.view(x.size(0), -1) and the like, the size of a pool, and comparisons of two numbers that are the same; "
    "keep other numbers as constants of the model"
)


class UnreadableError(Exception):
    """Reading a model cannot go on; why stands in the builder's refusals already."""


class Number(torch.SymInt):
    """A whole number that another call may give another value.

    It is a ``torch.SymInt`` so that torch accepts it wherever it accepts an ``int``; its functions meet the tracer then. Two
    kinds: the number of rows of a value has no value while a model is read, and what cannot be followed is refused. A number
    that the caller passes (an argument, ``data.num_graphs``) has the example's value; what cannot be followed computes with
    that, and from then on the network takes this value only.

    Args:
        builder: keeps refusals and fixed numbers.
        ref: what gives the number when a call comes: the node itself where it is a number, else its rows.
        told: how messages name it, such as "the number of rows of x".
        value: the example's, where the number may be fixed to it; None where it may not.
        axis: which size of ``ref`` it is; -1 for the number of all its elements.
    """

    def __init__(self, builder: Builder, ref: Ref, told: str, value: int | None = None, axis: int = 0) -> None:
        self.builder = builder
        self.ref = ref
        self.told = told
        self.value = value
        self.axis = axis

    def fixed(self) -> int:
        """The example's value, which the network keeps from now on.

        Raises:
            UnreadableError: it is a number of rows, which no network is bound to; the refusal is noted.
        """
        if self.value is None:
            self.refused(f"{self.kind} as a plain number")
            raise UnreadableError
        self.builder.fix(self.ref, self.value, self.axis)
        return self.value

    @property
    def kind(self) -> str:
        """What sort of number it is, for messages."""
        return "a number of elements" if self.axis < 0 else "a number of rows"

    def refused(self, what: str) -> Ref:
        """Note that the number is used in a way that cannot be followed."""
        why = f"computes with {self.told}, which only a call knows, so the result cannot be followed."
        return self.builder.refuse(self.builder.place or "model", what, why, f"{KNOWN}.", kind="model")

    def is_same(self, other: object) -> bool:
        """Whether both are one number in every call."""
        return isinstance(other, Number) and (other.ref, other.axis) == (self.ref, self.axis)

    @property
    def node(self) -> object:
        """What torch asks a symbolic number for when it needs its value."""
        return self.fixed().__index__()

    def __index__(self) -> int:
        return self.fixed()

    def __int__(self) -> int:
        return self.fixed()

    def __float__(self) -> float:
        return float(self.fixed())

    def __bool__(self) -> bool:
        return bool(self.fixed())

    def __hash__(self) -> int:
        return hash(self.fixed())  # whoever looks it up in a table needs its value

    def __repr__(self) -> str:
        return f"<{self.told}>" if self.value is None else str(self.value)

    def __str__(self) -> str:
        return str(self.fixed())

    def __format__(self, spec: str) -> str:
        return format(self.fixed(), spec)

    def __eq__(self, other: object) -> object:  # type: ignore[override]
        return True if self.is_same(other) else _computed(operator.eq, self, other)

    def __ne__(self, other: object) -> object:  # type: ignore[override]
        return False if self.is_same(other) else _computed(operator.ne, self, other)


NAMES: dict[Callable[..., object], str] = {
    operator.add: "a sum",
    operator.sub: "a difference",
    operator.mul: "a product",
    operator.truediv: "a quotient",
    operator.floordiv: "a quotient",
    operator.mod: "a remainder",
    operator.pow: "a power",
    operator.eq: "a comparison",
    operator.ne: "a comparison",
    operator.lt: "a comparison",
    operator.gt: "a comparison",
    operator.le: "a comparison",
    operator.ge: "a comparison",
}


def plain(value: object) -> object:
    """A number of the call as the example's, which fixes it; anything else as it is."""
    return value.fixed() if isinstance(value, Number) else value


def _computed(function: Callable[..., object], *operands: object) -> object:
    """What Python computes with numbers, where that can be followed: else from the example's, or refused."""
    unknown = [operand for operand in operands if isinstance(operand, Number) and operand.value is None]
    if not unknown:
        return function(*map(plain, operands))
    unknown[0].refused(f"{NAMES.get(function, function.__name__)} of {unknown[0].kind}")
    raise UnreadableError


def _neutral(function: Callable[..., object], operands: tuple[object, ...]) -> object | None:
    """The number itself where the operation changes nothing, and what holds for every number of rows; else None."""
    first, second = operands if len(operands) == 2 else (operands[0], None)
    is_whole = isinstance(second, int) and not isinstance(second, bool)
    if is_whole and (function, second) in (
        (operator.mul, 1),
        (operator.floordiv, 1),
        (operator.add, 0),
        (operator.sub, 0),
    ):
        return first
    same = isinstance(first, Number) and first.is_same(second)
    return 0 if same and function is operator.sub else None


def _binary(name: str, function: Callable[..., object]) -> None:
    def forward(self: Number, other: object) -> object:
        if _takes_over(other):
            return NotImplemented
        neutral = _neutral(function, (self, other))
        return _computed(function, self, other) if neutral is None else neutral

    def backward(self: Number, other: object) -> object:
        neutral = self if (function, other) in ((operator.mul, 1), (operator.add, 0)) and type(other) is int else None
        return _computed(function, other, self) if neutral is None else neutral

    setattr(Number, f"__{name}__", forward)
    setattr(Number, f"__r{name}__", backward)


def _takes_over(other: object) -> bool:
    """Whether the other operand, a tensor or a traced value, computes the result."""
    return isinstance(other, torch.Tensor) or hasattr(type(other), "__torch_function__")


def _compared(name: str, function: Callable[..., object], same: bool) -> None:
    def compare(self: Number, other: object) -> object:
        return same if self.is_same(other) else _computed(function, self, other)

    setattr(Number, f"__{name}__", compare)


def _unary(name: str, function: Callable[..., object]) -> None:
    setattr(Number, f"__{name}__", lambda self, *more: _computed(function, self, *more))


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor", "lshift", "rshift"):
    _binary(_name.rstrip("_"), getattr(operator, _name))
for _name, _same in (("lt", False), ("gt", False), ("le", True), ("ge", True)):
    _compared(_name, getattr(operator, _name), _same)
_UNARY: dict[str, Callable[..., object]] = {"neg": operator.neg, "pos": operator.pos, "abs": abs, "round": round}
_UNARY |= {"trunc": math.trunc, "floor": math.floor, "ceil": math.ceil}
for _name, _function in _UNARY.items():
    _unary(_name, _function)
