"""How much memory a run may take for its own values: the limit that layer-wise execution keeps to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from gcn2snn.errors import ConfigError, misfits

UNITS = {"": 1, "B": 1}
UNITS |= {f"{letter}{b}": 1000**power for power, letter in enumerate("KMGT", start=1) for b in ("", "B")}
UNITS |= {f"{letter}I{b}": 1024**power for power, letter in enumerate("KMGT", start=1) for b in ("", "B")}
"""Unit of a size, in capitals -> bytes."""

MOST_BYTES = 2**63 - 1
"""Beyond this no machine can address memory, and a size is a slip of the keyboard."""

LEAST_BYTES = 10**5
"""Below this a panel would not hold a few rows of a common layer."""


@dataclass(frozen=True)
class MemoryLimit:
    """What the values of a run may take.

    Args:
        size: bytes.
        folder: where values that do not fit are kept in files without a name; None is the system's temporary folder.
    """

    size: int
    folder: Path | None = None


_current: ContextVar[MemoryLimit | None] = ContextVar("memory_limit", default=None)


def bytes_of(size: str | int) -> int:
    """A size in bytes: a whole number, or a number with a unit (KB, MB, GB, TB are powers of 1000; KiB and so on of 1024;
    the B may be left out).

    >>> bytes_of("1GB"), bytes_of("1.5 MiB"), bytes_of("300m"), bytes_of(4096)
    (1000000000, 1572864, 300000000, 4096)

    Raises:
        ConfigError: it is no size, or one that no machine can address.
    """
    if isinstance(size, int) and not isinstance(size, bool):
        return _possible(size, f"{size:,}")
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", size) if isinstance(size, str) else None
    if found is None or found[2].upper() not in UNITS:
        raise ConfigError(f"{size!r} is no amount of memory; give a number of bytes, or one with a unit such as 1GB")
    return _possible(float(found[1]) * UNITS[found[2].upper()], repr(size))


def _possible(size: float, shown: str) -> int:
    """The size as a whole number, unless it is too large to be meant."""
    if size > MOST_BYTES:  # infinity, too, which a text of many digits becomes
        raise ConfigError(
            f"{shown} is more memory than a machine can address; give a number of bytes up to {MOST_BYTES:.1g}"
        )
    return int(size)


@contextmanager
def memory_limit(size: str | int, folder: str | Path | None = None) -> Iterator[MemoryLimit]:
    """Inside the block, networks run layer by layer and some rows at a time, so that their values keep to ``size``.

    Calls, ``evaluate`` and ``convert`` give the same result as without it. Results of layers that are read again and do
    not fit are kept in files, memory-mapped, which go with the run. The limit is for values of layers: the graph's
    matrices, what the caller holds, and Python with its libraries (a quarter of a gigabyte) come on top.

    >>> import torch, gcn2snn
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2)).eval()
    >>> x = torch.rand(20_000, 4)
    >>> snn = gcn2snn.convert(model, x[:100])
    >>> with gcn2snn.memory_limit("200KB"):
    ...     by_rows = snn(x)
    >>> by_rows.equal(snn(x))
    True

    Args:
        size: bytes, or a text such as "1GB"; at least 100 kilobytes.
        folder: for the files; default: the system's temporary folder.

    Raises:
        ConfigError: no size, too small a size, or a folder that is not there.
    """
    with misfits("memory_limit", {"size": size, "folder": folder}):
        limit = MemoryLimit(bytes_of(size), None if folder is None else Path(folder))
    if limit.size < LEAST_BYTES:
        raise ConfigError(f"a memory limit of {limit.size:,} bytes; at least {LEAST_BYTES:,} are needed")
    if limit.folder is not None and not limit.folder.is_dir():
        raise ConfigError(f"the folder for values that do not fit into memory, {limit.folder}, is not there. Make it")
    token = _current.set(limit)
    try:
        yield limit
    finally:
        _current.reset(token)


def current_limit() -> MemoryLimit | None:
    """The limit of the innermost :func:`memory_limit` block of this thread, or None."""
    return _current.get()
