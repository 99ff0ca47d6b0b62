"""What a build on disk holds in memory."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from gcn2snn.datasets import SyntheticCorpus, build_counts, build_graph_file, build_memory, tensor_file
from gcn2snn.datasets.build_memory import BYTES_PER_ENTRY, Budget
from gcn2snn.datasets.build_store import Store
from gcn2snn.errors import ConfigError

pytest.importorskip("duckdb")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Forty documents of nine words in the mean."""
    SyntheticCorpus(documents=40, tokens=9, words=40, classes=3, seed=1).write(tmp_path / "made.tsv")
    return tmp_path / "made.tsv"


def test_no_block_is_held_when_later_ones_come(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one transaction the database would hold all that was inserted, whatever its limit."""
    monkeypatch.setattr(Budget, "of", lambda total: Budget(total, 200 * 10**6, 40 * BYTES_PER_ENTRY))
    monkeypatch.setattr(build_counts, "TOKENS_AT_ONCE", 30)
    insert, write = Store.insert, tensor_file.TensorFile.write
    given, most = dict[str, list[weakref.ref[np.ndarray]]](), dict[str, int]()

    def note(name: str, arrays: Iterable[np.ndarray]) -> None:
        held = given.setdefault(name, [])
        most[name] = max(most.get(name, 0), sum(array() is not None for array in held))
        held += map(weakref.ref, arrays)

    def insert_noted(store: Store, table: str, columns: dict[str, np.ndarray]) -> None:
        insert(store, table, columns)
        note(table, columns.values())

    def write_noted(file: tensor_file.TensorFile, name: str, at: int, values: np.ndarray) -> None:
        write(file, name, at, values)
        note(name, [values])

    monkeypatch.setattr(Store, "insert", insert_noted)
    monkeypatch.setattr(tensor_file.TensorFile, "write", write_noted)
    build_graph_file(made, 8 * 10**9, temp=tmp_path / "temp", out=tmp_path / "disk.safetensors")
    for name in ("terms", "kept", "partial", "pairs", "col", "value"):
        assert len(given[name]) >= 8
        assert most[name] <= 4, f"{name}: {most[name]} of {len(given[name])} arrays are held"


def test_too_little_memory_is_refused_at_once(made: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--memory 30MB is too little: .* Give at least --memory \d+\.\dGB"):
        build_graph_file(made, 30 * 10**6, temp=tmp_path)


def test_more_documents_than_memory_holds_the_names_of_are_refused(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_memory, "BYTES_PER_DOCUMENT", 10**9)
    with pytest.raises(
        ConfigError, match=r"--memory 8,000MB is too little for 40 documents: .* Give at least --memory 4\d\.\dGB"
    ):
        build_graph_file(made, 8 * 10**9, temp=tmp_path / "temp", out=tmp_path / "disk.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.tsv", "temp"]
