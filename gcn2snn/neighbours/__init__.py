"""Parts of a graph that fit into memory: neighbourhoods of some nodes, clusters."""

from gcn2snn.neighbours.batches import ClusterBatches, NeighbourBatches, seeds_of
from gcn2snn.neighbours.hops import Neighbourhood, incoming, neighbourhood

__all__ = [
    "ClusterBatches",
    "NeighbourBatches",
    "Neighbourhood",
    "incoming",
    "neighbourhood",
    "seeds_of",
]
