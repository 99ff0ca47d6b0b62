"""Layers as they are called: hooks, weights that are made anew, wrappers; and refusals by their own names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from gcn2snn.conversion import convert
from gcn2snn.errors import ConversionError, InputError

X = torch.rand(30, 8, generator=torch.Generator().manual_seed(3))


def base() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def hooked() -> nn.Module:
    model = base()
    model[0].register_forward_hook(lambda module, args, result: 2 * result)
    model[2].register_forward_pre_hook(lambda module, args: (args[0] + 1.0,))
    model.register_forward_hook(lambda module, args, result: -result)
    return model


def stale() -> nn.Module:
    with pytest.warns(FutureWarning, match="weight_norm"):
        model = nn.Sequential(weight_norm(nn.Linear(8, 16)), nn.ReLU(), spectral_norm(nn.Linear(16, 4)))
    prune.random_unstructured(model[0], "bias", 0.5)
    model.eval()(X)
    model.load_state_dict({name: 2 * value for name, value in model.state_dict().items()})
    return model


def parametrized() -> nn.Module:
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(8, 16)), nn.ReLU(), nn.Linear(16, 4))
    parametrizations.spectral_norm(model[2])
    return model


def synchronised() -> nn.Module:
    model = nn.Sequential(nn.Linear(8, 4), nn.SyncBatchNorm(4), nn.ReLU())
    model[1].running_mean.normal_()
    return model


EXACT: dict[str, Callable[[], nn.Module]] = {
    "hooks": hooked,
    "stale weights": stale,
    "parametrizations": parametrized,
    "SyncBatchNorm": synchronised,
    "DataParallel": lambda: nn.DataParallel(nn.Sequential(nn.DataParallel(nn.Linear(8, 4)), nn.ReLU())),
    "torch.compile": lambda: nn.Sequential(torch.compile(base(), backend="eager"), nn.Linear(4, 2)),
    "torch.fx": lambda: torch.fx.symbolic_trace(base()),
}


@pytest.mark.parametrize("name", EXACT)
def test_computed_as_the_model_computes_it(name: str) -> None:
    model = EXACT[name]().eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    snn = convert(model, X)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    torch.testing.assert_close(snn.source(2 * X), model(2 * X))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_refused_by_their_own_names() -> None:
    cases: tuple[tuple[Callable[[], Any], type[Exception], str], ...] = (
        (lambda: torch.jit.script(base()), ConversionError, "RecursiveScriptModule: is compiled by torch.jit"),
        (lambda: torch.jit.trace(base(), X), ConversionError, "TopLevelTracedModule: is compiled by torch.jit"),
        (lambda: torch.export.export(base().eval(), (X,)).module(), ConversionError, "is exported by torch.export"),
        (lambda: base().to("meta"), InputError, r"0\.weight is on the device 'meta', so it has no values"),
    )
    for make, error, said in cases:
        model = make()
        with pytest.raises(error, match=said):
            convert(model if "export" in said else model.eval(), X)


def test_a_hook_inside_a_layer_that_is_read_as_a_whole() -> None:
    pyg = pytest.importorskip("torch_geometric.nn")
    conv = pyg.GCNConv(8, 4).eval()
    conv.lin.register_forward_hook(lambda module, args, result: 2 * result)
    with pytest.raises(ConversionError, match="lin: forward hook: changes what a layer inside another one gives"):
        convert(conv, (X, torch.randint(0, 30, (2, 60))))
    gin = pyg.GINConv(base()).eval()
    gin.nn[0].register_forward_hook(lambda module, args, result: 2 * result)
    call = (X, torch.randint(0, 30, (2, 60)))
    torch.testing.assert_close(convert(gin, call).source(*call), gin(*call))


def test_aggregation_set_after_construction() -> None:
    pyg = pytest.importorskip("torch_geometric.nn")
    conv = pyg.GraphConv(8, 4).eval()
    conv.aggr = "mean"
    with pytest.raises(
        ConversionError, match="aggr='mean': was set after the layer was made, and PyG goes on with Sum"
    ):
        convert(conv, (X, torch.randint(0, 30, (2, 60))))


class Raises(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise KeyError("mine")


def test_a_model_that_fails_is_named_with_its_own_error() -> None:
    with pytest.raises(InputError, match=r"Raises itself fails on the example \(KeyError: 'mine'\)") as caught:
        convert(Raises().eval(), X)
    assert isinstance(caught.value.__cause__, KeyError)


class Emb(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.emb, self.lin, self.act = how, nn.Parameter(torch.randn(30, 8)), nn.Linear(8, 8), nn.ReLU()
        self.out = nn.Linear({"cat": 16}.get(how, 8), 4)

    def forward(self, x: Tensor) -> Tensor:
        h = self.emb
        h = (
            torch.cat([x, h], 1)
            if self.how == "cat"
            else x @ (self.lin(h) if self.how == "linear" else self.act(h))[:8, :8]
        )
        result: Tensor = self.out(h)
        return result


@pytest.mark.parametrize("how", ["linear", "relu", "cat"])
def test_constants_that_go_through_layers_are_computed(how: str) -> None:
    model = Emb(how).eval()
    torch.testing.assert_close(convert(model, X).source(X), model(X), rtol=1e-4, atol=1e-5)


class Cleaned(nn.Module):
    """Calls a function that no handler knows."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.nan_to_num(x)


def test_a_refusal_says_whether_a_spike_could() -> None:
    with pytest.raises(ConversionError, match="Impossible for neurons that fire once"):
        convert(nn.Sequential(nn.GELU()).eval(), X)
    with pytest.raises(ConversionError, match=r"Not known yet: CONTRIBUTING\.md"):
        convert(Cleaned().eval(), X)
