"""Conversion of a Text GCN whose graph is shared out over ranks: calibration on own rows, joined by integers and maxima."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.datasets import TextGraphOptions
from gcn2snn.distributed.communicator import Communicator
from gcn2snn.distributed.evaluation import network_on, only_closed
from gcn2snn.distributed.graph_slices import GraphShare
from gcn2snn.engines import Value
from gcn2snn.errors import ConfigError
from gcn2snn.frontends import lower
from gcn2snn.kernels import CSR, Spikes
from gcn2snn.passes import (
    Joined,
    Problem,
    Statistics,
    calibrate,
    choose_setting,
    correct_means,
    fold_batch_norm,
    insert_neurons,
    joined_over,
    merge_linear,
    round_weights,
    with_codes,
    with_scales,
)
from gcn2snn.prediction import temperature
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.textgcn import NewDocuments, TextGCN, Vocabulary


def convert_share(
    model: TextGCN, graph: GraphShare, config: ConvertConfig, *, accuracy_first: bool = False
) -> SpikingNetwork:
    """The network that :func:`gcn2snn.convert` makes of a Text GCN on a graph, from this rank's share; the same on every rank.

    Scales, bases and the report are those of one process: they follow from maxima and from counts, which add up exactly. Corrected
    means and the comparison of settings are sums of floats, the same up to their order.

    Args:
        model: trained on this graph, in evaluation mode; every rank has it.
        graph: this rank's share.
        config: how to convert; without horizons and refits, which rank all neurons of the graph.
        accuracy_first: as for :func:`gcn2snn.convert`.

    Raises:
        ConfigError: the configuration asks for a horizon, a refit, or a wait that needs an engine in time.
    """
    _refuse_horizons(config)
    whole = insert_neurons(merge_linear(fold_batch_norm(_description(model, graph), config.batch_norm)), config)

    def cut(network: ir.Network) -> ir.Network:
        return network_on(network, graph)[0].network

    local, inputs = network_on(whole, graph)
    batch: Mapping[str, Value] = {**inputs, **local.operators}
    ranks = graph.ranks
    documents = min(max(graph.outline.num_documents - graph.own.start, 0), graph.own.stop - graph.own.start)
    joined = Joined(
        _copied(ranks.sum_), _copied(ranks.largest_), ranks.rows_everywhere, graph.own.start, graph.num_nodes
    )
    with torch.no_grad(), joined_over(joined):
        statistics = Statistics(local.network, lambda: [batch])
        problem = Problem(local.network, lambda: [batch], statistics, documents)
        config, choice = choose_setting(problem, config, accuracy_first)
        coded = with_codes(whole, config)
        _, report = calibrate(cut(coded), lambda: [batch], config, statistics)
        source = with_scales(coded, statistics, config)
        network = round_weights(source) if config.weights == "int8" else source
        if config.correct == "mean":
            corrected = correct_means(cut(network), lambda: [batch], cut(source))
            network = _with_starts(network, corrected)
    snn = SpikingNetwork(network, config, report, (), choice)
    only_closed(snn, "auto")
    source_of = graph.outline.source
    if "dataset" in source_of:
        snn.origin = {"dataset": source_of, "fingerprint": graph.fingerprint}
        snn.origin |= {"class_names": list(graph.outline.class_names)}
    return snn


def _refuse_horizons(config: ConvertConfig) -> None:
    """Refuse what compares the neurons of all ranks with each other.

    Raises:
        ConfigError: names the options.
    """
    own = config.layers.values()
    asked = {
        "--horizon": config.horizon is not None or any(layer.horizon is not None for layer in own),
        "--events": config.events is not None or any(layer.events is not None for layer in own),
        "--refit": config.refit or any(layer.refit for layer in own),
    }
    names = ", ".join(name for name, given in asked.items() if given)
    if names:
        raise ConfigError(
            f"{names} ranks all neurons of the graph, which one process must have. Convert without torchrun"
        )


def _description(model: TextGCN, graph: GraphShare) -> ir.Network:
    """The model as a description. Reading it needs the sizes of the graph and none of its entries."""
    nodes = graph.num_nodes
    entries = graph.adjacency
    empty = CSR(torch.zeros(nodes + 1, dtype=torch.int32), entries.col[:0], entries.value[:0], nodes)
    if graph.features is None:
        return lower(model, (empty,), {})
    return lower(model, (empty, graph.features.new_zeros(1, 1).expand(nodes, graph.features.shape[1])), {})


def _copied(join: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The same of a copy: what a process measured stays as it is."""
    return lambda values: join(values.clone())


