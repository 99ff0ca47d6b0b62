"""A converted network on several ranks: each holds its rows of one graph and gives their potentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from gcn2snn import ir
from gcn2snn.distributed.communicator import Communicator
from gcn2snn.distributed.energy import RankCounter
from gcn2snn.distributed.evaluation import only_closed
from gcn2snn.distributed.halo import Partition, balanced_over, with_halo
from gcn2snn.distributed.network import LocalNetwork, operators_of, refuse_what_mixes_rows
from gcn2snn.energy import EnergyReport
from gcn2snn.engines import Observer, Value, bind, operators
from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import CSR, Spikes
from gcn2snn.spiking_network import SpikingNetwork


def shard(snn: SpikingNetwork, nodes: int | None = None, ranks: Communicator | None = None) -> ShardedNetwork:
    """A converted network whose graph is shared out over the ranks of ``torch.distributed``.

    The network may come from a model of PyTorch Geometric, DGL or of this package, and gives a result for each node of a graph.
    Every rank calls it at the same time, as the source model is called. Aggregations exchange phases as bytes; all else is
    done for own rows alone. The phases are those of ``snn.spikes`` for any number of ranks.

    >>> import torch, gcn2snn
    >>> graph = gcn2snn.load_graph("karate")
    >>> model = gcn2snn.TextGCN(graph.num_nodes, [16], graph.num_classes).eval()
    >>> snn = gcn2snn.convert(model, graph)
    >>> sharded = shard(snn)  # in a process of torchrun, after torch.distributed.init_process_group
    >>> sharded(graph.adjacency).shape
    torch.Size([34, 4])

    Args:
        snn: converted; every rank has it.
        nodes: of the graph. With it a rank may pass its own rows of the features alone (:meth:`ShardedNetwork.own_rows` says
            which they are); without it every rank passes the whole features, and takes its part.
        ranks: of the job; default: those of the default process group, or this process alone where there is none.

    Raises:
        InputError: a part of the network needs the rows of all ranks at once; the message names it.
        ConfigError: the network's wait needs an engine in time.
    """
    if not isinstance(snn, SpikingNetwork):
        raise InputTypeError(
            f"shard needs a converted network, got {type(snn).__name__}: convert(model, example) first"
        )
    only_closed(snn, "auto")
    refuse_what_mixes_rows(snn.network)
    return ShardedNetwork(snn, nodes, ranks or _default_ranks())


def _default_ranks() -> Communicator:
    if not dist.is_initialized():
        return Communicator.alone()
    return Communicator(dist.get_rank(), dist.get_world_size())


class ShardedNetwork:
    """What :func:`shard` makes; called like the source model, it gives the potentials of own rows.

    Args:
        snn: converted.
        nodes: of the graph, or None.
        ranks: of the job.
    """

    def __init__(self, snn: SpikingNetwork, nodes: int | None, ranks: Communicator):
        self.snn, self.nodes, self.ranks = snn, nodes, ranks
        self._local: tuple[list[object], LocalNetwork] | None = None

    def __call__(self, *args: object, **kwargs: object) -> Tensor:
        """Output potentials of own rows, [own rows, classes].

        Args:
            args, kwargs: as for the source model: the whole graph, and features whole or of own rows.

        Raises:
            InputError, InputTypeError: as a call of the network.
        """
        return self._run(args, kwargs)

    def spikes(self, *args: object, **kwargs: object) -> dict[str, Spikes]:
        """The spikes of own rows of every population, by name."""
        found: dict[str, Spikes] = {}

        def observe(node: ir.Node, values: tuple[Value, ...], value: Value) -> None:
            if isinstance(node, ir.Neuron) and isinstance(value, Spikes):
                found[node.name] = value

        self._run(args, kwargs, observe)
        return found

    @torch.no_grad()
    def source(self, *args: object, **kwargs: object) -> Tensor:
        """What the source model gives for own rows; floats travel."""
        local, inputs = self._bound(args, kwargs)
        return local.run_float(inputs)

    def energy(self, *args: object, preset: str = "fp32", **kwargs: object) -> EnergyReport:
        """Operations, additions and joules of one call on all ranks together, as ``snn.energy`` counts them."""
        with torch.no_grad():
            local, inputs = self._bound(args, kwargs)
            counter = RankCounter(local, self.ranks, self.snn.config.wait)
            local.run_closed(inputs, counter)
        return counter.report(preset)

    def own_rows(self, *args: object, **kwargs: object) -> slice:
        """The nodes of this rank for a graph; arguments as for a call, where values of nodes may be missing (None)."""
        return self._local_of(self._whole(args, kwargs))[0].partition.of(self.ranks.rank)

    @torch.no_grad()
    def _run(self, args: Sequence[object], kwargs: Mapping[str, object], observe: Observer | None = None) -> Tensor:
        local, inputs = self._bound(args, kwargs)
        return local.run_closed(inputs, observe)

    def _bound(self, args: Sequence[object], kwargs: Mapping[str, object]) -> tuple[LocalNetwork, dict[str, Value]]:
        """The network for own rows, and its inputs there."""
        whole = self._whole(args, kwargs)
        local, dense = self._local_of(whole)
        own = local.partition.of(self.ranks.rank)
        inputs: dict[str, Value] = {}
        for name, value in whole.items():
            if name in dense and isinstance(value, Tensor):
                value = self._own_part(name, value, own, local.partition)
            inputs[name] = value
        return local, inputs

    def _own_part(self, name: str, value: Tensor, own: slice, partition: Partition) -> Tensor:
        """Own rows of a value that came whole or already cut."""
        if value.shape[0] == partition.rows:
            return value[own]
        if value.shape[0] == own.stop - own.start:
            return value
        raise InputError(
            f"{name} has {value.shape[0]} rows; rank {self.ranks.rank} of {self.ranks.size} has rows {own.start} to {own.stop - 1} of "
            f"{partition.rows}. Pass all rows, or these {own.stop - own.start}"
        )

    def _whole(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, Value]:
        """The call's arguments by name; values of nodes that are missing are stood in for."""
        network = self.snn.network
        names = [node.name for node in network.of(ir.Input)]
        given = dict(zip(names, args, strict=False)) | dict(kwargs)
        for node in network.of(ir.Input):
            if node.role == "dense" and given.get(node.name) is None and self.nodes is not None:
                given[node.name] = _stand_in(node, self.nodes, torch.float32)
        return bind(network, (), given) if len(args) <= len(names) else bind(network, args, kwargs)

    def _local_of(self, whole: Mapping[str, Value]) -> tuple[LocalNetwork, frozenset[str]]:
        """The network for own rows of this graph, made once, and the names of its values of nodes."""
        network = self.snn.network
        ends: list[ir.Input | ir.Part] = [*network.of(ir.Input), *network.of(ir.Part)]
        dense = frozenset(node.name for node in ends if node.role == "dense")
        graph: list[object] = [value for name, value in whole.items() if name not in dense]
        if self._local is not None and all(a is b for a, b in zip(graph, self._local[0], strict=True)):
            return self._local[1], dense
        local = self._made(whole, dense)
        self._local = (graph, local)
        return local, dense

    def _made(self, whole: Mapping[str, Value], dense: frozenset[str]) -> LocalNetwork:
        """Build the matrices of the graph, keep own rows, and make the lists of what travels."""
        network = self.snn.network
        inputs = {
            name: _stand_in(value, self.nodes, value.dtype)
            if name in dense and isinstance(value, Tensor) and self.nodes is not None
            else value
            for name, value in whole.items()
        }
        found = operators(network, inputs)
        wanted: dict[str, CSR] = {}
        rows: set[int] = set()
        for name in operators_of(network):
            matrix = found.get(name)
            if matrix is None or matrix.shape[0] != matrix.shape[1]:
                size = "no matrix" if matrix is None else f"a matrix {[*matrix.shape]}"
                raise InputError(
                    f"{name} gives {size}, which does not lead from all nodes to all nodes: it gathers or hands out rows of all "
                    f"ranks at once, and cannot be shared out. Run the network in one process"
                )
            wanted[name] = matrix
            rows.add(matrix.shape[0])
        if len(rows) != 1:
            raise InputError(f"the network has graphs of {sorted(rows)} nodes; one graph can be shared out")
        partition = balanced_over(list(wanted.values()), self.ranks.size)
        own = torch.arange(partition.of(self.ranks.rank).start, partition.of(self.ranks.rank).stop)
        cut = {
            name: with_halo(matrix.rows(own.to(matrix.device)), partition, self.ranks)
            for name, matrix in wanted.items()
        }
        return LocalNetwork.of(network, partition, self.ranks.rank, cut)


def _stand_in(like: ir.Input | Tensor, rows: int, dtype: torch.dtype) -> Tensor:
    """A value with so many rows that takes no memory, for what only counts them."""
    sizes = like.size[1:] if isinstance(like, ir.Input) else like.shape[1:]
    return torch.zeros((1,) * (1 + len(sizes)), dtype=dtype).expand(rows, *(size or 1 for size in sizes))
