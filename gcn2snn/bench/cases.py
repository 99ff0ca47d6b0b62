"""The registry of cases, and the kernels with their named peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from gcn2snn import kernels
from gcn2snn.bench.problems import OUTPUTS, Problem
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import CSR, Spikes, reference

Work = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """One way to do one piece of work.

    Args:
        group: the work; cases of a group are compared with each other.
        name: the way.
        prepare: from a problem to the work, with all conversion of the operands done before.
        useful_bytes: what the work must read and write at least, in this storage; None when that says nothing.
        package: to import for it, empty for none.
        device: device type it needs, empty for any.
        ours: runs a kernel of this package (its backend is reported).
        memory: bytes it allocates, for cases that may not fit; they are skipped when less than twice that is free.
        apart: it runs in a process of its own, whose memory is not this one's.
        lacks: what a problem lacks for which the case is not meant, empty where it is meant for it.
    """

    group: str
    name: str
    prepare: Callable[[Problem], Work]
    useful_bytes: Callable[[Problem], int] | None = None
    package: str = ""
    device: str = ""
    ours: bool = False
    memory: Callable[[Problem], int] | None = None
    lacks: Callable[[Problem], str] | None = None
    apart: bool = False

    def missing(self, problem: Problem) -> str:
        """What the problem lacks for this case, or where the case runs instead; empty when it is one of its problems."""
        missing = self.lacks(problem) if self.lacks else ""
        if not missing and self.device and problem.device.type != self.device:
            return f"runs on {self.device} only"
        return missing


CASES: dict[str, Case] = {}


def case(
    group: str,
    name: str,
    useful_bytes: Callable[[Problem], int] | None = None,
    *,
    package: str = "",
    device: str = "",
    ours: bool = False,
    memory: Callable[[Problem], int] | None = None,
    lacks: Callable[[Problem], str] | None = None,
) -> Callable[[Callable[[Problem], Work]], Callable[[Problem], Work]]:
    """Register a case under ``group/name``.

    Raises:
        ConfigError: the name is taken.
    """

    def register(prepare: Callable[[Problem], Work]) -> Callable[[Problem], Work]:
        key = f"{group}/{name}"
        if key in CASES:
            raise ConfigError(f"benchmark case {key} is registered twice")
        CASES[key] = Case(group, name, prepare, useful_bytes, package, device, ours, memory, lacks)
        return prepare

    return register


def product_bytes(value_bytes: int, index_bytes: int = 4, out_bytes: int = 4) -> Callable[[Problem], int]:
    """Bytes of a sparse product: indices and values once, one dense row gathered for each entry, the result written."""

    def useful(p: Problem) -> int:
        rows, entries = p.matrix.shape[0], p.matrix.nnz
        return entries * (index_bytes + 4 + p.channels * value_bytes) + rows * (index_bytes + p.channels * out_bytes)

    return useful


FLOAT, WIDE, PHASE = product_bytes(4), product_bytes(4, 8), product_bytes(1)


def int64_csr(matrix: CSR) -> torch.Tensor:
    """torch's CSR tensor as its own constructors make it, with 64-bit indices."""
    return torch.sparse_csr_tensor(
        matrix.rowptr.long(), matrix.col.long(), matrix.value, matrix.shape, check_invariants=False
    )


@case("aggregate", "torch CSR int64", WIDE)
def _torch_csr(p: Problem) -> Work:
    matrix = int64_csr(p.matrix)
    return lambda: matrix @ p.x


@case("aggregate", "torch CSR int32", FLOAT)
def _torch_csr_int32(p: Problem) -> Work:
    matrix = p.matrix.to_torch()
    return lambda: matrix @ p.x


@case("aggregate", "torch.sparse.mm reduce", WIDE, device="cpu")
def _sparse_mm(p: Problem) -> Work:
    matrix = int64_csr(p.matrix)
    return lambda: torch.sparse.mm(matrix, p.x, "sum")


@case("aggregate", "torch COO", product_bytes(4, 16))
def _torch_coo(p: Problem) -> Work:
    index = torch.stack([p.matrix.row, p.matrix.col.long()])
    matrix = torch.sparse_coo_tensor(index, p.matrix.value, p.matrix.shape, check_invariants=False).coalesce()
    return lambda: matrix @ p.x


