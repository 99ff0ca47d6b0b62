"""A converted network beside its source on labelled data of any kind: accuracy, agreement, energy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.energy import EnergyReport, EventCounter, WantedRows, needed_rows, preset_of
from gcn2snn.engines import bind, choose_engine, operators
from gcn2snn.errors import ConfigError, DataError, InputError, InputTypeError, MissingPackageError, refuses_misfits
from gcn2snn.graph import Graph
from gcn2snn.neighbours import seeds_of
from gcn2snn.prediction import RowPredictions
from gcn2snn.spiking_network import SpikingNetwork


@dataclass(frozen=True)
class Scores:
    """Accuracy and macro F1, in percent."""

    accuracy: float
    macro_f1: float


@dataclass(frozen=True, repr=False)
class Evaluation:
    """A converted network beside its source, on the same rows.

    Args:
        ann, snn: scores of the source and of the spiking network.
        agreement: percent of the rows on which both predict the same class.
        test_nodes: how many rows (nodes, graphs, images) were scored.
        energy: operations, additions and joules of all calls together.
        engine: "closed", "bucketed" or "temporal".
        rows: what both say of each row; ``rows.save`` writes a table. None where only the scores were kept.
    """

    ann: Scores
    snn: Scores
    agreement: float
    test_nodes: int
    energy: EnergyReport
    engine: str
    rows: RowPredictions | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, object]:
        """JSON values; the energy report's fields stand on the top level."""
        head = {"ann": asdict(self.ann), "snn": asdict(self.snn), "loss": self.ann.accuracy - self.snn.accuracy}
        head |= {"agreement": self.agreement, "test_nodes": self.test_nodes, "engine": self.engine}
        return head | self.energy.to_dict()

    def __repr__(self) -> str:
        scores = f"source {self.ann.accuracy:.2f} %, spiking {self.snn.accuracy:.2f} %"
        return f"Evaluation({self.test_nodes:,} rows: {scores}, alpha {self.energy.alpha_events:.2f} by events)"

    def __str__(self) -> str:
        return (
            f"{self.test_nodes:,} rows, {self.engine} engine\n"
            f"accuracy    source {self.ann.accuracy:.2f} %, spiking {self.snn.accuracy:.2f} %, "
            f"loss {self.ann.accuracy - self.snn.accuracy:+.2f}\n"
            f"macro F1    source {self.ann.macro_f1:.2f} %, spiking {self.snn.macro_f1:.2f} %\n"
            f"agreement   {self.agreement:.2f} % of the rows have the same prediction\n"
            f"{self.energy}"
        )


@dataclass(frozen=True, eq=False)
class Batch:
    """One call with labels: arguments of the network, labels [rows], which rows count, bool [rows], and their numbers.

    ``numbers``: of the rows in the whole graph that the batch is a part of, [rows]; None: one batch after the other.
    """

    args: tuple[object, ...]
    kwargs: Mapping[str, Any]
    labels: Tensor
    mask: Tensor
    numbers: Tensor | None = None


