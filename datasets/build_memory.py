"""How much memory a build may take, and what each of its parts gets of it."""

from __future__ import annotations

from dataclasses import dataclass

from gcn2snn.errors import ConfigError
from gcn2snn.machine import resident_memory

LEAST = 400 * 10**6
"""Bytes beyond what the process holds at the start; DuckDB needs about a third of them."""

BYTES_PER_KEY = 28
"""Of a pair of tokens while keys are sorted and summed: the key, its run, its sum, and the copies on the way to DuckDB."""

BYTES_PER_ENTRY = 160
"""Of an entry of the graph while a block of rows is put in order: indices, weights, keys, and their copies."""

BYTES_PER_DOCUMENT = 400
"""Of a document while its name, label and split are held in lists; a million of a made corpus took 354 each."""


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
                f"{_shown(LEAST)} beyond that. Give at least --memory {_gigabytes(held + LEAST)}"
            )
        return cls(total, free * 3 // 8, free * 3 // 8)

    def check_documents(self, documents: int) -> None:
        """Refuse more documents than names, labels and splits can be held of, before lists of them are made.

        Raises:
            ConfigError: they need more than the limit.
        """
        needed = resident_memory() + documents * BYTES_PER_DOCUMENT
        if needed > self.total:
            raise ConfigError(
                f"--memory {_shown(self.total)} is too little for {documents:,} documents: their names, labels and splits are "
                f"held at once. Give at least --memory {_gigabytes(needed)}"
            )

    @property
    def keys(self) -> int:
        """Pairs of tokens that are sorted at once."""
        return self.arrays // BYTES_PER_KEY

    @property
    def entries(self) -> int:
        """Entries of the graph that are put in order at once."""
        return self.arrays // BYTES_PER_ENTRY


def _gigabytes(size: int) -> str:
    """Rounded up, so that it is enough."""
    return f"{-(-size // 10**8) / 10:.1f}GB"


def _shown(size: int) -> str:
    return f"{size / 10**6:,.0f}MB"
