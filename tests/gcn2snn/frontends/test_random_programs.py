"""Random small programs: what converts computes what its source computes on inputs of other sizes, all else is our own error."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import prepare
from gcn2snn.engines.arguments import bind
from gcn2snn.engines.interpreter import run_float
from gcn2snn.engines.readout_rules import head_values
from gcn2snn.errors import Gcn2SnnError

pyg = pytest.importorskip("torch_geometric.nn")
Data = pytest.importorskip("torch_geometric.data").Data

C = 4
"""Channels of every value, so that steps fit together in any order."""

Step = Callable[["Program", Any, Any], Any]
"""step(program, value, call) -> the next value."""


class Program(nn.Module):
    """A sequence of steps, each with the value before it and the call's arguments."""

    def __init__(self, steps: list[Step], as_data: bool, ending: Step) -> None:
        super().__init__()
        self.steps, self.as_data, self.ending = steps, as_data, ending
        self.lin, self.wide, self.bn = nn.Linear(C, C), nn.Linear(2 * C, C), nn.BatchNorm1d(C)
        self.act, self.act_, self.drop, self.gelu = nn.ReLU(), nn.ReLU(inplace=True), nn.Dropout(), nn.GELU()
        self.gcn, self.sage, self.gat = pyg.GCNConv(C, C), pyg.SAGEConv(C, C), pyg.GATConv(C, C)
        self.gin = pyg.GINConv(nn.Sequential(nn.Linear(C, C), nn.ReLU(inplace=True)))
        self.vector, self.table = nn.Parameter(torch.randn(C)), nn.Parameter(torch.randn(5, C))
        self.heads = nn.ModuleDict({"a": nn.Linear(C, C), "b": nn.Linear(C, C)})

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        call = args[0] if self.as_data else Call(*args, **kwargs)
        h = call.x
        for step in self.steps:
            h = step(self, h, call)
        return self.ending(self, h, call)


def inner(a: Any, b: Any) -> Any:
    return (a * b).sum(-1)


ENDINGS: dict[str, Step] = {
    "tensor": lambda p, h, c: h,
    "pair": lambda p, h, c: (h, p.lin(h)),
    "dict": lambda p, h, c: {"h": h, "none": None, "heads": [p.lin(h).relu(), 1.5]},
    "with what cannot be": lambda p, h, c: {"h": h, "gelu": p.gelu(h)},
    "with the graph": lambda p, h, c: (h, c.edge_index),
    "with numbers of the call": lambda p, h, c: (h, h.size(0), c.num_graphs),
    "vector": lambda p, h, c: h[:, 0],
    "number of each": lambda p, h, c: F.linear(h, p.vector[None]).squeeze(),
    "probabilities": lambda p, h, c: torch.sigmoid(h),
    "both": lambda p, h, c: (F.log_softmax(h, 1), torch.sigmoid(p.lin(h))[:, 0]),
    "edges": lambda p, h, c: inner(h[c.edge_index[0]], h[c.edge_index[1]]),
    "edges and nodes": lambda p, h, c: (h, inner(h[c.edge_index[0]], p.lin(h)[c.edge_index[1]]).sigmoid()),
    "all pairs": lambda p, h, c: torch.sigmoid(h @ h.t()),
    "product and a layer": lambda p, h, c: p.lin(h * p.lin(h)),
    "product and a sum": lambda p, h, c: inner(h, h) + h[:, 0],
}


class Call:
    """The arguments of a call by name, as a PyG object would hold them."""

    def __init__(self, x: Any, edge_index: Any, batch: Any, num_graphs: Any, gain: Any, head: Any, weight: Any) -> None:
        self.x, self.edge_index, self.batch, self.num_graphs = x, edge_index, batch, num_graphs
        self.gain, self.head, self.edge_weight = gain, head, weight


def pair_then_join(p: Program, h: Any, c: Any) -> Any:
    return p.wide(torch.cat([h, F.relu(h)], 1))


def changed_under_another_name(p: Program, h: Any, c: Any) -> Any:
    g = p.lin(h)
    other = p.drop(g)
    return p.act_(g) + other


