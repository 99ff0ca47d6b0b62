from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gcn2snn.datasets import Corpus
from gcn2snn.datasets import corpus as corpus_module
from gcn2snn.datasets.corpus import content_hash, read_published, refuse_untrained, split_lines
from gcn2snn.errors import DataError


def corpus(**changes: tuple[str, ...]) -> Corpus:
    columns: dict[str, tuple[str, ...]] = {
        "documents": ("x y", "z", "x"),
        "labels": ("one", "two", "one"),
        "split": ("train", "train", "test"),
        "names": ("a", "b", "c"),
    }
    return Corpus("mine.tsv", **(columns | changes))


def test_corpus_knows_its_classes_and_sizes() -> None:
    assert corpus().class_names == ("one", "two")
    assert (corpus().size("train"), corpus().size("test"), corpus().size("validation")) == (2, 1, 0)


def test_corpus_hash_depends_on_all_columns() -> None:
    others = [corpus(documents=("x y", "z", "y")), corpus(names=("a", "b", "d")), corpus(labels=("one", "two", "two"))]
    assert len({corpus().hash, *(other.hash for other in others)}) == 4
    assert corpus().hash == corpus().hash


def test_content_hash_does_not_run_columns_together() -> None:
    assert content_hash(["ab", "c"]) != content_hash(["a", "bc"])
    assert content_hash(["a"], ["b"]) != content_hash(["a", "b"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"documents": (), "labels": (), "split": (), "names": ()}, "mine.tsv holds no document"),
        ({"labels": ("one", "two")}, "has 3 documents but 2 labels; one each is needed"),
        ({"documents": ("x", "y")}, "has 2 documents but 3 labels"),
        ({"names": ("a", "b", "a")}, "the document name 'a' is used more than once"),
        ({"labels": ("one", "two", "")}, "document 'c' of mine.tsv has no label"),
        ({"split": ("train", "train", "exam")}, "document 'c' of mine.tsv has split 'exam'"),
        ({"labels": ("one", "one", "two")}, "no training document of class 'two'; every class needs at least one"),
    ],
)
def test_corpus_refuses(changes: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        corpus(**changes)


def test_split_lines_splits_at_newlines_only() -> None:
    assert split_lines(b"a\rb\x0cc\x85\x1cd\ne\xe9") == ["a\rb\x0cc\x85\x1cd", "e\xe9"]


def test_split_lines_takes_a_last_newline_or_none() -> None:
    assert split_lines(b"a\nb") == split_lines(b"a\nb\n") == ["a", "b"]
    assert split_lines(b"a\n\n") == ["a", ""]


def test_content_hash_is_sha256_of_lengths_texts_and_ends_of_columns() -> None:
    """Kept files name a corpus by it, so it may not change."""
    data = b"".join((len(text).to_bytes(8, "little") + text) for text in (b"ab", b"")) + b"\xff" + bytes(8) + b"\xff"
    assert content_hash(["ab", ""], [""]) == hashlib.sha256(data).hexdigest()
    assert content_hash(["\ud800"]) != content_hash(["?"])


def test_a_part_of_a_corpus_keeps_its_order_and_has_a_hash_of_its_own() -> None:
    part = corpus().at([2, 0, 1])
    assert (part.documents, part.names) == (("x", "x y", "z"), ("c", "a", "b"))
    assert part.hash != corpus().hash
    assert corpus().only("train").names == ("a", "b")
    assert Corpus("mine.tsv", ("x",), ("one",), ("train",), ("a",), hash="given").hash == "given"


@pytest.mark.parametrize(("classes", "more"), [(5, ""), (6, " and 1 more"), (9, " and 4 more")])
def test_five_names_are_listed_and_the_others_counted(classes: int, more: str) -> None:
    names = [f"class {number}" for number in range(classes)]
    with pytest.raises(DataError) as found:
        refuse_untrained("mine.tsv", names)
    assert f"of class {', '.join(map(repr, names[:5]))}{more}; every class" in str(found.value)


def test_a_published_corpus_is_its_list_and_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    files = (SimpleNamespace(sha256="a"), SimpleNamespace(sha256="b"))
    row = cast(Any, SimpleNamespace(name="mr", files=files, min_count=2, stop_words="none"))
    content = [b"1\ttrain\tgood\n2\tdata/test\tgood\n", b"fine film\na good one\n"]
    shown = []

    def read_files(row: object, root: Path | None, *, progress: bool) -> list[bytes]:
        shown.append(progress)
        return content

    monkeypatch.setattr(corpus_module, "read_files", read_files)
    found = read_published(row)
    assert (found.documents, found.labels, found.split) == (
        ("fine film", "a good one"),
        ("good",) * 2,
        ("train", "test"),
    )
    assert (found.names, found.min_count, found.stop_words, found.cleaning) == (("1", "2"), 2, "none", "published")
    read_published(row, progress=False)
    assert shown == [True, False]
    content[0] = b"1\ttrain\tgood\n2\ttest\n"
    with pytest.raises(DataError, match=r"line 2 of the document list of mr has 2 fields; name, split, label"):
        read_published(row)
