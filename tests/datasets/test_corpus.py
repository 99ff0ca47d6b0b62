from __future__ import annotations

import pytest

from gcn2snn.datasets import Corpus
from gcn2snn.datasets.corpus import content_hash, split_lines
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
