"""One job on several processes: rows of the graph are shared out over the ranks of ``torch.distributed``."""

from gcn2snn.distributed.communicator import Communicator
from gcn2snn.distributed.evaluation import Traffic, evaluate_share
from gcn2snn.distributed.graph_slices import GraphShare, read_share, share_in_memory
from gcn2snn.distributed.halo import Halo, Partition, with_halo

__all__ = [
    "Communicator",
    "GraphShare",
    "Halo",
    "Partition",
    "Traffic",
    "evaluate_share",
    "read_share",
    "share_in_memory",
    "with_halo",
]
