"""Corpora that somebody writes to while they are read: nothing is made of half the old content and half the new."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gcn2snn.datasets import TextGraphOptions, build_graph_file, build_source, load, load_graph, loading, own
from gcn2snn.datasets import build as build_module
from gcn2snn.errors import DataError

WORDS = {"cat": "tom purrs and sleeps", "dog": "rex barks and runs"}
TABLE = "text\tlabel\tsplit\n" + "".join(
    f"{text} number {k}\t{label}\t{'test' if k > 3 else 'train'}\n" for k in range(6) for label, text in WORDS.items()
)
RECORDS = [dict(zip(("text", "label", "split"), line.split("\t"), strict=True)) for line in TABLE.splitlines()[1:]]
OPTIONS = TextGraphOptions(min_count=1, stop_words="none")


def append_row(path: Path) -> None:
    with path.open("a") as file:
        file.write("tom,cat,train\n" if path.suffix == ".csv" else "tom\tcat\ttrain\n")


def table(path: Path) -> Callable[[], object]:
    path.write_text(TABLE.replace("\t", ",") if path.suffix == ".csv" else TABLE)
    return lambda: append_row(path)


def jsonl(path: Path) -> Callable[[], object]:
    path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    return lambda: path.write_text(path.read_text() + json.dumps(RECORDS[0]) + "\n")


def json_list(path: Path) -> Callable[[], object]:
    path.write_text(json.dumps(RECORDS))
    return lambda: path.write_text(json.dumps([*RECORDS, RECORDS[0]]))


def packed(path: Path) -> Callable[[], object]:
    path.write_bytes(gzip.compress(TABLE.encode()))
    return lambda: path.write_bytes(gzip.compress((TABLE + "tom\tcat\ttrain\n").encode()))


def parquet(path: Path) -> Callable[[], object]:
    duckdb = pytest.importorskip("duckdb")
    source = path.with_name("source.jsonl")
    rows = jsonl(source)

    def write() -> None:
        duckdb.sql(f"COPY (SELECT * FROM read_json('{source}')) TO '{path}' (FORMAT parquet)")

    write()

    def change() -> None:
        rows()
        write()

    return change


def folder(path: Path) -> Callable[[], object]:
    for number, record in enumerate(RECORDS):
        file = path / record["split"] / record["label"] / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(record["text"])
    return lambda: (path / "train" / "cat" / "0.txt").write_text("tom growls now")


def linked_folder(path: Path) -> Callable[[], object]:
    folder(path)
    (path / "train" / "cat").rename(path.parent / "cats")
    (path / "train" / "cat").symlink_to(path.parent / "cats")
    return lambda: (path.parent / "cats" / "0.txt").write_text("tom growls now")


def split_files(path: Path) -> Callable[[], object]:
    path.mkdir()
    change = table(path / "train.tsv")
    (path / "test.tsv").write_text(TABLE)
    return change


FORMS = {
    "own.tsv": table,
    "own.csv": table,
    "own.jsonl": jsonl,
    "own.json": json_list,
    "own.tsv.gz": packed,
    "own.parquet": parquet,
    "own_folder": folder,
    "own_linked": linked_folder,
    "own_splits": split_files,
}


def changing(monkeypatch: pytest.MonkeyPatch, module: object, change: Callable[[], object], after: int) -> None:
    """Let the content change when so many documents have been read."""
    read = own.documents_of
    changed: list[bool] = []

    def documents(path: Path, options: TextGraphOptions, notes: list[str]) -> Iterator[own.Document]:
        for number, document in enumerate(read(path, options, notes)):
            if number == after and not changed:
                changed.append(True)
                change()
            yield document

    monkeypatch.setattr(module, "documents_of", documents)


@pytest.mark.parametrize("name", FORMS)
def test_a_corpus_that_changes_while_it_is_loaded_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    change = FORMS[name](path)
    whole = load(path, options=OPTIONS)
    changing(monkeypatch, own, change, after=5)
    with pytest.raises(DataError, match=f"{name} changed while it was read.*Give the same command again"):
        load_graph(path, options=OPTIONS)
    assert load(path, options=OPTIONS).hash != whole.hash  # once nobody writes any more it is read as it is now


@pytest.mark.parametrize("name", FORMS)
def test_a_corpus_that_changes_while_it_is_built_is_refused_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    pytest.importorskip("duckdb")
    path = tmp_path / name
    changing(monkeypatch, build_source, FORMS[name](path), after=5)
    with pytest.raises(DataError, match=f"{name} changed while it was read"):
        build_graph_file(path, 8 * 10**9, temp=tmp_path / "temp", out=tmp_path / "out.safetensors", options=OPTIONS)
    assert not list((tmp_path / "temp").iterdir())
    assert not (tmp_path / "out.safetensors").exists()


def test_a_corpus_that_changes_after_its_bytes_were_hashed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("duckdb")
    path = tmp_path / "own.tsv"
    change, key = table(path), build_module._key
    monkeypatch.setattr(build_module, "_key", lambda *given: (change(), key(*given))[1])
    with pytest.raises(DataError, match=r"own.tsv changed while it was read"):
        build_graph_file(path, 8 * 10**9, temp=tmp_path / "temp", options=OPTIONS)


def test_files_that_are_no_documents_may_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "own"
    folder(path)
    changing(monkeypatch, own, lambda: (path / "train.log").write_text("a line"), after=5)
    assert len(load(path, options=OPTIONS).documents) == len(RECORDS)


@pytest.mark.parametrize("larger_than_memory", [False, True])
def test_a_list_of_stop_words_that_changes_between_its_hash_and_its_words_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, larger_than_memory: bool
) -> None:
    path, words = tmp_path / "own.tsv", tmp_path / "stop.txt"
    table(path)
    words.write_text("and\n")
    options = TextGraphOptions(min_count=1, stop_words=str(words))
    if larger_than_memory:
        pytest.importorskip("duckdb")
        find = build_module.cached_path
        monkeypatch.setattr(build_module, "cached_path", lambda *given: (words.write_text("or\n"), find(*given))[1])
        with pytest.raises(DataError, match=r"stop.txt changed while it was read"):
            build_graph_file(path, 8 * 10**9, temp=tmp_path / "temp", options=options)
    else:
        find = loading.cached_path
        monkeypatch.setattr(loading, "cached_path", lambda *given: (find(*given), words.write_text("or\n"))[0])
        with pytest.raises(DataError, match=r"stop.txt changed while it was read"):
            load_graph(path, options=options)
