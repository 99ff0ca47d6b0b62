"""Plain PyTorch layers and functions: the description computes what they compute."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.conversion import convert
from gcn2snn.engines.arguments import bind
from gcn2snn.engines.interpreter import run_float
from gcn2snn.engines.readout_rules import read_out
from gcn2snn.errors import ConversionError
from gcn2snn.frontends.read_model import lower
from gcn2snn.kernels import CSR, spmm
from gcn2snn.textgcn.model import TextGCN

pytestmark = pytest.mark.filterwarnings("ignore:Sparse invariant checks")
VECTOR = torch.tensor([0.5, -1.0, 2.0, 0.1])


class Call(nn.Module):
    """A function of one value, with a linear layer in front so that there is a membrane."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.lin, self.function = nn.Linear(4, 4), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.lin(x))


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "torch.relu": torch.relu,
    "F.relu": F.relu,
    "F.relu in place": lambda h: F.relu(h, inplace=True),
    "x.relu": lambda h: h.relu(),
    "x.relu_": lambda h: h.relu_(),
    "clamp": lambda h: h.clamp(min=0),
    "F.dropout": lambda h: F.dropout(h, 0.5, training=False),
    "x + x": lambda h: h + h.relu(),
    "torch.add alpha": lambda h: torch.add(h, h.relu(), alpha=0.3),
    "x + number": lambda h: 1.5 + h,
    "x + vector": lambda h: h + VECTOR,
    "number - x": lambda h: 2.0 - h,
    "x - x": lambda h: h.relu() - h,
    "-x": lambda h: -h,
    "+=": lambda h: operator.iadd(h.relu(), h),
    "x * number": lambda h: 0.5 * h * 3,
    "x * vector": lambda h: h * VECTOR,
    "x / number": lambda h: h / 4,
    "sum": lambda h: sum([h, h.relu(), h]),
    "cat": lambda h: torch.cat([h, h.relu()], dim=-1),
    "flatten": lambda h: torch.flatten(h, 1),
    "view": lambda h: h.view(h.size(0), -1),
    "reshape": lambda h: h.reshape(h.shape[0], 4),
    "view rows": lambda h: h.view(-1, 4),
    "mm": lambda h: torch.mm(h, VECTOR[:, None]),
    "matmul": lambda h: h @ VECTOR[:, None],
    "addmm": lambda h: torch.addmm(VECTOR[:1], h, VECTOR[:, None], beta=2.0, alpha=0.5),
    "linear": lambda h: F.linear(h, VECTOR[None], VECTOR[:1]),
    "log_softmax": lambda h: F.log_softmax(h, dim=1),
    "softmax": lambda h: h.softmax(-1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name: str) -> None:
    model, x = Call(FUNCTIONS[name]).eval(), torch.randn(6, 4)
    network = lower(model, (x,), {})
    got = read_out(network, run_float(network, bind(network, (x,), {})))
    torch.testing.assert_close(got, model(x), rtol=1e-6, atol=1e-6)
    convert(model, x)


@pytest.mark.parametrize(
    "layer",
    [nn.Linear(4, 3), nn.ReLU(), nn.Dropout(0.5), nn.Identity(), nn.BatchNorm1d(4), nn.Flatten(), nn.LogSoftmax(1)],
    ids=lambda layer: type(layer).__name__,
)
def test_layer(layer: nn.Module) -> None:
    model = nn.Sequential(nn.Linear(4, 4), layer).eval()
    with torch.no_grad():
        for tensor in [*layer.parameters(), *layer.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.5)
    x = torch.randn(6, 4)
    network = lower(model, (x,), {})
    got = read_out(network, run_float(network, bind(network, (x,), {})))
    torch.testing.assert_close(got, model(x), rtol=1e-6, atol=1e-6)


def test_softmax_is_left_out_at_the_end_only() -> None:
    model, x = nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(1)).eval(), torch.randn(6, 4)
    snn = convert(model, x)
    assert snn.network["output"].readout == "log_softmax"
    torch.testing.assert_close(snn.source(x), model[0](x))
    with pytest.raises(ConversionError, match="softmax in the middle"):
        convert(nn.Sequential(nn.Linear(4, 3), nn.Softmax(1), nn.Linear(3, 2)).eval(), x)


REFUSED: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "dropout in evaluation": (lambda h: F.dropout(h, 0.5), "active in evaluation mode"),
    "clamp": (lambda h: h.clamp(-1, 1), r"clamp\(min=-1, max=1\): is no ReLU"),
    "product": (lambda h: (h * h.relu()).relu(), "multiplies two values of the network"),
    "division": (lambda h: 1 / h, "divides by a value"),
    "matrix product": (lambda h: h @ h.relu(), "multiplies two values of the network"),
    "matrix constant": (lambda h: h + torch.ones(6, 4), r"has a constant of \[6, 4\]"),
    "rows": (lambda h: torch.cat([h, h.relu()], dim=0), "joins rows, not channels"),
    "one row": (lambda h: h[1], "takes a single row"),
    "view": (lambda h: h.view(-1, 2), r"turns \['\*', 4\] into \[-1, 2\]"),
    "sigmoid": (lambda h: torch.sigmoid(h).relu(), "saturates"),
    "leaky": (F.leaky_relu, "is not a ReLU"),
    "norm": (lambda h: F.layer_norm(h, (4,)), "divides by a statistic"),
    "normalize": (F.normalize, "divides by a statistic"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    function, match = REFUSED[name]
    with pytest.raises(ConversionError, match=match):
        lower(Call(function).eval(), (torch.randn(6, 4),), {})


@pytest.mark.parametrize(
    "layer",
    [
        nn.GELU(),
        nn.LayerNorm(4),
        nn.PReLU(),
        nn.LSTM(4, 4),
        nn.MultiheadAttention(4, 1),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_refused_layers_say_what_would_work(layer: nn.Module) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = layer

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x)

    with pytest.raises(ConversionError) as caught:
        lower(Model().eval(), (torch.randn(6, 4),), {})
    (refusal,) = caught.value.refusals
    assert (refusal.path, refusal.what) == ("inner", type(layer).__name__)
    assert refusal.why
    assert refusal.instead


def test_batch_norm_without_statistics() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, track_running_stats=False)).eval()
    with pytest.raises(ConversionError, match="1: track_running_stats=False: has no running statistics"):
        lower(model, (torch.randn(6, 4),), {})


