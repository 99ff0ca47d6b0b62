"""ONNX: the classifier of new documents of a converted Text GCN; it takes word numbers and needs no graph."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from gcn2snn import ir
from gcn2snn.engines import network_dtype
from gcn2snn.errors import ConfigError, InputError
from gcn2snn.formats.onnx_graph import OnnxGraph, Sparse
from gcn2snn.formats.onnx_model import Feeds, run_onnx, save_onnx
from gcn2snn.formats.onnx_rules import lower
from gcn2snn.formats.refusals import check_closed_form
from gcn2snn.kernels import decode
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.textgcn import NewDocuments

if TYPE_CHECKING:
    import onnx


def documents_of(snn: SpikingNetwork) -> NewDocuments:
    """What the network needs to classify new documents.

    Raises:
        ConfigError: it cannot classify any.
    """
    found = snn.documents_of()
    if not isinstance(found, NewDocuments):
        raise ConfigError(
            f"the network classifies texts by a {type(found).__name__}; only NewDocuments can be exported"
        )
    return found


def build_onnx_documents(snn: SpikingNetwork) -> onnx.ModelProto:
    """A model that classifies documents given as word numbers (docs/method.md, new documents).

    Inputs: ``ids`` [pairs] int64, numbers of words in ``words`` of the metadata; ``counts`` [pairs], how often each stands in
    its document; ``document`` [pairs] int64, which document a pair belongs to; ``documents`` [1] int64, how many there are.
    Outputs: ``potentials`` and ``probability`` [documents, classes], ``label`` [documents] int64, a number of ``classes``.

    Raises:
        ConfigError: the network cannot classify texts.
        MissingPackageError: onnx is not installed.
    """
    check_closed_form(snn, "onnx")
    documents = documents_of(snn)
    graph = OnnxGraph(np.dtype("float64" if network_dtype(snn.network) == torch.float64 else "float32"))
    ids, document = (graph.input(name, ["pairs"], whole=True) for name in ("ids", "document"))
    counts = graph.input("counts", ["pairs"])
    count = graph.input("documents", [1], whole=True)
    words, own = _rows_of_documents(graph, documents, ids, counts, document, count)
    potentials = _layers(snn, documents, graph, words, own)
    _answer(graph, documents, potentials, document, count)
    vocabulary = documents.vocabulary
    notes = {
        "about": "Classifies documents by their words with a one-spike network in closed form. ids are places in words.",
        "words": json.dumps(vocabulary.words, ensure_ascii=False),
        "classes": json.dumps(documents.class_names, ensure_ascii=False),
        "cleaning": json.dumps(vocabulary.options.to_json()),
    }
    return graph.model("new_documents", notes)


def _rows_of_documents(
    graph: OnnxGraph, documents: NewDocuments, ids: str, counts: str, document: str, count: str
) -> tuple[Sparse, str]:
    """The documents' rows of the normalised adjacency over the words, and their own loops 1 / d_d [documents, 1].

    a_dw = tf_dw ln(N / df_w) d_d^-1/2 d_w^-1/2, in double precision as ``Vocabulary.rows`` has it, then rounded.
    """
    kinds = graph.kinds
    double = graph.of_array(documents.vocabulary.weight.numpy(), "word_weight")
    roots = graph.of_array(documents.vocabulary.inverse_root.numpy(), "word_inverse_root")
    one = graph.of_array(np.ones(1), "one")
    graph.constants += [double, roots, one]
    raw = graph.op("Mul", graph.op("Cast", counts, to=kinds.DOUBLE), graph.op("Gather", "word_weight", ids))
    ones = graph.op("Expand", "one", count)
    degree = graph.op("ScatterElements", ones, document, raw, axis=0, reduction="add")
    root = graph.op("Div", "one", graph.op("Sqrt", degree))
    value = graph.op("Mul", graph.op("Gather", root, document), graph.op("Gather", "word_inverse_root", ids))
    own = graph.op("Cast", graph.op("Div", "one", degree), to=kinds.FLOAT)
    value = graph.op("Cast", graph.op("Mul", raw, value), to=kinds.FLOAT)
    if graph.dtype == np.float64:
        own, value = (graph.op("Cast", each, to=kinds.DOUBLE) for each in (own, value))
    return Sparse(document, ids, value, count), graph.op("Unsqueeze", own, graph.whole([1]))


def _layers(snn: SpikingNetwork, documents: NewDocuments, graph: OnnxGraph, words: Sparse, own: str) -> str:
    """Potentials of the output: what the words send is stored, what the documents send is computed."""
    names: dict[str, str] = {}
    network = snn.network
    for node in network:
        if isinstance(node, ir.Source | ir.Operator | ir.Lookup):
            continue
        if isinstance(node, ir.Neuron) and isinstance(network[node.inputs[0]], ir.Lookup):
            continue  # a new document has no row of the first weights, so it sends nothing here
        if isinstance(node, ir.Aggregate):
            feed = node.inputs[1]
            stored = decode(documents.states[feed], network_dtype(network))
            names[node.name] = graph.aggregate(words, graph.constant(stored.numpy()), stored.shape[1])
            if feed in names:
                names[node.name] = graph.op("Add", names[node.name], graph.op("Mul", names[feed], own))
            continue
        shape = network.shapes[node.inputs[-1]]
        plain = _without_horizon_of_nodes(node)
        names[node.name] = lower(plain, graph, shape, *(names[name] for name in node.inputs))
    return names[network.output.name]


def _without_horizon_of_nodes(node: ir.Node) -> ir.Node:
    """Last phases of single nodes belong to nodes of the trained graph."""
    if isinstance(node, ir.Neuron) and node.horizon is not None and node.horizon.dim() and node.horizon.shape[0] > 1:
        return replace(node, horizon=None)
    return node


def _answer(graph: OnnxGraph, documents: NewDocuments, potentials: str, document: str, count: str) -> None:
    """Softmax of potentials / temperature; documents without a known word get the shares of the training documents."""
    classes = len(documents.class_names)
    scaled = graph.op("Div", potentials, graph.constant(documents.temperature))
    ones = graph.filled(graph.op("Shape", document), 1.0)
    has_words = graph.op("Greater", graph.sum_at(document, ones, count), graph.constant(0.0))
    known = graph.op("Unsqueeze", has_words, graph.whole([1]))
    prior = graph.constant(documents.prior.numpy()[None, :])
    graph.op("Where", known, graph.op("Softmax", scaled, axis=1), prior, name="probability")
    graph.op("ArgMax", "probability", axis=1, keepdims=0, name="label")
    graph.output("potentials", ["documents", classes])
    graph.output("probability", ["documents", classes])
    graph.output("label", ["documents"], whole=True)


def write_onnx_documents(snn: SpikingNetwork, out: Path) -> dict[str, int | str]:
    """Write the classifier of new documents; as ``write_onnx``.

    Raises:
        ConfigError: the network cannot classify texts, or ``out`` does not end with .onnx.
        MissingPackageError: onnx is not installed.
    """
    if out.suffix != ".onnx":
        raise ConfigError(f"the ONNX export is one model, got {out.name}; choose a name that ends with .onnx")
    told = save_onnx(build_onnx_documents(snn), out)
    return told | {"words": len(documents_of(snn).vocabulary.words)}


def document_feeds(snn: SpikingNetwork, texts: Sequence[str]) -> Feeds:
    """Inputs of the model for some texts, cleaned as the network's own ``predict`` does."""
    vocabulary = documents_of(snn).vocabulary
    number = {word: place for place, word in enumerate(vocabulary.words)}
    pairs = [
        (number[word], times, place)
        for place, text in enumerate(texts)
        for word, times in sorted(Counter(vocabulary.known(text)).items(), key=lambda item: number[item[0]])
    ]
    columns = np.array(pairs, dtype=np.int64).reshape(-1, 3).T
    dtype = "float64" if network_dtype(snn.network) == torch.float64 else "float32"
    feeds: Feeds = {"ids": columns[0], "counts": columns[1].astype(dtype), "document": columns[2]}
    return feeds | {"documents": np.array([len(texts)])}


