"""What operators compute from graph inputs, by hand, and when they compute it again."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import CSR
from gcn2snn.matrices.build import build_operand, to_csr
from gcn2snn.matrices.cache import MATRICES

EDGES = torch.tensor([[0, 1, 1, 2], [1, 0, 1, 1]])  # 0 -> 1, 1 -> 0, a loop at 1, 2 -> 1
X = torch.zeros(3, 2)


def adjacency(**options: object) -> torch.Tensor:
    weighted = "weight" in options
    weight = (options.pop("weight"),) if weighted else ()
    node = ir.Adjacency(name="a", inputs=("e", "x", "x"), weighted=weighted, **options)
    return build_operand(node, EDGES, *weight, X, X).to_dense()


def test_plain_rows_are_targets() -> None:
    assert adjacency().tolist() == [[0, 1, 0], [1, 1, 1], [0, 0, 0]]
    assert adjacency(flow="target_to_source").tolist() == [[0, 1, 0], [1, 1, 0], [0, 1, 0]]


def test_loops() -> None:
    assert adjacency(loops="add").diag().tolist() == [1, 2, 1]
    assert adjacency(loops="remove").diag().tolist() == [0, 0, 0]
    weight = torch.tensor([1.0, 2.0, 5.0, 3.0])
    assert adjacency(loops="remaining", weight=weight, loop_weight=2.0).diag().tolist() == [2, 5, 2]
    assert adjacency(loops="replace", weight=weight).diag().tolist() == [1, 1, 1]


def test_normalisations_by_hand() -> None:
    # in-degrees with loops: node 0: 2, node 1: 3, node 2: 1
    gcn = adjacency(norm="gcn", loops="remaining")
    torch.testing.assert_close(gcn[1], torch.tensor([1 / 6**0.5, 1 / 3, 1 / 3**0.5]))
    torch.testing.assert_close(adjacency(norm="mean")[1], torch.full((3,), 1 / 3))
    assert adjacency(norm="degree", weight=torch.tensor([1.0, 2.0, 5.0, 3.0])).diag().tolist() == [2, 9, 0]
    # out-degrees 1, 2, 1; in-degrees 1, 3, 0
    torch.testing.assert_close(adjacency(norm="both")[1], torch.tensor([1.0, 0.5**0.5, 1.0]) / 3**0.5)
    torch.testing.assert_close(adjacency(norm="left")[1], torch.tensor([1.0, 0.5, 1.0]))
    torch.testing.assert_close(adjacency(norm="right")[1], torch.full((3,), 1 / 3))


def test_laplacian_by_hand() -> None:
    node = ir.Laplacian(name="l", inputs=("e", "x"), lambda_max=2.0)
    path = torch.tensor([[0, 1], [1, 0]])
    assert build_operand(node, path, X).to_dense().tolist() == [[0, -1, 0], [-1, 0, 0], [0, 0, 0]]


def test_membership() -> None:
    batch = torch.tensor([0, 2, 2])
    node = ir.Membership(name="m", inputs=("b", "x"), mean=True)
    assert build_operand(node, batch, X).to_dense().tolist() == [[1, 0, 0], [0, 0, 0], [0, 0.5, 0.5]]
    one = ir.Membership(name="m", inputs=("x",), batched=False)
    assert build_operand(one, X).to_dense().tolist() == [[1, 1, 1]]
    with pytest.raises(InputError, match="batch has 3 entries for 2 nodes"):
        build_operand(node, batch, X[:2])


def test_dtype_follows_the_features() -> None:
    node = ir.Adjacency(name="a", inputs=("e", "x", "x"), norm="gcn")
    assert build_operand(node, EDGES, X.double(), X.double()).dtype is torch.float64


def test_a_matrix_is_built_once_per_graph() -> None:
    node = ir.Adjacency(name="a", inputs=("e", "x", "x"), norm="gcn")
    edges = EDGES.clone()
    first = build_operand(node, edges, X, X)
    assert build_operand(node, edges, X + 1, X + 1) is first
    assert build_operand(ir.Adjacency(name="other", inputs=("e", "x", "x"), norm="gcn"), edges, X, X) is first
    assert build_operand(node, edges.clone(), X, X) is not first
    assert build_operand(ir.Adjacency(name="a", inputs=("e", "x", "x"), norm="mean"), edges, X, X) is not first
    edges[0, 0] = 2  # written in place: the cached matrix is old
    assert build_operand(node, edges, X, X) is not first


def test_the_cache_does_not_keep_graphs_alive() -> None:
    node = ir.Adjacency(name="a", inputs=("e", "w", "x", "x"), weighted=True)
    gc.collect()
    before = len(MATRICES)
    edges = EDGES.clone()
    build_operand(node, edges, torch.ones(4), X, X)
    assert len(MATRICES) == before + 1
    del edges
    gc.collect()
    assert len(MATRICES) == before


def test_a_matrix_that_is_passed_is_not_kept() -> None:
    node, matrix = ir.Matrix(name="m", inputs=("a",)), CSR.from_dense(torch.eye(2))
    before = len(MATRICES)
    assert build_operand(node, matrix) is matrix
    assert len(MATRICES) == before


def add_in_place(weight: Tensor) -> None:
    weight[0] += 6.0


def write_data(weight: Tensor) -> None:
    weight.data[0] = 7.0


def write_numpy(weight: Tensor) -> None:
    weight.numpy()[0] = 7.0


def set_storage(weight: Tensor) -> None:
    weight.set_(torch.tensor([7.0, 1.0, 1.0, 1.0]).untyped_storage())


def resize(weight: Tensor) -> None:
    weight.resize_(0).resize_(4).copy_(torch.tensor([7.0, 1.0, 1.0, 1.0]))


def swap_data(weight: Tensor) -> None:
    weight.data = torch.tensor([7.0, 1.0, 1.0, 1.0])


WRITES = (add_in_place, write_data, write_numpy, set_storage, resize, swap_data)


@pytest.mark.parametrize("write", WRITES)
def test_every_way_to_write_weights_is_seen(write: Callable[[Tensor], None]) -> None:
    node = ir.Adjacency(name="a", inputs=("e", "w", "x", "x"), weighted=True)
    edges, weight = EDGES.clone(), torch.ones(4)
    assert build_operand(node, edges, weight, X, X).to_dense()[1, 0] == 1.0
    write(weight)
    assert build_operand(node, edges, weight, X, X).to_dense()[1, 0] == 7.0


def test_a_write_to_shared_indices_is_seen_and_undone() -> None:
    node = ir.Adjacency(name="a", inputs=("e", "x", "x"), norm="gcn", loops="add")
    array = EDGES.numpy().copy()
    edges = torch.from_numpy(array)
    before = build_operand(node, edges, X, X)
    array[0, 0] = 2
    written = build_operand(node, edges, X, X).to_dense()
    assert torch.equal(written, build_operand(node, edges.clone(), X, X).to_dense())
    assert not torch.equal(written, before.to_dense())
    array[0, 0] = 0
    assert build_operand(node, edges, X, X) is before  # the contents say that it is right again


@pytest.mark.parametrize("layout", ["coo", "csr", "csc"])
def test_a_write_to_the_values_of_a_sparse_tensor_is_seen(layout: str) -> None:
    node = ir.Matrix(name="m", inputs=("a",))
    dense = torch.tensor([[0.0, 2.0], [3.0, 0.0]])
    matrix = {"coo": dense.to_sparse_coo, "csr": dense.to_sparse_csr, "csc": dense.to_sparse_csc}[layout]()
    first = build_operand(node, matrix)
    assert build_operand(node, matrix) is first
    matrix.values().numpy()[:] = 5.0
    assert build_operand(node, matrix).value.tolist() == [5.0, 5.0]


def test_tensors_made_in_inference_mode() -> None:
    node = ir.Adjacency(name="a", inputs=("e", "x", "x"))
    with torch.inference_mode():
        edges = EDGES.clone()
        first = build_operand(node, edges, X, X)
    assert build_operand(node, edges, X, X) is first


def test_matrices() -> None:
    dense = torch.tensor([[0.0, 2.0], [3.0, 0.0]])
    for matrix in (dense, dense.to_sparse(), dense.to_sparse_csr()):
        assert torch.equal(to_csr(matrix).to_dense(), dense)
    with pytest.raises(InputTypeError, match="an adjacency is list"):
        to_csr([[1.0]])


def test_maximum_needs_unit_weights() -> None:
    with pytest.raises(InputError, match="needs edges of weight 1"):
        adjacency(norm="max", weight=torch.tensor([1.0, 2.0, 1.0, 1.0]))


def test_parts() -> None:
    node = ir.Part(name="blocks[1]", inputs=("blocks",), key=1, by="item", size=(None, None))
    assert build_operand(node, ["a", "b"]) == "b"
    with pytest.raises(InputError, match="the input has no"):
        build_operand(node, ["a"])
    count = ir.Part(name="data.num_nodes()", inputs=("data",), key="upper", by="call", size=())
    assert build_operand(count, "text") == "TEXT"
