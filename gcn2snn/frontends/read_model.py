"""Trained model -> network description: loads the handlers, names the inputs, and reads the model by them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module

from torch import nn

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Handler
from gcn2snn.frontends.example_inputs import declare
from gcn2snn.frontends.layer_state import renew_weights, unwrapped
from gcn2snn.frontends.read_module import lower_module
from gcn2snn.frontends.registry import REGISTRY
from gcn2snn.frontends.results import add_result

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
    *(
        "torch_layers",
        "torch_masks",
        "torch_picks",
        "torch_potentials",
        "torch_products",
        "torch_refusals",
        "torch_shapes",
    ),
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
    output: object = None,
) -> ir.Network:
    """Description of a whole model called as ``model(*args, **kwargs)``.

    A softmax or log-softmax at the very end is left out, for the class with the largest potential is the same; the
    Output node remembers it as ``readout``. What else is worked out after the last layer stands behind the outputs
    (``ir/readouts.py``). ``output``: the part of the result that is wanted; None for all.

    Raises:
        ConversionError: listing everything that cannot become spikes.
        InputError: sizes do not meet, the arguments are not those of the model, or its result has no such part.
    """
    load_handlers()
    model = unwrapped(model)
    renew_weights(model)
    builder = Builder({**REGISTRY, **(handlers or {})}, lower_module)
    given, named = declare(builder, model, args, kwargs)
    add_result(builder, builder.module("", model, given, named), output)
    return builder.network()