def evaluate(
    snn: SpikingNetwork,
    data: object,
    labels: object = None,
    mask: object = None,
    *,
    engine: str = "auto",
    wait: int | None = None,
    preset: str = "fp32",
    event_driven: bool = False,
    rows: Literal["all", "wanted"] = "all",
) -> Evaluation:
    """Run a converted network and its source on labelled data.

    >>> import torch, gcn2snn
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2)).eval()
    >>> x = torch.rand(20, 4)
    >>> result = gcn2snn.evaluate(gcn2snn.convert(model, x), x, labels=model(x).argmax(1))
    >>> result.ann.accuracy
    100.0

    Args:
        snn: converted network.
        data: one of: a :class:`gcn2snn.Graph`; a PyTorch Geometric ``Data`` or batch; a DGL graph; a loader of batches, each
            one of these or a tuple ``(argument, ..., labels)``, where of a batch around seed nodes (PyG's ``NeighborLoader``,
            :class:`gcn2snn.NeighbourBatches`) the seeds are scored; or, with ``labels``, what the network is called with (a tensor,
            a tuple of arguments, or a dict of keywords). Arguments of the network are found in graph objects by their
            names: ``x``, ``edge_index``, ``edge_weight`` (or ``edge_attr``), ``batch``; in DGL graphs features are
            ``ndata["feat"]`` (or the argument's own name).
        labels: class of each row, [rows], whole numbers; default: those of the data (``labels``, ``y``, ``ndata["label"]``).
        mask: rows that count, bool [rows], or the name of a mask of the data; default: ``test_mask`` if there is one, else all.
        engine: "auto", "closed", "bucketed" or "temporal".
        wait: w, default the one of the network.
        preset: energy per operation, a name of ``gcn2snn.energy.PRESETS``.
        event_driven: also count the neuron updates of a chip that does none in vain; needs the closed form.
        rows: "wanted" counts, for the source and the spiking network alike, only what the scored rows of a graph need:
            their neighbourhood, layer by layer. Accuracy is the same; all rows are still computed.

    Returns:
        Scores, agreement, both predictions for each row, and the energy of all calls together. Rows outside the mask are
        computed, and with ``rows="all"`` counted in the energy, too.

    Raises:
        DataError: there are no labels, no rows to score, or a label that the network has no output for.
        ConfigError: the engine cannot run this wait, or the preset is unknown.
        InputError, InputTypeError: the data do not fit the network.
        MissingPackageError: a loader of PyTorch Geometric needs a package that is not installed.
    """
    if not isinstance(snn, SpikingNetwork):
        raise InputTypeError(
            f"evaluate needs a converted network, got {type(snn).__name__}: convert(model, example) first"
        )
    preset_of(preset)
    if rows not in ("all", "wanted"):
        raise ConfigError(f"rows is {rows!r}; allowed are 'all' and 'wanted'")
    snn.network.check_scores("evaluate")
    wait = snn.config.wait if wait is None else wait
    chosen = choose_engine(snn.network, wait, engine)
    counter = snn.counter(wait, event_driven=event_driven)
    parts: list[RowPredictions] = []
    temperature = 1.0 if snn.documents is None else snn.documents.temperature
    before = 0
    for batch in batches_of(snn, data, labels, mask):
        counting = counter if rows == "all" else _wanted_rows(snn, counter, batch)
        scores = ir.one_tensor(snn.count(counting, *batch.args, engine=chosen, **batch.kwargs))
        checked, scored = _checked(batch, scores)
        source = ir.one_tensor(snn.source(*batch.args, **batch.kwargs))
        numbers = torch.arange(before, before + scored.numel()) if batch.numbers is None else batch.numbers
        place = numbers.to(scored.device)[scored]
        parts.append(RowPredictions.of(place, checked[scored], source[scored], scores[scored], temperature))
        before += scored.numel()
    if not sum(part.row.numel() for part in parts):
        raise DataError(
            "there is no row to score: the data are empty, or the mask chooses none. Give labelled test data"
        )
    found = RowPredictions.joined(parts)
    ann, own = score_classes(found.source, found.label), score_classes(found.network, found.label)
    agreement = 100 * float((found.source == found.network).double().mean())
    return Evaluation(ann, own, agreement, found.row.numel(), replace(counter.report(preset), rows=rows), chosen, found)


def _wanted_rows(snn: SpikingNetwork, counter: EventCounter, batch: Batch) -> WantedRows:
    """A counter of what the scored rows of a call need."""
    inputs = bind(snn.network, batch.args, dict(batch.kwargs))
    return WantedRows(counter, needed_rows(snn.network, operators(snn.network, inputs), batch.mask.cpu()))


def score(scores: Tensor, graph: Graph) -> Scores:
    """Accuracy and macro F1 over the test nodes of a graph.

    Raises:
        DataError: there are none.
    """
    if not bool(graph.test_mask.any()):
        raise DataError(f"{graph.source.get('dataset', 'the graph')} has no test nodes to evaluate on")
    return score_labels(scores[graph.test_mask], graph.labels[graph.test_mask])


def score_labels(scores: Tensor, labels: Tensor) -> Scores:
    """Accuracy and macro F1 of the class with the largest score, [N, classes] against [N]."""
    return score_classes(scores.argmax(1), labels)


