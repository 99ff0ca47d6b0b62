"""A network of DGL's GraphConv layers, converted and called with a DGL graph."""

import os

os.environ.setdefault("DGLBACKEND", "pytorch")

import dgl
import torch
from torch import Tensor, nn

import gcn2snn


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = dgl.nn.GraphConv(8, 16)
        self.second = dgl.nn.GraphConv(16, 3)

    def forward(self, graph: dgl.DGLGraph, x: Tensor) -> Tensor:
        return self.second(graph, self.first(graph, x).relu())


torch.manual_seed(0)
graph = dgl.add_self_loop(dgl.rand_graph(30, 90))
x = torch.rand(30, 8)
model = Network().eval()  # yours is trained
snn = gcn2snn.convert(model, (graph, x))
same = (snn(graph, x).argmax(1) == model(graph, x).argmax(1)).float().mean()
print(f"{100 * same:.0f} % of {graph.num_nodes()} nodes are classified as by the source")
