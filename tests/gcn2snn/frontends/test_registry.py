"""The registries: what their keys are, and that built-in handlers fit the layers they are for."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

from gcn2snn.errors import ConfigError
from gcn2snn.frontends import refusal_reasons
from gcn2snn.frontends.read_model import load_handlers
from gcn2snn.frontends.registry import (
    FUNCTIONS,
    REFUSED_FUNCTIONS,
    REFUSED_LAYERS,
    REGISTRY,
    lowers,
    lowers_function,
    parameter,
    refuses,
)


@pytest.fixture(autouse=True, scope="module")
def handlers() -> None:
    pytest.importorskip("torch_geometric")
    pytest.importorskip("dgl")
    load_handlers()


def test_handlers_name_the_arguments_of_their_layers() -> None:
    assert len(REGISTRY) > 30
    for layer, handler in REGISTRY.items():
        own = list(inspect.signature(layer.forward).parameters)[1:]
        named = list(inspect.signature(handler).parameters)
        assert named[:3] == ["builder", "path", "module"], layer
        assert named[3:] == own, layer


def test_keys() -> None:
    assert all(issubclass(layer, nn.Module) for layer in (*REGISTRY, *REFUSED_LAYERS))
    assert all(callable(target) or isinstance(target, str) for target in (*FUNCTIONS, *REFUSED_FUNCTIONS))
    assert not set(REGISTRY) & set(REFUSED_LAYERS)


def test_one_reason_for_layers_of_all_libraries() -> None:
    dgl, pyg = pytest.importorskip("dgl.nn.pytorch"), pytest.importorskip("torch_geometric.nn")
    for layer in (dgl.GATConv, pyg.GATConv, pyg.TransformerConv, nn.MultiheadAttention):
        assert REFUSED_LAYERS[layer] == refusal_reasons.ATTENTION
    for layer in (dgl.GatedGraphConv, pyg.GatedGraphConv, nn.GRU):
        assert REFUSED_LAYERS[layer] == refusal_reasons.GATES
    for layer in (pyg.LayerNorm, nn.LayerNorm):
        assert REFUSED_LAYERS[layer] == refusal_reasons.NORMALISATION


def test_reasons_are_sentences() -> None:
    reasons = [*REFUSED_LAYERS.values(), *REFUSED_FUNCTIONS.values()]
    assert all(reason["why"].endswith(".") and reason["instead"].endswith(".") for reason in reasons)


def test_nothing_is_registered_twice() -> None:
    with pytest.raises(ConfigError, match="Linear already has a handler"):
        lowers(nn.Linear)(lambda builder, path, module, input: input)
    with pytest.raises(ConfigError, match="already has a handler"):
        lowers_function("relu")(lambda builder, path, input: input)


def test_refusals_by_kind() -> None:
    class Layer(nn.Module):
        pass

    def function() -> None: ...

    refuses(Layer, function, "method_of_a_test", why="w", instead="i")
    try:
        assert REFUSED_LAYERS[Layer] == REFUSED_FUNCTIONS[function] == {"why": "w", "instead": "i", "kind": "unknown"}
        assert "method_of_a_test" in REFUSED_FUNCTIONS
    finally:
        del REFUSED_LAYERS[Layer], REFUSED_FUNCTIONS[function], REFUSED_FUNCTIONS["method_of_a_test"]


def test_parameters_are_copies() -> None:
    weight = nn.Parameter(torch.ones(2))
    copy = parameter(weight)
    weight.data.zero_()
    assert copy.tolist() == [1.0, 1.0]
    assert not copy.requires_grad
