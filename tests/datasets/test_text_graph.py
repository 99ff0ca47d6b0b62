"""The fast builder against one that counts window by window, as the published script does."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations
from unittest import mock

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gcn2snn.datasets import Corpus, TextGraphOptions, build_text_graph, clean_corpus, count_graph, text_graph
from gcn2snn.graph import Graph

Weights = dict[tuple[str, str], float]

words = st.sampled_from("abcdefg")
documents = st.lists(st.lists(words, max_size=14).map(" ".join), min_size=1, max_size=6).filter(any)


def windows_of(document: str, window: int) -> list[list[str]]:
    tokens = document.split()
    if len(tokens) <= window:
        return [tokens]
    return [tokens[start : start + window] for start in range(len(tokens) - window + 1)]


def slow_pmi(texts: list[str], window: int) -> tuple[Weights, int]:
    windows = [tokens for text in texts for tokens in windows_of(text, window)]
    single = Counter(word for tokens in windows for word in set(tokens))
    pairs: Counter[tuple[str, str]] = Counter()
    for tokens in windows:
        for one, two in combinations(tokens, 2):
            if one != two:
                pairs[one, two] += 1
                pairs[two, one] += 1
    weights = {
        (one, two): math.log((count * len(windows)) / (single[one] * single[two]))
        for (one, two), count in pairs.items()
        if count * len(windows) > single[one] * single[two]
    }
    return weights, len(windows)


def slow_tf_idf(texts: list[str]) -> Weights:
    having = Counter(word for text in texts for word in set(text.split()))
    return {
        (f"#{number}", word): count * math.log(len(texts) / having[word])
        for number, text in enumerate(texts)
        for word, count in Counter(text.split()).items()
    }


def build(texts: list[str], window: int) -> Graph:
    names = tuple(f"#{number}" for number in range(len(texts)))
    label, split = ("x",) * len(texts), ("train",) * len(texts)
    corpus = Corpus("tiny", tuple(texts), label, split, names, min_count=1, stop_words="none")
    return build_text_graph(clean_corpus(corpus, TextGraphOptions(window=window, cleaning="spaces", wordless="keep")))


def weights_of(graph: Graph) -> Weights:
    row, col, value = graph.raw.row.tolist(), graph.raw.col.tolist(), graph.raw.value.tolist()
    return {(graph.node_names[i], graph.node_names[j]): w for i, j, w in zip(row, col, value, strict=True)}


@settings(deadline=None, max_examples=150)
@given(documents, st.integers(2, 7), st.sampled_from([1, 5, 1 << 24]))
@example(["a b a", "a b"], 2, 1 << 24)  # PMI is exactly 0
@example(["a"], 2, 1 << 24)  # no pair at all
@example(["a a a"], 2, 1 << 24)  # equal words make no pair
@example(["", "a b"], 3, 1)  # an empty document is an empty window
def test_build_text_graph_equals_counting_window_by_window(texts: list[str], window: int, pairs_at_once: int) -> None:
    with mock.patch.object(text_graph, "PAIRS_AT_ONCE", pairs_at_once):
        graph = build(texts, window)
    pmi, windows = slow_pmi(texts, window)
    tf_idf = slow_tf_idf(texts)
    counts = count_graph(graph)
    assert counts.windows == windows
    assert counts.pmi_entries == len(pmi)
    assert counts.document_word_entries == len(tf_idf)
    both = {pair: weight for pair, weight in tf_idf.items() if weight != 0}
    both |= {(word, document): weight for (document, word), weight in both.items()} | pmi
    built = weights_of(graph)
    assert built.keys() == both.keys()
    for pair, weight in both.items():
        assert built[pair] == pytest.approx(weight, rel=1e-12)  # a quotient and a logarithm apart, in float64
    assert counts.weight_sum == pytest.approx(sum(both.values()), abs=1e-6)  # rounded to six decimals


@settings(deadline=None, max_examples=50)
@given(documents, st.integers(2, 7))
def test_text_graph_is_a_valid_symmetric_matrix(texts: list[str], window: int) -> None:
    graph = build(texts, window)
    graph.raw.validate()
    row, col = graph.raw.row, graph.raw.col.long()
    assert bool(((row[1:] > row[:-1]) | (col[1:] > col[:-1])).all())  # sorted rows, no entry twice
    dense = graph.raw.to_dense()
    assert torch.equal(dense, dense.T)
    assert torch.equal(graph.adjacency.to_dense(), graph.adjacency.to_dense().T)
    assert not bool(dense.diagonal().any())


@settings(deadline=None, max_examples=50)
@given(documents, st.integers(2, 7), st.randoms(use_true_random=False))
def test_order_of_documents_permutes_the_graph(texts: list[str], window: int, random: object) -> None:
    order = list(range(len(texts)))
    random.shuffle(order)  # type: ignore[attr-defined]
    one, two = build(texts, window), build([texts[index] for index in order], window)
    nodes = torch.tensor(order + list(range(len(texts), one.num_nodes)))
    assert torch.equal(one.raw.to_dense()[nodes][:, nodes], two.raw.to_dense())


def test_nodes_are_documents_in_order_then_words_in_order(small: Corpus) -> None:
    graph = build_text_graph(clean_corpus(small))
    assert graph.document_names == ("a", "b", "c", "d")
    assert graph.vocabulary == ("apple", "car", "fast", "green", "red", "road", "slow", "tree")
    assert graph.class_names == ("fruit", "traffic")
    assert graph.labels.tolist() == [0, 0, 1, 1] + [-1] * 8
    assert graph.train_mask.tolist() == [True, False, True, False] + [False] * 8
    assert graph.test_mask.tolist() == [False, True, False, True] + [False] * 8
    assert graph.val_mask is None
    assert graph.features is None


def test_source_is_enough_to_build_again(small: Corpus) -> None:
    graph = build_text_graph(clean_corpus(small))
    options = TextGraphOptions(**graph.source["options"])
    assert graph.source["dataset"] == "small"
    assert graph.source["corpus_hash"] == small.hash
    assert build_text_graph(clean_corpus(small, options)).fingerprint == graph.fingerprint


def test_build_tells_its_stages(small: Corpus) -> None:
    told: list[tuple[str, float]] = []
    build_text_graph(clean_corpus(small), lambda stage, share: told.append((stage, share)))
    assert [stage for stage, _ in told[:1] + told[-1:]] == ["numbering words", "weighing"]
    assert all(0 <= share <= 1 for _, share in told)