@case("aggregate", "embedding_bag", FLOAT, device="cpu")
def _embedding_bag(p: Problem) -> Work:
    a = p.matrix
    return lambda: functional.embedding_bag(
        a.col, p.x, a.rowptr, mode="sum", per_sample_weights=a.value, include_last_offset=True
    )


def _messages(p: Problem) -> int:
    """A gathered row and a weighted row for each entry."""
    return 8 * p.matrix.nnz * p.channels


@case("aggregate", "torch int8 embedding_bag", product_bytes(1), device="cpu")
def _int8_bag(p: Problem) -> Work:
    """A product with eight bits a value and no spikes (FBGEMM's, one scale and offset for each row)."""
    a, packed = p.matrix, torch.ops.quantized.embedding_bag_byte_prepack(p.x)
    product = torch.ops.quantized.embedding_bag_byte_rowwise_offsets
    return lambda: (product(packed, a.col, a.rowptr, False, 0, False, a.value, None, True),)  # rounded, not compared


@case("aggregate", "PyG SimpleConv, CSR adjacency", WIDE, package="torch_geometric")
def _pyg_csr(p: Problem) -> Work:
    from torch_geometric.nn import SimpleConv

    layer, matrix = SimpleConv(aggr="sum"), int64_csr(p.matrix)
    return lambda: layer(p.x, matrix)


@case("aggregate", "PyG SimpleConv", package="torch_geometric", memory=_messages)
def _pyg(p: Problem) -> Work:
    from torch_geometric.nn import SimpleConv

    layer = SimpleConv(aggr="sum")
    edge_index = torch.stack([p.matrix.col.long(), p.matrix.row])
    size = (p.matrix.shape[1], p.matrix.shape[0])
    return lambda: layer((p.x, None), edge_index, p.matrix.value, size=size)


@case("aggregate", "DGL u_mul_e_sum", package="dgl", device="cpu")
def _dgl(p: Problem) -> Work:
    import dgl

    graph = dgl.graph((p.matrix.col.long(), p.matrix.row), num_nodes=max(p.matrix.shape))
    return lambda: dgl.ops.u_mul_e_sum(graph, p.x, p.matrix.value)


@case("aggregate", "scipy CSR, one thread", FLOAT, package="scipy", device="cpu")
def _scipy(p: Problem) -> Work:
    from scipy.sparse import csr_matrix

    a, x = p.matrix, p.x.numpy()
    matrix = csr_matrix((a.value.numpy(), a.col.numpy(), a.rowptr.numpy()), shape=a.shape)
    return lambda: torch.from_numpy(matrix @ x)


@case("aggregate", "gcn2snn spmm", FLOAT, ours=True)
def _spmm(p: Problem) -> Work:
    return lambda: kernels.spmm(p.matrix, p.x)


@case("aggregate", "gcn2snn phase_spmm", PHASE, ours=True)
def _phase_spmm(p: Problem) -> Work:
    return lambda: kernels.phase_spmm(p.matrix, p.spikes)


def _unsigned(p: Problem) -> Spikes:
    return Spikes(p.spikes.code.abs(), p.spikes.scale, replace(p.coding, signed=False))


@case("aggregate, unsigned", "gcn2snn spmm", FLOAT, ours=True)
def _spmm_unsigned(p: Problem) -> Work:
    x = kernels.decode(_unsigned(p))
    return lambda: kernels.spmm(p.matrix, x)


@case("aggregate, unsigned", "gcn2snn phase_spmm", PHASE, ours=True)
def _phase_spmm_unsigned(p: Problem) -> Work:
    spikes = _unsigned(p)
    return lambda: kernels.phase_spmm(p.matrix, spikes)


@case("aggregate and fire", "embedding_bag, bucketize", product_bytes(4), device="cpu")
def _bag_and_encode(p: Problem) -> Work:
    from gcn2snn.kernels import encode_torch

    a, fire = p.matrix, p.fire
    return lambda: (
        encode_torch(
            functional.embedding_bag(
                a.col, p.x, a.rowptr, mode="sum", per_sample_weights=a.value, include_last_offset=True
            ),
            fire.scale,
            fire.coding,
            None,
        ).code
    )


