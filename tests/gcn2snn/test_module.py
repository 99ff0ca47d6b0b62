"""A converted network is used like any nn.Module: state, copies, modes, threads, forks, odd arguments."""

from __future__ import annotations

import copy
import io
import os
import pickle
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import gcn2snn
from gcn2snn import ConvertConfig, SpikingNetwork, convert, ir
from gcn2snn.engines import Recording
from gcn2snn.errors import ConfigError, InputError, InputTypeError


def mlp(seed: int = 0, hidden: int = 16) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, hidden), nn.ReLU(), nn.Linear(hidden, 4)).eval()


@pytest.fixture
def x() -> Tensor:
    return torch.rand(30, 8)


@pytest.fixture
def snn(x: Tensor) -> SpikingNetwork:
    return convert(mlp(), x, ConvertConfig.paper())


class Tied(nn.Module):
    """The second layer reads the transposed weights of the first, which are not contiguous."""

    def __init__(self) -> None:
        super().__init__()
        self.enc = nn.Linear(8, 16)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(functional.relu(self.enc(x)), self.enc.weight.t())


@pytest.mark.parametrize(("make", "rows"), [(Tied, 30), (mlp, 1), (mlp, 30)])
def test_a_loaded_network_gives_the_same_bits(tmp_path: Path, make: Any, rows: int) -> None:
    for seed in range(10):
        torch.manual_seed(seed)
        x = torch.randn(rows, 8)
        snn = convert(make().eval(), x, ConvertConfig.paper())
        gcn2snn.save(snn, tmp_path / "snn.safetensors", force=True)
        loaded = gcn2snn.load(tmp_path / "snn.safetensors")
        assert snn(x).equal(loaded(x))


def test_repr_and_summary_are_short_and_name_layers_codes_and_sizes(snn: SpikingNetwork) -> None:
    text = repr(snn)
    assert len(text.splitlines()) == 4
    for part in ("1 population (1 ReLU)", "Q=1.3, T=16", "[* x 16]", "212 weights", "inputs input"):
        assert part in text
    head, *rows, total = snn.summary().splitlines()
    assert head.split()[:3] == ["operation", "reads", "population"]
    assert [row.split()[0] for row in rows] == ["0", "2"]
    assert "212 weights" in total


def test_state_dict_holds_weights_scales_and_thresholds(snn: SpikingNetwork) -> None:
    state = snn.state_dict()
    assert set(state) == {
        *("0.weight", "0.bias", "1.scale", "1.thresholds", "2.weight", "2.bias", "input.code.scale"),
    }
    assert dict(snn.named_buffers()).keys() == state.keys() - {"1.thresholds"}
    assert list(snn.parameters()) == []
    assert state["1.thresholds"][0] == pytest.approx(1.3**-1 * 2.3 / 2.6)


def test_load_state_dict_takes_effect(x: Tensor, snn: SpikingNetwork) -> None:
    other = convert(mlp(seed=1), x, ConvertConfig.paper())
    other(x)
    assert not other(x).equal(snn(x))
    result = other.load_state_dict(snn.state_dict())
    assert (result.missing_keys, result.unexpected_keys) == ([], [])
    assert other(x).equal(snn(x))
    holder = nn.ModuleDict({"snn": convert(mlp(seed=2), x, ConvertConfig.paper())})
    holder.load_state_dict({f"snn.{name}": value for name, value in snn.state_dict().items()})
    assert holder["snn"](x).equal(snn(x))


def test_load_state_dict_of_a_text_gcn_forgets_coded_inputs() -> None:
    graph = gcn2snn.load_graph("karate")
    config = gcn2snn.TrainConfig(hidden=6, epochs=5)
    one = convert(gcn2snn.fit(gcn2snn.Trainer(graph, config)), graph, ConvertConfig.paper())
    two = convert(
        gcn2snn.fit(gcn2snn.Trainer(graph, gcn2snn.TrainConfig(hidden=6, epochs=5, seed=3))),
        graph,
        ConvertConfig.paper(),
    )
    two(graph.adjacency)  # keeps the spikes of the first look-up
    two.load_state_dict(one.state_dict())
    assert two(graph.adjacency).equal(one(graph.adjacency))


