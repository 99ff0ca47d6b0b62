"""The counts of a built graph, and their comparison with the published ones."""

from __future__ import annotations

from gcn2snn.datasets.registry import Dataset, GraphCounts
from gcn2snn.errors import DataError
from gcn2snn.graph import Graph


def count_graph(graph: Graph) -> GraphCounts:
    """The counts of method.md section 5, read from the graph itself; zero where a number has no meaning.

    The numbers of windows and of document-word pairs (which count pairs of weight 0, no edges of the graph) were
    noted by the builder. ``adjacency_entries`` follows from the raw entries and the self-loops that are missing, without normalising.

    >>> from gcn2snn.datasets import load_graph
    >>> count_graph(load_graph("karate")).nodes
    34
    """
    document_edges = int(graph.raw.rowptr[graph.num_documents])
    return GraphCounts(
        documents=graph.num_documents,
        train=int(graph.train_mask.sum()),
        test=int(graph.test_mask.sum()),
        words=len(graph.vocabulary),
        nodes=graph.num_nodes,
        classes=graph.num_classes,
        pmi_entries=graph.raw.nnz - 2 * document_edges if graph.vocabulary else 0,
        document_word_entries=int(graph.source.get("document_word_pairs", 0)),
        adjacency_entries=graph.raw.nnz + graph.num_nodes - graph.num_loops,
        windows=int(graph.source.get("windows", 0)),
        weight_sum=round(float(graph.raw.value.double().sum()), 6),
    )


def check_counts(graph: Graph, row: Dataset) -> None:
    """Compare a graph built with the published options with the registry.

    Raises:
        DataError: a number differs; the message lists each.
    """
    wrong = row.counts.differences(count_graph(graph)) if row.counts else []
    if wrong:
        raise DataError(
            f"the graph of {row.name} is not the published one ({'; '.join(wrong)}). "
            f"Please report this with the versions of Python, numpy and scipy"
        )
