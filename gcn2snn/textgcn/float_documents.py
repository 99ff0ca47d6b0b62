"""New documents in the trained network itself, in floats: what a converted network's answers are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gcn2snn.graph import Graph
from gcn2snn.kernels import CSR, spmm
from gcn2snn.textgcn.model import TextGCN


@dataclass(frozen=True, eq=False)
class FloatDocuments:
    """A Text GCN for texts that are not in its graph: words keep the states that they have there.

    With A_dw the row of a new document d, which has no row of W_0 of its own, and the words' states in the trained graph

    S_1 = W_0,    S_l = relu(A S_{l-1}) W_{l-1}

    h_1 = A_dw S_1,    h_l = A_dw S_l + a_dd relu(h_{l-1}) W_{l-1};    the potentials are the last h.

    Args:
        states: S_l of the words for each layer, [words, units].
        weights: W_1, ..., W_{L-1} of the network.

    Source: docs/method.md, new documents.
    """

    states: tuple[Tensor, ...]
    weights: tuple[Tensor, ...]

    @classmethod
    def of(cls, model: TextGCN, graph: Graph) -> FloatDocuments:
        """The states of the words, from one evaluation of ``model`` on the graph it was trained on."""
        return cls.of_weights([weight.detach() for weight in model.weights], graph.adjacency, graph.num_documents)

    @classmethod
    @torch.no_grad()
    def of_weights(cls, weights: Sequence[Tensor], adjacency: CSR, documents: int) -> FloatDocuments:
        """The same from the weights alone.

        Args:
            weights: W_0 [nodes, hidden] to W_{L-1} [hidden, classes].
            adjacency: A of the graph, [nodes, nodes], documents first.
            documents: how many of the nodes are documents.
        """
        everywhere, *rest = weights
        states = [everywhere[documents:].clone()]
        of_words = torch.zeros(everywhere.shape[0], dtype=torch.bool, device=everywhere.device)
        of_words[documents:] = True
        for depth, weight in enumerate(rest, 1):
            # Only words are read after the last aggregation on the graph.
            needed = of_words if depth == len(rest) else None
            everywhere = torch.relu(spmm(adjacency, everywhere, rows=needed)) @ weight
            states.append(everywhere[documents:].clone())
        return cls(tuple(states), tuple(rest))

    @torch.no_grad()
    def potentials(self, rows: CSR) -> Tensor:
        """Class scores before the softmax, [documents, classes], of rows made by :meth:`Vocabulary.rows`."""
        own = self.states[0].new_zeros(rows.shape[0], self.states[0].shape[1])
        for state, weight in zip(self.states[:-1], self.weights, strict=True):
            own = torch.relu(spmm(rows, torch.cat([state, own]))) @ weight
        return spmm(rows, torch.cat([self.states[-1], own]))