def score_classes(predicted: Tensor, labels: Tensor) -> Scores:
    """Accuracy and macro F1 of predicted classes [N] against labels [N].

    F1_c = 2 tp_c / (2 tp_c + fp_c + fn_c), averaged over the classes that are predicted or true somewhere; 0 for a class
    without a right answer. Source: scikit-learn's f1_score(average="macro", zero_division=0).
    """
    classes = int(torch.cat([predicted, labels]).max()) + 1 if labels.numel() else 0
    right = torch.bincount(labels[predicted == labels], minlength=classes).double()
    seen = (torch.bincount(predicted, minlength=classes) + torch.bincount(labels, minlength=classes)).double()
    f1 = (2 * right / seen)[seen > 0]
    return Scores(100 * float((predicted == labels).double().mean()), 100 * float(f1.mean()))


def batches_of(snn: SpikingNetwork, data: object, labels: object = None, mask: object = None) -> Iterator[Batch]:
    """The calls that some data stand for; arguments and errors as for :func:`evaluate`."""
    if _is_call(data):
        if labels is None:
            raise DataError(
                "there are no labels: with arguments of the network as data, pass labels=, the class of each row"
            )
        args, kwargs = _call_of(data)
        yield _batch(args, kwargs, labels, mask, None)
    elif _is_graph(data):
        yield _of_graph(snn, data, labels, mask)
    elif isinstance(data, Iterable) and not isinstance(data, str | bytes):
        if labels is not None:
            raise DataError("a loader brings its labels with every batch; leave labels= out")
        for item in _items(data):
            if _is_graph(item):
                yield _of_graph(snn, item, None, mask)
            elif isinstance(item, tuple | list) and len(item) > 1:
                yield _batch(tuple(item[:-1]), {}, item[-1], None, None)
            else:
                raise InputTypeError(
                    f"a batch of the loader is {type(item).__name__}; a graph with labels, or a tuple (argument, ..., labels) "
                    f"is needed"
                )
    else:
        raise InputTypeError(
            f"data is {type(data).__name__}; pass a Graph, a PyTorch Geometric or DGL graph, a loader of batches, or the "
            f"network's arguments with labels="
        )


def _items(loader: Iterable[object]) -> Iterator[object]:
    """The batches of a loader.

    Raises:
        MissingPackageError: PyTorch Geometric's sampler needs a compiled package, and there is none.
    """
    try:
        yield from loader
    except ImportError as error:
        if "pyg-lib" not in str(error):
            raise
        raise MissingPackageError(
            f"{type(loader).__name__} of PyTorch Geometric needs pyg-lib or torch-sparse, and neither is installed "
            f"(https://pytorch-geometric.readthedocs.io/en/latest/install/installation.html). "
            f"gcn2snn.NeighbourBatches(data, fan_out, batch_size) and gcn2snn.ClusterBatches(data, parts) need neither"
        ) from None


def _is_call(data: object) -> bool:
    """Whether data are the arguments of one call: a tensor, an array, a tuple or a dict."""
    return isinstance(data, Tensor | np.ndarray | tuple | dict)


def _is_graph(data: object) -> bool:
    return isinstance(data, Graph) or hasattr(data, "edge_index") or hasattr(data, "ndata")


def _call_of(data: object) -> tuple[tuple[object, ...], Mapping[str, object]]:
    if isinstance(data, dict):
        return (), data
    return (data if isinstance(data, tuple) else (data,)), {}


def _of_graph(snn: SpikingNetwork, data: Any, labels: object, mask: object) -> Batch:
    if isinstance(data, Graph):
        args = (data.adjacency,) if data.features is None else (data.adjacency, data.features)
        return _batch(args, {}, data.labels if labels is None else labels, _mask_of(data, mask), data)
    dgl = hasattr(data, "ndata")
    args = tuple(_argument(snn, node, data, dgl) for node in snn.network.of(ir.Input))
    if labels is None:
        labels = data.ndata.get("label") if dgl else getattr(data, "y", None)
    if labels is None:
        where = 'ndata["label"]' if dgl else "data.y"
        raise DataError(f"there are no labels: {where} is missing. Set it, or pass labels=, the class of each row")
    batch = _batch(args, {}, labels, _mask_of(data, mask), data)
    return batch if seeds_of(data) is None else replace(batch, numbers=data.n_id)


def _mask_of(data: object, mask: object) -> object:
    """The mask itself, the one of that name in the data, or their test mask; of a batch around seed nodes the seeds."""
    seeds = seeds_of(data)
    if seeds is not None:
        return seeds if mask is None else seeds & torch.as_tensor(_named_mask(data, mask))
    return _named_mask(data, mask)


