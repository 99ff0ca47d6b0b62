"""Models that return several results, vectors, and products of two embeddings: equal to the source on calls of other sizes."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gcn2snn
from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import prepare
from gcn2snn.engines import bind, head_values, run_float
from gcn2snn.errors import ConversionError, InputError

pyg = pytest.importorskip("torch_geometric.nn")

Ending = Callable[["TwoLayers", Any, Any, Any, Any], Any]
"""ending(model, hidden layer [N, 8], embedding [N, 5], pairs of nodes [2, E], graph of each node) -> the model's result."""

Moments = namedtuple("Moments", ["mean", "spread"])


@dataclass
class Answer:
    logits: Any
    attentions: Any = None


class TwoLayers(nn.Module):
    """Two GCN layers and an ending."""

    def __init__(self, ending: Ending) -> None:
        super().__init__()
        self.first, self.second = pyg.GCNConv(4, 8), pyg.GCNConv(8, 5)
        self.lin, self.gelu, self.bilinear = nn.Linear(8, 1), nn.GELU(), nn.Bilinear(5, 5, 3)
        self.act, self.decoder = nn.Sigmoid(), pyg.InnerProductDecoder()
        self.ending = ending

    def forward(self, x: Tensor, edge_index: Tensor, pairs: Tensor, batch: Tensor) -> Any:
        h = self.first(x, edge_index).relu()
        return self.ending(self, h, self.second(h, edge_index), pairs, batch)


def call_of(rows: int, graphs: int = 2, pairs: int = 7) -> tuple[Tensor, ...]:
    edges = torch.randint(0, rows, (2, 3 * rows))
    return torch.randn(rows, 4), edges, torch.randint(0, rows, (2, pairs)), torch.arange(rows) * graphs // rows


def score(z: Any, pairs: Any) -> Any:
    return (z[pairs[0]] * z[pairs[1]]).sum(-1)


def unpacked(m: TwoLayers, h: Any, z: Any, e: Any, b: Any) -> Any:
    source, target = e
    return torch.sum(torch.index_select(z, 0, source) * torch.index_select(z, 0, target), dim=1, keepdim=True)


SAME: dict[str, Ending] = {
    "tuple": lambda m, h, z, e, b: (z, h),
    "list": lambda m, h, z, e, b: [m.lin(h), z],
    "dict with what is no tensor": lambda m, h, z, e, b: {"logits": z, "loss": None, "classes": 5, "name": "gcn"},
    "nested": lambda m, h, z, e, b: {"heads": (z, [h]), 3: m.lin(h)},
    "named tuple": lambda m, h, z, e, b: Moments(z, m.lin(h)),
    "dataclass": lambda m, h, z, e, b: Answer(z),
    "logits and probabilities": lambda m, h, z, e, b: (z.log_softmax(1), z),
    "one of each": lambda m, h, z, e, b: (z, score(z, e), m.lin(h).squeeze(-1)),
    "vector": lambda m, h, z, e, b: m.lin(h).squeeze(-1),
    "vector of one row": lambda m, h, z, e, b: m.lin(h).squeeze(),
    "vector by view": lambda m, h, z, e, b: m.lin(h).view(-1),
    "one channel": lambda m, h, z, e, b: z[:, 1],
    "turned": lambda m, h, z, e, b: z.t(),
    "number of a graph": lambda m, h, z, e, b: m.lin(pyg.global_add_pool(h, b)).flatten(),
    "probability": lambda m, h, z, e, b: torch.sigmoid(m.lin(h)),
    "probability of a vector": lambda m, h, z, e, b: torch.sigmoid(m.lin(h).squeeze(-1)),
    "vector of probabilities": lambda m, h, z, e, b: m.act(m.lin(h)).squeeze(-1),
    "labels": lambda m, h, z, e, b: z.sigmoid(),
    "scores of pairs": lambda m, h, z, e, b: score(z, e),
    "rows and columns": unpacked,
    "scores of spikes": lambda m, h, z, e, b: score(h, e),
    "scores of a layer of their own": lambda m, h, z, e, b: score(F.linear(z, torch.eye(5)), e).sigmoid(),
    "decoder": lambda m, h, z, e, b: m.decoder(z, e),
    "decoder without sigmoid": lambda m, h, z, e, b: m.decoder(z, e, sigmoid=False),
    "all pairs": lambda m, h, z, e, b: m.decoder.forward_all(z),
    "gram": lambda m, h, z, e, b: z @ z.T,
    "gram of two": lambda m, h, z, e, b: torch.mm(z, (2 * z).t()),
    "gram by einsum": lambda m, h, z, e, b: torch.einsum("ic,jc->ij", z, z),
    "scores by einsum": lambda m, h, z, e, b: torch.einsum("ic,ic->i", z[e[0]], z[e[1]]),
    "bilinear": lambda m, h, z, e, b: m.bilinear(z[e[0]], z[e[1]]),
    "product alone": lambda m, h, z, e, b: z[e[0]] * z[e[1]],
    "three factors": lambda m, h, z, e, b: (z * z * z).sum(1),
    "gate at the end": lambda m, h, z, e, b: z * torch.sigmoid(z),
    "temperature": lambda m, h, z, e, b: (2 * score(z, e) / 5 - 1 + m.lin.bias).sigmoid(),
    "column and vector": lambda m, h, z, e, b: score(z, e).unsqueeze(1).squeeze(1).view(-1, 1).reshape(-1).clone(),
    "loose scores": lambda m, h, z, e, b: score(z, e).squeeze(),
}


