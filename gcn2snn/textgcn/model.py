"""Text GCN (Yao et al. 2019, Section 3.3) in plain torch."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcn2snn.errors import refuses_misfits
from gcn2snn.kernels import CSR, spmm


class TextGCN(nn.Module):
    """Graph convolutions with ReLU between them, no bias:

    H_1 = ReLU(A X W_0),  H_l = ReLU(A H_{l-1} W_{l-1}),  Z = A H_{L-1} W_{L-1}            (Yao et al., Eq. 7)

    with X the identity unless features are given: then A X W_0 = A W_0, and no N x N matrix exists.

    >>> from gcn2snn import load_graph
    >>> graph = load_graph("karate")
    >>> model = TextGCN(graph.num_nodes, [16], graph.num_classes).eval()
    >>> model(graph.adjacency).shape
    torch.Size([34, 4])

    Args:
        inputs: nodes (identity features) or feature channels.
        hidden: units of each hidden layer, one number per layer.
        classes: outputs.
        dropout: on the input and on each hidden layer, while training.
        identity: X is the identity.
        silent: nodes at the front of the graph that have no row of W_0: it is never read, so training leaves it as it is.
    """

    @refuses_misfits
    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        classes: int,
        dropout: float = 0.5,
        *,
        identity: bool = True,
        silent: int = 0,
    ):
        super().__init__()
        sizes = [inputs, *hidden, classes]
        self.dropout = dropout
        self.identity = identity
        self.silent = silent
        self.weights = nn.ParameterList(
            nn.init.xavier_uniform_(torch.empty(a, b)) for a, b in itertools.pairwise(sizes)
        )

    def forward(self, adjacency: CSR, features: Tensor | None = None, readout: CSR | None = None) -> Tensor:
        """Class scores Z.

        Args:
            adjacency: A, normalised, [nodes, nodes].
            features: X, [nodes, channels], or None for the identity.
            readout: rows of A to score, [rows, nodes]; all when None.

        Returns:
            [nodes or rows, classes], before the softmax.
        """
        return spmm(adjacency if readout is None else readout, self.messages(adjacency, features, readout))

    def messages(self, adjacency: CSR, features: Tensor | None = None, readout: CSR | None = None) -> Tensor:
        """What the last aggregation adds, H_{L-1} W_{L-1}, [nodes, classes]; arguments as of :meth:`forward`.

        Rows that no row of ``readout`` has as a neighbour are zero.
        """
        hidden, kept = self._first(features)
        for depth, weight in enumerate(self.weights[1:], 2):
            # The last aggregation reads rows of neighbours only: no other row of the hidden layer is computed.
            read = None if readout is None or depth < len(self.weights) else readout.column_counts > 0
            hidden = torch.relu(spmm(adjacency, hidden, rows=read, columns=kept))
            hidden, kept = functional.dropout(hidden, self.dropout, self.training) @ weight, None
        return hidden

    def _first(self, features: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """X W_0 and which of its rows are not zero (None: any)."""
        weight = self.weights[0]
        if not self.identity:
            assert features is not None, "this network was made for features"
            return functional.dropout(features, self.dropout, self.training) @ weight, None
        if self.silent == 0 and (not self.training or self.dropout == 0):
            return weight, None
        # Dropping an entry of the identity drops a whole row of X W.
        kept = functional.dropout(torch.ones(weight.shape[0], 1, device=weight.device), self.dropout, self.training)
        kept[: self.silent] = 0
        return weight * kept, kept[:, 0] != 0
