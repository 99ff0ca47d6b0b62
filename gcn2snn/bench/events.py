"""Inference of a Text GCN whose first messages keep a share of their additions: does a spike that is not sent cost time?

Networks are untrained, which changes the time only by the spikes that stay silent; a trained one is measured from its file.
"""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache

from gcn2snn.bench.cases import Work, case
from gcn2snn.bench.networks import no_graph, our_inference, text_networks
from gcn2snn.bench.problems import Problem
from gcn2snn.config import ConvertConfig, LayerConfig, TrainConfig
from gcn2snn.conversion import convert
from gcn2snn.errors import NotRunError
from gcn2snn.spiking_network import SpikingNetwork

GROUP = "inference by events"
SHARES = (1.0, 0.5, 0.2, 0.1, 0.05)


@lru_cache(maxsize=len(SHARES))
def _tuned(p: Problem, share: float) -> SpikingNetwork:
    assert p.graph is not None
    model, _ = text_networks(p)
    layers = {} if share == 1.0 else {"layer1.message.neuron": LayerConfig(events=share)}
    source = deepcopy(model).cpu()  # the model itself stays on the device, where another case runs it
    return convert(source, p.graph, ConvertConfig.paper(layers=layers)).to(p.device)


case(GROUP, "gcn2snn ANN", ours=True, lacks=no_graph)(our_inference)


def _spiking(share: float) -> None:
    @case(GROUP, f"gcn2snn one-spike SNN, {share:.0%} of events", ours=True, lacks=no_graph)
    def prepare(p: Problem) -> Work:
        return _inference(_tuned(p, share), p)


for _share in SHARES:
    _spiking(_share)


def _inference(snn: SpikingNetwork, p: Problem) -> Work:
    for _ in range(2):  # what is kept with spikes that no input changes is made at the second call
        snn(p.matrix)
    return lambda: (snn(p.matrix),)


def _no_network(p: Problem) -> str:
    return no_graph(p) or (
        "" if p.network else "a network converted from a model on this graph is needed: --network FILE"
    )


@case(GROUP, "gcn2snn one-spike SNN of --network", ours=True, lacks=_no_network)
def _of_file(p: Problem) -> Work:
    """A network of a file, beside the float network of the default sizes.

    Raises:
        NotRunError: it was made from a model on another graph, or of other sizes.
    """
    from gcn2snn.artefact import load

    assert p.graph is not None
    assert p.network is not None
    snn = load(p.network)
    config, default = snn.origin.get("config"), TrainConfig()
    sizes = (config.get("hidden"), config.get("layers")) if isinstance(config, dict) else None
    if snn.origin.get("fingerprint") != p.graph.fingerprint:
        raise NotRunError(f"{p.network} was not made from a model on this graph")
    if sizes != (default.hidden, default.layers):
        raise NotRunError(
            f"{p.network} has other sizes than the float network beside it, {default.layers} layers and {default.hidden} hidden units"
        )
    return _inference(snn.to(p.device), p)
