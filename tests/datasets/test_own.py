from __future__ import annotations

import csv
import json
import logging
import os
from pathlib import Path
from typing import IO

import pytest

from gcn2snn.datasets import TextGraphOptions, load, load_graph
from gcn2snn.errors import DataError

ROWS = [
    ("red apple\ttree", "fruit", "train", "a"),
    ('green "apple",\ntree', "fruit", "test", "b"),
    ("car road", "traffic", "training", "c"),
    ("slow caf\xe9 car", "traffic", "dev", "d"),
]
KEEP = TextGraphOptions(min_count=1, stop_words="none", cleaning="published")


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
    rows = "word " * 50_000 + "\tone\ttrain\nword\tone\ttest\n"
    path.write_text("text\tlabel\tsplit\n" + rows, encoding="utf-8")
    assert len(load(path).documents[0]) == 250_000


BODY = "".join(f"{text} film\t{label}\n" for text, label in [("good", "+"), ("bad", "-"), ("fine", "+"), ("dull", "-")])
TEXTS = ("good film", "bad film", "fine film", "dull film")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tabs.tsv", "text\tlabel\n" + BODY),
        ("named.csv", "sentiment,review\n+,good film\n-,bad film\n+,fine film\n-,dull film\n"),
        ("one_known.csv", "stuff,label\ngood film,+\nbad film,-\nfine film,+\ndull film,-\n"),
        ("words.csv", "id,review_text,class_name\n1,good film,+\n2,bad film,-\n3,fine film,+\n4,dull film,-\n"),
        ("semicolon.csv", "Text;Label\ngood film;+\nbad film;-\nfine film;+\ndull film;-\n"),
        ("excel.csv", "sep=;\ntext;label\ngood film;+\nbad film;-\nfine film;+\ndull film;-\n"),
        ("bars.txt", "text|label\ngood film|+\nbad film|-\nfine film|+\ndull film|-\n"),
        ("tabs.csv", "text\tlabel\n" + BODY),
        ("crlf.tsv", ("text\tlabel\n" + BODY).replace("\n", "\r\n")),
        ("mac.tsv", ("text\tlabel\n" + BODY).replace("\n", "\r")),
        ("bare.tsv", BODY),
        (
            "turned.tsv",
            "".join(f"{label}\t{text}\n" for text, label in (line.split("\t") for line in BODY.split("\n")[:-1])),
        ),
        ("label_like_a_name.tsv", BODY.replace("+", "question").replace("-", "comment")),
        ("unknown.tsv", "foo\tbar\n" + BODY),
        ("twice.tsv", "text\tlabel\n" + BODY + "text\tlabel\n"),
        ("empty_lines.tsv", "text\tlabel\n\n" + BODY.replace("\n", "\n\n")),
        ("trailing.csv", "v1,v2,,\n+,good film,,\n-,bad film,,\n+,fine film,,\n-,dull film,,\n"),
        ("quoted.csv", 'text,label\n"good film",+\n"bad film","-"\nfine film,+\ndull film,-\n'),
        (
            "lines.json",
            '{"text":"good film","label":"+"}\n{"text":"bad film","label":"-"}\n'
            '{"text":"fine film","label":"+"}\n{"text":"dull film","label":"-"}',
        ),
        (
            "list.json",
            '[{"text":"good film","label":"+"}, {"text":"bad film","label":"-"},\n'
            '{"text":"fine film","label":"+"}, {"text":"dull film","label":"-"}]',
        ),
    ],
)
def test_tables_as_people_have_them(tmp_path: Path, name: str, content: str) -> None:
    with (tmp_path / name).open("w", encoding="utf-8", newline="") as file:
        file.write(content)
    corpus = load(tmp_path / name)
    labels = ("question", "comment") * 2 if name.startswith("label_like") else ("+", "-") * 2
    assert (corpus.documents, corpus.labels) == (TEXTS, labels)
    assert (corpus.size("train"), corpus.size("test")) == (2, 2)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"]
)
def test_encodings_are_read_by_their_mark_or_by_name(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "own.tsv"
    path.write_bytes(("text\tlabel\n" + BODY.replace("good", "café")).encode(encoding))
    marked = encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32")
    if not marked:
        with pytest.raises(DataError, match=r"--encoding"):
            load(path)
    corpus = load(path, options=TextGraphOptions(encoding=None if marked else encoding))
    assert corpus.documents == ("café film", *TEXTS[1:])


def test_utf8_read_as_something_else_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "own.tsv").write_bytes(("text\tlabel\n" + BODY.replace("good", "café")).encode())
    corpus = load(tmp_path / "own.tsv", options=TextGraphOptions(encoding="latin-1"))
    assert "is UTF-8 and was read as latin-1" in corpus.notes[0]