def images(p: Program, h: Any, c: Any) -> Any:
    n, channels = h.size()
    return h.view(n, channels // 2, 2).reshape(n, -1)


def weighted(p: Program, h: Any, c: Any) -> Any:
    return p.gcn(h, c.edge_index) if c.edge_weight is None else p.gcn(h, c.edge_index, c.edge_weight)


def caught(p: Program, h: Any, c: Any) -> Any:
    try:
        return h / h.size(0)
    except Exception:
        return h


def normalised(p: Program, h: Any, c: Any) -> Any:
    row, col = c.edge_index
    return h + torch.zeros(h.size(0), C).index_add(0, row, h[col])


def written_later(p: Program, h: Any, c: Any) -> Any:
    g = p.lin(h)
    part = g[:, :2]
    part.relu_()
    return g


STEPS: dict[str, Step] = {
    "linear": lambda p, h, c: p.lin(h),
    "relu": lambda p, h, c: p.act(h),
    "relu_": lambda p, h, c: p.act_(h),
    "F.relu": lambda p, h, c: F.relu(h),
    "bn": lambda p, h, c: p.bn(h),
    "drop": lambda p, h, c: p.drop(h),
    "gelu": lambda p, h, c: p.gelu(h),
    "gcn": lambda p, h, c: p.gcn(h, c.edge_index),
    "weighted": weighted,
    "sage": lambda p, h, c: p.sage(h, c.edge_index),
    "gin": lambda p, h, c: p.gin(h, c.edge_index),
    "gat": lambda p, h, c: p.gat(h, c.edge_index),
    "add pool": lambda p, h, c: pyg.global_add_pool(h, c.batch, c.num_graphs),
    "mean pool": lambda p, h, c: pyg.global_mean_pool(h, c.batch),
    "pool of one": lambda p, h, c: pyg.global_max_pool(h, None),
    "twice as many": lambda p, h, c: pyg.global_add_pool(h, c.batch, 2 * c.num_graphs),
    "pool of rows": lambda p, h, c: pyg.global_add_pool(h, c.batch, h.size(0)),
    "divide by graphs": lambda p, h, c: h / c.num_graphs,
    "layers by number": lambda p, h, c: [p.lin(h) for _ in range(c.num_graphs)][-1],
    "residual": lambda p, h, c: p.lin(h) + c.x,
    "join": pair_then_join,
    "alias": changed_under_another_name,
    "in place": lambda p, h, c: p.lin(h).add_(1.0).relu_(),
    "vector": lambda p, h, c: h * p.vector + p.vector,
    "reflected": lambda p, h, c: p.vector - h,
    "row constant": lambda p, h, c: h + p.table,
    "table": lambda p, h, c: p.lin(p.table),
    "join table": lambda p, h, c: p.wide(torch.cat([h, p.table], 1)),
    "conv of table": lambda p, h, c: p.gcn(p.table, c.edge_index),
    "square": lambda p, h, c: h * h,
    "mean of rows": lambda p, h, c: h / h.size(0),
    "sum over rows": lambda p, h, c: h.sum(0, keepdim=True) / len(h),
    "scaled by width": lambda p, h, c: h / math.sqrt(h.size(1)),
    "scaled by rows": lambda p, h, c: h / math.sqrt(h.shape[0]),
    "view": lambda p, h, c: h.view(h.size(0), -1),
    "view len": lambda p, h, c: h.view(len(h), h.shape[-1]),
    "view half": lambda p, h, c: h.view(h.size(0) // 2, -1),
    "view nodes": lambda p, h, c: h.reshape(c.x.shape[0], -1),
    "images": images,
    "all rows": lambda p, h, c: h[: h.size(0)],
    "some rows": lambda p, h, c: h[: c.x.size(0) - 1],
    "last row": lambda p, h, c: h[h.size(0) - 1],
    "count": lambda p, h, c: h + torch.arange(h.size(0))[:, None],
    "zeros": lambda p, h, c: h + torch.zeros(h.size(0), C),
    "new": lambda p, h, c: h + h.new_ones(h.shape),
    "ones like": lambda p, h, c: h + torch.ones_like(h),
    "eye": lambda p, h, c: torch.eye(h.shape[0]) @ h,
    "branch": lambda p, h, c: p.lin(h) if h.size(0) > 3 else h,
    "branch graphs": lambda p, h, c: p.lin(h) if c.num_graphs > 1 else h,
    "branch value": lambda p, h, c: p.lin(h) if h.sum() > 0 else h,
    "branch width": lambda p, h, c: p.lin(h) if h.dim() == 2 and h.size(1) == C else h,
    "same rows": lambda p, h, c: p.lin(h) if h.size(0) == c.x.size(0) else h,
    "is tensor": lambda p, h, c: p.lin(h) if isinstance(h, Tensor) else h,
    "attribute": lambda p, h, c: p.lin(h) if hasattr(c, "pos") else h,
    "default": lambda p, h, c: h if getattr(c, "edge_attr", None) is None else p.lin(h),
    "text": lambda p, h, c: p.heads[str(getattr(c, "head", "a"))](h),
    "gain": lambda p, h, c: h * getattr(c, "gain", 1.0),
    "rows as text": lambda p, h, c: p.heads["a" if f"{h.size(0)}" == "5" else "b"](h),
    "list": lambda p, h, c: sum([h, p.lin(h)]),
    "unpack": lambda p, h, c: torch.cat(torch.chunk(h, 2, 1)[::-1], 1),
    "stack": lambda p, h, c: torch.stack([h, h]).sum(0),
    "maximum": lambda p, h, c: torch.max(h, p.lin(h)),
    "where": lambda p, h, c: torch.where(h > 0, h, 0.0),
    "softmax": lambda p, h, c: F.softmax(h, dim=1),
    "norm": lambda p, h, c: F.normalize(h),
    "tolist": lambda p, h, c: torch.tensor(h.tolist()),
    "numpy": lambda p, h, c: torch.from_numpy(h.numpy()),
    "item": lambda p, h, c: h * h.max().item(),
    "product": lambda p, h, c: h @ p.lin.weight,
    "gram": lambda p, h, c: h @ h.t() @ h,
    "transposed": lambda p, h, c: h.t().t(),
    "indexed": lambda p, h, c: h[c.batch],
    "embedding": lambda p, h, c: h + p.table[c.batch],
    "dtype": lambda p, h, c: h + torch.ones(C, dtype=h.dtype, device=h.device),
    "float": lambda p, h, c: h.float() + c.batch.float()[:, None],
    "caught": caught,
    "own message passing": normalised,
    "set item": lambda p, h, c: p.lin(h).index_fill_(1, torch.tensor([0]), 0.0),
    "rows in a list": lambda p, h, c: h * len([0] * h.size(0)),
    "power": lambda p, h, c: h * h.size(0) ** 0,
    "nodes": lambda p, h, c: h / getattr(c, "num_nodes", 2),
    "features": lambda p, h, c: h / getattr(c, "num_node_features", 2),
    "to": lambda p, h, c: h.to(p.lin.weight.device).to(h.dtype).type_as(p.lin.weight).cpu(),
    "half": lambda p, h, c: h.to(torch.float16).float(),
    "pair of axes": lambda p, h, c: h.unsqueeze(0).squeeze(0)[None, :, None].squeeze(2)[0],
    "stack on channels": lambda p, h, c: torch.stack([h, p.lin(h)], 1).mean(1),
    "stack relu": lambda p, h, c: torch.stack([h, p.lin(h)]).relu().amax(0),
    "stack max": lambda p, h, c: torch.stack([h, p.lin(h)]).max(0).values,
    "stack argmax": lambda p, h, c: h + torch.stack([h, p.lin(h)]).max(0).indices,
    "stack weighted": lambda p, h, c: (torch.stack([h, p.lin(h)]) * p.table[:2, :1, None]).sum(0),
    "linear of stack": lambda p, h, c: p.lin(torch.stack([h, F.relu(h)], 1)).flatten(1)[:, ::2],
    "linear of rows last": lambda p, h, c: F.linear(h.t(), p.lin.weight),
    "left product": lambda p, h, c: (p.lin.weight @ h.t()).t(),
    "join stacks": lambda p, h, c: torch.cat([h[None], p.lin(h)[None]], 0).sum(0),
    "seeds": lambda p, h, c: h[:3],
    "seeds of call": lambda p, h, c: h[: c.num_graphs],
    "but the last": lambda p, h, c: h[:-1],
    "every other": lambda p, h, c: h[1::2],
    "rows by list": lambda p, h, c: h[torch.tensor([2, 0, 1, -1])],
    "one row": lambda p, h, c: h[0],
    "one row more": lambda p, h, c: h[[0]],
    "one channel": lambda p, h, c: h[:, 1].unsqueeze(1).repeat(1, C),
    "vector of rows": lambda p, h, c: torch.stack([h[:, 1], h[:, 0], h[:, 3], h[:, -1]], dim=1),
    "channels by list": lambda p, h, c: h[:, [3, 1, 0, 1]],
    "channels by mask": lambda p, h, c: p.wide(torch.cat([h, h], 1)[:, torch.arange(2 * C) >= 0]),
    "flip": lambda p, h, c: h.flip(1) + h.flip(-1),
    "flip rows": lambda p, h, c: h.flip(0),
    "split": lambda p, h, c: torch.cat(h.split([1, 3], 1)[::-1], 1),
    "split rows": lambda p, h, c: h.split(2)[0],
    "heads": lambda p, h, c: F.relu(h.view(-1, 2, 2).transpose(1, 2)).reshape(h.size(0), -1),
    "mean of heads": lambda p, h, c: p.wide(torch.cat([h, h], 1).view(len(h), 2, C).mean(2).repeat(1, C)),
    "sum of channels": lambda p, h, c: h + h.sum(1, keepdim=True),
    "sum of heads": lambda p, h, c: h.view(-1, C, 1).sum(-1),
    "threshold": lambda p, h, c: F.threshold(h, 0.5, 0.5),
    "jump": lambda p, h, c: F.threshold(h, 0.5, 0.0),
    "leaky": lambda p, h, c: F.leaky_relu(h, 0.0),
    "times mask": lambda p, h, c: h * (h >= 0),
    "another mask": lambda p, h, c: p.lin(h) * (h > 0),
    "filled": lambda p, h, c: h.masked_fill(h < 0, 0.0),
    "mask alone": lambda p, h, c: (h > 0).float(),
    "where like": lambda p, h, c: torch.where(h > 0, h, torch.zeros_like(h)),
    "min": lambda p, h, c: torch.min(h, p.lin(h)),
    "at least": lambda p, h, c: torch.maximum(h, torch.tensor(0.5)),
    "einsum": lambda p, h, c: torch.einsum("nc,oc->no", h, p.lin.weight),
    "einsum on": lambda p, h, c: torch.einsum("oc,nc->on", p.lin.weight, h).T,
    "einsum of values": lambda p, h, c: torch.einsum("nc,nc->nc", h, h),
    "written part": lambda p, h, c: p.lin(h)[:, :2].relu_().repeat(1, 2),
    "part written later": written_later,
    "contains": lambda p, h, c: h if hasattr(c, "keys") and "edge_attr" in c else p.lin(h),
}


def call_of(rows: int, graphs: int, as_data: bool, weight: bool, gain: float = 1.0, head: str = "a") -> tuple[Any, ...]:
    """The arguments of a call with so many rows in so many graphs."""
    batch = torch.arange(rows) * graphs // rows
    edges = torch.randint(0, rows, (2, 3 * rows))
    values = torch.rand(edges.shape[1]) if weight else None
    x = torch.randn(rows, C)
    if not as_data:
        return (x, edges, batch, graphs, gain, head, values)
    data = Data(x=x, edge_index=edges, batch=batch, edge_weight=values)
    data.num_graphs = graphs
    return (data,)


def check(names: list[str], as_data: bool, weight: bool, seed: int, ending: str = "tensor") -> str:
    """Convert a program and compare it on three other calls; what came of it."""
    torch.manual_seed(seed)
    model = Program([STEPS[name] for name in names], as_data, ENDINGS[ending]).eval()
    try:
        network = prepare(model, call_of(5, 2, as_data, weight), ConvertConfig())
    except Gcn2SnnError as error:
        return type(error).__name__
    for rows, graphs, more in ((3, 1, {}), (8, 3, {}), (5, 2, {"gain": 2.0, "head": "b", "weight": not weight})):
        args = call_of(rows, graphs, as_data, **{"weight": weight, **more})
        try:
            with torch.no_grad():
                wanted = model(*args)
        except Exception:
            continue  # the source itself has no result there
        try:
            heads: dict[str, Tensor] = {}
            run_float(network, bind(network, args, {}), heads=heads)
        except Gcn2SnnError:
            continue
        structure, tensors = ir.pack(wanted, lambda x: isinstance(x, Tensor))
        assert structure == network.structure
        for got, tensor in zip(head_values(network, heads), tensors.values(), strict=True):
            said = f"{names}, {ending} on {rows} rows"
            torch.testing.assert_close(got, tensor, rtol=1e-3, atol=1e-4, msg=said)
    return "converted"


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    names=st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=5),
    as_data=st.booleans(),
    weight=st.booleans(),
    seed=st.integers(0, 2**16),
    ending=st.sampled_from(sorted(ENDINGS)),
)
def test_equal_to_the_source_or_our_own_error(
    names: list[str], as_data: bool, weight: bool, seed: int, ending: str
) -> None:
    check(names, as_data, weight, seed, ending)
