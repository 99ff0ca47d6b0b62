"""Corpora as they are packed: compressed files and Parquet give what the plain file gives."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import sys
from pathlib import Path

import pytest

from gcn2snn.datasets import TextGraphOptions, load
from gcn2snn.errors import DataError, MissingPackageError

KEEP = TextGraphOptions(min_count=1, stop_words="none", cleaning="published")
ROWS = [
    ("red apple\ttree", "fruit", "train", "a"),
    ('green "apple",\ntree', "fruit", "test", "b"),
    ("car road", "traffic", "training", "c"),
    ("slow caf\xe9 car", "traffic", "dev", "d"),
]
COLUMNS = ("text", "label", "split", "name")


def written(path: Path) -> Path:
    """The rows as a table, or as lines of JSON."""
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".jsonl":
            file.writelines(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in ROWS)
        else:
            csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([COLUMNS, *ROWS])
    return path


@pytest.mark.parametrize("suffix", [".csv.gz", ".jsonl.bz2", ".tsv.xz"])
def test_packed_files_give_the_same_corpus(tmp_path: Path, suffix: str) -> None:
    plain = tmp_path / f"own{Path(suffix).stem}"
    written(plain)
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[Path(suffix).suffix]
    packed = tmp_path / f"own{suffix}"
    packed.write_bytes(pack(plain.read_bytes()))
    assert load(packed, options=KEEP).hash == load(plain, options=KEEP).hash


def test_parquet_gives_the_same_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    duckdb = pytest.importorskip("duckdb")
    table, path = written(tmp_path / "own.csv"), tmp_path / "own.parquet"
    duckdb.sql(f"COPY (SELECT * FROM read_csv('{table}')) TO '{path}' (FORMAT parquet)").fetchall()
    assert load(path, options=KEEP).hash == load(table, options=KEEP).hash
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(
        DataError,
        match=r"own.parquet cannot be read as Parquet: Invalid Input Error.* Write it again, or save it as JSONL",
    ):
        load(path)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingPackageError, match=r"own.parquet needs DuckDB: pip install 'gcn2snn\[scale\]'"):
        load(path)


def test_reading_parquet_installs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB fetches extensions over the network unless it is told not to."""
    duckdb = pytest.importorskip("duckdb")
    table, path = written(tmp_path / "own.csv"), tmp_path / "own.parquet"
    duckdb.sql(f"COPY (SELECT * FROM read_csv('{table}')) TO '{path}' (FORMAT parquet)").fetchall()
    connect, configured = duckdb.connect, []

    def noted(**options: object) -> object:
        configured.append(options)
        return connect(**options)

    monkeypatch.setattr(duckdb, "connect", noted)
    load(path, options=KEEP)
    assert configured
    assert all(options == {"config": {"autoinstall_known_extensions": False}} for options in configured)


def test_rows_of_parquet_are_counted_from_one(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "own.parquet"
    rows = "(VALUES ('a', 'one'), ('b', 'one'), ('c', NULL)) AS rows(text, label)"
    duckdb.sql(f"COPY (SELECT * FROM {rows}) TO '{path}' (FORMAT parquet)").fetchall()
    found = load(path)
    assert found.names == ("line 1", "line 2")
    assert any("(first 'line 3')" in note for note in found.notes)
