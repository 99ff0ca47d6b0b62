from __future__ import annotations

from dataclasses import replace

import pytest

from gcn2snn.datasets.registry import DATASETS, find, names
from gcn2snn.errors import DataError


def test_names_are_the_published_ones() -> None:
    assert names() == ("20ng", "r8", "r52", "ohsumed", "mr", "karate", "cora", "citeseer")


def test_every_row_is_complete() -> None:
    for row in DATASETS.values():
        assert all((row.title, row.source, row.licence))
        assert all(len(file.sha256) == 64 for file in row.files)
        fetched_alone = row.kind != "builtin" and row.archive is None and not row.sklearn
        assert all(bool(file.url) == fetched_alone for file in row.files)
        assert (row.counts is not None) == (row.kind == "text")


def test_checksums_are_all_different() -> None:
    checksums = [file.sha256 for row in DATASETS.values() for file in row.files]
    assert len(set(checksums)) == len(checksums)


def test_counts_agree_with_each_other() -> None:
    for row in DATASETS.values():
        if row.counts is None:
            continue
        counts = row.counts
        assert counts.documents == counts.train + counts.test
        assert counts.nodes == counts.documents + counts.words
        edges = counts.pmi_entries + 2 * counts.document_word_entries + counts.nodes
        everywhere = 1 if row.name == "20ng" else 0  # "subject" is in every document: weight 0, no edge
        assert counts.adjacency_entries == edges - 2 * everywhere * counts.documents


def test_find_takes_any_case() -> None:
    assert find("R8") is DATASETS["r8"]


@pytest.mark.parametrize(("asked", "offered"), [("ohsumd", "ohsumed"), ("r25", "r52"), ("20news", "20ng")])
def test_find_offers_the_nearest_names(asked: str, offered: str) -> None:
    with pytest.raises(
        DataError, match=rf"no dataset and no file or folder is called '{asked}'. Did you mean .*{offered}"
    ):
        find(asked)


def test_find_lists_all_names_when_none_is_near() -> None:
    with pytest.raises(DataError, match=r"'xyzzy'. Known are 20ng, r8, .*; or give the path"):
        find("xyzzy")


def test_differences_name_each_number() -> None:
    counts = DATASETS["r8"].counts
    assert counts is not None
    assert counts.differences(replace(counts, weight_sum=counts.weight_sum + 0.0009)) == []
    assert counts.differences(replace(counts, words=1, weight_sum=0.0)) == [
        "words: 7688 expected, 1 built",
        "weight_sum: 8955871.993 expected, 0.0 built",
    ]
