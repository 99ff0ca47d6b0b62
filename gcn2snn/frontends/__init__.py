"""Reading a trained model of PyTorch, PyTorch Geometric or DGL into a network description."""

from gcn2snn.frontends.builder import Builder, Handler, Ref
from gcn2snn.frontends.read_model import lower
from gcn2snn.frontends.registry import lowers, lowers_function, refuses

__all__ = [
    "Builder",
    "Handler",
    "Ref",
    "lower",
    "lowers",
    "lowers_function",
    "refuses",
]
