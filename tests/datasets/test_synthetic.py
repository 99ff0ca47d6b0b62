"""A made corpus is the same for the same seed, of the size that was asked for, and by Zipf's law."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gcn2snn.cli.datasets import app
from gcn2snn.datasets import SyntheticCorpus, TextGraphOptions, load
from gcn2snn.errors import ArtefactError, ConfigError


def test_lines_follow_the_seed_and_the_law() -> None:
    corpus = SyntheticCorpus(documents=3_000, tokens=20, words=100, classes=4)
    lines = list(corpus.lines())
    assert lines == list(corpus.lines())
    assert lines != list(SyntheticCorpus(documents=3_000, tokens=20, words=100, classes=4, seed=1).lines())
    assert len(lines) == 3_000
    assert {label for label, _ in lines} == {f"class {number}" for number in range(4)}
    words = Counter(word for _, text in lines for word in text.split())
    total = words.total()
    assert abs(total / 3_000 - 20) < 1.5  # the standard error of the mean of so many geometric lengths is 0.36
    commonest = 0.8 * (1 / 2.7) / sum(1 / (rank + 2.7) for rank in range(100))
    assert 0.9 < words["w0"] / total / commonest < 1.2  # the orders of the classes add a little to it


def test_write_gives_a_corpus_and_the_command_says_its_size(tmp_path: Path) -> None:
    path = tmp_path / "made.tsv"
    words = ["synthetic", str(path), "--documents", "50", "--tokens", "5", "--words", "20", "--classes", "2", "--json"]
    report = json.loads(CliRunner().invoke(app, words).stdout)
    corpus = load(path, options=TextGraphOptions(), notes=False)
    assert len(corpus.documents) == report["documents"] == 50
    assert sum(len(text.split()) for text in corpus.documents) == report["tokens"]
    assert "exists; it is not overwritten" in str(CliRunner().invoke(app, words).exception)


@pytest.mark.parametrize("name", ["documents", "tokens", "words", "classes"])
def test_empty_sizes_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is 0; a corpus needs at least 1"):
        SyntheticCorpus(**{name: 0})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": 10**18}, "tokens is 1000000000000000000; allowed are up to 100,000"),
        ({"words": 10**18}, "words is 1000000000000000000; allowed are up to 1,000,000,000"),
        ({"classes": 10**18}, "classes is 1000000000000000000; allowed are up to 1,000,000,000"),
        ({"documents": 10**18}, "documents is 1000000000000000000; allowed are up to 1,000,000,000,000"),
        ({"seed": -1}, "seed is -1; allowed are 0 and more"),
    ],
)
def test_sizes_beyond_any_corpus_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SyntheticCorpus(**options)


def test_a_corpus_larger_than_the_disk_is_refused_before_it_is_written(tmp_path: Path) -> None:
    corpus = SyntheticCorpus(documents=10**12, tokens=10**5)
    with pytest.raises(
        ArtefactError, match=r"take 300,000,000,000.0 MB or more, and .* free. Write fewer, or to another"
    ):
        corpus.write(tmp_path / "made" / "large.tsv")
    assert not list(tmp_path.iterdir())


def test_standard_output_and_folders_are_refused(tmp_path: Path) -> None:
    refused = str(CliRunner().invoke(app, ["synthetic", "-", "--documents", "1"]).exception)
    assert "a corpus (.tsv) is not written to standard output" in refused
    refused = str(CliRunner().invoke(app, ["synthetic", str(tmp_path), "--documents", "1"]).exception)
    assert "is a folder; only a plain file is replaced, also with --force" in refused
