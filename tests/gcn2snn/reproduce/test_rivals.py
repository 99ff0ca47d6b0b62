"""Classifiers without a graph, beside the Text GCNs: nothing of a test document reaches them before they are tested."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gcn2snn.datasets import Corpus
from gcn2snn.reproduce import rivals
from gcn2snn.reproduce.options import ReproduceOptions


def corpus(test_text: str = "ship harbour ship") -> Corpus:
    """Two classes told apart by their words, 20 documents each and two of each for the test."""
    sea, land = "ship harbour wave sailor", "field plough cow farmer"
    documents = [f"{text} {word}" for text in (sea, land) for word in text.split() * 5] + [test_text, sea, land, "cow"]
    labels = ["sea"] * 20 + ["land"] * 20 + ["sea", "sea", "land", "land"]
    split = ["train"] * 40 + ["test"] * 4
    return Corpus("two", tuple(documents), tuple(labels), tuple(split), tuple(map(str, range(44))), min_count=1)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "load", lambda *_: corpus())


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(("name", "macs"), [("svm", 2.75 * 2), ("regression", 2.75 * 2), ("perceptron", 4.75 * 1024)])
def test_each_rival_learns_and_is_counted(name: str, macs: float) -> None:
    texts = rivals.texts_of("two", None)
    assert texts.known_words == 2.75  # 2, 4, 4 and 1 known words
    found = rivals.measured(texts, name, 0)
    assert found.accuracy == 100.0
    assert found.macs == macs


def test_test_documents_reach_neither_words_nor_frequencies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "load", lambda *_: corpus())
    first = rivals.texts_of("two", None)
    monkeypatch.setattr(rivals, "load", lambda *_: corpus("comet ship ship ship comet"))
    second = rivals.texts_of("two", None)
    assert (first.train != second.train).nnz == 0
    assert first.train.shape[1] == 8
    assert np.array_equal(first.train_labels, second.train_labels)


@pytest.mark.usefixtures("two")
def test_rows_are_kept_and_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "available", lambda names, root: ({"r8": None}, {"mr": "not found"}))
    monkeypatch.setattr(rivals, "MODELS", {"svm": rivals.MODELS["svm"], "regression": rivals.MODELS["regression"]})
    options = ReproduceOptions(datasets=("r8",), seeds=1)
    text = str(rivals.rivals(tmp_path, options)["text"])
    assert "| r8 | TF-IDF, linear SVM | 1 | 100.00 | 6 |" in text
    assert "Not in the table: mr: not found" in text
    monkeypatch.setattr(rivals, "measured", lambda *_: pytest.fail("a kept row was computed again"))
    assert rivals.rivals(tmp_path, options)["text"] == text
