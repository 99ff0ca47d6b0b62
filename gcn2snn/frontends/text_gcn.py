"""Text GCN -> description: each layer is message passing X W, then aggregation A H (two spiking layers)."""

from __future__ import annotations

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.registry import lowers, parameter
from gcn2snn.textgcn import TextGCN


@lowers(TextGCN)
def lower_text_gcn(
    builder: Builder,
    path: str,
    module: TextGCN,
    adjacency: Ref,
    features: Ref | None = None,
    readout: Ref | None = None,
) -> Ref:
    """Two layers become the paper's four: layer1.message, layer1.aggregation, layer2.message, layer2.aggregation."""
    if module.identity:
        nodes = module.weights[0].shape[0]
        builder.fix_size(adjacency, (nodes, nodes))
        value = builder.add(ir.OneHot(name="one_hot", count=nodes))
    else:
        assert features is not None  # TextGCN's own forward refuses such a call
        value = features
    for index, weight in enumerate(module.weights, start=1):
        if index > 1:
            value = builder.add(ir.Relu(name=f"layer{index - 1}.relu", inputs=(value,)))
        name = f"layer{index}.message"
        if index == 1 and module.identity:
            value = builder.add(ir.Lookup(name=name, inputs=(value,), table=parameter(weight)))
        else:
            value = builder.add(ir.Dense(name=name, inputs=(value,), weight=parameter(weight.t()).contiguous()))
        operator = adjacency if readout is None or index < len(module.weights) else readout
        value = builder.add(ir.Aggregate(name=f"layer{index}.aggregation", inputs=(operator, value)))
    return value