def _with_starts(network: ir.Network, corrected: ir.Network) -> ir.Network:
    """The starting potentials of a network cut to some rows, in the whole one."""
    changes: dict[str, list[ir.Node]] = {}
    for node in network:
        if isinstance(node, ir.Neuron | ir.Output):
            found = corrected[node.name]
            assert isinstance(found, ir.Neuron | ir.Output)
            changes[node.name] = [replace(node, start=found.start)]
    return network.replace(changes)


@torch.no_grad()
def documents_on_first(
    snn: SpikingNetwork, graph: GraphShare, words: tuple[str, ...] | None, held: Tensor, known: float | None
) -> NewDocuments | None:
    """What classifies new texts with a network, on rank 0; None elsewhere, and where a network cannot.

    Args:
        snn: of :func:`convert_share`.
        graph: this rank's share.
        words: of the graph, on rank 0.
        held: validation nodes, [k] ascending, whose scores calibrate the probabilities.
        known: the divisor of the scores, where the training has fitted it.
    """
    ranks, outline = graph.ranks, graph.outline
    options = outline.source.get("options")
    if outline.num_documents == graph.num_nodes or not isinstance(options, dict) or not snn.network.of(ir.OneHot):
        return None
    local, inputs = network_on(snn.network, graph)
    names = {node.inputs[-1] for node in snn.network if isinstance(node, ir.Aggregate)}
    found: dict[str, Spikes] = {}

    def observe(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if node.name in names and isinstance(value, Spikes):
            found[node.name] = value

    scores = local.run_closed(inputs, observe)
    if set(found) != names:
        return None
    first = max(outline.num_documents - graph.own.start, 0)
    states: dict[str, Spikes] = {}
    for name in sorted(found):
        codes = ranks.rows_on_first(found[name].code[first:].contiguous())
        if codes is not None:
            states[name] = found[name].with_code(codes)
    weight, inverse_root = _frequencies(graph)
    mine = held[(held >= graph.own.start) & (held < graph.own.stop)] - graph.own.start
    held_scores = ranks.rows_on_first(scores[mine].contiguous())
    if not ranks.first or words is None or held_scores is None:
        return None
    vocabulary = Vocabulary(words, weight, inverse_root, TextGraphOptions(**options))
    of_class = torch.bincount(outline.labels[outline.train_mask], minlength=outline.num_classes).double()
    divisor = temperature(held_scores, outline.labels[held]) if known is None else known
    return NewDocuments(vocabulary, states, outline.class_names, of_class / of_class.sum(), divisor)


def _frequencies(graph: GraphShare) -> tuple[Tensor, Tensor]:
    """What :meth:`gcn2snn.textgcn.Vocabulary.of` counts: weight and d^-1/2 of each word, on every rank."""
    ranks, documents = graph.ranks, graph.outline.num_documents
    rows = graph.rows
    number = torch.repeat_interleave(torch.arange(graph.own.start, graph.own.stop), rows.rowptr.diff())
    of_word = (number >= documents) & (rows.col < documents)
    words = graph.num_nodes - documents
    having = _sum(ranks, torch.bincount(number[of_word] - documents, minlength=words)).double()
    weight = torch.where(having > 0, (documents / having.clamp(min=1)).log(), 0.0)
    return weight, graph.degree.rsqrt()[documents:]


def _sum(ranks: Communicator, values: Tensor) -> Tensor:
    return ranks.sum_(values.clone())
