"""One job on several processes: rows of the graph are shared out over the ranks of ``torch.distributed``.

Names load on first use: the command line asks how it was started before torch is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcn2snn.on_demand import names_on_demand

if TYPE_CHECKING:
    from gcn2snn.distributed.communicator import Communicator
    from gcn2snn.distributed.conversion import convert_share, documents_on_first
    from gcn2snn.distributed.evaluation import Traffic, evaluate_share, only_closed
    from gcn2snn.distributed.graph_slices import GraphShare, fingerprint_of, node_names, read_share, share_in_memory
    from gcn2snn.distributed.halo import Halo, Partition, with_halo
    from gcn2snn.distributed.job import Job, current
    from gcn2snn.distributed.launch import Launch, launched
    from gcn2snn.distributed.runs import train_on_ranks
    from gcn2snn.distributed.sharded import ShardedNetwork, shard
    from gcn2snn.distributed.training import RankTrainer

_HOME = {
    "Communicator": "gcn2snn.distributed.communicator",
    "GraphShare": "gcn2snn.distributed.graph_slices",
    "Halo": "gcn2snn.distributed.halo",
    "Job": "gcn2snn.distributed.job",
    "Launch": "gcn2snn.distributed.launch",
    "Partition": "gcn2snn.distributed.halo",
    "RankTrainer": "gcn2snn.distributed.training",
    "ShardedNetwork": "gcn2snn.distributed.sharded",
    "Traffic": "gcn2snn.distributed.evaluation",
    "convert_share": "gcn2snn.distributed.conversion",
    "current": "gcn2snn.distributed.job",
    "documents_on_first": "gcn2snn.distributed.conversion",
    "evaluate_share": "gcn2snn.distributed.evaluation",
    "fingerprint_of": "gcn2snn.distributed.graph_slices",
    "node_names": "gcn2snn.distributed.graph_slices",
    "only_closed": "gcn2snn.distributed.evaluation",
    "launched": "gcn2snn.distributed.launch",
    "read_share": "gcn2snn.distributed.graph_slices",
    "share_in_memory": "gcn2snn.distributed.graph_slices",
    "shard": "gcn2snn.distributed.sharded",
    "train_on_ranks": "gcn2snn.distributed.runs",
    "with_halo": "gcn2snn.distributed.halo",
}

__all__ = [
    "Communicator",
    "GraphShare",
    "Halo",
    "Job",
    "Launch",
    "Partition",
    "RankTrainer",
    "ShardedNetwork",
    "Traffic",
    "convert_share",
    "current",
    "documents_on_first",
    "evaluate_share",
    "fingerprint_of",
    "launched",
    "node_names",
    "only_closed",
    "read_share",
    "shard",
    "share_in_memory",
    "train_on_ranks",
    "with_halo",
]

__getattr__, __dir__ = names_on_demand(__name__, _HOME)
