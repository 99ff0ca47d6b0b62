"""The cache of matrices: what it keeps, for how long, and how much of it."""

from __future__ import annotations

import gc
import os
import sys
import threading
import weakref

import pytest
import torch

from gcn2snn.kernels import CSR
from gcn2snn.matrices.cache import MATRICES, MatrixCache, size_of


class Thing:
    """Any object that can stand for a graph."""


def matrix(size: int = 2) -> CSR:
    return CSR.from_dense(torch.eye(size))


def test_made_once_per_graph_and_key() -> None:
    cache, graph, other = MatrixCache(), Thing(), Thing()
    first = cache.get(graph, "a", matrix)
    assert cache.get(graph, "a", matrix) is first
    assert cache.get(graph, "b", matrix) is not first
    assert cache.get(other, "a", matrix) is not first
    assert len(cache) == 2


def test_matrices_go_with_their_graph() -> None:
    cache, graph = MatrixCache(), Thing()
    cache.get(graph, "a", matrix)
    del graph
    gc.collect()
    assert len(cache) == 0
    assert cache._bytes == 0


def test_the_form_used_longest_ago_goes_first() -> None:
    cache, graph = MatrixCache(most_forms=2), Thing()
    first = cache.get(graph, "a", matrix)
    second = cache.get(graph, "b", matrix)
    assert cache.get(graph, "a", matrix) is first
    cache.get(graph, "c", matrix)
    assert cache.get(graph, "a", matrix) is first
    assert cache.get(graph, "b", matrix) is not second
    assert cache._bytes == 2 * size_of(first)


def test_bytes_of_all_graphs_are_bounded() -> None:
    size = size_of(matrix())
    cache, graphs = MatrixCache(most_bytes=3 * size), [Thing() for _ in range(10)]
    made = [cache.get(graph, "a", matrix) for graph in graphs]
    assert (len(cache), cache._bytes) == (3, 3 * size)
    assert cache.get(graphs[-1], "a", matrix) is made[-1]
    assert cache.get(graphs[0], "a", matrix) is not made[0]


def test_the_graph_in_use_is_kept_whatever_its_size() -> None:
    cache, graph = MatrixCache(most_bytes=1), Thing()
    forms = [cache.get(graph, key, matrix) for key in range(3)]
    assert [cache.get(graph, key, matrix) for key in range(3)] == forms


def test_threads_share_a_cache() -> None:
    graphs = [Thing() for _ in range(8)]
    cache = MatrixCache(most_bytes=3 * size_of(matrix(8)), most_forms=2)
    wrong = []

    def work() -> None:
        for step in range(400):
            number = step % len(graphs)
            got = cache.get(graphs[number], step % 3, lambda number=number: matrix(number + 1))
            if got.shape != (number + 1, number + 1):
                wrong.append(got)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []
    assert cache._bytes == sum(graph.size() for graph in cache._graphs.values())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_does_not_wait_for_a_thread_of_its_parent() -> None:
    with MATRICES._lock:
        child = os.fork()
        if child == 0:
            got: list[bool] = []
            thread = threading.Thread(target=lambda: got.append(MATRICES._lock.acquire(timeout=5)))
            thread.start()
            thread.join()
            os._exit(0 if got == [True] else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_graph_that_took_the_number_of_another_is_not_forgotten_with_it() -> None:
    cache, graph, other = MatrixCache(), Thing(), Thing()
    cache.get(graph, "a", matrix)
    forget = cache._forget_when_collected(id(graph))
    forget(weakref.ref(other))
    assert len(cache) == 1
    cache.clear()
    forget(weakref.ref(graph))
    assert len(cache) == 0
    assert MatrixCache().most_forms == 128