def _named_mask(data: object, mask: object) -> object:
    if mask is not None and not isinstance(mask, str):
        return mask
    name = mask or "test_mask"
    found = data.ndata.get(name) if hasattr(data, "ndata") else getattr(data, name, None)
    if found is None and mask is not None:
        raise DataError(f"the data have no mask {mask!r}; pass mask= as a bool tensor, or the name of one they have")
    return found


ALSO_CALLED = {
    "edge_weight": ("edge_attr", "weight", "w"),
    "edge_attr": ("edge_weight",),
    "weight": ("edge_weight", "w"),
}
"""Argument of a model -> other names under which graphs keep it."""


def _argument(snn: SpikingNetwork, node: ir.Input, data: Any, dgl: bool) -> Any:
    """What a graph holds for one argument of the network."""
    names = (node.name, *ALSO_CALLED.get(node.name, ()))
    if dgl:
        if node.role == "dense":
            return _first(data.ndata, (node.name, "feat", "x", "h"), node.name)
        if node.name in ALSO_CALLED:
            return _first(data.edata, names, node.name)
        return data
    for name in names:
        if getattr(data, name, None) is not None:
            return getattr(data, name)
    if node.role == "unused":
        return None
    if len(snn.network.of(ir.Input)) == 1:
        return data
    raise InputError(
        f"the data have no {node.name!r}, which the network takes. Set data.{node.name}, or call evaluate with the network's "
        f"arguments and labels="
    )


def _first(frame: Mapping[str, object], names: tuple[str, ...], wanted: str) -> object:
    for name in names:
        if name in frame:
            return frame[name]
    raise InputError(f"the DGL graph has no {wanted!r}: it holds {sorted(frame)}, looked for were {', '.join(names)}")


@refuses_misfits
def _batch(args: tuple[object, ...], kwargs: Mapping[str, object], labels: object, mask: object, data: object) -> Batch:
    try:
        known = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError):
        raise InputTypeError(
            f"labels are {type(labels).__name__}; class numbers are needed, one for each row"
        ) from None
    if known.is_floating_point() or known.is_complex() or known.dtype is torch.bool:
        raise InputTypeError(f"labels have dtype {known.dtype}; class numbers are whole, such as torch.int64")
    _refuse_sparse("labels", known)
    known = known.reshape(-1) if known.dim() == 2 and known.shape[1] == 1 else known
    if known.dim() != 1:
        raise InputError(f"labels have shape {list(known.shape)}; one class for each row, [rows], is needed")
    rows = torch.ones(known.shape, dtype=torch.bool) if mask is None else torch.as_tensor(mask)
    _refuse_sparse("mask", rows)
    if rows.dtype is not torch.bool or rows.shape != known.shape:
        got = f"{rows.dtype} {list(rows.shape)}"
        raise InputError(f"the mask is {got}; torch.bool {list(known.shape)} is needed, one for each label")
    if known.is_meta or rows.is_meta:
        raise InputError(f"the {'labels' if known.is_meta else 'mask'} lie on the meta device, which holds no values")
    return Batch(args, kwargs, known.long(), rows)


def _refuse_sparse(name: str, given: Tensor) -> None:
    if given.layout is not torch.strided:
        layout = str(given.layout).removeprefix("torch.")
        raise InputTypeError(f"{name} got a {layout} tensor; a dense one is needed. Call .to_dense() on it")


def _checked(batch: Batch, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Labels and mask of a batch, on the device of the scores, where they fit them."""
    if scores.dim() != 2 or scores.shape[0] != batch.labels.numel():
        raise InputError(
            f"there are {batch.labels.numel()} labels, but the network gives {list(scores.shape)}; one row of class scores for "
            f"each label is needed"
        )
    used = batch.labels[batch.mask]
    if used.numel() and not 0 <= int(used.min()) <= int(used.max()) < scores.shape[1]:
        raise DataError(
            f"labels run from {int(used.min())} to {int(used.max())}; the network has {scores.shape[1]} classes "
            f"(0 to {scores.shape[1] - 1}). Use the data it was trained on, or mask the rows without a label"
        )
    return batch.labels.to(scores.device), batch.mask.to(scores.device)