def sample_texts(snn: SpikingNetwork, count: int = 200) -> list[str]:
    """Texts of 1 to 40 words drawn from the graph's own, and one without any known word; the same at every call."""
    words = documents_of(snn).vocabulary.words
    draw = random.Random(0)
    return ["", *(" ".join(draw.choices(words, k=draw.randint(1, 40))) for _ in range(count - 1))]


def check_onnx_documents(snn: SpikingNetwork, texts: Sequence[str], out: Path) -> dict[str, int | float]:
    """Classify texts by the file in onnxruntime and by ``snn.predict``, and compare.

    Raises:
        InputError: there are no texts.
        MissingPackageError: onnx or onnxruntime is not installed.
        ArtefactError: the file cannot be read.
    """
    if not texts:
        raise InputError(
            "there are no texts to compare; give at least one, or none at all for texts drawn from the words"
        )
    documents = documents_of(snn)
    answers = documents.predict(snn, texts)
    found = run_onnx(out, document_feeds(snn, texts))
    labels = [documents.class_names[int(place)] for place in found["label"]]
    wrong = sum(own != answer.label for own, answer in zip(labels, answers, strict=True))
    expected = np.array([[answer.probability[name] for name in documents.class_names] for answer in answers])
    largest = float(np.abs(found["probability"] - expected).max(initial=0.0))
    return {"texts": len(texts), "predictions_differ": wrong, "largest_difference": largest}
