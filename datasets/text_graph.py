"""The text graph of a cleaned corpus: words that meet in a window (PMI), words of a document (TF-IDF).

Source: Yao, Mao, Luo, "Graph Convolutional Networks for Text Classification", AAAI 2019, Section 3 and Eq. 3.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from gcn2snn.datasets.clean import CleanCorpus
from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.graph import Graph

if TYPE_CHECKING:
    from scipy.sparse import csr_array

TEXT_GRAPH_VERSION = 1  # part of the cache key: raise it when the same corpus and options give another graph
PAIRS_AT_ONCE = 1 << 24  # at most, per worker; about 30 bytes each while they are sorted and summed
WORKERS = 2

Advance = Callable[[str, float], None]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tokens:
    """Every token of a corpus in a row.

    Args:
        word: number of each token's word among the sorted words, [tokens], int32.
        document: number of its document, [tokens], int32, ascending.
        position: its place in the document, [tokens], int32.
        length: tokens of each document, [documents], int64.
        words: different words that tokens may be of; their numbers are below it.
    """

    word: NDArray[np.int32]
    document: NDArray[np.int32]
    position: NDArray[np.int32]
    length: Integers
    words: int

    @classmethod
    def of(cls, word: NDArray[np.int32], length: Integers, words: int) -> Tokens:
        """From the word of each token and the number of tokens of each document."""
        document = np.repeat(np.arange(length.size, dtype=np.int32), length)
        start = np.repeat(np.cumsum(length) - length, length)
        return cls(word, document, (np.arange(word.size) - start).astype(np.int32), length, words)


def build_text_graph(clean: CleanCorpus, advance: Advance | None = None) -> Graph:
    """The graph of a cleaned corpus, before self-loops and normalisation.

    ``A[i, j] = PMI(i, j)`` between words if positive, ``TF-IDF`` between a document and a word, else nothing. Nodes are
    the documents in corpus order (the published code puts training documents first, shuffled), then the words in
    sorted order. Weights are float64. A word that is in every document has weight 0
    with all of them and so no edge to them (20ng has one such word: "subject").

    >>> from gcn2snn.datasets import Corpus, TextGraphOptions, clean_corpus
    >>> corpus = Corpus("two", ("fine film", "fine day"), ("good", "good"), ("train", "test"), ("1", "2"))
    >>> graph = build_text_graph(clean_corpus(corpus, TextGraphOptions(min_count=1, cleaning="unicode")))
    >>> graph.num_nodes, graph.node_names[2:]
    (5, ('day', 'film', 'fine'))

    Args:
        clean: cleaned documents and the options; ``options.window`` is the window in tokens.
        advance: called with a stage and the share of it that is done.

    Returns:
        A graph without features: [documents + words] nodes, which stands for the identity. Its ``source`` holds the number of
        windows and of document-word pairs, those of weight 0 included.
    """
    from scipy import sparse

    advance = advance or _silent
    advance("numbering words", 0.0)
    tokens, vocabulary = number_tokens(clean.documents)
    window = clean.options.window
    windows = count_windows(tokens.length, window)
    first, last = windows_of_tokens(tokens, window)
    pairs = count_pairs(tokens, first, last, window, advance)
    advance("weighing", 0.0)
    upper = positive_pmi(pairs, count_word_windows(tokens, first, last), windows)
    del pairs
    document_word = tf_idf(tokens)
    document_word_pairs = document_word.nnz
    document_word.eliminate_zeros()
    words = upper + upper.T.tocsr()
    del upper
    documents = len(clean.documents)
    above = sparse.hstack([sparse.csr_array((documents, documents), dtype=np.float64), document_word], format="csr")
    below = sparse.hstack([document_word.T.tocsr(), words], format="csr")
    del words
    matrix = sparse.vstack([above, below], format="csr")
    advance("weighing", 1.0)
    return _graph(clean, matrix, vocabulary, windows, document_word_pairs)


def number_tokens(documents: tuple[str, ...]) -> tuple[Tokens, tuple[str, ...]]:
    """Words to numbers, and the words in sorted order."""
    split = [document.split() for document in documents]
    length = np.fromiter(map(len, split), np.int64, len(split))
    vocabulary = sorted(set().union(*split))
    number = {word: index for index, word in enumerate(vocabulary)}
    word = np.fromiter(map(number.__getitem__, chain.from_iterable(split)), np.int32, int(length.sum()))
    return Tokens.of(word, length, len(vocabulary)), tuple(vocabulary)


def count_windows(length: Integers, window: int) -> int:
    """Sliding windows of documents of these lengths; a document shorter than a window is one."""
    return int(np.maximum(length - window + 1, 1).sum())


def windows_of_tokens(tokens: Tokens, window: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """First and last window of its document that holds each token, [tokens] each.

    A document of L tokens has max(1, L - window + 1) windows; window s holds the positions s to s + window - 1.
    """
    last_window = np.maximum(tokens.length - window, 0).astype(np.int32)
    first = np.maximum(tokens.position - np.int32(window - 1), 0)
    last = np.minimum(tokens.position, np.repeat(last_window, tokens.length))
    return first, last


def count_word_windows(tokens: Tokens, first: NDArray[np.int32], last: NDArray[np.int32]) -> Integers:
    """Windows that contain each word, [words]: the union of the windows of its occurrences."""
    order = np.argsort(tokens.word, kind="stable")  # by word; tokens are already by document and position
    word, document = tokens.word[order], tokens.document[order]
    start, stop = first[order], last[order]
    again = (word[1:] == word[:-1]) & (document[1:] == document[:-1])
    start[1:] = np.where(again, np.maximum(start[1:], stop[:-1] + 1), start[1:])
    fresh = np.maximum(stop - start + 1, 0)
    return np.bincount(word, weights=fresh, minlength=tokens.words).astype(np.int64)


def count_pairs(
    tokens: Tokens, first: NDArray[np.int32], last: NDArray[np.int32], window: int, advance: Advance | None = None
) -> csr_array:
    """How often two different words meet in a window, [words, words], int64, above the diagonal only.

    Every pair of tokens counts once per window that holds both, so a word that is twice in a window counts twice.
    Blocks of pairs are sorted beside each other (numpy releases the interpreter lock there) and added up.
    """
    from scipy import sparse

    bits = np.int64(window.bit_length())
    enough = min(PAIRS_AT_ONCE, tokens.word.size * window // (2 * WORKERS))  # enough blocks that every worker has one
    sums: list[csr_array] = []
    pending: deque[Future[csr_array]] = deque()
    block: list[Integers] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for distance in range(1, window):
            (advance or _silent)("counting pairs", distance / window)
            block.append(pair_keys(tokens, first, last, distance, bits))
            if sum(keys.size for keys in block) >= enough or distance == window - 1:
                if len(pending) == WORKERS:
                    _add_up(sums, pending.popleft().result())
                pending.append(pool.submit(_block_matrix, block, tokens.words, bits))
                block = []
        while pending:
            _add_up(sums, pending.popleft().result())
    total = sparse.csr_array((tokens.words, tokens.words), dtype=np.int64)
    while sums:
        total = sums.pop() + total
    return total


def _add_up(sums: list[csr_array], new: csr_array) -> None:
    """Put a matrix to others, and add neighbours of like size: no entry is copied more often than a logarithm of the blocks.

    Adding each block to one total would copy the total once a block, which is what most of a large build was spent on.
    """
    while sums and sums[-1].nnz <= 2 * new.nnz:
        new = sums.pop() + new
    sums.append(new)


def pair_keys(
    tokens: Tokens, first: NDArray[np.int32], last: NDArray[np.int32], distance: int, bits: np.int64
) -> Integers:
    """``(low * words + high) * 2^bits + shared`` for each pair of tokens at this distance, low < high the two words.

    The pair shares the windows from ``first`` of the later token to ``last`` of the earlier one.
    """
    earlier, later = slice(None, -distance), slice(distance, None)
    one, two = tokens.word[earlier], tokens.word[later]
    kept = np.flatnonzero((tokens.document[earlier] == tokens.document[later]) & (one != two))
    one, two = one[kept], two[kept]
    key = np.minimum(one, two).astype(np.int64)
    key *= tokens.words
    key += np.maximum(one, two)
    key <<= bits
    key += last[earlier][kept] - first[later][kept] + 1
    return key


def sum_runs(keys: Integers, bits: np.int64) -> tuple[Integers, Integers]:
    """The different pairs ``low * words + high`` among packed keys, ascending, and the sum of what they share.

    The array of keys is sorted and shifted in place.
    """
    keys.sort()
    shared = keys.astype(np.uint16)  # the low bits; a window holds at most 4096 tokens, so 13 bits do
    shared &= np.uint16((1 << bits) - 1)
    keys >>= bits
    new = np.ones(keys.size, dtype=np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    start = np.flatnonzero(new)
    counts = np.add.reduceat(shared, start, dtype=np.int64) if start.size else np.zeros(0, np.int64)
    return keys[start], counts


def _block_matrix(block: list[Integers], words: int, bits: np.int64) -> csr_array:
    """The matrix of one block of packed keys; the block is emptied."""
    from scipy import sparse

    keys = np.concatenate(block)
    block.clear()
    keys, counts = sum_runs(keys, bits)
    rowptr = np.searchsorted(keys, np.arange(words + 1, dtype=np.int64) * words)
    index = np.int32 if keys.size < 2**31 else np.int64
    return sparse.csr_array((counts, (keys % words).astype(index), rowptr.astype(index)), shape=(words, words))


def positive_pmi(pairs: csr_array, word_windows: Integers, windows: int) -> csr_array:
    """PMI(i, j) = ln( p(i, j) / (p(i) p(j)) ) where it is positive, p = windows with it / all windows (Yao et al., Eq. 4-6).

    Whether it is positive is decided in whole numbers, ``pairs * windows > word_windows_i * word_windows_j``.
    """
    from scipy import sparse

    row = np.repeat(np.arange(pairs.shape[0], dtype=np.int32), np.diff(pairs.indptr))
    joint, alone = joint_and_alone(row, pairs.indices, pairs.data, word_windows, windows)
    kept = joint > alone
    rowptr = np.zeros(pairs.shape[0] + 1, pairs.indptr.dtype)
    np.cumsum(np.bincount(row[kept], minlength=pairs.shape[0]), out=rowptr[1:])
    values = joint[kept] / alone[kept]
    return sparse.csr_array((np.log(values, out=values), pairs.indices[kept], rowptr), shape=pairs.shape)


def joint_and_alone(
    one: NDArray[np.int32], two: NDArray[np.int32], shared: Integers, word_windows: Integers, windows: int
) -> tuple[Integers, Integers]:
    """``p(i, j)`` and ``p(i) p(j)`` of pairs of words, both times ``windows^2``, int64: exact, and symmetric in i and j."""
    alone = word_windows[one]
    alone *= word_windows[two]
    return shared * windows, alone


def tf_idf(tokens: Tokens) -> csr_array:
    """Times a word is in a document, times ln(documents / documents that have it), [documents, words], float64."""
    from scipy import sparse

    documents, words = tokens.length.size, tokens.words
    document, word, times = count_terms(tokens)
    having = np.bincount(word, minlength=words)
    rowptr = np.searchsorted(document, np.arange(documents + 1)).astype(np.int32)
    weight = times * np.log(documents / having)[word]
    return sparse.csr_array((weight, word, rowptr), shape=(documents, words))


def count_terms(tokens: Tokens) -> tuple[NDArray[np.int32], NDArray[np.int32], Integers]:
    """Document, word and how often the one holds the other, by document and then by word."""
    keys, times = np.unique(tokens.document.astype(np.int64) * tokens.words + tokens.word, return_counts=True)
    return (keys // tokens.words).astype(np.int32), (keys % tokens.words).astype(np.int32), times


def _graph(clean: CleanCorpus, matrix: csr_array, vocabulary: tuple[str, ...], windows: int, pairs: int) -> Graph:
    corpus = clean.corpus
    nodes, documents = matrix.shape[0], len(corpus.documents)
    number = {name: index for index, name in enumerate(corpus.class_names)}
    labels = torch.full((nodes,), -1, dtype=torch.int64)
    labels[:documents] = torch.tensor([number[label] for label in corpus.labels])
    masks: dict[str, torch.Tensor] = {}
    for split in ("train", "test", "validation"):
        masks[split] = torch.zeros(nodes, dtype=torch.bool)
        masks[split][:documents] = torch.tensor([part == split for part in corpus.split])
    source = origin(corpus.name, corpus.path, corpus.hash, clean.options, clean.stop_words_hash)
    source |= {"windows": windows, "document_word_pairs": pairs, "notes": list(clean.notes)}
    return Graph.from_scipy(
        matrix,
        labels=labels,
        train_mask=masks["train"],
        test_mask=masks["test"],
        val_mask=masks["validation"] if bool(masks["validation"].any()) else None,
        class_names=corpus.class_names,
        node_names=(*corpus.names, *vocabulary),
        num_documents=documents,
        source=source,
    )


def origin(
    name: str, path: str, corpus_hash: str, options: TextGraphOptions, stop_words_hash: str
) -> dict[str, object]:
    """What a graph says of the corpus and the options that it was built from.

    Args:
        name, path, corpus_hash: of the corpus; ``path`` is "" for a published one.
        options: resolved ones.
        stop_words_hash: of the list of stop words.
    """
    return {
        "dataset": name,
        **({"path": path} if path else {}),
        "corpus_hash": corpus_hash,
        "options": options.to_json(),
        "stop_words_hash": stop_words_hash,
        "builder": TEXT_GRAPH_VERSION,
    }


def _silent(stage: str, share: float) -> None:
    pass
