"""Files of ``torch.save`` that come from anywhere: no code of theirs runs, and they take no more memory than they have bytes."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from gcn2snn.errors import ArtefactError, DataError
from gcn2snn.files import refuse_special

Allowed = Callable[..., object] | tuple[Callable[..., object], str]
"""A class that a file may hold beside tensors and plain containers, alone or with the name it goes by."""

DEEPEST = 50
"""Containers within containers that are looked into."""


def read_torch(
    path: Path,
    error: type[ArtefactError] | type[DataError],
    save: str,
    containers: Callable[[str], list[Allowed]] | None = None,
) -> object:
    """What ``torch.save`` wrote: tensors with real values, in plain containers.

    Args:
        path: of the file.
        error: class of what is raised.
        save: what should be saved instead, an imperative sentence without its end.
        containers: the classes that may be made for a file that is refused with this message; none by default.

    Raises:
        ArtefactError, DataError: missing, empty, damaged, holds more than tensors and plain values, is packed, or a tensor is
            complex, quantised, without values, or larger than the memory it was saved from.
    """
    try:
        refuse_special(path)
        size = path.stat().st_size
    except (OSError, ArtefactError) as reason:
        raise error(f"cannot read {path}: {getattr(reason, 'strerror', None) or reason}. {save}") from reason
    if not size:
        raise error(f"{path} is empty. {save}")
    _refuse_packed(path, size, error, save)
    content = _loaded(path, error, save, containers)
    for name, tensor in _tensors(content, ""):
        if wrong := _what_is_wrong(tensor):
            raise error(f"{path}: {name or 'the tensor'} {wrong}. {save}")
    return content


def _refuse_packed(path: Path, size: int, error: type[ArtefactError] | type[DataError], save: str) -> None:
    """torch writes archives whose members are not packed: another one may unfold to any size."""
    try:
        with zipfile.ZipFile(path) as archive:
            unfolded = sum(member.file_size for member in archive.infolist())
    except (
        zipfile.BadZipFile,
        OSError,
        ValueError,
        NotImplementedError,
    ):  # the older format, or damaged: torch says so
        return
    if unfolded > size:
        raise error(f"{path} has {size:,} bytes and would unfold to {unfolded:,}; torch.save does not pack. {save}")


def _loaded(
    path: Path,
    error: type[ArtefactError] | type[DataError],
    save: str,
    containers: Callable[[str], list[Allowed]] | None,
) -> object:
    try:
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as reason:
            more = [] if containers is None else containers(str(reason))
            if not more:
                raise
            with torch.serialization.safe_globals(more):
                return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, ImportError) as reason:
        raise error(f"{path} holds more than tensors, which is not loaded for safety. {save}") from reason
    except Exception as reason:  # a damaged file makes the reader fail anywhere, so with any error
        said = (str(reason).splitlines() or [""])[0] or type(reason).__name__
        raise error(f"{path} cannot be read: {said}. It was truncated, or is no file of torch.save") from reason


def _tensors(content: object, name: str, depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        yield name, content
    elif hasattr(content, "to_dict") and depth < DEEPEST:
        yield from _tensors(content.to_dict(), name, depth + 1)
    elif isinstance(content, Mapping | list | tuple) and depth < DEEPEST:
        items = content.items() if isinstance(content, Mapping) else enumerate(content)
        for key, value in items:
            yield from _tensors(value, f"{name}.{key}" if name else str(key), depth + 1)


def _what_is_wrong(tensor: Tensor) -> str:
    if tensor.is_meta:
        return "has no values (it is on the device 'meta')"
    if tensor.is_complex():
        return f"is complex ({tensor.dtype}); real numbers are needed"
    if tensor.is_quantized:
        return f"is quantised ({tensor.dtype}); plain numbers are needed"
    if tensor.layout == torch.strided and tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
        return f"is expanded to {[*tensor.shape]} from fewer values; save it with .contiguous()"
    return ""
