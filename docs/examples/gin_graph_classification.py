"""A GIN that classifies whole graphs: several graphs in one batch, and a single one without a batch."""

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GIN, global_add_pool

import gcn2snn


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = GIN(4, hidden_channels=16, num_layers=2)
        self.head = nn.Linear(16, 2)

    def forward(self, data: Data) -> Tensor:
        return self.head(global_add_pool(self.layers(data.x, data.edge_index).relu(), data.batch))


def graph(nodes: int) -> Data:
    return Data(x=torch.rand(nodes, 4), edge_index=torch.randint(0, nodes, (2, 3 * nodes)))


torch.manual_seed(0)
model = Classifier().eval()  # yours is trained
snn = gcn2snn.convert(model, Batch.from_data_list([graph(nodes) for nodes in (5, 9, 7, 6)]))
print("three graphs:", list(snn(Batch.from_data_list([graph(4), graph(8), graph(3)])).shape))
print("one graph:", list(snn(graph(6)).shape))
