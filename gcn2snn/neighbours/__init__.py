"""Parts of a graph that fit into memory: neighbourhoods of some nodes, clusters, a small part of an example."""

from gcn2snn.neighbours.batches import ClusterBatches, NeighbourBatches, seeds_of
from gcn2snn.neighbours.hops import Neighbourhood, incoming, neighbourhood
from gcn2snn.neighbours.small_example import small_call

__all__ = [
    "ClusterBatches",
    "NeighbourBatches",
    "Neighbourhood",
    "incoming",
    "neighbourhood",
    "seeds_of",
    "small_call",
]
