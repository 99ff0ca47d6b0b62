"""Every layer or function of DGL that cannot become spikes, with the reason."""

from __future__ import annotations

import dgl
from dgl.nn import pytorch as dgl_nn

from gcn2snn.frontends.refusal_reasons import (
    ATTENTION,
    CHANGED_GRAPH,
    DEVIATION,
    GATES,
    NOT_RELU,
    PRODUCT,
    UNKNOWN_REDUCTION,
)
from gcn2snn.frontends.registry import refuses

refuses(
    *(dgl_nn.GATConv, dgl_nn.GATv2Conv, dgl_nn.EdgeGATConv, dgl_nn.DotGatConv, dgl_nn.AGNNConv, dgl_nn.HGTConv),
    *(dgl_nn.GlobalAttentionPooling, dgl_nn.SetTransformerEncoder, dgl_nn.SetTransformerDecoder, dgl_nn.NNConv),
    **ATTENTION,
)
refuses(
    *(dgl_nn.EGATConv, dgl_nn.GMMConv, dgl_nn.BiasedMHA, dgl_nn.GraphormerLayer, dgl_nn.EGTLayer),
    **ATTENTION,
)
refuses(dgl_nn.GatedGraphConv, dgl_nn.Set2Set, dgl_nn.WeightAndSum, **GATES)
refuses(
    dgl_nn.PNAConv,
    why="ends with a LeakyReLU of its own in DGL; a neuron that fires at most once sends max(x, 0).",
    instead="Use the PNAConv of PyTorch Geometric, which has none.",
    kind="impossible",
)
refuses(dgl_nn.CFConv, dgl_nn.EGNNConv, **NOT_RELU)
refuses(dgl_nn.TransE, dgl_nn.TransR, **DEVIATION)
refuses(dgl_nn.EdgePredictor, **PRODUCT)
refuses(dgl_nn.SortPooling, **UNKNOWN_REDUCTION)
refuses(
    *("send_and_recv", "pull", "push", "apply_nodes"),
    why="runs functions of its own along some edges or nodes; no handler knows it.",
    instead="Use update_all with functions of dgl.function, or the layers of dgl.nn in the support table.",
)
refuses(
    *(dgl.add_self_loop, dgl.remove_self_loop, dgl.to_bidirected, dgl.to_simple, dgl.reverse, dgl.add_reverse_edges),
    **CHANGED_GRAPH,
)
