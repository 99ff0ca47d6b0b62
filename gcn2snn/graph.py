"""A graph: CSR adjacency, features, labels, masks, names; saved without pickle."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gcn2snn.errors import (
    ArtefactError,
    Gcn2SnnError,
    InputError,
    InputTypeError,
    MissingPackageError,
    kind_of,
    refuses_misfits,
    within_memory,
)
from gcn2snn.kernels import CSR, MAX_ENTRIES, Derived, all_finite, contents
from gcn2snn.normalisation import normalise
from gcn2snn.schema import Count, Json, Sha256, Stored

if TYPE_CHECKING:
    from dgl import DGLGraph
    from torch_geometric.data import Data

GRAPH_FORMAT = 1


@dataclass(frozen=True, eq=False, repr=False)
class Graph:
    """Nodes with symmetric weighted edges and, on some of them, labels.

    >>> import torch
    >>> from gcn2snn.kernels import CSR
    >>> weights = CSR.from_dense(torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 2.0], [0.0, 2.0, 0.0]]))
    >>> train, test = torch.tensor([True, False, True]), torch.tensor([False, True, False])
    >>> graph = Graph(weights, torch.tensor([0, 0, 1]), train, test, ("a", "b"))
    >>> graph.num_nodes, graph.num_classes
    (3, 2)

    Args:
        raw: weights before self-loops and normalisation, symmetric, [nodes, nodes].
        labels: class of each node, [nodes], int64, -1 = none.
        train_mask, test_mask: [nodes], bool.
        class_names: one per class.
        node_names: one per node; in a text graph the documents first, then the words.
        num_documents: how many of the nodes are documents (all nodes in other graphs).
        features: [nodes, F] float32, or None for the identity (one-hot nodes).
        val_mask: a published validation split, or None: training then draws one from the training nodes.
        source: where it came from: dataset name, corpus hash, options (JSON values only).
    """

    raw: CSR
    labels: Tensor
    train_mask: Tensor
    test_mask: Tensor
    class_names: tuple[str, ...]
    node_names: tuple[str, ...] = ()
    num_documents: int = -1
    features: Tensor | None = None
    val_mask: Tensor | None = None
    source: dict[str, Any] = field(default_factory=dict)
    file: Path | None = field(default=None, init=False)
    """Where it was read from or written to last; None for one that is in memory alone, as changed copies are."""

    def __post_init__(self) -> None:
        self._check_kinds()
        nodes = self.raw.shape[0]
        if self.raw.shape[1] != nodes:
            raise InputError(f"an adjacency is square, got {self.raw.shape}")
        for name in ("labels", "train_mask", "test_mask", "val_mask"):
            tensor = getattr(self, name)
            if tensor is not None and tensor.shape != (nodes,):
                raise InputError(
                    f"{name} has shape {[*tensor.shape]}; the graph has {nodes} nodes, so [{nodes}] is needed"
                )
        if self.features is not None and (self.features.dim() != 2 or self.features.shape[0] != nodes):
            raise InputError(f"features have shape {[*self.features.shape]}; [{nodes}, F] is needed, or None")
        if self.node_names and len(self.node_names) != nodes:
            raise InputError(f"{len(self.node_names)} node names for {nodes} nodes")
        if nodes and int(self.labels.max()) >= self.num_classes:
            raise InputError(f"a label is {int(self.labels.max())}, but only {self.num_classes} classes are named")
        used = self.train_mask | self.test_mask
        unlabelled = ((used if self.val_mask is None else used | self.val_mask) & (self.labels < 0)).nonzero()
        if unlabelled.numel():
            raise InputError(
                f"node {int(unlabelled[0])} is in a split but has no label; label it or take it out of the masks"
            )
        if self.num_documents < 0:
            object.__setattr__(self, "num_documents", nodes)

    def _check_kinds(self) -> None:
        """Refuse fields of other types; sizes are compared afterwards.

        Raises:
            InputTypeError: as said.
            InputError: a matrix or tensor without values, or labels that are no classes.
        """
        if not isinstance(self.raw, CSR):
            raise InputTypeError(f"raw is {kind_of(self.raw)}; a gcn2snn.CSR is needed, as CSR.from_coo makes it")
        self.raw.check_kinds()
        wanted: dict[str, tuple[torch.dtype, ...]] = dict.fromkeys(
            ("train_mask", "test_mask", "val_mask"), (torch.bool,)
        )
        wanted |= {"labels": (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8), "features": FLOATS}
        for name, dtypes in wanted.items():
            tensor = getattr(self, name)
            if tensor is None and name in ("val_mask", "features"):
                continue
            if not isinstance(tensor, Tensor) or tensor.dtype not in dtypes or tensor.layout is not torch.strided:
                raise InputTypeError(f"{name} is {kind_of(tensor)}; a dense tensor of {dtypes[0]} is needed")
            if tensor.is_nested or tensor.device.type == "meta":
                raise InputError(f"{name} is nested or on the device 'meta', so it has no values to read")
        for name in ("class_names", "node_names"):
            if not all(isinstance(text, str) for text in _sequence(name, getattr(self, name))):
                raise InputTypeError(f"{name} holds something else than texts; a name for each is needed")
        whole = isinstance(self.num_documents, int) and not isinstance(self.num_documents, bool)
        if not whole or not isinstance(self.source, dict):
            got = f"{kind_of(self.num_documents)} and {kind_of(self.source)}"
            raise InputTypeError(f"num_documents and source are {got}; a whole number and a dict are needed")

    def __repr__(self) -> str:
        """``Graph(karate: 34 nodes, 156 entries, 4 classes, 4 training and 30 test nodes, no features)``."""
        name = self.source.get("dataset", "unnamed")
        train, test = int(self.train_mask.sum()), int(self.test_mask.sum())
        words = f" ({self.num_documents} documents, {len(self.vocabulary)} words)" if self.vocabulary else ""
        features = "no features" if self.features is None else f"{self.features.shape[1]} features"
        return (
            f"Graph({name}: {self.num_nodes} nodes{words}, {self.raw.nnz} entries, {self.num_classes} classes, "
            f"{train} training and {test} test nodes, {features})"
        )

    @classmethod
    @refuses_misfits
    def from_scipy(cls, matrix: Any, **fields: Any) -> Graph:
        """The graph of a symmetric scipy sparse array [nodes, nodes] with sorted rows; ``fields`` are the other fields.

        The array's buffers are shared where their dtypes allow it.

        Raises:
            InputError: more entries than 32-bit row pointers can count.
        """
        if matrix.nnz > MAX_ENTRIES:
            raise InputError(
                f"the graph has {matrix.nnz} edges; at most {MAX_ENTRIES} fit. Lower the window or raise min_count"
            )
        matrix = matrix.tocsr()
        rowptr, col = (torch.from_numpy(part.astype("int32", copy=False)) for part in (matrix.indptr, matrix.indices))
        return cls(CSR(rowptr, col, torch.from_numpy(matrix.data), matrix.shape[1], symmetric=True), **fields)

    @property
    def num_nodes(self) -> int:
        return self.raw.shape[0]

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def num_loops(self) -> int:
        """Entries of the raw adjacency on the diagonal."""
        rows = torch.arange(self.num_nodes, dtype=torch.int32, device=self.raw.device)
        return int((torch.repeat_interleave(rows, self.raw.rowptr.diff()) == self.raw.col).sum())

    @property
    def document_names(self) -> tuple[str, ...]:
        """Names of the document nodes."""
        return self.node_names[: self.num_documents]

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Words of a text graph, in node order."""
        return self.node_names[self.num_documents :]

    def held_out(self, share: float, seed: int) -> tuple[Tensor, Tensor]:
        """Training nodes without and with a seeded random share held out, at least one, both [k] int64, ascending.

        Source: Yao et al. 2019, Section 4: a tenth of the training documents, drawn at random, is for validation.
        """
        nodes = self.train_mask.nonzero().flatten()
        order = nodes[torch.randperm(nodes.numel(), generator=torch.Generator().manual_seed(seed))]
        held = max(1, int(share * nodes.numel()))
        return order[held:].sort().values, order[:held].sort().values

    @property
    def adjacency(self) -> CSR:
        """D^-1/2 (A + I) D^-1/2 with D the row sums of A + I (Kipf & Welling, Eq. 2; Yao et al., Eq. 4), float32.

        Kept, and made again when the raw matrix holds something else.
        """
        return self._kept.get("adjacency", contents(*self._matrix_tensors), lambda: normalise(self.raw))

    @property
    def fingerprint(self) -> str:
        """sha256 over structure, weights, labels, masks and features; kept as long as they stay the same."""
        tensors = (*self._matrix_tensors, self.labels, self.train_mask, self.test_mask, self.val_mask, self.features)
        there = [tensor for tensor in tensors if tensor is not None]
        with within_memory("the fingerprint of the graph"):  # of a tensor that repeats its values by stride 0
            return self._kept.get("fingerprint", contents(*there), lambda: self._hashed(tensors))

    @property
    def _matrix_tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.raw.rowptr, self.raw.col, self.raw.value

    @cached_property
    def _kept(self) -> Derived:
        return Derived()

    def _hashed(self, tensors: Sequence[Tensor | None]) -> str:
        digest = hashlib.sha256()
        for tensor in tensors:
            if tensor is not None:
                digest.update(f"{tensor.dtype}{[*tensor.shape]}".encode())
                plain = tensor.detach().resolve_neg().contiguous().cpu()
                values = plain.as_strided((plain.numel(),), (1,))  # one element counts as contiguous with any stride
                digest.update(values.view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def to_pyg(self) -> Data:
        """``torch_geometric.data.Data`` with the raw weights as ``edge_weight`` and one-hot or given features.

        Raises:
            MissingPackageError: torch-geometric is not installed.
        """
        try:
            from torch_geometric.data import Data
        except ImportError as error:
            raise MissingPackageError("Graph.to_pyg needs PyTorch Geometric: pip install 'gcn2snn[pyg]'") from error
        data = Data(
            x=self.features,
            edge_index=torch.stack([self.raw.col.long(), self.raw.row]),
            edge_weight=self.raw.value.float(),
            y=self.labels,
            train_mask=self.train_mask,
            test_mask=self.test_mask,
            num_nodes=self.num_nodes,
        )
        if self.val_mask is not None:
            data.val_mask = self.val_mask
        return data

    def to_dgl(self) -> DGLGraph:
        """``dgl.DGLGraph`` with edge data ``weight`` and node data ``feat`` (if any), ``label`` and the masks.

        Raises:
            MissingPackageError: DGL is not installed.
        """
        import os

        os.environ.setdefault("DGLBACKEND", "pytorch")  # otherwise DGL writes a settings file into the home folder
        try:
            import dgl
        except ImportError as error:
            raise MissingPackageError("Graph.to_dgl needs DGL: pip install 'gcn2snn[dgl]'") from error
        graph = dgl.graph((self.raw.col.long(), self.raw.row), num_nodes=self.num_nodes)
        graph.edata["weight"] = self.raw.value.float()
        graph.ndata.update(label=self.labels, train_mask=self.train_mask, test_mask=self.test_mask)
        if self.features is not None:
            graph.ndata["feat"] = self.features
        if self.val_mask is not None:
            graph.ndata["val_mask"] = self.val_mask
        return graph

    @refuses_misfits
    def save(self, path: str | Path) -> Path:
        """Write one safetensors file (tensors, and the rest as JSON in its header), whole or not at all.

        Raises:
            ArtefactError: the name ends as that of another format, or the file cannot be written.
            InputError, InputTypeError: the graph holds what :meth:`load` would refuse.
        """
        from gcn2snn.files import save_tensors

        _check_values(replace(self))  # made anew: its tensors may have been written to
        tensors = {"rowptr": self.raw.rowptr, "col": self.raw.col, "value": self.raw.value, "labels": self.labels}
        tensors |= {"train_mask": self.train_mask, "test_mask": self.test_mask}
        tensors |= {k: v for k, v in (("features", self.features), ("val_mask", self.val_mask)) if v is not None}
        # Two masks may be one tensor, which the format stores under one name only.
        tensors = {name: tensor.clone() if "mask" in name else tensor for name, tensor in tensors.items()}
        meta = {
            "class_names": self.class_names,
            "node_names": self.node_names,
            "num_documents": self.num_documents,
            "source": self.source,
            "fingerprint": self.fingerprint,
        }
        written = save_tensors(Path(path), tensors, kind="graph", version=GRAPH_FORMAT, meta=meta)
        object.__setattr__(self, "file", written.absolute())
        return written

    @classmethod
    @refuses_misfits
    def load(cls, path: str | Path) -> Graph:
        """Read what :meth:`save` wrote.

        Raises:
            ArtefactError: the file is missing, truncated, edited, of another format version, or holds what no graph does.
        """
        from gcn2snn.files import load_tensors

        again = "Delete it and build the graph again"
        tensors, meta = load_tensors(Path(path), kind="graph", version=GRAPH_FORMAT, schema=StoredGraph, again=again)
        try:
            raw = CSR(
                tensors["rowptr"], tensors["col"], tensors["value"], tensors["rowptr"].numel() - 1, symmetric=True
            )
            graph = cls(
                raw,
                tensors["labels"],
                tensors["train_mask"],
                tensors["test_mask"],
                tuple(meta["class_names"]),
                tuple(meta["node_names"]),
                meta["num_documents"],
                tensors.get("features"),
                tensors.get("val_mask"),
                meta["source"],
            )
            _check_values(graph)
        except (KeyError, Gcn2SnnError) as error:
            raise ArtefactError(f"{path} is not a whole graph file: {error}. {again}") from error
        if graph.fingerprint != meta["fingerprint"]:
            raise ArtefactError(f"{path} says of itself what it does not hold: it was edited. {again}")
        object.__setattr__(graph, "file", Path(path).absolute())
        return graph


FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def _sequence(name: str, values: object) -> tuple[object, ...]:
    """Names as they were given, or an error about them."""
    if not isinstance(values, tuple | list):
        raise InputTypeError(f"{name} is {kind_of(values)}; a tuple of texts is needed")
    return tuple(values)


class StoredGraph(Stored):
    """What stands beside the tensors of a graph."""

    class_names: list[str]
    node_names: list[str]
    num_documents: Count
    source: Json
    fingerprint: Sha256


def _check_values(graph: Graph) -> None:
    """Refuse what no file of a graph holds, before one is written and when one has been read.

    Raises:
        InputError, InputTypeError: the matrix breaks an invariant but for being symmetric, which is seen where that is made use
            of; or as the message says.
    """
    replace(graph.raw, symmetric=False).validate()
    labels, features = graph.labels, graph.features
    if graph.num_documents > graph.num_nodes:
        raise InputError(
            f"num_documents is {kind_of(graph.num_documents)}; allowed are 0 to {graph.num_nodes}, the number of nodes"
        )
    if labels.numel() and int(labels.min()) < -1:
        raise InputError(f"a label is {int(labels.min())}; labels are classes from 0, or -1 for none")
    if features is not None and not all_finite(features):
        raise InputError("features hold values that are NaN or infinite")