NODES = 9


def adjacency() -> Tensor:
    dense = torch.rand(NODES, NODES) * (torch.rand(NODES, NODES) < 0.4)
    dense[3] = 0  # an isolated row
    return dense


class GraphConvolution(nn.Module):
    """Kipf's pygcn, as most Text GCN ports have it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs))
        self.bias = nn.Parameter(torch.randn(outputs))

    def forward(self, input: Tensor, adj: Tensor) -> Tensor:
        support = torch.mm(input, self.weight)
        output = torch.spmm(adj, support)
        return output + self.bias


class PyGCN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gc1, self.gc2 = GraphConvolution(6, 8), GraphConvolution(8, 3)

    def forward(self, x: Tensor, adj: Tensor) -> Tensor:
        x = F.relu(self.gc1(x, adj))
        x = F.dropout(x, 0.5, training=self.training)
        return F.log_softmax(self.gc2(x, adj), dim=1)


class Featureless(nn.Module):
    """A Text GCN port: the identity as features, so that the first product is with a table."""

    def __init__(self, matrix: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("support", matrix)
        self.first, self.second = nn.Parameter(torch.randn(NODES, 8)), nn.Parameter(torch.randn(8, 3))

    def forward(self, adj: Tensor | None = None) -> Tensor:
        a = self.support if adj is None else adj
        h = torch.relu(torch.sparse.mm(a, self.first))
        return a @ torch.mm(h, self.second)


@pytest.mark.parametrize("layout", ["to_dense", "to_sparse", "to_sparse_csr"])
def test_adjacency_as_argument(layout: str) -> None:
    model, x = PyGCN().eval(), torch.randn(NODES, 6)
    a = adjacency() if layout == "to_dense" else getattr(adjacency(), layout)()
    snn = convert(model, (x, a)).double()
    torch.testing.assert_close(snn.source(x.double(), a.double()).log_softmax(1).float(), model(x, a))
    assert [c.name for c in snn.network.of(ir.Coder)] == ["x.code"]
    closed, temporal = (snn.simulate(x.double(), a.double(), engine=e) for e in ("closed", "temporal"))
    torch.testing.assert_close(closed, temporal, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kept", [True, False])
def test_featureless(kept: bool) -> None:
    a = adjacency().to_sparse()
    model = Featureless(a if kept else None).eval()
    args = () if kept else (a,)
    network = lower(model, args, {})
    assert [type(node).__name__ for node in network if isinstance(node, ir.Synapse)] == [
        *("Lookup", "Aggregate", "Dense", "Aggregate")
    ]
    torch.testing.assert_close(run_float(network, bind(network, args, {})), model(*args), rtol=1e-5, atol=1e-5)


def test_own_sparse_product() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lin = nn.Linear(6, 3)

        def forward(self, a: CSR, x: Tensor) -> Tensor:
            return spmm(a, self.lin(x).relu())

    model, a, x = Own().eval(), CSR.from_dense(adjacency()), torch.randn(NODES, 6)
    network = lower(model, (a, x), {})
    torch.testing.assert_close(run_float(network, bind(network, (a, x), {})), model(a, x))


def test_text_gcn_and_its_readout() -> None:
    model, a = TextGCN(NODES, [5], 3).eval(), CSR.from_dense(adjacency())
    some = a.rows(torch.tensor([4, 0]))
    network = lower(model, (a,), {"readout": some})
    bound = bind(network, (a,), {"readout": some})
    torch.testing.assert_close(run_float(network, bound), model(a, readout=some))


def test_sparse_features_are_no_adjacency() -> None:
    class Sparse(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(6, 3))

        def forward(self, x: Tensor) -> Tensor:
            return torch.sparse.mm(x, self.weight)

    with pytest.raises(ConversionError, match="sparse features: are no adjacency"):
        lower(Sparse(), (torch.randn(NODES, 6).to_sparse(),), {})


def test_meeting_of_sizes() -> None:
    model, x = PyGCN().eval(), torch.randn(NODES, 6)
    snn = convert(model, (x, adjacency()))
    with pytest.raises(ValueError, match="a matrix of shape"):
        snn(x[:4], adjacency())


def test_convert_leaves_the_model_alone() -> None:
    model, x = PyGCN().eval(), torch.randn(NODES, 6)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    convert(model, (x, adjacency())).double()
    found: dict[str, Any] = model.state_dict()
    assert all(torch.equal(before[k], found[k]) and found[k].dtype == torch.float32 for k in before)
