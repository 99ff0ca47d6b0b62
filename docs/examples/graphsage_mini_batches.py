"""GraphSAGE on mini-batches: scales come from several batches, and any other batch can be run afterwards."""

import torch
from torch_geometric.data import Data
from torch_geometric.nn import GraphSAGE

import gcn2snn

torch.manual_seed(0)
model = GraphSAGE(8, hidden_channels=16, num_layers=2, out_channels=3).eval()  # yours is trained


def batch(nodes: int) -> Data:
    """A sampled neighbourhood; a NeighborLoader of PyTorch Geometric gives such batches."""
    return Data(x=torch.rand(nodes, 8), edge_index=torch.randint(0, nodes, (2, 4 * nodes)))


batches = [(data.x, data.edge_index) for data in (batch(20), batch(30), batch(25))]
snn = gcn2snn.convert(model, batches[0], calibration=batches)
other = batch(40)
scores, source = snn(other.x, other.edge_index), model(other.x, other.edge_index)
same = (scores.argmax(1) == source.argmax(1)).float().mean()
print(f"{len(scores)} nodes of a batch never seen, {100 * same:.0f} % classified as by the source")