def test_strict_loading_means_something(x: Tensor, snn: SpikingNetwork) -> None:
    state = dict(snn.state_dict())
    weight = state.pop("0.weight")
    before = snn(x)
    with pytest.raises(RuntimeError, match=r"Missing key.*0\.weight"):
        snn.load_state_dict(state)
    with pytest.raises(RuntimeError, match=r"Unexpected key.*nothing"):
        snn.load_state_dict({**state, "0.weight": weight, "nothing": weight})
    with pytest.raises(RuntimeError, match=r"size mismatch for 0\.weight"):
        snn.load_state_dict({**state, "0.weight": weight[:, :3]})
    other = convert(mlp(), x, ConvertConfig(base=1.5))
    with pytest.raises(RuntimeError, match="another phase code"):
        other.load_state_dict(snn.state_dict())
    assert snn(x).equal(before)
    assert snn.load_state_dict(state, strict=False).missing_keys == ["0.weight"]


def test_copies_pickles_and_moves(x: Tensor, snn: SpikingNetwork) -> None:
    expected = snn(x)
    assert copy.deepcopy(snn)(x).equal(expected)
    assert pickle.loads(pickle.dumps(snn))(x).equal(expected)
    buffer = io.BytesIO()
    torch.save(snn, buffer)
    buffer.seek(0)
    assert torch.load(buffer, weights_only=False)(x).equal(expected)
    double = copy.deepcopy(snn).double()
    assert double(x).dtype is torch.float64
    torch.testing.assert_close(double(x).float(), expected, rtol=0.5, atol=0.5)
    assert snn.to("cpu")(x).equal(expected)


def test_there_is_no_training_mode(snn: SpikingNetwork) -> None:
    assert snn.train().training is False


def test_inference_mode(x: Tensor, snn: SpikingNetwork) -> None:
    with torch.inference_mode():
        inside = x.clone()
        assert snn(inside).equal(snn(x))
        made = convert(mlp(), inside, ConvertConfig.paper())
        made.energy(inside)
    assert made(x).equal(snn(x))
    assert snn(inside).equal(snn(x))  # a tensor of inference mode, used outside of it


def test_a_graph_made_in_inference_mode() -> None:
    pytest.importorskip("torch_geometric", reason="needs PyTorch Geometric")
    from torch_geometric.nn import GCNConv

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = GCNConv(8, 6), GCNConv(6, 3)

        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
            return self.b(functional.relu(self.a(x, edge_index)), edge_index)

    model, x, edges = Net().eval(), torch.rand(20, 8), torch.randint(0, 20, (2, 60))
    expected = convert(model, (x, edges))(x, edges)
    with torch.inference_mode():
        inside = (x.clone(), edges.clone())
        snn = convert(model, inside)
        assert snn(*inside).equal(expected)
    assert snn(x, edges).equal(expected)


def test_torch_compile_takes_the_network_as_one_call(x: Tensor, snn: SpikingNetwork) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's own, on import
        import torch._inductor.compile_fx
    assert torch.compile(snn)(x).equal(snn(x))
    assert torch.compile(nn.Sequential(snn, nn.Softmax(1)))(x).allclose(snn(x).softmax(1))


def test_calls_from_several_threads(snn: SpikingNetwork) -> None:
    inputs = [torch.full((5, 8), share / 10) for share in range(8)]
    expected = [snn(each) for each in inputs]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(30):
            if not snn(inputs[index]).equal(expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_computes() -> None:
    snn, x = convert(mlp(hidden=256), torch.rand(50, 8), ConvertConfig.paper()), torch.rand(4000, 8)
    snn(x)  # the parent's threads are at work before the fork
    child = os.fork()
    if child == 0:
        os._exit(0 if snn(x).shape == (4000, 4) else 1)
    for _ in range(200):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.1)
    os.kill(child, 9)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")


