"""Every layer or function of PyTorch Geometric that cannot become spikes, with the reason."""

from __future__ import annotations

from torch_geometric import nn as pyg
from torch_geometric import utils
from torch_geometric.nn import aggr

from gcn2snn.frontends.refusal_reasons import (
    ATTENTION,
    CHANGED_GRAPH,
    CHOOSES,
    DEVIATION,
    GATES,
    NEAREST,
    NORMALISATION,
    UNKNOWN_REDUCTION,
    VALUES_AS_WEIGHTS,
)
from gcn2snn.frontends.registry import refuses

refuses(
    *(pyg.GATConv, pyg.GATv2Conv, pyg.TransformerConv, pyg.AGNNConv, pyg.SuperGATConv, pyg.FAConv, pyg.GMMConv),
    *(pyg.RGATConv, pyg.HGTConv, pyg.HANConv, pyg.SplineConv, pyg.NNConv, pyg.CGConv, pyg.GPSConv),
    **ATTENTION,
)
refuses(
    *(pyg.EGConv, pyg.FeaStConv, pyg.HEATConv, pyg.PointTransformerConv, pyg.DNAConv, pyg.FusedGATConv),
    *(pyg.PerformerAttention, pyg.SGFormerAttention, pyg.PolynormerAttention, pyg.DenseGATConv),
    *(aggr.GraphMultisetTransformer, aggr.PatchTransformerAggregation),
    **ATTENTION,
)
refuses(pyg.GatedGraphConv, pyg.ResGatedGraphConv, pyg.FiLMConv, aggr.LCMAggregation, **GATES)
refuses(pyg.PDNConv, **VALUES_AS_WEIGHTS)
refuses(pyg.TopKPooling, pyg.SAGPooling, pyg.ASAPooling, pyg.MemPooling, pyg.EdgePooling, pyg.ClusterPooling, **CHOOSES)
refuses(pyg.DynamicEdgeConv, pyg.GravNetConv, pyg.XConv, **NEAREST)
refuses(
    *(pyg.LayerNorm, pyg.GraphNorm, pyg.InstanceNorm, pyg.PairNorm, pyg.MessageNorm, pyg.HeteroLayerNorm),
    *(pyg.DiffGroupNorm,),
    **NORMALISATION,
)
refuses(aggr.SoftmaxAggregation, aggr.AttentionalAggregation, aggr.SetTransformerAggregation, **ATTENTION)
refuses(aggr.VarAggregation, aggr.StdAggregation, aggr.PowerMeanAggregation, **DEVIATION)
refuses(aggr.MulAggregation, aggr.LSTMAggregation, aggr.GRUAggregation, aggr.Set2Set, **GATES)
refuses(aggr.MedianAggregation, aggr.QuantileAggregation, aggr.SortAggregation, **UNKNOWN_REDUCTION)
refuses(
    *(utils.add_self_loops, utils.remove_self_loops, utils.add_remaining_self_loops, utils.to_undirected),
    *(utils.degree, utils.softmax, utils.to_dense_batch, utils.to_dense_adj, utils.subgraph, utils.k_hop_subgraph),
    **CHANGED_GRAPH,
)
