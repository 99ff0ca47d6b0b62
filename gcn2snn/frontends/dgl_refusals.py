"""Every layer or function of DGL that cannot become spikes, with the reason."""

from __future__ import annotations

import dgl
from dgl.nn import pytorch as dgl_nn

from gcn2snn.frontends.refusal_reasons import ATTENTION, CHANGED_GRAPH, GATES
from gcn2snn.frontends.registry import refuses

refuses(
    *(dgl_nn.GATConv, dgl_nn.GATv2Conv, dgl_nn.EdgeGATConv, dgl_nn.DotGatConv, dgl_nn.AGNNConv, dgl_nn.HGTConv),
    *(dgl_nn.GlobalAttentionPooling, dgl_nn.SetTransformerEncoder, dgl_nn.SetTransformerDecoder, dgl_nn.NNConv),
    **ATTENTION,
)
refuses(dgl_nn.GatedGraphConv, dgl_nn.Set2Set, **GATES)
refuses(
    *("update_all", "apply_edges", "send_and_recv", "pull", "push", "apply_nodes"),
    why="runs functions of its own along the edges.",
    instead="Use the layers of dgl.nn in the support table.",
)
refuses(
    *(dgl.add_self_loop, dgl.remove_self_loop, dgl.to_bidirected, dgl.to_simple, dgl.reverse, dgl.add_reverse_edges),
    **CHANGED_GRAPH,
)
