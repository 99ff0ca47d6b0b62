"""Values that are made from tensors once, and again when the tensors hold something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from torch import Tensor

from gcn2snn.kernels.fingerprint import fingerprint

T = TypeVar("T")
Key = tuple[object, ...]


class Derived:
    """Derived values by name, each with the key of what it was made from, and how often it was written to since.

    >>> import torch
    >>> x, kept = torch.ones(2), Derived()
    >>> kept.get("double", contents(x), lambda: 2 * x) is kept.get("double", contents(x), lambda: 2 * x)
    True
    >>> x.numpy()[0] = 5.0
    >>> kept.get("double", contents(x), lambda: 2 * x)
    tensor([10.,  2.])
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Key, object, Key]] = {}

    def get(self, name: str, key: Key, make: Callable[[], T]) -> T:
        """The value kept under a name if it was made for this key and nobody has written to it, else a new one."""
        kept = self._kept.get(name)
        if kept is None or kept[0] != key or kept[2] != _writes(kept[1]):
            value = make()
            kept = self._kept[name] = (key, value, _writes(value))
        return cast(T, kept[1])

    def __reduce__(self) -> tuple[type[Derived], tuple[()]]:
        """Copies and pickles derive their own values."""
        return Derived, ()

    def forget(self, name: str) -> None:
        """Let go of a value, if there is one."""
        self._kept.pop(name, None)


def _writes(value: object) -> Key:
    """In-place operations of PyTorch on a tensor, or on those of a matrix; tensors of inference mode do not count them."""
    parts = (
        (value,) if isinstance(value, Tensor) else (getattr(value, name, None) for name in ("rowptr", "col", "value"))
    )
    return tuple([part._version for part in parts if isinstance(part, Tensor) and not part.is_inference()])


def contents(*tensors: Tensor) -> Key:
    """A key that differs when the contents do, whoever wrote to the memory.

    >>> import torch
    >>> contents(torch.zeros(2)) == contents(torch.zeros(2)), contents(torch.zeros(2)) == contents(torch.zeros(3))
    (True, False)
    """
    return tuple(fingerprint(tensor) for tensor in tensors)


def versions(*tensors: Tensor) -> Key:
    """A key that differs after an in-place operation of PyTorch and costs nothing.

    Writes through ``.data`` or a shared NumPy array are not seen. A tensor made in inference mode has no counter: its
    contents are the key.
    """
    return tuple([number for tensor in tensors for number in (tensor.data_ptr(), tensor.numel(), _version(tensor))])


def _version(tensor: Tensor) -> int:
    return fingerprint(tensor) if tensor.is_inference() else tensor._version


def either(*tensors: Tensor) -> Key:
    """``contents`` on a CPU, where NumPy may share the memory; ``versions`` on a device, which nobody has to wait for."""
    on_cpu = all(tensor.device.type == "cpu" for tensor in tensors)
    return contents(*tensors) if on_cpu else versions(*tensors)
