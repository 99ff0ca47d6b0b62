"""What a conversion costs, beside one evaluation of the source model on the same graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gcn2snn.bench.cases import Work, case
from gcn2snn.bench.problems import Problem
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import Check, convert

GROUP = "conversion"
HIDDEN, CLASSES = 64, 16


def _no_plain_graph(p: Problem) -> str:
    square = p.graph is None and p.matrix.shape[0] == p.matrix.shape[1]
    return "" if square else "a synthetic matrix is needed, for example --entries 1e6 --channels 64"


def _call(p: Problem) -> tuple[Tensor, Tensor]:
    """(features, edge index) of a plain graph with the matrix's entries as edges."""
    x = torch.rand(p.matrix.shape[0], p.channels, generator=torch.Generator().manual_seed(0))
    return x, torch.stack([p.matrix.col.long(), p.matrix.row])


def _model(p: Problem) -> nn.Module:
    from torch_geometric.nn import GCN

    torch.manual_seed(0)
    model: nn.Module = GCN(p.channels, HIDDEN, 2, CLASSES).eval()
    return model


def _messages(p: Problem) -> int:
    return 10 * p.matrix.nnz * HIDDEN


@case(
    GROUP, "PyG GCN, one evaluation", package="torch_geometric", device="cpu", memory=_messages, lacks=_no_plain_graph
)
def _forward(p: Problem) -> Work:
    model, call = _model(p), _call(p)

    def work() -> None:
        with torch.no_grad():
            model(*call)

    return work


def _converted(name: str, config: ConvertConfig | None, check: Check) -> None:
    memory = _messages if check == "full" else None

    @case(GROUP, name, package="torch_geometric", device="cpu", ours=True, memory=memory, lacks=_no_plain_graph)
    def prepare(p: Problem) -> Work:
        model, (x, edges) = _model(p), _call(p)

        def work() -> None:
            convert(model, (x, edges.clone()), config, check=check)  # a new object, so no matrix of it is kept yet

        return work


_converted("convert, paper's setting, full check", ConvertConfig.paper(), "full")
_converted("convert, paper's setting, sampled check", ConvertConfig.paper(), "sample")
_converted("convert, setting measured, full check", None, "full")
_converted("convert, setting measured, sampled check", None, "sample")