def check(model: nn.Module, network: ir.Network, output: object = None) -> None:
    """The description gives what the model gives, on calls with other numbers of nodes, graphs and pairs."""
    for call in (call_of(1, 1, 1), call_of(3, 3, 2), call_of(11, 4, 9)):
        heads: dict[str, Tensor] = {}
        with torch.no_grad():
            whole = model(*call)
            run_float(network, bind(network, call, {}), heads=heads)
        structure, wanted = ir.pack(whole, lambda x: isinstance(x, Tensor))
        tensors: list[Any] = list(wanted.values())
        if output is not None:
            structure, kept = ir.renumbered(ir.chosen(structure, output))
            tensors = [tensors[i] for i in kept]
        assert structure == network.structure
        for tensor, got in zip(tensors, head_values(network, heads), strict=True):
            torch.testing.assert_close(got, tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SAME)
def test_equal_to_the_source_on_other_calls(name: str) -> None:
    torch.manual_seed(0)
    model = TwoLayers(SAME[name]).eval()
    check(model, prepare(model, call_of(6), ConvertConfig()))


REFUSED: dict[str, tuple[Ending, str]] = {
    "product in the middle": (lambda m, h, z, e, b: m.lin(h * h), "multiplication: multiplies two values"),
    "gate in the middle": (lambda m, h, z, e, b: m.lin(h * torch.sigmoid(h)), "multiplication: multiplies two values"),
    "sigmoid in the middle": (lambda m, h, z, e, b: m.lin(torch.sigmoid(h)), "sigmoid: saturates"),
    "scores in the middle": (lambda m, h, z, e, b: score(z, e) + z[:, 0], "multiplies two values"),
    "sum of rows of a product": (lambda m, h, z, e, b: (z * z).sum(0), "multiplies two values"),
    "step behind a product": (lambda m, h, z, e, b: (z * z).relu(), "multiplies two values"),
    "softmax and a step": (lambda m, h, z, e, b: z.softmax(1) + 1, "softmax in the middle"),
    "softmax of scores": (lambda m, h, z, e, b: (z @ z.t()).softmax(1), "matrix product: multiplies two values"),
    "sigmoid of a comparison": (lambda m, h, z, e, b: torch.sigmoid(z > 0), "compares values of the network"),
    "other sizes": (lambda m, h, z, e, b: z * m.lin(h), "multiplication: multiplies two values"),
    "the graph": (
        lambda m, h, z, e, b: (z, e),
        r"output 1: is a description of the graph.*These convert by themselves: output=0",
    ),
    "an object": (lambda m, h, z, e, b: {"z": z, "model": m}, "output model: is TwoLayers, which no layer"),
    "no tensor": (lambda m, h, z, e, b: {"a": 1}, "holds no tensor that the network computes"),
    "one bad head": (
        lambda m, h, z, e, b: {"mu": z, "gate": m.gelu(h)},
        r"gelu.*\n.*These convert by themselves: output='mu'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_way_out(name: str) -> None:
    ending, message = REFUSED[name]
    with pytest.raises(ConversionError, match=f"(?s){message}"):
        prepare(TwoLayers(ending).eval(), call_of(6), ConvertConfig())


CHOSEN: dict[str, tuple[Ending, object]] = {
    "index": (lambda m, h, z, e, b: (h, z), 1),
    "from the end": (lambda m, h, z, e, b: (m.gelu(h), z), -1),
    "key": (lambda m, h, z, e, b: {"mu": z, "gate": m.gelu(h)}, "mu"),
    "path": (lambda m, h, z, e, b: [{"a": (z, m.lin(h).view(-1)), "b": e}], (0, "a", 1)),
    "part of several": (lambda m, h, z, e, b: [{"a": (z, h)}, m.gelu(z)], (0, "a")),
    "field": (lambda m, h, z, e, b: Moments(z, m.gelu(h)), "mean"),
    "field of a dataclass": (lambda m, h, z, e, b: Answer(z, e), "logits"),
    "product": (lambda m, h, z, e, b: (torch.tanh(z), score(z, e)), 1),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_one_result_converts_whatever_the_others_are(name: str) -> None:
    ending, output = CHOSEN[name]
    model = TwoLayers(ending).eval()
    check(model, prepare(model, call_of(6), ConvertConfig(), output=output), output)


def written(m: TwoLayers, h: Any, z: Any, e: Any, b: Any) -> Any:
    z[:, 0] = m.gelu(z[:, 1])
    return z, h


def test_what_may_change_the_chosen_result_still_counts() -> None:
    """An assignment that is refused would have changed the result, although nothing of it is read."""
    with pytest.raises(ConversionError, match="item assignment"):
        prepare(TwoLayers(written).eval(), call_of(6), ConvertConfig(), output=0)


def test_a_result_that_is_not_there() -> None:
    model = TwoLayers(SAME["nested"]).eval()
    with pytest.raises(InputError, match=r"has no 'mu'\. It has 'heads', 3"):
        gcn2snn.convert(model, call_of(6), output="mu")
    with pytest.raises(InputError, match="one tensor, so there is nothing to choose"):
        gcn2snn.convert(TwoLayers(SAME["gram"]).eval(), call_of(6), output=0)


def test_autoencoder_of_pyg() -> None:
    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = pyg.GCNConv(4, 8), pyg.GCNConv(8, 5)

        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
            z: Tensor = self.second(self.first(x, edge_index).relu(), edge_index)
            return z

    class Links(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gae = pyg.GAE(Encoder())

        def forward(self, x: Tensor, edge_index: Tensor, pairs: Tensor, batch: Tensor) -> Tensor:
            found: Tensor = self.gae.decode(self.gae.encode(x, edge_index), pairs)
            return found

    model = Links().eval()
    check(model, prepare(model, call_of(6), ConvertConfig()))
    snn = gcn2snn.convert(pyg.GAE(Encoder()).eval(), call_of(6)[:2])  # by itself it gives the embedding
    assert snn(*call_of(3)[:2]).shape == (3, 5)


def test_unused_arguments_of_another_result() -> None:
    """What only the other results read may be left as it is; it is not read at the call."""
    snn = gcn2snn.convert(TwoLayers(SAME["one of each"]).eval(), call_of(6), output=0)
    x, edges, _, _ = call_of(4)
    assert snn(x, edges, None, None).shape == (4, 5)
