"""A converted network beside its source on labelled nodes of a graph whose rows are shared out over ranks."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch

from gcn2snn import ir
from gcn2snn.distributed.communicator import FLOATS, PHASES
from gcn2snn.distributed.energy import RankCounter
from gcn2snn.distributed.graph_slices import GraphShare
from gcn2snn.distributed.network import LocalNetwork, operators_of, refuse_what_mixes_rows
from gcn2snn.engines import Value, choose_engine
from gcn2snn.errors import ConfigError, DataError, InputError
from gcn2snn.evaluation import Evaluation, score_classes
from gcn2snn.prediction import RowPredictions
from gcn2snn.spiking_network import SpikingNetwork


@dataclass(frozen=True)
class Traffic:
    """Bytes of rows that all ranks sent to each other in one evaluation.

    Args:
        ranks: how many.
        phases: of the spiking network.
        floats: of its source.
    """

    ranks: int
    phases: int
    floats: int

    @property
    def ratio(self) -> float:
        """Bytes of the spiking network for each byte of the source; 1 where nothing travels."""
        return self.phases / self.floats if self.floats else 1.0

    def to_dict(self) -> dict[str, object]:
        """JSON values."""
        return {"ranks": self.ranks, "phase_bytes": self.phases, "float_bytes": self.floats, "ratio": self.ratio}

    def __str__(self) -> str:
        return (
            f"{self.ranks} ranks sent {self.phases:,} bytes of phases for the spiking network and {self.floats:,} bytes of "
            f"floats for its source: {self.ratio:.3f} of them"
        )


def only_closed(snn: SpikingNetwork, engine: str) -> None:
    """Refuse an engine that steps in time: ranks would have to exchange spikes at every step, and only the closed form does not.

    Raises:
        ConfigError: as said.
    """
    chosen = choose_engine(snn.network, snn.config.wait, engine)
    if chosen != "closed":
        raise ConfigError(
            f"the {chosen} engine runs in one process; several ranks run the closed form, which needs a wait until all input is "
            f"there (wait is {snn.config.wait}). Run it without torchrun"
        )


def network_on(network: ir.Network, graph: GraphShare) -> tuple[LocalNetwork, dict[str, Value]]:
    """A Text GCN's description cut to a rank's rows of the graph, and its inputs there.

    Raises:
        InputError: the network takes something else than an adjacency and features, or mixes rows.
    """
    refuse_what_mixes_rows(network)
    names = [node.name for node in network.of(ir.Input)]
    matrices = operators_of(network)
    if names[0] not in matrices or len(matrices) > 1 or len(names) != 1 + (graph.features is not None):
        raise InputError(
            f"the network takes {names}; a Text GCN takes an adjacency, and features where the graph has some"
        )
    local = LocalNetwork.of(network, graph.partition, graph.ranks.rank, {names[0]: (graph.adjacency, graph.halo)})
    inputs: dict[str, Value] = {names[0]: graph.adjacency}
    if graph.features is not None:
        inputs[names[1]] = graph.features
    return local, inputs


@torch.no_grad()
def evaluate_share(snn: SpikingNetwork, graph: GraphShare, preset: str = "fp32") -> tuple[Evaluation, Traffic]:
    """The evaluation of :func:`gcn2snn.evaluate` on a graph that is shared out, on every rank.

    Phases and counts are those of one process bit for bit; only rank 0 has what both networks say of each row.

    Args:
        snn: converted from a Text GCN on this graph.
        graph: this rank's share.
        preset: energy per operation.

    Raises:
        ConfigError: the network's wait needs an engine in time.
        DataError: no node is to be tested.
    """
    only_closed(snn, "auto")
    ranks = graph.ranks
    local, inputs = network_on(snn.network, graph)
    counter = RankCounter(local, ranks, snn.config.wait)
    before = ranks.sent.copy()
    scores = local.run_closed(inputs, counter)
    phases = ranks.sent[PHASES] - before[PHASES]
    before = ranks.sent.copy()
    source = local.run_float(inputs)
    floats = ranks.sent[FLOATS] - before[FLOATS]
    mask, labels = graph.outline.test_mask[graph.own], graph.outline.labels[graph.own]
    place = graph.own.start + mask.nonzero().flatten()
    temperature = 1.0 if snn.documents is None else snn.documents.temperature
    chosen = mask.to(scores.device)
    own = RowPredictions.of(place, labels[mask], source[chosen], scores[chosen], temperature)
    rows = RowPredictions.joined([RowPredictions(*part) for part in ranks.everywhere(_parts(own))])
    if not rows.row.numel():
        raise DataError(f"{graph.outline.source.get('dataset', 'the graph')} has no test nodes to evaluate on")
    agreement = 100 * float((rows.source == rows.network).double().mean())
    result = Evaluation(
        score_classes(rows.source, rows.label),
        score_classes(rows.network, rows.label),
        agreement,
        rows.row.numel(),
        counter.report(preset),
        "closed",
        rows,
    )
    total = ranks.ordered_sum([phases, floats])
    return result, Traffic(ranks.size, int(total[0]), int(total[1]))


def _parts(rows: RowPredictions) -> tuple[torch.Tensor, ...]:
    return tuple(getattr(rows, field.name) for field in fields(rows))
