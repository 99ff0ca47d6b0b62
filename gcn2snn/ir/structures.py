"""What a model returns, as plain data: tuples, lists, dicts and records of heads, which are the tensors that a call brings."""

from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

from torch import Tensor

from gcn2snn.errors import InputError

Structure = tuple[Any, ...]
"""("head", number), ("plain", value), (kind, (items)) for tuples and lists, or (kind, (keys), (items), name) for dicts,
named tuples and records."""

Path = tuple[str | int, ...]
"""The way to a head: an index or a key for each level."""

Returned: TypeAlias = "Tensor | bool | int | float | str | Sequence[Returned] | Mapping[Any, Returned] | None"
"""What a network gives for a call: a tensor, or tensors and plain values in tuples, lists, dicts and records."""

HEAD: Structure = ("head", 0)
"""A model that returns one tensor."""

PLAIN = (type(None), bool, int, float, str)


class Record(dict[str, Any]):
    """What stands for a dataclass of the source model (a ModelOutput, say): its fields as keys and as attributes.

    >>> Record(logits=1).logits, Record(logits=1)["logits"]
    (1, 1)
    """

    name: str = "Record"

    def __getattr__(self, key: str) -> object:
        if key not in self:
            raise AttributeError(f"there is no field {key!r}; the fields are {', '.join(self)}")
        return self[key]

    def with_values(self, values: Iterable[object]) -> Record:
        """The same record with other values."""
        return Record.of(self.name, self, values)

    @classmethod
    def of(cls, name: str, keys: Iterable[str], values: Iterable[object]) -> Record:
        """A record of this name."""
        found = cls(zip(keys, values, strict=True))
        found.name = name
        return found

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{key}={value!r}' for key, value in self.items())})"


def record_of(value: object) -> object:
    """Dataclasses inside what a model returns as records; everything else as it is."""
    if is_dataclass(value) and not isinstance(value, type):
        items = (
            value.items() if isinstance(value, Mapping) else [(f.name, getattr(value, f.name)) for f in fields(value)]
        )
        keys, kept = zip(*items, strict=True) if items else ((), ())
        return Record.of(type(value).__name__, map(str, keys), map(record_of, kept))
    if type(value) in (tuple, list):
        return type(value)(record_of(item) for item in value)  # type: ignore[call-arg, attr-defined]
    if (
        isinstance(value, Mapping)
        and not isinstance(value, Record)
        and type(value).__module__ in ("builtins", "collections")
    ):
        return {key: record_of(item) for key, item in value.items()}
    return value


def pack(value: object, is_head: Callable[[object], bool]) -> tuple[Structure, dict[Path, object]]:
    """The structure of a result, and its heads by their paths; what is neither is a head, which the caller refuses."""
    heads: dict[Path, object] = {}

    def packed(item: object, path: Path) -> Structure:
        if is_head(item):
            heads[path] = item
            return ("head", len(heads) - 1)
        if isinstance(item, PLAIN):
            return ("plain", item)
        if isinstance(item, tuple) and hasattr(item, "_fields"):
            names = tuple(item._fields)
            return ("named", names, _each(item, names, path), type(item).__name__)
        if isinstance(item, tuple | list):
            return ("tuple" if isinstance(item, tuple) else "list", _each(item, range(len(item)), path))
        if isinstance(item, Mapping):
            kind, name = ("record", item.name) if isinstance(item, Record) else ("dict", "")
            return (kind, tuple(item), _each(item.values(), item, path), name)
        heads[path] = item
        return ("head", len(heads) - 1)

    def _each(items: Any, keys: Any, path: Path) -> tuple[Structure, ...]:
        return tuple(packed(item, (*path, key)) for key, item in zip(keys, items, strict=True))

    return packed(record_of(value), ()), heads


def assembled(structure: Structure, heads: Sequence[Tensor]) -> Returned:
    """What the model returns, with these heads."""
    kind, first, *more = structure
    if kind == "head":
        return heads[first]
    if kind == "plain":
        plain: bool | int | float | str | None = first
        return plain
    items = [assembled(item, heads) for item in (more[0] if more else first)]
    if kind in ("tuple", "list"):
        return tuple(items) if kind == "tuple" else items
    if kind == "named":
        return _named(more[1], tuple(first))(*items)
    if kind == "dict":
        return dict(zip(first, items, strict=True))
    return Record.of(more[1], first, items)


@functools.cache
def _named(name: str, names: tuple[str, ...]) -> Callable[..., Any]:
    return namedtuple(name, names)


def paths(structure: Structure) -> list[Path]:
    """The way to every head, in the order of their numbers."""
    return [path for path, _ in sorted(_walk(structure, ()), key=lambda found: found[1])]


def _walk(structure: Structure, path: Path) -> Iterator[tuple[Path, int]]:
    kind, first, *more = structure
    if kind == "head":
        yield path, first
    elif kind != "plain":
        keys, items = (first, more[0]) if kind in ("dict", "record", "named") else (None, more[0] if more else first)
        for key, item in zip(range(len(items)) if keys is None else keys, items, strict=True):
            yield from _walk(item, (*path, key))


def chosen(structure: Structure, output: object) -> Structure:
    """The part of a structure that ``output`` names: an index, a key, a field, or a path of them.

    Raises:
        InputError: there is no such part; the message lists what there is.
    """
    path = tuple(output) if isinstance(output, tuple | list) else (output,)
    for place, step in enumerate(path):
        kind, first, *more = structure
        items = more[0] if more else first if kind in ("tuple", "list") else ()
        names = tuple(first) if more else ()
        if step in names:
            structure = items[names.index(step)]
        elif (
            isinstance(step, int) and not isinstance(step, bool) and kind != "dict" and -len(items) <= step < len(items)
        ):
            structure = items[step]
        else:
            way = f" at {told(path[:place])}" if place else ""
            there = ", ".join(map(repr, names or range(len(items)))) or "one tensor, so there is nothing to choose"
            raise InputError(f"output={output!r}: the model's result has no {step!r}{way}. It has {there}")
    return structure


def renumbered(structure: Structure) -> tuple[Structure, list[int]]:
    """A part of a structure with its heads numbered from 0, and the numbers that they had."""
    kept = sorted({number for _, number in _walk(structure, ())})

    def again(part: Structure) -> Structure:
        kind, first, *more = part
        if kind == "head":
            return ("head", kept.index(first))
        if kind == "plain":
            return part
        if not more:
            return (kind, tuple(map(again, first)))
        return (kind, first, tuple(map(again, more[0])), more[1])

    return again(structure), kept


def one_tensor(returned: Returned) -> Tensor:
    """A result that is one tensor.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(returned, Tensor):
        raise InputError(
            f"one tensor is needed, and the network gives {type(returned).__name__}; choose one with snn.head(...)"
        )
    return returned


def told(path: Path) -> str:
    """A path as it is typed: ``logits``, ``0``, ``mu.0``; "result" for the whole."""
    return ".".join(map(str, path)) or "result"
