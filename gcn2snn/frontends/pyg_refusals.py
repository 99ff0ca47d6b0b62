"""Every layer or function of PyTorch Geometric that cannot become spikes, with the reason."""

from __future__ import annotations

from torch_geometric import nn as pyg
from torch_geometric import utils
from torch_geometric.nn import aggr

from gcn2snn.frontends.refusal_reasons import ATTENTION, CHANGED_GRAPH, GATES, NORMALISATION
from gcn2snn.frontends.registry import refuses

refuses(
    *(pyg.GATConv, pyg.GATv2Conv, pyg.TransformerConv, pyg.AGNNConv, pyg.SuperGATConv, pyg.FAConv, pyg.GMMConv),
    *(pyg.RGATConv, pyg.HGTConv, pyg.HANConv, pyg.SplineConv, pyg.NNConv, pyg.CGConv, pyg.GPSConv),
    **ATTENTION,
)
refuses(pyg.GatedGraphConv, pyg.ResGatedGraphConv, **GATES)
refuses(
    *(pyg.LayerNorm, pyg.GraphNorm, pyg.InstanceNorm, pyg.PairNorm, pyg.GraphSizeNorm, pyg.MessageNorm),
    *(pyg.DiffGroupNorm, pyg.MeanSubtractionNorm),
    **NORMALISATION,
)
refuses(
    *(aggr.SoftmaxAggregation, aggr.PowerMeanAggregation, aggr.AttentionalAggregation, aggr.MedianAggregation),
    *(aggr.QuantileAggregation, aggr.SortAggregation, aggr.MinAggregation, aggr.MulAggregation),
    *(aggr.VarAggregation, aggr.StdAggregation, aggr.MultiAggregation),
    why="is no sum, mean or maximum of the nodes.",
    instead="Use global_add_pool, global_mean_pool or global_max_pool; several of them go side by side by torch.cat.",
)
refuses(
    *(utils.add_self_loops, utils.remove_self_loops, utils.add_remaining_self_loops, utils.to_undirected),
    *(utils.degree, utils.softmax, utils.to_dense_batch, utils.to_dense_adj, utils.subgraph, utils.k_hop_subgraph),
    **CHANGED_GRAPH,
)
