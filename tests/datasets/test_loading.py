from __future__ import annotations

import logging
from dataclasses import asdict, replace
from pathlib import Path

import pytest

import gcn2snn.datasets
from gcn2snn.datasets import Corpus, TextGraphOptions, load, load_graph, loading
from gcn2snn.datasets.registry import DATASETS, Dataset
from gcn2snn.errors import ArtefactError, ConfigError, DataError
from gcn2snn.files import save_text
from gcn2snn.graph import Graph

OPTIONS = TextGraphOptions(min_count=1, stop_words="none")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    text = "text,label,split\nred apple tree,fruit,train\ngreen apple,fruit,test\nfast car road,traffic,train\n"
    return save_text(tmp_path / "own.csv", text)


def cached(cache: Path) -> list[Path]:
    return sorted((cache / "graphs").glob("*"))


def test_all_names_exist() -> None:
    needs_a_package = {"TextGraphDataset", "TextGraphDGLDataset"}  # left out of __all__, so that import * needs neither
    assert sorted({*gcn2snn.datasets.__all__, *needs_a_package}) == sorted(dir(gcn2snn.datasets))
    for name in gcn2snn.datasets.__all__:
        assert getattr(gcn2snn.datasets, name)
    with pytest.raises(AttributeError, match=r"has no attribute 'nothing'"):
        _ = gcn2snn.datasets.nothing  # type: ignore[attr-defined]


def test_unknown_name_is_refused_with_the_nearest() -> None:
    for door in (load, load_graph):
        with pytest.raises(DataError, match=r"called 'r9'. Did you mean r8"):
            door("r9")


def test_load_refuses_a_graph() -> None:
    with pytest.raises(DataError, match=r"karate is a graph without documents; use load_graph. Corpora are 20ng, r8"):
        load("karate")


