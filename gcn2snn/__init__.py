"""One-spike spiking networks from trained graph networks and CNNs.

>>> import gcn2snn
>>> graph = gcn2snn.load_graph("karate")
>>> model = gcn2snn.fit(gcn2snn.Trainer(graph, gcn2snn.TrainConfig(hidden=16, epochs=30)))
>>> snn = gcn2snn.convert(model, graph)
>>> snn(graph.adjacency).shape
torch.Size([34, 4])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcn2snn.on_demand import names_on_demand

if TYPE_CHECKING:
    from gcn2snn.artefact import from_pretrained, load, save
    from gcn2snn.config import ConvertConfig, LayerConfig, TrainConfig
    from gcn2snn.conversion import convert
    from gcn2snn.datasets import load_graph
    from gcn2snn.encoding import decode, encode
    from gcn2snn.engines import Recording
    from gcn2snn.errors import ConversionError, Gcn2SnnError
    from gcn2snn.estimator import TextGCNClassifier
    from gcn2snn.evaluation import evaluate
    from gcn2snn.formats import export
    from gcn2snn.frontends import lowers
    from gcn2snn.graph import Graph
    from gcn2snn.kernels import CSR, PhaseCode, Spikes
    from gcn2snn.memory import memory_limit
    from gcn2snn.neighbours import ClusterBatches, NeighbourBatches
    from gcn2snn.passes import layer_bases, optimal_base
    from gcn2snn.spiking_network import SpikingNetwork
    from gcn2snn.textgcn import TextGCN, Trainer, fit

# Names load on first use, so that the command line answers before torch is imported.
_HOME = {
    "CSR": "gcn2snn.kernels",
    "ClusterBatches": "gcn2snn.neighbours",
    "ConversionError": "gcn2snn.errors",
    "ConvertConfig": "gcn2snn.config",
    "Gcn2SnnError": "gcn2snn.errors",
    "Graph": "gcn2snn.graph",
    "LayerConfig": "gcn2snn.config",
    "NeighbourBatches": "gcn2snn.neighbours",
    "PhaseCode": "gcn2snn.kernels",
    "Recording": "gcn2snn.engines",
    "Spikes": "gcn2snn.kernels",
    "SpikingNetwork": "gcn2snn.spiking_network",
    "TextGCN": "gcn2snn.textgcn",
    "TextGCNClassifier": "gcn2snn.estimator",
    "TrainConfig": "gcn2snn.config",
    "Trainer": "gcn2snn.textgcn",
    "convert": "gcn2snn.conversion",
    "decode": "gcn2snn.encoding",
    "encode": "gcn2snn.encoding",
    "evaluate": "gcn2snn.evaluation",
    "export": "gcn2snn.formats",
    "fit": "gcn2snn.textgcn",
    "from_pretrained": "gcn2snn.artefact",
    "layer_bases": "gcn2snn.passes",
    "load": "gcn2snn.artefact",
    "load_graph": "gcn2snn.datasets",
    "lowers": "gcn2snn.frontends",
    "memory_limit": "gcn2snn.memory",
    "optimal_base": "gcn2snn.passes",
    "save": "gcn2snn.artefact",
}

__all__ = [
    "CSR",
    "ClusterBatches",
    "ConversionError",
    "ConvertConfig",
    "Gcn2SnnError",
    "Graph",
    "LayerConfig",
    "NeighbourBatches",
    "PhaseCode",
    "Recording",
    "Spikes",
    "SpikingNetwork",
    "TextGCN",
    "TextGCNClassifier",
    "TrainConfig",
    "Trainer",
    "convert",
    "decode",
    "encode",
    "evaluate",
    "export",
    "fit",
    "from_pretrained",
    "layer_bases",
    "load",
    "load_graph",
    "lowers",
    "memory_limit",
    "optimal_base",
    "save",
]


_load, __dir__ = names_on_demand(__name__, _HOME)


def __getattr__(name: str) -> object:
    if name != "__version__":
        return _load(name)
    from importlib.metadata import version

    return version("gcn2snn")
