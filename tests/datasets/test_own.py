from __future__ import annotations

import csv
import json
import logging
from pathlib import Path

import pytest

from gcn2snn.datasets import TextGraphOptions, load, load_graph
from gcn2snn.errors import DataError

ROWS = [
    ("red apple\ttree", "fruit", "train", "a"),
    ('green "apple",\ntree', "fruit", "test", "b"),
    ("car road", "traffic", "training", "c"),
    ("slow caf\xe9 car", "traffic", "dev", "d"),
]
KEEP = TextGraphOptions(min_count=1, stop_words="none")


def write_table(path: Path, columns: tuple[str, ...] = ("text", "label", "split", "name")) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerow(columns)
        writer.writerows(row[: len(columns)] for row in ROWS)
    return path


def write_jsonl(path: Path) -> Path:
    keys = ("text", "label", "split", "name")
    path.write_text("\n".join(json.dumps(dict(zip(keys, row, strict=True))) for row in ROWS), encoding="utf-8")
    return path


def write_folder(path: Path, *, split: bool) -> Path:
    for number, (text, label, part, _) in enumerate(ROWS):
        folder = path / (("test" if part == "test" else "train") if split else "") / label
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    (path / ".hidden").mkdir()
    return path


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl"])
def test_every_file_format_gives_the_same_corpus(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"own{suffix}"
    write_jsonl(path) if suffix == ".jsonl" else write_table(path)
    corpus = load(path)
    assert corpus.documents == tuple(row[0] for row in ROWS)
    assert corpus.labels == ("fruit", "fruit", "traffic", "traffic")
    assert corpus.split == ("train", "test", "train", "validation")
    assert corpus.names == ("a", "b", "c", "d")
    assert corpus.name == str(path)


def test_folder_with_splits(tmp_path: Path) -> None:
    corpus = load(write_folder(tmp_path / "own", split=True))
    assert corpus.names == ("test/fruit/1.txt", "train/fruit/0.txt", "train/traffic/2.txt", "train/traffic/3.txt")
    assert corpus.split == ("test", "train", "train", "train")


def test_own_corpus_becomes_a_graph_as_a_name_does(tmp_path: Path) -> None:
    graph = load_graph(str(write_table(tmp_path / "own.csv")), options=KEEP)
    assert graph.document_names == ("a", "b", "c", "d")
    assert graph.class_names == ("fruit", "traffic")
    assert graph.vocabulary == (",", "apple", "caf", "car", "green", "red", "road", "slow", "tree")
    assert graph.val_mask is not None
    assert [int(mask.sum()) for mask in (graph.train_mask, graph.test_mask, graph.val_mask)] == [2, 1, 1]


def test_missing_split_is_drawn_by_seed_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "own.jsonl"
    rows = [{"text": f"word{number}", "label": number % 2} for number in range(20)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        corpus = load(path)
    assert "has no split: drew a stratified one with seed 0, 14 training and 6 test documents" in caplog.text
    assert corpus.split == load(path).split
    assert corpus.split != load(path, options=TextGraphOptions(split_seed=1)).split
    tested = [label for label, split in zip(corpus.labels, corpus.split, strict=True) if split == "test"]
    assert tested.count("0") == tested.count("1") == 3


def test_long_documents_are_read(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_text("text\tlabel\tsplit\n" + "word " * 50_000 + "\tone\ttrain\n", encoding="utf-8")
    assert len(load(path).documents[0]) == 250_000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("own.txt", "text", r"own.txt is a .txt file; a corpus can be .tsv, .csv and .jsonl"),
        ("own.tsv", "", "own.tsv is empty"),
        ("own.tsv", "text\tlabel\n", "own.tsv is empty"),
        ("own.tsv", "text\tclass\nx\ty\n", "line 2 of .*own.tsv has no 'label'; its columns are text, class"),
        ("own.csv", "text,label\na,b,one\n", "line 2 of .*own.csv has more fields than the first line names"),
        ("own.csv", 'text,label\n"a,b\n', "own.csv cannot be read after line 1 .*check its double quotes"),
        ("own.csv", "text,label\na\n", "line 2 of .*own.csv has no 'label'"),
        ("own.csv", "text,label\na,\n", "document 'line 2' has no label"),
        ("own.csv", "text,label\n ,one\n", "'line 2' has the label 'one' but no text"),
        ("own.csv", "text,label,split\na,one,train\nb,one,\n", "'line 3' has the split ''; allowed are train, test"),
        ("own.csv", "text,label,split\na,one,exam\n", "'line 2' has the split 'exam'; allowed are train, test"),
        ("own.csv", "text,label,split\na,one,train\nb,two,test\n", "no training document of class 'two'"),
        ("own.csv", "text,label,split,name\na,one,train,n\nb,one,test,n\n", "document name 'n' is used more than once"),
        ("own.csv", "text,label\na,one\nb,one\nc,two\n", "has no split and class 'two' has one document"),
        (
            "own.csv",
            "text,label\na,one\nb,one\nc,two\nd,two\ne,three\nf,three\n",
            "none can be drawn with test_share 0.3",
        ),
        ("own.jsonl", "{", "line 1 of .*own.jsonl is not JSON"),
        ("own.jsonl", "[1]", "line 1 of .*own.jsonl is not a JSON object"),
        ("own.jsonl", '{"text": ["a"], "label": "x"}', r"line 1 of .*: 'text' is \['a'\]; a text .* is needed"),
        ("own.jsonl", '{"text": "a"}', "line 1 of .*own.jsonl has no 'label'"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load(tmp_path / name)


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "own.tsv").write_bytes(b"text\tlabel\ncaf\xe9\tone\n")
    with pytest.raises(DataError, match=r"own.tsv is not UTF-8 text .*save it as UTF-8"):
        load(tmp_path / "own.tsv")


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_table(tmp_path / "own.tsv")

    def refuse(self: Path, *arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"cannot read .*own.tsv: Permission denied"):
        load(path)


def test_bad_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no folder; a corpus can be"):
        load(tmp_path)
    (tmp_path / "fruit").mkdir()
    with pytest.raises(DataError, match=r"class 'fruit' has no documents in .*; add one or remove the folder"):
        load(tmp_path)
    (tmp_path / "fruit").rename(tmp_path / "train")
    with pytest.raises(DataError, match=r"train holds no class folder; documents lie in SPLIT/CLASS/ or in CLASS/"):
        load(tmp_path)


def test_a_document_without_known_words_is_named(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("text,label,split\nword word,one,train\n---,one,test\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"document 'line 3' has no known word left"):
        load_graph(path, options=KEEP)