@pytest.mark.parametrize("kind", ["half", "bfloat16", "double", "long", "bool", "numpy", "list", "sparse", "grad"])
def test_other_kinds_of_values_are_converted(snn: SpikingNetwork, kind: str) -> None:
    x = torch.randint(0, 2, (6, 8)).float()
    forms: dict[str, Any] = {"numpy": x.numpy(), "list": x.tolist(), "sparse": x.to_sparse()}
    forms["grad"] = x.clone().requires_grad_()
    value = forms[kind] if kind in forms else getattr(x, kind)()
    assert snn(value).equal(snn(x))
    assert snn(x).dtype is torch.float32


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (None, InputTypeError, "input is None"),
        ("text", InputTypeError, "input is of type str"),
        (torch.zeros(2, 8, dtype=torch.complex64), InputTypeError, r"dtype torch\.complex64"),
        (torch.zeros(2, 8, device="meta"), InputError, "no values"),
        (np.array([[None] * 8]), InputTypeError, "values of type object"),
        ([[1.0], [1.0, 2.0]], InputError, "unequal length"),
        (torch.zeros(8), InputError, r"has shape \[8\]"),
        (torch.zeros(2, 9), InputError, r"needs \['\*', 8\]"),
        (torch.full((2, 8), torch.nan), InputError, "NaN"),
    ],
)
def test_what_is_no_value_is_refused(snn: SpikingNetwork, value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        snn(value)


def test_an_empty_batch(snn: SpikingNetwork) -> None:
    assert snn(torch.zeros(0, 8)).shape == (0, 4)


@pytest.mark.parametrize("engine", ["bucketed", "temporal"])
@pytest.mark.parametrize("wait", [0, 3])
def test_spikes_and_energy_take_wait_and_engine(x: Tensor, snn: SpikingNetwork, engine: str, wait: int) -> None:
    exact = snn.spikes(x)
    found = snn.spikes(x, engine=engine, wait=wait)
    assert not torch.equal(found["1"].code, exact["1"].code)  # late and false spikes
    own = convert(mlp(), x, ConvertConfig.paper(wait=wait))
    assert torch.equal(own.spikes(x)["1"].code, found["1"].code)
    assert own.energy(x) == snn.energy(x, wait=wait, engine=engine)


def test_spikes_are_those_of_populations_and_not_of_what_passes_them_on() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2)).eval()
    images = torch.rand(4, 1, 6, 6)
    network = convert(model, images, ConvertConfig.paper())
    assert any(isinstance(node, ir.MaxPool) for node in network.network)
    assert set(network.spikes(images)) == {node.name for node in network.network.of(ir.Neuron)}


@pytest.mark.parametrize(("engine", "wait"), [("closed", None), ("bucketed", 2), ("temporal", 2)])
def test_observe_works_with_every_engine(x: Tensor, snn: SpikingNetwork, engine: str, wait: int | None) -> None:
    seen: dict[str, Any] = {}
    result = snn.simulate(
        x, engine=engine, wait=wait, observe=lambda node, args, value: seen.update({node.name: value})
    )
    assert result.equal(snn.simulate(x, engine=engine, wait=wait))
    assert torch.equal(seen["1"].code, snn.spikes(x, engine=engine, wait=wait)["1"].code)
    torch.testing.assert_close(seen["output"], result)


def test_unknown_recordings_are_refused(x: Tensor, snn: SpikingNetwork) -> None:
    with pytest.raises(ConfigError, match=r"recordings names \['hidden'\]; what can be recorded is \['1', 'output'\]"):
        snn.simulate(x, recordings={"hidden": Recording()})


class Waiting(nn.Module):
    """A model with an argument that our own methods have, too."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 4)

    def forward(self, x: Tensor, wait: Tensor) -> Tensor:
        return self.linear(x) + self.linear(wait)


def test_a_model_with_an_argument_called_wait(x: Tensor) -> None:
    snn = convert(Waiting().eval(), {"x": x, "wait": x.flip(0)})
    called = snn(x=x, wait=x.flip(0))
    assert snn.simulate(x, x.flip(0), wait=40).equal(called)
    assert snn.source(x=x, wait=x.flip(0)).shape == (30, 4)
    with pytest.raises(InputError, match=r"'wait' is missing.*by position"):
        snn.simulate(x=x, wait=3)


def test_half_precision_is_refused_and_changes_nothing(x: Tensor, snn: SpikingNetwork) -> None:
    before = snn(x)
    with pytest.raises(ConfigError, match=r"float32 or float64, not in torch\.float16"):
        snn.half()
    assert snn(x).equal(before)


def test_a_model_made_in_inference_mode(x: Tensor) -> None:
    with torch.inference_mode():
        model = mlp()
    assert convert(model, x, ConvertConfig.paper())(x).equal(convert(mlp(), x, ConvertConfig.paper())(x))


def test_importing_the_package_does_not_load_the_compiler() -> None:
    code = "import sys, gcn2snn.spiking_network; sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
