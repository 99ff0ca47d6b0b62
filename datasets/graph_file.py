"""Labelled data for a network of any model: a file of ``torch.save`` or a published graph, as the arguments of one call.

A file holds a dict of tensors (PyG: ``torch.save(data.to_dict(), "FILE.pt")``), or a PyG ``Data`` object:

* ``y`` (or ``labels``): class of each output row, int64, negative for none;
* ``test_mask`` (or ``mask``): rows to look at, bool; without one, all rows with a class;
* ``val_mask``: rows to choose settings by, bool;
* what the model is called with: ``x``, ``edge_index``, ``edge_weight`` or ``edge_attr``, ``adj``, ``batch``, or any other
  name that its ``forward`` has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from gcn2snn.datasets.loading import load_graph
from gcn2snn.datasets.registry import DATASETS
from gcn2snn.errors import DataError, MissingPackageError
from gcn2snn.graph import Graph
from gcn2snn.torch_file import Allowed, read_torch

ALIASES = (
    ("x", "features", "feature", "feats", "feat", "h", "input", "inputs", "in_feat"),
    ("edge_index", "edges", "adj_t"),
    ("edge_weight", "edge_weights", "edge_attr", "weight"),
    ("adjacency", "adj"),
)
"""Names under which models and files know the same thing."""

BY_ROLE = {"dense": "x", "graph": "edge_index", "operator": "adjacency"}
"""What an argument of any other name is, by its role in the network, where the network has one of that role."""

MOST_CLASSES = 10**6
"""Each gets a name, so a number that is no class would take memory without bound."""

LABELS, MASKS = ("y", "labels"), ("test_mask", "mask")
EXAMPLE = "for example torch.save({'x': x, 'edge_index': edge_index, 'y': y, 'test_mask': mask}, 'data.pt')"


@dataclass(frozen=True, eq=False)
class LabelledCall:
    """What a network is called with, and what its output should be.

    >>> call = load_labelled("karate")
    >>> call.labels.shape, sorted(call.values)
    (torch.Size([34]), ['adjacency', 'edge_index', 'edge_weight'])

    Args:
        name: of the file or dataset.
        values: everything that a model may be called with, by name.
        labels: class of each output row, [N], int64, negative for none.
        rows: output rows to look at, [N], bool.
        class_names: one per class.
        validation: rows to choose settings by, [N], bool, where the data name some.
    """

    name: str
    values: Mapping[str, object]
    labels: Tensor
    rows: Tensor
    class_names: tuple[str, ...]
    validation: Tensor | None = None

    def arguments(self, inputs: Mapping[str, str]) -> tuple[object, ...]:
        """The values in the order of a network's inputs.

        Args:
            inputs: name -> role ("dense", "operator", "graph" or "unused").

        Raises:
            DataError: there is nothing for an input; the message lists what there is.
        """
        return tuple(
            self._argument(name, role, list(inputs.values()).count(role) == 1) for name, role in inputs.items()
        )

    def for_classes(self, count: int) -> LabelledCall:
        """The same with a name for each of a network's classes; those that no label has get a number.

        Raises:
            DataError: the labels have more classes.
        """
        named = len(self.class_names)
        if named > count:
            raise DataError(
                f"{self.name} has labels of {named} classes; the network has {count}. Use data that belong to it"
            )
        return replace(self, class_names=(*self.class_names, *(f"class {number}" for number in range(named, count))))

    def _argument(self, name: str, role: str, alone: bool) -> object:
        for key in (name, *next((group for group in ALIASES if name in group), ())):
            if key in self.values:
                return self.values[key]
        if role == "unused":
            return None
        if name == "data":
            return SimpleNamespace(**self.values)
        if name in ("g", "graph") and "edge_index" in self.values:
            return _dgl_graph(self.values)
        if alone and not any(name in group for group in ALIASES) and BY_ROLE.get(role) in self.values:
            return self.values[BY_ROLE[role]]
        raise DataError(
            f"the network takes {name!r}, and {self.name} holds {', '.join(self.values)}. Add {name!r} to the data"
        )


def load_labelled(name_or_path: str, root: str | Path | None = None) -> LabelledCall:
    """Labelled data of a published graph dataset or of a file.

    >>> load_labelled("karate").class_names[0]
    'community 0'

    Args:
        name_or_path: a name such as "cora", or the path of a .pt file.
        root: data root that is searched first for published datasets.

    Raises:
        DataError: neither, unreadable, holds something else, or has no row to look at.
    """
    if name_or_path.lower() in DATASETS:
        return _of_graph(load_graph(name_or_path, root), name_or_path.lower())
    path = Path(name_or_path)
    if not path.exists():
        raise DataError(
            f"no file and no dataset is called {name_or_path!r}. Give a .pt file, {EXAMPLE}, or one of {', '.join(DATASETS)}"
        )
    values = _read(path)
    labels = _taken(values, LABELS)
    if labels is None:
        raise DataError(
            f"{path} has no labels: none of {', '.join(LABELS)} is among {', '.join(values)}. Save {EXAMPLE}"
        )
    labels = _class_of_each_row(path, labels)
    mask = _taken(values, MASKS)
    rows = labels >= 0 if mask is None else _rows(path, mask, labels)
    if not bool(rows.any()):
        raise DataError(f"{path} has no row to look at: its mask is empty, or no row has a class of 0 or more")
    names = tuple(f"class {number}" for number in range(int(labels.max()) + 1))
    others = {key: value for key, value in values.items() if key not in ("train_mask", "val_mask")}
    chosen = values.get("val_mask")
    validation = None if chosen is None else _rows(path, chosen, labels)
    return LabelledCall(str(path), others, labels, rows, names, validation)


def _of_graph(graph: Graph, name: str) -> LabelledCall:
    values: dict[str, object] = {} if graph.features is None else {"x": graph.features}
    values["edge_index"] = torch.stack([graph.raw.col.long(), graph.raw.row.long()])
    values |= {"edge_weight": graph.raw.value.float(), "adjacency": graph.adjacency}
    if not bool(graph.test_mask.any()):
        raise DataError(f"{name} has no test nodes to look at")
    return LabelledCall(name, values, graph.labels, graph.test_mask, graph.class_names, graph.val_mask)


def _read(path: Path) -> dict[str, object]:
    """The named values of a file; pickled code is never run."""
    content = read_torch(path, DataError, f"Save {EXAMPLE}", _pyg_containers)
    if hasattr(content, "to_dict"):
        content = content.to_dict()
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise DataError(f"{path} holds a {type(content).__name__}; a dict of tensors by name is needed. Save {EXAMPLE}")
    return {key: value for key, value in content.items() if value is not None}


def _pyg_containers(refused: str) -> list[Allowed]:
    """PyG's plain containers of tensors that ``torch.load`` may make for a file it refused, and may not yet."""
    if "torch_geometric" not in refused:
        return []
    from torch_geometric.data import Data
    from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
    from torch_geometric.data.storage import GlobalStorage

    allowed = torch.serialization.get_safe_globals()  # importing PyG allows some
    return [kind for kind in (Data, DataEdgeAttr, DataTensorAttr, GlobalStorage) if kind not in allowed]


