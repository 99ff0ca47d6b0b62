"""New documents: classifying texts that were not in the graph of a converted Text GCN."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.datasets import TextGraphOptions, words_of
from gcn2snn.energy import preset_of
from gcn2snn.engines import Observer, Value, choose_engine, dense_value, depths, fire, latency, run, run_closed, started
from gcn2snn.errors import ConfigError, InputError, InputTypeError
from gcn2snn.graph import Graph
from gcn2snn.kernels import CSR, PhaseCode, Spikes
from gcn2snn.prediction import Prediction
from gcn2snn.schema import checked, made_of
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.textgcn.document_checks import StoredDocuments

DOCUMENTS_AT_ONCE = 4096
"""Documents of one pass; more go in several, so that memory stays bounded."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """How a text becomes a row of the graph: the words the graph knows, with their stored frequencies and degrees.

    Args:
        words: in the order of the graph's nodes.
        weight: ln(documents / documents that have the word), [words], float64.
        inverse_root: d_w^-1/2 with d_w the row sum of A + I of the trained graph, [words], float64.
        options: how text was cleaned.
    """

    words: tuple[str, ...]
    weight: Tensor
    inverse_root: Tensor
    options: TextGraphOptions

    @classmethod
    def of(cls, graph: Graph) -> Vocabulary:
        """The vocabulary of a text graph.

        Raises:
            InputError: the graph was not made from documents.
        """
        documents, options = graph.num_documents, graph.source.get("options")
        if not graph.vocabulary or not isinstance(options, dict):
            name = graph.source.get("dataset", "this graph")
            raise InputError(
                f"{name} has no words, so a text cannot join it. New documents need a network that was trained on a "
                f"corpus: gcn2snn train r8, or a corpus of your own"
            )
        entries = graph.raw
        degree = torch.ones(graph.num_nodes, dtype=torch.float64)
        degree.index_add_(0, entries.row, entries.value.double())
        of_word = (entries.row >= documents) & (entries.col < documents)
        having = torch.bincount(entries.row[of_word] - documents, minlength=len(graph.vocabulary)).double()
        # A word that every document has weighs nothing and has no edge to any of them.
        weight = torch.where(having > 0, (documents / having.clamp(min=1)).log(), 0.0)
        return cls(graph.vocabulary, weight, degree.rsqrt()[documents:], TextGraphOptions(**options))

    @cached_property
    def _number(self) -> dict[str, int]:
        return {word: index for index, word in enumerate(self.words)}

    def known(self, text: str) -> list[str]:
        """The words of a text that the graph knows, in their order, repeated as in the text."""
        return [word for word in words_of(text, self.options) if word in self._number]

    def rows(self, texts: Sequence[str]) -> CSR:
        """[documents, words + documents]: each document's row of D^-1/2 (A + I) D^-1/2, its own loop behind the words.

        a_dw = tf_dw ln(N / df_w) d_d^-1/2 d_w^-1/2,    a_dd = 1 / d_d,    d_d = 1 + sum_w tf_dw ln(N / df_w)
        """
        rowptr, columns, values = [0], [], []
        for place, text in enumerate(texts):
            times = Counter(self._number[word] for word in self.known(text))
            number = torch.tensor(sorted(times), dtype=torch.int64)
            raw = torch.tensor([times[w] for w in number.tolist()], dtype=torch.float64) * self.weight[number]
            number, raw = number[raw != 0], raw[raw != 0]
            degree = 1.0 + math.fsum(raw.tolist())
            columns += [*number.tolist(), len(self.words) + place]
            values += [(raw * (degree**-0.5 * self.inverse_root[number])).float(), torch.tensor([1.0 / degree])]
            rowptr.append(len(columns))
        shape = len(self.words) + len(texts)
        return CSR(
            torch.tensor(rowptr, dtype=torch.int32),
            torch.tensor(columns, dtype=torch.int32),
            torch.cat(values) if values else torch.zeros(0),
            shape,
        )


@dataclass(frozen=True, eq=False)
class NewDocuments:
    """What a converted Text GCN needs beside its weights to classify texts that were not in its graph.

    A new document d joins as one new row of the normalised adjacency. Words keep the spikes that they have in the trained
    graph, and d has no row of W_0 of its own, so with S_l the spikes of the words in message population l

        U_1 = A_dw S_1,    H = fire(U_1),    M = fire(H W_1),    U_2 = A_dw S_2 + a_dd M

    Frozen are the document frequencies, the degrees of the words and their spikes: adding d would change each of them
    slightly. Nothing else is approximated. Source: docs/method.md, new documents.

    Args:
        vocabulary: how a text becomes a row.
        states: spikes of the words in every population that an aggregation reads, by name.
        class_names: one per class.
        prior: share of each class among the training documents, [classes]: the answer to a text without a known word.
        temperature: divisor of the potentials before the softmax.
    """

    vocabulary: Vocabulary
    states: Mapping[str, Spikes]
    class_names: tuple[str, ...]
    prior: Tensor
    temperature: float = 1.0

    @classmethod
    def of(cls, snn: SpikingNetwork, graph: Graph, temperature: float = 1.0) -> NewDocuments:
        """The states of a network's words, from one evaluation on the graph it was trained on.

        Raises:
            InputError: the graph has no documents, or the network is not a Text GCN of this graph.
            ConfigError: its neurons fire before all input is there, or there are none between weights and aggregation.
        """
        vocabulary = Vocabulary.of(graph)
        if choose_engine(snn.network, snn.config.wait, "auto") != "closed":
            raise ConfigError(
                f"wait is {snn.config.wait}, so neurons fire before all input is there; the spikes that words keep are "
                f"those of the closed form. Convert with a longer wait to classify new documents"
            )
        names = {node.inputs[-1] for node in snn.network if isinstance(node, ir.Aggregate)}
        states: dict[str, Spikes] = {}

        def observe(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
            if node.name in names and isinstance(value, Spikes):
                states[node.name] = value.with_code(value.code[graph.num_documents :].clone())

        with torch.no_grad():
            run_closed(snn.network, {"adjacency": graph.adjacency}, observe)
        missing = sorted(names - set(states))
        if missing:
            raise ConfigError(
                f"{', '.join(missing)} send no spikes (message='fused'), so words have no states to keep. "
                f"Convert with message='signed' to classify new documents"
            )
        of_class = torch.bincount(graph.labels[graph.train_mask], minlength=graph.num_classes).double()
        return cls(vocabulary, states, graph.class_names, of_class / of_class.sum(), temperature)

    @property
    def tokeniser(self) -> str | None:
        """The name of what cut the texts of the graph into words; None: their cleaning alone."""
        return self.vocabulary.options.tokeniser

    def predict(self, snn: SpikingNetwork, texts: Sequence[str], preset: str = "fp32") -> list[Prediction]:
        """What the network says about each text.

        Raises:
            InputTypeError: a text is no string, or ``texts`` is a single string.
        """
        check_texts(texts)
        preset_of(preset)
        found: list[Prediction] = []
        for start in range(0, len(texts), DOCUMENTS_AT_ONCE):
            found += self._predict(snn, texts[start : start + DOCUMENTS_AT_ONCE], preset)
        return found

    @torch.no_grad()
    def _predict(self, snn: SpikingNetwork, texts: Sequence[str], preset: str) -> list[Prediction]:
        matrix = self.vocabulary.rows(texts)
        watch = _Watch()
        potential = self.potentials(snn, matrix, watch)
        probability = torch.softmax(potential.double() / self.temperature, 1)
        known = [len(self.vocabulary.known(text)) for text in texts]
        probability[[i for i, count in enumerate(known) if not count]] = self.prior
        best = probability.argmax(1)
        influence = watch.influence(best, self.vocabulary.words)
        cost, steps = preset_of(preset).add, _steps(snn)
        return [
            Prediction(
                label=self.class_names[int(best[i])],
                probability=dict(zip(self.class_names, probability[i].tolist(), strict=True)),
                known_words=known[i],
                spikes=int(watch.spikes[i]),
                additions=int(watch.additions[i]),
                joules=cost * int(watch.additions[i]),
                steps=steps,
                influence=influence[i],
            )
            for i in range(len(texts))
        ]

    def potentials(self, snn: SpikingNetwork, matrix: CSR, observe: Observer | None = None) -> Tensor:
        """Output potentials, [documents, classes], of rows made by :meth:`Vocabulary.rows`."""
        network = _without_horizons_of_nodes(snn.network)
        silent = {
            name: self._joined(name, words.code.new_zeros(matrix.shape[0], words.shape[1]))
            for name, words in self.states.items()
            if isinstance(network[network[name].inputs[0]], ir.Lookup)
        }

        def population(node: ir.Neuron, x: Value) -> Value:
            own = fire(node, x)
            return self._joined(node.name, own.code) if node.name in self.states else own

        result = run(network, {"adjacency": matrix}, population, lambda node, x: x, observe, silent)
        return started(network.of(ir.Output)[0], result)

    def _joined(self, name: str, code: Tensor) -> Spikes:
        """Spikes of the words with those of the new documents behind them."""
        words = self.states[name]
        return words.with_code(torch.cat([words.code, code]))

    def parts(self) -> tuple[dict[str, Tensor], dict[str, object]]:
        """Tensors and JSON values that :meth:`of_parts` makes the same object from; for files."""
        tensors = {"weight": self.vocabulary.weight, "inverse_root": self.vocabulary.inverse_root, "prior": self.prior}
        for name, spikes in self.states.items():
            tensors |= {f"state.{name}.code": spikes.code, f"state.{name}.scale": spikes.scale}
        meta = {
            "words": list(self.vocabulary.words),
            "options": self.vocabulary.options.to_json(),
            "class_names": list(self.class_names),
            "temperature": self.temperature,
            "codings": {name: asdict(spikes.coding) for name, spikes in self.states.items()},
        }
        return tensors, meta

    @classmethod
    def of_parts(cls, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> NewDocuments:
        """What :meth:`parts` took apart.

        Raises:
            KeyError: a tensor is missing.
            ArtefactError, ConfigError: a value is missing or of the wrong kind.
        """
        checked(meta, StoredDocuments, "what classifies new documents")
        options = made_of(TextGraphOptions, meta["options"], "the options of the text graph")
        vocabulary = Vocabulary(tuple(meta["words"]), tensors["weight"], tensors["inverse_root"], options)
        states = {
            name: Spikes(
                tensors[f"state.{name}.code"],
                tensors[f"state.{name}.scale"],
                made_of(PhaseCode, coding, f"the phase code of {name}"),
            )
            for name, coding in meta["codings"].items()
        }
        return cls(vocabulary, states, tuple(meta["class_names"]), tensors["prior"], meta["temperature"])


class _Watch:
    """Counts, for each new document, the spikes that reach it and what they cost; keeps the last sum for explanations."""

    def __init__(self) -> None:
        self.spikes: Tensor = torch.zeros(0)
        self.additions: Tensor = torch.zeros(0)
        self._last: tuple[CSR, Tensor] | None = None

    def __call__(self, node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if isinstance(node, ir.Aggregate):
            matrix, sent = args
            assert isinstance(matrix, CSR)
            assert isinstance(sent, Spikes)
            arriving = sent.fired.sum(1)[matrix.col.long()].double()
            count = torch.zeros(matrix.shape[0], dtype=torch.float64).index_add_(0, matrix.row, arriving)
            self._count(count, count)
            self._last = matrix, dense_value(sent)
        elif isinstance(node, ir.Dense):
            (sent,) = args
            assert isinstance(sent, Spikes)
            own = sent.fired.sum(1).double()
            self._count(own, own * node.weight.shape[0])

    def _count(self, spikes: Tensor, additions: Tensor) -> None:
        self.spikes = self.spikes + spikes if self.spikes.numel() else spikes
        self.additions = self.additions + additions if self.additions.numel() else additions

    def influence(self, labels: Tensor, words: Sequence[str]) -> list[dict[str, float]]:
        """For each document its words with a_dw (s_w[label] - mean over the classes of s_w), largest first."""
        assert self._last is not None
        matrix, sent = self._last
        column, row = matrix.col.long(), matrix.row
        of_label = sent[column, labels[row]] - sent[column].mean(1)
        share = (matrix.value * of_label).tolist()
        found: list[dict[str, float]] = [{} for _ in range(matrix.shape[0])]
        for document, word, amount in zip(row.tolist(), column.tolist(), share, strict=True):
            if word < len(words):
                found[document][words[word]] = amount
        return [dict(sorted(each.items(), key=lambda item: -abs(item[1]))) for each in found]


def check_texts(texts: Sequence[str]) -> None:
    """Refuse what is not a sequence of strings.

    Raises:
        InputTypeError: as said.
    """
    if isinstance(texts, str | bytes):
        raise InputTypeError(f"texts is a single {type(texts).__name__}; pass a list of strings: [text]")
    if not isinstance(texts, Sequence):
        raise InputTypeError(f"texts is {type(texts).__name__}; pass a list of strings, for example list(texts)")
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputTypeError(f"text {place} is {type(text).__name__}; every text must be a string")


def _without_horizons_of_nodes(network: ir.Network) -> ir.Network:
    """The network without last phases of single nodes: they belong to nodes of the trained graph."""
    changes = {
        node.name: [replace(node, horizon=None)]
        for node in network.of(ir.Neuron)
        if node.horizon is not None and node.horizon.dim() and node.horizon.shape[0] > 1
    }
    return network.replace(changes) if changes else network


def _steps(snn: SpikingNetwork) -> int:
    """Clock steps of one document through the network (Section V-C2)."""
    longest = max(node.coding.steps for node in snn.network.of(ir.Neuron))
    wait = longest - 1 if snn.config.wait is None else snn.config.wait
    return latency(1, longest, wait, 1 + max(depths(snn.network).values()))
