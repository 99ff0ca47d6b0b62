"""Trained model -> network description: loads the handlers, names the inputs, and reads the model by them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module

from torch import nn

from gcn2snn import ir
from gcn2snn.errors import ConversionError, Refusal
from gcn2snn.frontends.builder import Builder, Handler, Ref
from gcn2snn.frontends.example_inputs import declare
from gcn2snn.frontends.layer_state import renew_weights, unwrapped
from gcn2snn.frontends.read_module import lower_module
from gcn2snn.frontends.registry import REGISTRY

ALWAYS = (
    *(
        "axis_reductions",
        "text_gcn",
        "torch_activations",
        "torch_casts",
        "torch_einsum",
        "torch_endings",
        "torch_images",
    ),
    *("torch_layers", "torch_masks", "torch_picks", "torch_products", "torch_refusals", "torch_shapes"),
)
"""Modules of this package whose handlers are loaded for every model."""

OPTIONAL = {
    "torch_geometric": (
        "pyg_convolutions",
        "pyg_filters",
        "pyg_plain_convolutions",
        "pyg_relations",
        "pyg_edge_convolutions",
        "pyg_models",
        "pyg_refusals",
    ),
    "dgl": ("dgl_convolutions", "dgl_messages", "dgl_models", "dgl_more_convolutions", "dgl_refusals", "dgl_relations"),
}
"""Library -> modules with its handlers, loaded only if the library is: a model of it implies that."""


def load_handlers() -> None:
    """Register the built-in handlers: those for torch and Text GCN, and those of the graph libraries that are in use."""
    in_use = [module for library, modules in OPTIONAL.items() if library in sys.modules for module in modules]
    for module in (*ALWAYS, *in_use):
        import_module(f"gcn2snn.frontends.{module}")


def lower(
    model: nn.Module,
    args: tuple[object, ...],
    kwargs: Mapping[str, object],
    handlers: Mapping[type[nn.Module], Handler] | None = None,
) -> ir.Network:
    """Description of a whole model called as ``model(*args, **kwargs)``.

    A softmax or log-softmax at the very end is left out, for the class with the largest potential is the same; the
    Output node remembers it as ``readout``.

    Raises:
        ConversionError: listing everything that cannot become spikes.
        InputError: sizes do not meet, or the arguments are not those of the model.
    """
    load_handlers()
    model = unwrapped(model)
    renew_weights(model)
    builder = Builder({**REGISTRY, **(handlers or {})}, lower_module)
    given, named = declare(builder, model, args, kwargs)
    result = builder.module("", model, given, named)
    if not builder.refusals:
        if not isinstance(result, Ref):
            why = f"returns {type(result).__name__}; a spiking network gives one tensor of potentials."
            raise ConversionError([Refusal("model", "output", why, "Return only the class scores.")])
        if builder.refuse_held(result):
            raise ConversionError(builder.refusals)
        _refuse_operator(builder, result)
        builder.finish(result)
    return builder.network()


def _refuse_operator(builder: Builder, result: Ref) -> None:
    """Refuse a result that no neuron computes.

    Raises:
        ConversionError: it describes the graph.
    """
    if isinstance(builder.nodes.get(result), ir.Operator) or len(builder.shape(result)) < 2:
        why = "is a description of the graph, such as edge weights, which no neuron computes."
        raise ConversionError([Refusal("model", "output", why, "Convert a model whose layers use it.")])
