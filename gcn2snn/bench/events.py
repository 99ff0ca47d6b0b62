"""Inference of a Text GCN whose first messages keep a share of their additions: does a spike that is not sent cost time?"""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache

from gcn2snn.bench.cases import Work, case
from gcn2snn.bench.networks import no_graph, our_inference, text_networks
from gcn2snn.bench.problems import Problem
from gcn2snn.config import ConvertConfig, LayerConfig
from gcn2snn.conversion import convert
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
        snn = _tuned(p, share)
        for _ in range(2):  # what is kept with spikes that no input changes is made at the second call
            snn(p.matrix)
        return lambda: (snn(p.matrix),)


for _share in SHARES:
    _spiking(_share)
