"""A graph of which each rank holds its rows, read from the file of the whole graph slice by slice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from gcn2snn.distributed.communicator import Communicator
from gcn2snn.distributed.halo import Halo, Partition, with_halo
from gcn2snn.errors import ArtefactError, InputError, reason_of
from gcn2snn.files import stored_header
from gcn2snn.graph import GRAPH_FORMAT, Graph, StoredGraph
from gcn2snn.kernels import CSR, normalised_rows
from gcn2snn.normalisation import degrees_of
from gcn2snn.schema import checked

AGAIN = "Delete it and build the graph again"


@dataclass(frozen=True, eq=False)
class GraphShare:
    """What one rank knows of a graph.

    Args:
        outline: labels, masks, class names and origin of all nodes, without edges, features and names of nodes.
        fingerprint: of the whole graph.
        partition: rows of each rank.
        ranks: that share the graph.
        adjacency: own rows of the normalised adjacency, [own rows, columns that they read].
        halo: what brings the rows of these columns.
        rows: the same rows with the numbers of all nodes as columns, [own rows, nodes].
        degree: row sum of A + I of every node, [nodes] float64.
        features: of own rows, [own rows, F], or None.
    """

    outline: Graph
    fingerprint: str
    partition: Partition
    ranks: Communicator
    adjacency: CSR
    halo: Halo
    rows: CSR
    degree: Tensor
    features: Tensor | None = None

    @property
    def own(self) -> slice:
        """Own rows."""
        return self.partition.of(self.ranks.rank)

    @property
    def num_nodes(self) -> int:
        """Of the whole graph."""
        return self.partition.rows


def read_share(path: Path, ranks: Communicator) -> GraphShare:
    """This rank's rows of a graph file that :meth:`gcn2snn.Graph.save` wrote.

    Only slices of the entries and features are read; row pointers, labels and masks are read whole (14 bytes a node).

    Raises:
        ArtefactError: the file is missing, damaged, or holds what no graph does.
        ConfigError: there are more ranks than rows.
    """
    from safetensors import SafetensorError, safe_open

    header = stored_header(path)
    if (header.get("kind"), header.get("version")) != ("gcn2snn.graph", GRAPH_FORMAT):
        raise ArtefactError(f"{path} is no graph file of this release. {AGAIN}")
    meta = checked(header.get("meta"), StoredGraph, f"the header of {path}", AGAIN)
    try:
        with safe_open(path, framework="pt") as file:
            rowptr = file.get_tensor("rowptr")
            partition = Partition.balanced(rowptr.long() + torch.arange(rowptr.numel()), ranks.size)
            own = partition.of(ranks.rank)
            first, last = int(rowptr[own.start]), int(rowptr[own.stop])
            entries = {name: file.get_slice(name)[first:last] for name in ("col", "value")}
            whole = {
                name: file.get_tensor(name)
                for name in ("labels", "train_mask", "test_mask", "val_mask")
                if name in file.keys()  # noqa: SIM118 - not a dict
            }
            features = file.get_slice("features")[own] if "features" in file.keys() else None  # noqa: SIM118
    except (SafetensorError, OSError, KeyError) as error:
        raise ArtefactError(f"{path} cannot be read: {reason_of(error)}. {AGAIN}") from error
    raw = CSR(rowptr[own.start : own.stop + 1] - first, entries["col"], entries["value"], partition.rows)
    try:
        raw.validate()
        outline = Graph(
            CSR(torch.zeros_like(rowptr), raw.col[:0], raw.value[:0], partition.rows),
            class_names=tuple(meta["class_names"]),
            num_documents=meta["num_documents"],
            source=meta["source"],
            **whole,
        )
    except InputError as error:
        raise ArtefactError(f"{path} is not a whole graph file: {error}. {AGAIN}") from error
    return share_of(outline, meta["fingerprint"], raw, features, partition, ranks)


def fingerprint_of(path: Path) -> str:
    """The fingerprint that a graph file states, which costs no reading of the graph.

    Raises:
        ArtefactError: it is no graph file.
    """
    return checked(stored_header(path).get("meta"), StoredGraph, f"the header of {path}", AGAIN)["fingerprint"]


def node_names(path: Path) -> tuple[str, ...]:
    """Names of all nodes in a graph file, which ranks do not keep.

    Raises:
        ArtefactError: it is no graph file.
    """
    meta = checked(stored_header(path).get("meta"), StoredGraph, f"the header of {path}", AGAIN)
    return tuple(meta["node_names"])


def share_of(
    outline: Graph, fingerprint: str, raw: CSR, features: Tensor | None, partition: Partition, ranks: Communicator
) -> GraphShare:
    """A rank's share from its rows of the raw adjacency, [own rows, nodes]; the other arguments as for :class:`GraphShare`."""
    own = partition.of(ranks.rank)
    with ranks.counted_as("set-up"):
        degree = ranks.rows_everywhere(degrees_of(raw, own.start))
    rows = normalised_rows(raw, own.start, degree).to(ranks.device)
    adjacency, halo = with_halo(rows, partition, ranks)
    features = None if features is None else features.to(ranks.device)
    return GraphShare(outline, fingerprint, partition, ranks, adjacency, halo, rows, degree, features)


def share_in_memory(graph: Graph, ranks: Communicator) -> GraphShare:
    """A rank's share of a graph that every rank has in memory; for small graphs."""
    partition = Partition.balanced(graph.raw.rowptr.long() + torch.arange(graph.num_nodes + 1), ranks.size)
    own = partition.of(ranks.rank)
    raw = replace(graph.raw.rows(torch.arange(own.start, own.stop)), symmetric=False)
    empty = CSR(torch.zeros_like(graph.raw.rowptr), raw.col[:0], raw.value[:0], graph.num_nodes)
    outline = replace(graph, raw=empty, features=None)
    features = None if graph.features is None else graph.features[own]
    return share_of(outline, graph.fingerprint, raw, features, partition, ranks)
