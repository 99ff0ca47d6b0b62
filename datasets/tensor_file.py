"""A safetensors file that is written in parts, since its tensors together are larger than memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gcn2snn.errors import DataError
from gcn2snn.files import HEADER_KEY, LONGEST_HEADER, canonical, header_text
from gcn2snn.schema import Json

BLOCK = 1 << 22
NO_HASH = "0" * 64
"""Stands in the header, at its full length, until a hash is known."""

_KINDS = {
    np.dtype(np.int64): ("I64", "torch.int64"),
    np.dtype(np.float64): ("F64", "torch.float64"),
    np.dtype(np.int32): ("I32", "torch.int32"),
    np.dtype(np.bool_): ("BOOL", "torch.bool"),
}
"""NumPy's type -> how safetensors and torch call it; in the order in which safetensors writes tensors of these types."""


class TensorFile:
    """A file of one-dimensional tensors whose sizes are known before their contents.

    Byte for byte it becomes what :func:`gcn2snn.files.save_tensors` would write of the same tensors: those of int64 first,
    then float64, int32 and bool, and those of one type by name, whatever the order in which they are given or written; the
    header is padded with spaces to a multiple of eight bytes.

    Args:
        path: of the file, which is written anew.
        tensors: NumPy type and number of elements by name.
        kind, version, meta: of the artefact; ``meta`` may hold :data:`NO_HASH` where its own hash comes later.

    Raises:
        DataError: the metadata are longer than a header may be.
        OSError: it cannot be written.
    """

    def __init__(self, path: Path, tensors: Mapping[str, tuple[type, int]], kind: str, version: int, meta: Json):
        self.path, self._kind, self._version = path, kind, version
        self._types = {name: np.dtype(kind) for name, (kind, _) in tensors.items()}
        self._sizes = {name: size for name, (_, size) in tensors.items()}
        types = list(_KINDS)
        self._order = sorted(tensors, key=lambda name: (types.index(self._types[name]), name))
        self._header_bytes = len(self._header(meta, NO_HASH))
        if self._header_bytes > LONGEST_HEADER:
            raise DataError(
                f"the names of all documents and words take {self._header_bytes:,} bytes, and a graph file has room for "
                f"{LONGEST_HEADER:,}. Leave out the column of names, or raise --min-count"
            )
        self._begin: dict[str, int] = {}
        place = 8 + self._header_bytes
        for name in self._order:
            self._begin[name] = place
            place += self._types[name].itemsize * self._sizes[name]
        self._file = path.open("w+b")
        self._file.truncate(place)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def write(self, name: str, at: int, values: NDArray[np.generic]) -> None:
        """Put elements of a tensor in their place, from the one with the number ``at`` on."""
        self._file.seek(self._begin[name] + at * self._types[name].itemsize)
        self._file.write(np.ascontiguousarray(values, self._types[name]).data)

    def fingerprint(self, names: tuple[str, ...]) -> str:
        """sha256 over type, shape and content of tensors, as :attr:`gcn2snn.graph.Graph.fingerprint` takes it."""
        digest = hashlib.sha256()
        for name in names:
            digest.update(f"{_KINDS[self._types[name]][1]}{[self._sizes[name]]}".encode())
            for block in self._blocks(name):
                digest.update(block)
        return digest.hexdigest()

    def finish(self, meta: Json) -> None:
        """Write the header, with the checksum of what has been written; ``meta`` is as long as it was."""
        digest = hashlib.sha256(canonical(meta).encode())
        for name in sorted(self._sizes):
            digest.update(f"{name}{_KINDS[self._types[name]][1]}{[self._sizes[name]]}".encode())
            for block in self._blocks(name):
                digest.update(block)
        header = self._header(meta, digest.hexdigest())
        assert len(header) == self._header_bytes, "a header that changes its length would move the tensors"
        self._file.seek(0)
        self._file.write(len(header).to_bytes(8, "little") + header)
        self._file.flush()

    def _blocks(self, name: str) -> Iterator[bytes]:
        left = self._sizes[name] * self._types[name].itemsize
        self._file.flush()
        self._file.seek(self._begin[name])
        while left:
            block = self._file.read(min(BLOCK, left))
            left -= len(block)
            yield block

    def _header(self, meta: Json, checksum: str) -> bytes:
        text = header_text(self._kind, self._version, meta, checksum)
        header: dict[str, object] = {"__metadata__": {HEADER_KEY: text}}
        place = 0
        for name in self._order:
            size = self._types[name].itemsize * self._sizes[name]
            kind = _KINDS[self._types[name]][0]
            header[name] = {"dtype": kind, "shape": [self._sizes[name]], "data_offsets": [place, place + size]}
            place += size
        content = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        return content + b" " * (-len(content) % 8)