def _taken(values: dict[str, object], names: tuple[str, ...]) -> object:
    """The first of some entries that is there, taken out; None where none is."""
    return next((values.pop(name) for name in names if name in values), None)


def _class_of_each_row(path: Path, labels: object) -> Tensor:
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.dim() != 1 or not labels.numel():
        got = f"{labels.dtype} {[*labels.shape]}" if isinstance(labels, Tensor) else type(labels).__name__
        raise DataError(f"the labels in {path} are {got}; one whole number for each output row is needed, int64 [N]")
    if int(labels.max()) >= MOST_CLASSES:
        raise DataError(
            f"a label in {path} is {int(labels.max())}; classes are numbered from 0 and below {MOST_CLASSES:,}"
        )
    return labels.long()


def _rows(path: Path, mask: object, labels: Tensor) -> Tensor:
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != labels.shape:
        got = f"{mask.dtype} {[*mask.shape]}" if isinstance(mask, Tensor) else type(mask).__name__
        raise DataError(f"the mask in {path} is {got}; the labels need a bool mask {[*labels.shape]}")
    bad = (mask & (labels < 0)).nonzero()
    if bad.numel():
        raise DataError(
            f"row {int(bad[0])} of {path} is in the mask but has no class; label it or take it out of the mask"
        )
    return mask


def _dgl_graph(values: Mapping[str, Any]) -> object:
    import os

    os.environ.setdefault("DGLBACKEND", "pytorch")  # otherwise DGL writes a settings file into the home folder
    try:
        import dgl
    except ImportError as error:
        raise MissingPackageError("the network takes a DGL graph: pip install 'gcn2snn[dgl]'") from error
    try:
        source, target = values["edge_index"]
        nodes = {"num_nodes": values["x"].shape[0]} if "x" in values else {}
        graph = dgl.graph((source, target), **nodes)
        if "x" in values:
            graph.ndata["feat"] = values["x"]
        if "edge_weight" in values:
            graph.edata["weight"] = values["edge_weight"]
    except (ValueError, TypeError, AttributeError, IndexError, dgl.DGLError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"edge_index and x make no DGL graph: {said}. Save {EXAMPLE}") from error
    return graph