@case("aggregate and fire", "gcn2snn phase_spmm, encode", product_bytes(1, 4, 5), ours=True)
def _phase_spmm_encode(p: Problem) -> Work:
    return lambda: kernels.encode(kernels.phase_spmm(p.matrix, p.spikes), p.fire.scale, p.fire.coding).code


@case("aggregate and fire", "gcn2snn phase_spmm_fire", product_bytes(1, 4, 1), ours=True)
def _phase_spmm_fire(p: Problem) -> Work:
    return lambda: kernels.phase_spmm_fire(p.matrix, p.spikes, p.fire).code


@case("aggregate, wait 4", "gcn2snn phase_spmm for each moment", ours=True)
def _each_moment(p: Problem) -> Work:
    from gcn2snn.kernels import moments, up_to

    limits, moment_of = moments(p.spikes, p.fire, 4)

    def work() -> torch.Tensor:
        potentials = [kernels.phase_spmm(p.matrix, up_to(p.spikes, n)) for n in limits.tolist()]
        return reference.first_crossing(potentials, moment_of.tolist(), p.fire.scale, p.coding).code

    return work


@case("aggregate, wait 4", "gcn2snn phase_spmm_bucketed", ours=True)
def _bucketed(p: Problem) -> Work:
    return lambda: kernels.phase_spmm_bucketed(p.matrix, p.spikes, p.fire, 4).code


@case("aggregate and its gradient", "torch CSR int64")
def _torch_training(p: Problem) -> Work:
    matrix, x = int64_csr(p.matrix), p.x.clone().requires_grad_()
    direction = torch.ones(p.matrix.shape[0], p.channels, device=p.device)

    def work() -> torch.Tensor:
        return torch.autograd.grad(torch.sparse.mm(matrix, x), x, direction)[0]

    return work


@case("aggregate and its gradient", "gcn2snn spmm", ours=True)
def _training(p: Problem) -> Work:
    x, direction = p.x.clone().requires_grad_(), torch.ones(p.matrix.shape[0], p.channels, device=p.device)
    _ = p.matrix.transpose
    return lambda: torch.autograd.grad(kernels.spmm(p.matrix, x), x, direction)[0]


def _elements(p: Problem) -> int:
    return p.matrix.shape[1] * p.channels


@case("encode", "torch.bucketize", lambda p: 5 * _elements(p))
def _bucketize(p: Problem) -> Work:
    from gcn2snn.kernels import encode_torch

    return lambda: encode_torch(p.x, p.spikes.scale, p.coding, None).code


@case("encode", "gcn2snn encode", lambda p: 5 * _elements(p), ours=True)
def _encode(p: Problem) -> Work:
    return lambda: kernels.encode(p.x, p.spikes.scale, p.coding).code


@case("decode", "torch.index_select", lambda p: 5 * _elements(p))
def _index_select(p: Problem) -> Work:
    from gcn2snn.kernels import decode_torch

    return lambda: decode_torch(p.spikes, torch.float32)


@case("decode", "gcn2snn decode", lambda p: 5 * _elements(p), ours=True)
def _decode(p: Problem) -> Work:
    return lambda: kernels.decode(p.spikes)


@case("dense", "torch linear", lambda p: 4 * (_elements(p) + p.matrix.shape[1] * OUTPUTS))
def _linear(p: Problem) -> Work:
    return lambda: functional.linear(p.x, p.weight)


@case("dense", "gcn2snn phase_gemm", lambda p: _elements(p) + 4 * p.matrix.shape[1] * OUTPUTS, ours=True)
def _phase_gemm(p: Problem) -> Work:
    return lambda: kernels.phase_gemm(p.spikes, p.weight)


@case("dense and fire", "torch linear, bucketize")
def _linear_encode(p: Problem) -> Work:
    from gcn2snn.kernels import encode_torch

    return lambda: encode_torch(functional.linear(p.x, p.weight), p.fire.scale, p.coding, None).code


@case("dense and fire", "gcn2snn phase_gemm_fire", ours=True)
def _phase_gemm_fire(p: Problem) -> Work:
    return lambda: kernels.phase_gemm_fire(p.spikes, p.weight, p.fire).code
