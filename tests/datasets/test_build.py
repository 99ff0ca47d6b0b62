"""The builder on disk against the one in memory: the same file, byte for byte, whatever the corpus, options and memory."""

from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gcn2snn.datasets import (
    SyntheticCorpus,
    TextGraphOptions,
    build_counts,
    build_documents,
    build_graph,
    build_graph_file,
    load,
    load_graph,
    names,
    register_tokeniser,
    tensor_file,
    tokenisers,
)
from gcn2snn.datasets import build as build_module
from gcn2snn.datasets.build_memory import BYTES_PER_ENTRY, Budget
from gcn2snn.datasets.build_store import Store, folder_of
from gcn2snn.errors import ArtefactError, ConfigError, DataError, InputError, LockedError, MissingPackageError
from gcn2snn.owner_lock import owned

pytest.importorskip("duckdb")

GIGABYTE = 8 * 10**9
ODD = (
    "label\ttext\n"
    "good\tThe film is fine, fine film of a day\n"
    "good\tThe film is fine, fine film of a day\n"
    "bad\tÖde Träume der film 😡 öde Träume\n"
    "bad\t...\n"
    "bad\tThe film is fine, fine film of a day\n"
    "good\tfilm\n"
    "good\t\n"
    "\tno label\n"
    'bad\ta film "in quotes" the day is bad\n'
)


@pytest.fixture(autouse=True)
def tight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks so small that every loop over them turns, whatever the memory."""
    monkeypatch.setattr(Budget, "of", lambda total: Budget(total, 200 * 10**6, 40 * BYTES_PER_ENTRY))
    monkeypatch.setattr(build_documents, "TOKENS_AT_ONCE", 30)
    monkeypatch.setattr(build_counts, "TOKENS_AT_ONCE", 30)
    monkeypatch.setattr(tensor_file, "BLOCK", 1 << 10)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Forty documents of forty words."""
    SyntheticCorpus(documents=40, tokens=9, words=40, classes=3, seed=1).write(tmp_path / "made.tsv")
    return tmp_path / "made.tsv"


def both(path: str | Path, tmp_path: Path, options: TextGraphOptions | None = None) -> tuple[bytes, bytes]:
    """The file of the builder in memory and that of the builder on disk."""
    expected = load_graph(path, options=options, cache=False).save(tmp_path / "memory.safetensors")
    built = build_graph_file(path, GIGABYTE, temp=tmp_path / "temp", out=tmp_path / "disk.safetensors", options=options)
    assert not list((tmp_path / "temp").iterdir())
    return expected.read_bytes(), built.path.read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        TextGraphOptions(),
        TextGraphOptions(window=2, min_count=1),
        TextGraphOptions(window=200, min_count=3),
        TextGraphOptions(documents="training", split_seed=5, test_share=0.5),
    ],
    ids=["usual", "narrow", "wide", "training"],
)
def test_a_made_corpus_gives_the_same_file(made: Path, tmp_path: Path, options: TextGraphOptions) -> None:
    expected, got = both(made, tmp_path, options)
    assert expected == got


@pytest.mark.parametrize(
    "options",
    [
        TextGraphOptions(min_count=1, stop_words="none"),
        TextGraphOptions(min_count=2, cleaning="published"),
        TextGraphOptions(min_count=1, cleaning="spaces", quotes=False),
        TextGraphOptions(min_count=2, wordless="drop", stop_words="none"),
        TextGraphOptions(min_count=1, tokeniser="halves", stop_words="none"),
    ],
    ids=["kept", "published", "spaces", "dropped", "tokeniser"],
)
def test_an_odd_corpus_gives_the_same_file_and_says_the_same(
    tmp_path: Path, options: TextGraphOptions, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenisers, "_OWN", {})
    register_tokeniser("halves", lambda text: [part for word in text.split() for part in (word[:2], word[2:]) if part])
    path = tmp_path / "odd.tsv"
    path.write_text(ODD, encoding="utf-8")
    expected, got = both(path, tmp_path, options)
    assert expected == got
    said = caplog.messages
    assert len(said) >= 4
    assert said[: len(said) // 2] == said[len(said) // 2 :]


@pytest.mark.parametrize(
    "options",
    [
        TextGraphOptions(min_count=99),
        TextGraphOptions(min_count=2, wordless="refuse"),
        TextGraphOptions(label_column="class"),
    ],
)
def test_what_is_refused_in_memory_is_refused_on_disk_in_the_same_words(
    tmp_path: Path, options: TextGraphOptions
) -> None:
    path = tmp_path / "odd.tsv"
    path.write_text(ODD, encoding="utf-8")
    with pytest.raises(DataError) as expected:
        load_graph(path, options=options, cache=False)
    with pytest.raises(DataError) as got:
        build_graph_file(path, GIGABYTE, temp=tmp_path / "temp", options=options)
    assert str(got.value) == str(expected.value)
    assert not list((tmp_path / "temp").iterdir())


def test_the_usual_place_is_that_of_the_cache(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = build_graph_file(made, GIGABYTE)
    monkeypatch.setattr("gcn2snn.datasets.loading.build_text_graph", None)  # it is not built again
    graph = load_graph(made)
    assert (built.documents, built.words, built.entries) == (40, len(graph.vocabulary), graph.raw.nnz)
    assert built.path.parent.name == "graphs"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in names() if name in ("mr", "r8", "r52", "ohsumed", "20ng")])
