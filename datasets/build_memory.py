"""How much memory a build may take, and what each of its parts gets of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gcn2snn.errors import ConfigError
from gcn2snn.machine import resident_memory

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(i?)B?\s*", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}

LEAST = 400 * 10**6
"""Bytes beyond what the process holds at the start; DuckDB needs about a third of them."""

BYTES_PER_KEY = 28
"""Of a pair of tokens while keys are sorted and summed: the key, its run, its sum, and the copies on the way to DuckDB."""

BYTES_PER_ENTRY = 160
"""Of an entry of the graph while a block of rows is put in order: indices, weights, keys, and their copies."""


def parse_size(text: str) -> int:
    """Bytes of a size such as ``2GB`` (10^9 bytes each), ``512MiB`` (2^20 bytes each) or ``2000000000``.

    >>> parse_size("2GB"), parse_size("1.5 GiB"), parse_size("300m")
    (2000000000, 1610612736, 300000000)

    Raises:
        ConfigError: no size.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ConfigError(f"{text!r} is no size of memory. Give a number with a unit, such as 2GB, 1.5GiB or 800MB")
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** _POWERS[unit.upper()])


@dataclass(frozen=True)
class Budget:
    """The shares of a limit on memory.

    Args:
        total: bytes that the process may hold at its peak.
        database: bytes that DuckDB may use.
        arrays: bytes for arrays of ours while one block is worked on.
    """

    total: int
    database: int
    arrays: int

    @classmethod
    def of(cls, total: int) -> Budget:
        """The shares of a limit, beyond what the process holds already.

        A quarter is left for what neither part counts: the words, the interpreter, and what DuckDB takes beyond its limit.

        Raises:
            ConfigError: too little to work with.
        """
        held = resident_memory()
        free = total - held
        if free < LEAST:
            raise ConfigError(
                f"--memory {_shown(total)} is too little: the process holds {_shown(held)} before it begins, and building needs "
                f"{_shown(LEAST)} beyond that. Give at least --memory {-(-(held + LEAST) // 10**8) / 10:.1f}GB"
            )
        return cls(total, free * 3 // 8, free * 3 // 8)

    @property
    def keys(self) -> int:
        """Pairs of tokens that are sorted at once."""
        return self.arrays // BYTES_PER_KEY

    @property
    def entries(self) -> int:
        """Entries of the graph that are put in order at once."""
        return self.arrays // BYTES_PER_ENTRY


def _shown(size: int) -> str:
    return f"{size / 10**6:,.0f}MB"
