"""A file that is written in parts is byte for byte the one that is written at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gcn2snn.datasets import tensor_file
from gcn2snn.datasets.tensor_file import NO_HASH, TensorFile
from gcn2snn.errors import DataError
from gcn2snn.files import save_tensors

CONTENTS = {
    "mask": np.array([True, False, True]),
    "value": np.array([0.5, -1.25, 3.0, 7.5, 9.0]),
    "rowptr": np.array([0, 2, 5]),
    "col": np.array([3, 1, 4, 1, 5], dtype=np.int32),
    "zeros": np.zeros(0),
    "years": np.array([1936, 2026]),  # int64 with a name behind those of float64, and in front of them all the same
    "a": np.array([7], dtype=np.int32),
}


def made(path: Path, contents: dict[str, np.ndarray], meta: dict[str, object]) -> TensorFile:
    sizes = {name: (values.dtype.type, len(values)) for name, values in contents.items()}
    return TensorFile(path, sizes, "graph", 1, meta)


@pytest.mark.parametrize("block", [8, 1 << 22])
@pytest.mark.parametrize("name", ["a" * length for length in range(8)])
def test_parts_become_the_file_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, name: str
) -> None:
    """Headers of eight lengths, so that each padding is met."""
    monkeypatch.setattr(tensor_file, "BLOCK", block)
    file = made(tmp_path / "parts", CONTENTS, {"name": name, "hash": NO_HASH})
    for key, values in CONTENTS.items():
        for at in reversed(range(len(values))):
            file.write(key, at, values[at : at + 1])
    file.finish({"name": name, "hash": "f" * 64})
    file.close()
    tensors = {key: torch.from_numpy(values) for key, values in CONTENTS.items()}
    whole = save_tensors(tmp_path / "whole", tensors, kind="graph", version=1, meta={"name": name, "hash": "f" * 64})
    assert (tmp_path / "parts").read_bytes() == whole.read_bytes()


def test_a_header_may_be_as_long_as_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = made(tmp_path / "a", CONTENTS, {})
    file.finish({})
    file.close()
    length = int.from_bytes((tmp_path / "a").read_bytes()[:8], "little")
    monkeypatch.setattr(tensor_file, "LONGEST_HEADER", length)
    made(tmp_path / "b", CONTENTS, {}).close()
    monkeypatch.setattr(tensor_file, "LONGEST_HEADER", length - 1)
    with pytest.raises(DataError, match=f"take {length:,} bytes, and a graph file has room for {length - 1:,}"):
        made(tmp_path / "b", CONTENTS, {})


def test_content_is_read_back_four_mebibytes_at_a_time_and_hashes_have_their_full_length() -> None:
    assert tensor_file.BLOCK == 4_194_304
    assert len(NO_HASH) == 64