def test_published_corpora_give_the_same_file(
    data_root: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("GCN2SNN_CACHE", str(tmp_path / "cache"))
    expected, got = both(name, tmp_path)
    assert expected == got


@pytest.fixture
def stopped(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The corpus of a build that was interrupted while pairs were counted."""
    put, calls = build_counts._put_pairs, []

    def stop(*arguments: object) -> None:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        put(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(build_counts, "_put_pairs", stop)
        with pytest.raises(KeyboardInterrupt):
            build_graph_file(made, GIGABYTE, temp=tmp_path / "temp", out=tmp_path / "disk.safetensors")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(("disk", ".disk"))] == []
    return made


def test_an_interrupted_build_goes_on_in_the_middle(
    stopped: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module, "read_words", None)  # done already
    put, calls = build_counts._put_pairs, []
    monkeypatch.setattr(build_counts, "_put_pairs", lambda *all: calls.append(all[3]) or put(*all))
    expected, got = both(stopped, tmp_path)
    assert expected == got
    assert calls[0] != (0, 1)
    assert "these stages are done: documents, words, numbers" in caplog.text


@pytest.mark.parametrize("place", ["cleaning notes", "windows", "pairs"])
def test_a_stage_that_was_stopped_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    path, options = tmp_path / "odd.tsv", TextGraphOptions(min_count=2, stop_words="none")
    path.write_text(ODD, encoding="utf-8")

    def stopping(method: Callable[..., None]) -> Callable[..., None]:
        def stop(store: Store, name: str, value: object) -> None:
            method(store, name, value)
            if name == place:
                raise KeyboardInterrupt

        return stop

    with monkeypatch.context() as patch:
        patch.setattr(Store, "insert", stopping(Store.insert))
        patch.setattr(Store, "remember", stopping(Store.remember))
        with pytest.raises(KeyboardInterrupt):
            build_graph_file(path, GIGABYTE, temp=tmp_path / "temp", options=options)
    assert list((tmp_path / "temp").iterdir())
    expected, got = both(path, tmp_path, options)
    assert expected == got


@pytest.mark.parametrize("change", ["content", "options"])
def test_another_corpus_or_other_options_begin_afresh(
    stopped: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    options = TextGraphOptions(window=3) if change == "options" else None
    if change == "content":
        stopped.write_text(stopped.read_text().replace("w1", "w2"))
    expected, got = both(stopped, tmp_path, options)
    assert expected == got
    assert "holds a build of another content or of other options; beginning afresh" in caplog.text


def test_a_killed_build_goes_on_after_its_last_stage(
    made: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = (
        "import os, sys; from pathlib import Path; from gcn2snn.datasets import build, build_graph_file\n"
        "build.sum_pairs = lambda *all: os.kill(os.getpid(), 9)\n"
        "build_graph_file(sys.argv[1], 10**9, temp=Path(sys.argv[2]), out=Path(sys.argv[3]), progress=False)\n"
    )
    words = [sys.executable, "-c", program, str(made), str(tmp_path / "temp"), str(tmp_path / "disk.safetensors")]
    assert subprocess.run(words, env=os.environ, check=False, capture_output=True).returncode == -signal.SIGKILL
    expected, got = both(made, tmp_path)
    assert expected == got
    assert "these stages are done: documents, words, numbers, pairs" in caplog.text


def test_one_process_builds_a_corpus_at_a_time(made: Path, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "made", str(made.resolve()))
    begun, ended = threading.Event(), threading.Event()

    def hold() -> None:
        with owned(folder, folder=True):
            begun.set()
            ended.wait()

    other = threading.Thread(target=hold)
    other.start()
    begun.wait()
    try:
        with pytest.raises(LockedError, match="is in use by"):
            build_graph_file(made, GIGABYTE, temp=tmp_path)
    finally:
        ended.set()
        other.join()


def test_duckdb_is_asked_for_by_the_name_of_its_extra(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingPackageError, match=r"needs DuckDB: pip install 'gcn2snn\[scale\]'"):
        build_graph_file(made, GIGABYTE)


def test_a_folder_that_cannot_be_written_is_refused(made: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        ArtefactError, match=r"cannot write into .*file: .* Choose a folder \(--temp\) that you may write to"
    ):
        build_graph_file(made, GIGABYTE, temp=tmp_path / "file")


def test_a_full_disk_keeps_what_is_done_and_nothing_half_written(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(tensor_file.TensorFile, "write", full)
        with pytest.raises(ArtefactError, match=r"cannot write .*disk.safetensors: No space left on device"):
            build_graph_file(made, GIGABYTE, temp=tmp_path / "temp", out=tmp_path / "disk.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.tsv", "temp"]
    monkeypatch.setattr(build_module, "sum_pairs", None)  # done already
    expected, got = both(made, tmp_path)
    assert expected == got


@pytest.mark.parametrize(
    ("kind", "text", "error", "message"),
    [
        (
            "IOException",
            "Could not write file: No space left on device",
            ArtefactError,
            "Free space, or choose another",
        ),
        (
            "OutOfMemoryException",
            "could not allocate block of size",
            ConfigError,
            "8,000MB is too little for this corpus",
        ),
        ("OutOfMemoryException", "adjust max_temp_directory_size", ArtefactError, "Free space, or choose another"),
    ],
)
def test_errors_of_the_database_are_ours(
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    text: str,
    error: type[Exception],
    message: str,
) -> None:
    import duckdb

    insert = Store.insert

    def fail(store: Store, table: str, columns: dict[str, np.ndarray]) -> None:
        if table == "terms":
            raise getattr(duckdb, kind)(text)
        insert(store, table, columns)

    monkeypatch.setattr(Store, "insert", fail)
    with pytest.raises(error, match=f"{message}.*give the same command again to continue"):
        build_graph_file(made, GIGABYTE, temp=tmp_path / "temp")
    monkeypatch.setattr(Store, "insert", insert)
    expected, got = both(made, tmp_path)
    assert expected == got


def test_a_corpus_that_changes_while_it_is_read_is_refused(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = build_module.read_documents

    def and_change(*arguments: object) -> None:
        read(*arguments)  # type: ignore[arg-type]
        made.write_text("\n".join(made.read_text().splitlines()[:-1]))

    monkeypatch.setattr(build_module, "read_documents", and_change)
    with pytest.raises(DataError, match=r"made.tsv changed while it was read, so what was read of it is not used"):
        build_graph_file(made, GIGABYTE, temp=tmp_path / "temp")


def test_graphs_that_no_file_can_hold_are_refused(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(build_graph, "MAX_ENTRIES", 100)
        with pytest.raises(
            InputError, match=r"the graph has \d+ edges; at most 100 fit. Lower the window or raise min"
        ):
            build_graph_file(made, GIGABYTE, temp=tmp_path)
    monkeypatch.setattr(tensor_file, "LONGEST_HEADER", 1000)
    with pytest.raises(DataError, match=r"names of all documents and words take [\d,]+ bytes, .* has room for 1,000"):
        build_graph_file(made, GIGABYTE, temp=tmp_path)
    with pytest.raises(DataError, match="karate is a graph already; there is nothing to build"):
        build_graph_file("karate", GIGABYTE, temp=tmp_path)


def test_a_built_graph_stands_for_its_corpus(made: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = TextGraphOptions(window=7, documents="training")
    path = build_graph_file(made, GIGABYTE, temp=tmp_path, out=tmp_path / "made.safetensors", options=options).path
    graph = load_graph(path)
    assert graph.source["graph"] == str(path.resolve())
    assert graph.fingerprint == load_graph(made, options=options, cache=False).fingerprint
    assert load_graph(path, options=TextGraphOptions(window=7)).num_nodes == graph.num_nodes
    with pytest.raises(
        ConfigError, match=r"is a graph that was built with window 7, and 9 is asked for. Leave the option"
    ):
        load_graph(path, options=TextGraphOptions(window=9))
    assert load(path).documents == load(made).documents
    with caplog.at_level(logging.ERROR):
        made.write_text(made.read_text() + "class 0\tone more\n")
    with pytest.raises(
        DataError, match=r"is not the corpus that .*made.safetensors was built from: its content differs"
    ):
        load(path)
