"""A GCN of PyTorch Geometric, trained on Cora and converted: accuracy of both networks, spikes and energy."""

import torch
from torch_geometric.nn import GCN

import gcn2snn

data = gcn2snn.load_graph("cora").to_pyg()
torch.manual_seed(0)
model = GCN(data.num_features, hidden_channels=16, num_layers=2, out_channels=7, dropout=0.5)
optimiser = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
for _ in range(60):
    model.train()
    optimiser.zero_grad()
    scores = model(data.x, data.edge_index)
    torch.nn.functional.cross_entropy(scores[data.train_mask], data.y[data.train_mask]).backward()
    optimiser.step()

snn = gcn2snn.convert(model.eval(), (data.x, data.edge_index))
print(gcn2snn.evaluate(snn, (data.x, data.edge_index), data.y, data.test_mask))
