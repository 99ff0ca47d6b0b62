"""Reading a trained model of PyTorch, PyTorch Geometric or DGL into a network description."""

from gcn2snn.frontends.builder import Builder, Handler, Ref
from gcn2snn.frontends.call_cut import Call
from gcn2snn.frontends.explanation import LayerFate, layer_fates
from gcn2snn.frontends.read_model import lower
from gcn2snn.frontends.registry import lowers, lowers_function, refuses
from gcn2snn.frontends.sampled_example import SampledCall, message_values, sampled_call, small_call
from gcn2snn.frontends.source_model import copied, untouched

__all__ = [
    "Builder",
    "Call",
    "Handler",
    "LayerFate",
    "Ref",
    "SampledCall",
    "copied",
    "layer_fates",
    "lower",
    "lowers",
    "lowers_function",
    "message_values",
    "refuses",
    "sampled_call",
    "small_call",
    "untouched",
]