def test_stray_quotes_are_text_and_it_is_said(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_text("text\tlabel\n" + BODY.replace("good", '"good').replace("dull", '"dull'), encoding="utf-8")
    corpus = load(path)
    assert corpus.documents == ('"good film', "bad film", "fine film", '"dull film')
    assert "double quotes are taken as text" in corpus.notes[0]


def test_quotes_that_do_not_close_are_refused_where_lines_differ(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text('text,label\ngood,+\n"so, bad,-\nfine,+\ndull,-\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"cannot be read from line 3 on .*--no-quotes"):
        load(path)
    path.write_text('text,label\ngood,+\n"so; bad,-\nfine,+\ndull,-\n', encoding="utf-8")
    assert load(path, options=TextGraphOptions(quotes=False)).documents[1] == '"so; bad'


def test_quotes_with_backslashes_and_lines_inside(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text('text,label\n"a \\"b\\", c",+\n"d,\ne",+\n', encoding="utf-8")
    assert load(path).documents == ('a "b", c', "d,\ne")


def test_columns_by_name_or_number(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("a,b,c\n1,+,good\n2,-,bad\n3,+,fine\n4,-,dull\n", encoding="utf-8")
    with pytest.raises(
        DataError,
        match=r"does not tell which column is the text and which is the label: 'a', 'b', 'c'. Give --text-column and .* from 1 to 3",
    ):
        load(path)
    for text, label in (("c", "b"), ("3", "2"), ("C", "2")):
        corpus = load(path, options=TextGraphOptions(text_column=text, label_column=label))
        assert (corpus.documents, corpus.labels) == (("good", "bad", "fine", "dull"), ("+", "-", "+", "-"))
    path.write_text("1,+,good\n2,-,bad\n3,+,fine\n4,-,dull\n", encoding="utf-8")
    corpus = load(path, options=TextGraphOptions(text_column="3", label_column="2"))
    assert corpus.documents == ("good", "bad", "fine", "dull")


def test_values_of_json_may_be_numbers_truths_or_missing(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    rows = [
        {"text": "a", "label": 1.0},
        {"text": None, "label": 1},
        {"text": "b", "label": True},
        {"text": 7, "label": True},
        {"text": "c", "label": None},
        {"text": "d"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    corpus = load(path)
    assert (corpus.documents, corpus.labels) == (("a", "", "b", "7"), ("1", "1", "true", "true"))
    assert "2 documents have no label and are left out (first 'line 5')" in corpus.notes[0]


def test_a_class_with_one_document_trains(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_text("text\tlabel\n" + BODY + "odd\trare\n", encoding="utf-8")
    corpus = load(path)
    assert dict(zip(corpus.labels, corpus.split, strict=True))["rare"] == "train"


def test_a_split_without_test_documents_is_completed_and_said(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_text("text\tlabel\tsplit\n" + BODY.replace("\n", "\ttrain\n"), encoding="utf-8")
    corpus = load(path)
    assert corpus.size("test") == 2
    assert "has no test documents: drew a stratified one" in corpus.notes[0]


def test_names_that_repeat_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("text,label,split,name\na,one,train,n\nb,one,test,n\n", encoding="utf-8")
    corpus = load(path)
    assert corpus.names == ("document 1", "document 2")
    assert "names of documents repeat" in corpus.notes[0]


def test_files_named_after_splits(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("text\tlabel\n" + BODY, encoding="utf-8")
    (tmp_path / "test.tsv").write_text("text\tlabel\nnew film\t+\n", encoding="utf-8")
    corpus = load(tmp_path)
    assert (corpus.size("train"), corpus.size("test")) == (4, 1)
    assert corpus.names[0] == "test.tsv line 2"


def test_folders_may_be_nested_and_have_names_like_splits(tmp_path: Path) -> None:
    for name in ("interval/a/1.txt", "interval/2.txt", "value/3.txt", "value/4.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text", encoding="utf-8")
    (tmp_path / "readme.md").write_text("no document")
    (tmp_path / "value" / "loop").symlink_to(tmp_path)
    corpus = load(tmp_path)
    assert corpus.labels == ("interval", "interval", "value", "value")
    assert "files beside the folders are left out: 1 (first 'readme.md')" in corpus.notes[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("own.xyz", "text", r"own.xyz is a .xyz file; rename it if it is one of these: a table"),
        ("own.txt", "text", r"has one column, 'text'; a corpus needs a text and a label"),
        ("own.tsv", "", "own.tsv is empty"),
        ("own.tsv", "text\tlabel\n", "own.tsv is empty"),
        (
            "own.csv",
            "id,day,stuff\n1,2,3\n",
            "does not tell which column is the text and which is the label: 'id', 'day', 'stuff'. Give --text-column and",
        ),
        (
            "own.csv",
            "text,day,stuff\n1,2,3\n",
            "no column that looks like the label; its columns are 'text', 'day', 'stuff'",
        ),
        ("own.csv", "text,label\na,b,one\n", "line 2 of .*own.csv has more fields than the first line .*double quotes"),
        ("own.csv", "text,text,label\na,b,one\n", "has 2 columns called 'text', the numbers 1 and 2. Give the number"),
        ("own.csv", "text,label\na\nb,\n", "none of 2 documents has a label"),
        ("own.csv", "text,label\n ,one\n,two\n", "none of 2 documents has a text"),
        ("own.csv", "text,label,split\na,one,train\nb,one,\n", "'line 3' has the split ''; allowed are train, test"),
        ("own.csv", "text,label,split\na,one,exam\n", "'line 2' has the split 'exam'; allowed are train, test"),
        ("own.csv", "text,label,split\na,one,train\nb,two,test\n", "no training document of class 'two'"),
        ("own.csv", "text,label\na,1\nb,2\nc,3\n", "no test documents, and none can be drawn: each class has one"),
        ("own.jsonl", "{", "line 1 of .*own.jsonl is not JSON"),
        ("own.jsonl", "[1]", "line 1 of .*own.jsonl is not a JSON object"),
        ("own.json", "[1]", "line 1 of .*own.json is not a JSON object"),
        ("own.jsonl", "[" * 100_000, "line 1 of .*own.jsonl is n"),
        ("own.jsonl", '{"a":' * 100_000, "line 1 of .*own.jsonl is n"),
        ("own.jsonl", '{"text": "a", "text": "b", "label": 1}', "line 1 of .* has the key 'text' twice"),
        (
            "own.jsonl",
            '{"text": ["a"], "label": "x"}',
            r"line 1 of .*: 'text' is \['a'\]; a text or a number is needed",
        ),
        ("own.jsonl", '{"text": "a"}', "own.jsonl has no column that looks like the label; its columns are 'text'"),
        ("own.jsonl", '{"text": "\\ud800", "label": 1}', "the text on line 1 of .* holds half of a surrogate pair"),
        ("own.tsv", "text\tlabel\na\0b\tc\n", r"line 2 of .*own.tsv holds a zero byte \(byte 12\)"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load(tmp_path / name)


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "own.tsv").write_bytes(b"text\tlabel\ncaf\xe9\tone\n")
    with pytest.raises(DataError, match=r"own.tsv is not UTF-8 text: line 2, byte 14 is 0xe9 .*--encoding cp1252"):
        load(tmp_path / "own.tsv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x1f\x8b\x08\0", "is packed and damaged: .*Pack it again"),
        (b"\x28\xb5\x2f\xfd\0", "is a zstd file; unpack it"),
        (b"PAR1", "is a Parquet file; let its name end in .parquet"),
        (b"PK\x03\x04\0", "is a zip archive or a spreadsheet; .*save the sheet as CSV"),
        (b"\x81\x8c\n" + bytes(range(256)), r"line 2 of .* holds a zero byte \(byte 3\), so it is no text file"),
    ],
)
def test_binary_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "own.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "own.csv")


@pytest.mark.parametrize("place", ["own.tsv", "folder/class/1.txt"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    corpus = tmp_path / place.split("/")[0]
    os.mkfifo(path)
    with pytest.raises(DataError, match=r"is a named pipe; a file or a folder is needed"):
        load(corpus)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"is a device; a file or a folder is needed"):
        load(corpus)
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"is a link to .*nowhere, which is not there; mend the link"):
        load(corpus)


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_table(tmp_path / "own.tsv")

    def refuse(self: Path, mode: str = "r") -> IO[bytes]:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"cannot read .*own.tsv: Permission denied"):
        load(path)


def test_bad_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no folder and no file such as train.csv; a corpus can be"):
        load(tmp_path)
    (tmp_path / "fruit").mkdir()
    with pytest.raises(DataError, match=r"is empty; a corpus needs at least one document a class"):
        load(tmp_path)
    (tmp_path / "fruit").rename(tmp_path / "train")
    with pytest.raises(DataError, match=r"train holds no class folder; documents lie in SPLIT/CLASS/ or in CLASS/"):
        load(tmp_path)


def test_an_own_corpus_says_its_choices_and_what_would_mislead(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "own.csv"
    path.write_text("text,label,split\nword word,one,train\n---,one,test\n", encoding="utf-8")
    said = []
    for _ in range(2):  # the second time the graph is taken from the cache, and the same is said
        caplog.clear()
        graph = load_graph(path)
        said.append(caplog.messages)
    assert said[0] == said[1]
    assert said[0][0].endswith("cleaning unicode, stop words nltk-179, min_count 1, chosen for 2 documents")
    assert "all documents have the label 'one'" in said[0][1]
    assert "1 document has no known word left (first 'line 3'" in said[0][3]
    assert graph.source["path"] == str(path)
    caplog.clear()
    load_graph(path, notes=False)
    assert not caplog.messages