def test_graph_is_cached_by_corpus_and_options(own: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = load_graph(own, options=OPTIONS)
    assert [path.name.split("-")[0] for path in cached(cache)] == ["own"]
    load_graph(own, options=replace(OPTIONS, window=3))
    assert len(cached(cache)) == 2
    monkeypatch.setattr(loading, "build_text_graph", None)  # not called any more
    again = load_graph(own, options=OPTIONS)
    assert again.fingerprint == built.fingerprint
    assert (again.source, again.node_names, again.class_names) == (built.source, built.node_names, built.class_names)


def test_a_changed_corpus_is_another_graph(own: Path, cache: Path) -> None:
    one = load_graph(own, options=OPTIONS)
    own.write_text(own.read_text().replace("green", "yellow"))
    assert load_graph(own, options=OPTIONS).fingerprint != one.fingerprint
    assert len(cached(cache)) == 2


def test_a_changed_stop_word_file_is_another_graph(own: Path, cache: Path, tmp_path: Path) -> None:
    stop = save_text(tmp_path / "stop.txt", "red\n")
    options = replace(OPTIONS, stop_words=str(stop))
    one = load_graph(own, options=options)
    save_text(stop, "fast\n")
    assert load_graph(own, options=options).vocabulary != one.vocabulary


def test_cache_can_be_left_alone(own: Path, cache: Path) -> None:
    load_graph(own, options=OPTIONS, cache=False)
    assert not cache.exists()


def test_a_damaged_cache_file_is_built_again(own: Path, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    built = load_graph(own, options=OPTIONS)
    path = cached(cache)[0]
    path.write_bytes(path.read_bytes()[:-9])
    with caplog.at_level(logging.WARNING):
        assert load_graph(own, options=OPTIONS).fingerprint == built.fingerprint
    assert "building it again" in caplog.text
    assert Graph.load(path).fingerprint == built.fingerprint


def test_a_cache_that_cannot_be_written_is_no_failure(
    own: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: Graph, path: Path) -> Path:
        raise ArtefactError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(Graph, "save", full)
    with caplog.at_level(logging.WARNING):
        assert load_graph(own, options=OPTIONS).num_documents == 3
    assert "No space left on device; going on without the cache" in caplog.text


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, small: Corpus) -> None:
    """The small corpus in the place of mr."""
    graph = load_graph_of(small)
    counts = gcn2snn.datasets.count_graph(graph)
    monkeypatch.setitem(DATASETS, "mr", replace(DATASETS["mr"], counts=counts))
    monkeypatch.setattr(loading, "read_published", lambda row, root, progress: replace(small, name=row.name))


def load_graph_of(corpus: Corpus) -> Graph:
    return gcn2snn.datasets.build_text_graph(gcn2snn.datasets.clean_corpus(corpus))


@pytest.mark.usefixtures("published")
def test_counts_of_a_published_corpus_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_graph("mr").num_documents == 4
    counts = DATASETS["mr"].counts
    assert counts is not None
    monkeypatch.setitem(DATASETS, "mr", replace(DATASETS["mr"], counts=replace(counts, words=9)))
    with pytest.raises(DataError, match=r"graph of mr is not the published one \(words: 9 expected, 8 built\)"):
        load_graph("mr", cache=False)
    assert (
        load_graph("mr", options=TextGraphOptions(window=3), cache=False).num_documents == 4
    )  # other options, no check


@pytest.mark.usefixtures("published")
def test_a_cached_published_graph_needs_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    built = load_graph("mr")
    monkeypatch.setattr(loading, "read_published", None)  # not called any more
    assert load_graph("MR").fingerprint == built.fingerprint


def test_graph_counts_without_words_are_zero() -> None:
    counts = asdict(gcn2snn.datasets.count_graph(load_graph("karate")))
    assert counts["adjacency_entries"] == 156 + 34
    assert counts["words"] == counts["windows"] == counts["pmi_entries"] == counts["document_word_entries"] == 0


@pytest.mark.parametrize("name", ["karate", "cora"])
def test_source_is_enough_to_load_again(name: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue("data_root") if name == "cora" else None
    source = load_graph(name, root).source
    again = load_graph(source["dataset"], root, TextGraphOptions(**source["options"]))
    assert again.source["corpus_hash"] == source["corpus_hash"]


def test_what_was_chosen_is_said_once_or_not_at_all(own: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_graph(own, options=OPTIONS)
    said = [message for message in caplog.messages if message.startswith(f"{own}: cleaning unicode, stop words none")]
    assert len(said) == 1
    caplog.clear()
    load_graph(own, options=OPTIONS, notes=False)
    assert not caplog.messages


@pytest.mark.usefixtures("published")
def test_progress_is_shown_unless_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    read, shown = loading.read_published, []

    def noted(row: Dataset, root: Path | None, *, progress: bool) -> Corpus:
        shown.append(progress)
        return read(row, root, progress=progress)

    monkeypatch.setattr(loading, "read_published", noted)
    load("mr")
    load("mr", progress=False)
    load_graph("mr", cache=False)
    load_graph("mr", cache=False, progress=False)
    assert shown == [True, False, True, False]


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("documents", ["all", "training"])
@pytest.mark.parametrize("name", ["mr", "Own.v2.csv"])
def test_a_graph_that_is_kept_is_its_file(
    own: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, name: str, documents: str
) -> None:
    monkeypatch.chdir(own.parent)
    own.rename("Own.v2.csv")
    options = replace(OPTIONS, documents=documents)
    for graph in (load_graph(name, options=options), load_graph(name, options=options)):  # built, and read again
        assert [loading.file_of_graph(graph)] == cached(cache)
    assert cached(cache)[0].name.split("-")[0] == Path(name).stem.lower()


def test_a_file_of_a_graph_is_taken_with_the_options_it_was_built_with(own: Path, tmp_path: Path) -> None:
    built = load_graph(own, options=OPTIONS)
    path = built.save(tmp_path / "own.safetensors")
    for options in (None, OPTIONS, TextGraphOptions(min_count=1)):  # what is not asked for is not compared
        assert load_graph(path, options=options).fingerprint == built.fingerprint
    with pytest.raises(ConfigError, match=r"a graph that was built with min_count 1, and 2 is asked for. Leave"):
        load_graph(path, options=TextGraphOptions(min_count=2))


@pytest.mark.usefixtures("published")
def test_a_graph_without_a_file_is_written_once(cache: Path) -> None:
    built = load_graph("mr", cache=False)
    path = cache / "graphs" / f"mr-{built.fingerprint[:16]}.safetensors"
    assert loading.file_of_graph(replace(built)) == path
    assert Graph.load(path).fingerprint == built.fingerprint
    written = path.stat().st_mtime_ns
    assert loading.file_of_graph(replace(built)) == path
    assert path.stat().st_mtime_ns == written
    path.unlink()
    saved = replace(built)
    saved.save(cache / "a.safetensors")
    assert loading.file_of_graph(saved) == cache / "a.safetensors"
    (cache / "a.safetensors").unlink()
    assert loading.file_of_graph(saved) == path


def test_what_is_left_out_is_said_once(own: Path, caplog: pytest.LogCaptureFixture) -> None:
    own.write_text("text,label\nred apple,fruit\ngreen apple,fruit\nno idea,\n", encoding="utf-8")
    for read in (load, load_graph):
        caplog.clear()
        read(own)
        assert len([message for message in caplog.messages if "no label" in message]) == 1
