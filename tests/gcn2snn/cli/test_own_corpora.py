"""Corpora of one's own on the command line: from files as people have them to a prediction, and runs that travel."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest

from gcn2snn import datasets
from gcn2snn.artefact import load
from gcn2snn.cli import main

ROWS = [("Schöner Film, köstlich 😀", "gut"), ("öder Film, übertrieben 😡", "schlecht")] * 6


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    code = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["gcn2snn", *map(str, words)])
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def write(path: Path, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("meinung;urteil\n" + "".join(f"{text};{label}\n" for text, label in ROWS), encoding=encoding)
    return path


OPTIONS = ("--text-column", "meinung", "--label-column", "urteil", "--encoding", "utf-16", "--stop-words", "none")
SMALL = ("--epochs", 3, "--hidden", 4)


def test_a_german_corpus_is_trained_moved_resumed_converted_and_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    corpus, folder = write(tmp_path / "here" / "film.csv", "utf-16"), tmp_path / "run"
    with caplog.at_level(logging.WARNING):
        code, _, err = run(capsys, "train", "here/film.csv", "--out", folder, *OPTIONS, *SMALL)
    assert code == 0, err
    assert "cleaning unicode, stop words none, min_count 1, chosen for 12 documents" in caplog.text
    assert "4 of 4 test documents have the text of a training document" in caplog.text
    summary = json.loads((folder / "run.json").read_text())
    assert summary["dataset"]["path"] == str(corpus)
    assert len(summary["dataset"]["corpus_hash"]) == 64

    moved = tmp_path / "there" / "film.csv"
    moved.parent.mkdir()
    shutil.move(corpus, moved)
    code, _, err = run(capsys, "convert", folder)
    assert code == 2
    assert f"the corpus this run was trained on, {corpus}" in err
    assert "Give its new place with --corpus PATH" in err
    assert run(capsys, "convert", folder, "--corpus", moved)[0] == 0
    code, out, err = run(capsys, "evaluate", folder / "snn.safetensors", "--corpus", moved, "--json")
    assert code == 0, err
    assert json.loads(out)["snn"]["accuracy"] >= 0
    resumed = ("train", corpus, "--out", folder, *OPTIONS, *SMALL, "--resume", "--corpus", moved)
    assert run(capsys, *resumed)[0] == 0
    assert run(capsys, "train", moved, "--out", folder, *OPTIONS, *SMALL, "--resume")[0] == 0

    known = load(folder / "snn.safetensors").documents_of().vocabulary.known("KÖSTLICH! 😀😡 unbekannt")
    assert known == ["köstlich", "😀", "😡"]

    moved.write_text(moved.read_text("utf-16").replace("Film", "Buch"), "utf-16")
    code, _, err = run(capsys, "evaluate", folder / "snn.safetensors", "--corpus", moved)
    assert code == 2
    assert f"{moved} is not the corpus this run was trained on, {corpus}: its content differs" in err


def test_a_tokeniser_of_ones_own_travels_by_name_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gcn2snn.datasets import tokenisers

    (tmp_path / "cutter.py").write_text("def halves(text):\n    return [text[:7], text[7:]]\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(tokenisers, "_OWN", {})
    corpus = write(tmp_path / "film.csv")
    columns = ("--text-column", 1, "--label-column", 2, "--tokeniser", "cutter:halves")
    code, _, err = run(capsys, "train", corpus, "--out", "run", *columns, *SMALL)
    assert code == 0, err
    assert run(capsys, "convert", "run")[0] == 0
    monkeypatch.setattr(tokenisers, "_OWN", {})  # as in another process
    text = ("--text", "Schöner Film, köstlich 😀", "--json")
    code, _, err = run(capsys, "predict", "run", *text)
    assert code == 2
    assert "is code of its owner and is not imported from a file's word" in err
    code, out, err = run(capsys, "predict", "run", *text, "--tokeniser", "cutter:halves")
    assert code == 0, err
    assert json.loads(out)["known_words"] == 4
    code, _, err = run(capsys, "predict", "run", *text, "--tokeniser", "nltk-tweet")
    assert code == 2
    assert (
        "--tokeniser nltk-tweet: this network was trained on texts that were cut with the tokeniser cutter:halves"
        in err
    )


def test_verbs_that_read_the_corpus_again_refuse_another_tokeniser(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write(tmp_path / "film.csv")
    columns = ("--text-column", 1, "--label-column", 2)
    assert run(capsys, "train", corpus, "--out", "run", *columns, *SMALL)[0] == 0
    assert run(capsys, "convert", "run")[0] == 0
    (tmp_path / "never.py").write_text("raise AssertionError('what is refused is not imported')\n")
    for words in (("convert", "run", "--force"), ("evaluate", "run"), ("tune", "run"), ("report", "run")):
        code, _, err = run(capsys, *words, "--tokeniser", "never:cut")
        assert code == 2
        assert "--tokeniser never:cut: this network was trained on texts that were cut with no tokeniser" in err
    (tmp_path / "run" / "tuned.safetensors").unlink(missing_ok=True)


def test_a_graph_that_was_built_before_is_trained_moved_and_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("duckdb")
    corpus = write(tmp_path / "film.csv")
    columns = ("--text-column", 1, "--label-column", 2)
    for more, out in (((), "all.safetensors"), (("--training-only",), "part.safetensors")):
        code, _, err = run(capsys, "datasets", "build", corpus, "--out", out, "--temp", "temp", *columns, *more)
        assert code == 0, err
    assert run(capsys, "train", "all.safetensors", "--out", "run", *SMALL)[0] == 0
    assert run(capsys, "train", "part.safetensors", "--out", "new", "--inductive", *SMALL)[0] == 0
    (tmp_path / "all.safetensors").rename(tmp_path / "moved.safetensors")
    code, _, err = run(capsys, "convert", "run")
    assert code == 2
    assert "the graph this run was trained on" in err
    assert run(capsys, "convert", "run", "--corpus", "moved.safetensors")[0] == 0
    assert run(capsys, "evaluate", "run", "--corpus", "moved.safetensors")[0] == 0
    assert run(capsys, "convert", "new")[0] == 0
    code, out, err = run(capsys, "evaluate", "new", "--json")
    assert code == 0, err
    assert json.loads(out)["documents"] == 4
    code, _, err = run(capsys, "evaluate", "run", "--corpus", "part.safetensors")
    assert code == 2
    assert "is not the corpus this run was trained on" in err
    code, _, err = run(capsys, "train", "moved.safetensors", "--out", "other", "--window", 3, *SMALL)
    assert code == 2
    assert "is a graph that was built with window 20, and 3 is asked for" in err


@pytest.mark.parametrize("moment", ["train", "evaluate"])
def test_documents_that_change_between_the_graph_and_the_test_texts_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    corpus = write(tmp_path / "film.csv")
    train = ("train", corpus, "--out", "new", "--inductive", *SMALL)
    if moment == "evaluate":
        assert run(capsys, *train)[0] == 0
        assert run(capsys, "convert", "new")[0] == 0
    read = datasets.load_graph

    def and_change(*given: object, **named: object) -> object:
        graph = read(*given, **named)  # type: ignore[arg-type]
        corpus.write_text(corpus.read_text().replace("Film", "Streifen"))
        return graph

    monkeypatch.setattr(datasets, "load_graph", and_change)
    code, _, err = run(capsys, *(train if moment == "train" else ("evaluate", "new")))
    assert code == 2
    assert "film.csv is not the corpus that" in err
    assert "Give it as it was, or begin again" in err


def test_info_takes_the_same_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = write(tmp_path / "film.csv")
    columns = ("--text-column", "meinung", "--label-column", "urteil")
    more = ("--wordless", "drop", "--cleaning", "published", "--test-share", 0.5, "--split-seed", 3, "--no-quotes")
    code, out, err = run(capsys, "datasets", "info", corpus, *columns, *more, "--min-count", 7, "--json")
    assert code == 0, err
    report = json.loads(out)
    assert (report["documents"], report["test"], report["words"]) == (12, 6, 2)
    assert "the published cleaning drops" in err
    assert "cleaning published, stop words nltk-179, min_count 7" in err
    code, _, err = run(capsys, "datasets", "info", "mr", "--test-share", 0.5)
    assert code == 2
    assert "--test-share has no meaning here: mr is a published dataset" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", "nowhere.tsv"), "no dataset and no file or folder is called 'nowhere.tsv'"),
        (("train", "film.csv", "--corpus", "film.csv"), "--corpus has no meaning here"),
        (("train", "film.csv", "--cleaning", "hard"), "allowed are published, unicode, spaces"),
        (("train", "film.csv", "--tokeniser", "jaws"), "no tokeniser is called 'jaws'"),
        (("train", "film.csv", "--text-column", "text"), "has no column 'text'; its columns are 'meinung', 'urteil'"),
        (("train", "karate", "--encoding", "utf-8"), "--encoding has no meaning here"),
        (("predict", "run", "film.csv", "--encoding", "klingon"), "Python knows no text encoding of that name"),
    ],
)
def test_bad_options_end_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    write(tmp_path / "film.csv")
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    (line,) = [line for line in err.splitlines() if line.startswith("gcn2snn: error: ")]
    assert message in line
    assert not (tmp_path / "runs").exists()
