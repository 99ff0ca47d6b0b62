"""ONNX: onnxruntime gives the network's spikes and potentials, also on graphs that came after the export."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gcn2snn import ConvertConfig, SpikingNetwork, convert, ir
from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.formats import check, export
from gcn2snn.formats.onnx_model import check_onnx, run_onnx, write_onnx

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

# Potentials of order 1 are sums of at most some hundred terms in single precision, in another order.
TOLERANCE = 1e-4


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 10**6), images=st.booleans())
def test_random_networks_send_the_same_spikes(draw, tmp_path_factory, seed: int, images: bool) -> None:
    snn, args = draw(seed, images, torch.float32)
    out = tmp_path_factory.mktemp("onnx") / "net.onnx"
    write_onnx(snn, args, out)
    found = check_onnx(snn, args, out)
    # A spike may move where a sum lies within rounding of a threshold; with these sizes that is one neuron in 1e5.
    assert found["differ"] <= 1
    if not found["differ"]:
        assert found["largest_difference"] <= TOLERANCE


def convolution(name: str) -> nn.Module:
    pyg = pytest.importorskip("torch_geometric.nn")
    makers = {
        "gcn": lambda: pyg.GCNConv(5, 6),
        "weighted": lambda: pyg.GCNConv(5, 6),
        "improved": lambda: pyg.GCNConv(5, 6, improved=True),
        "bare": lambda: pyg.GCNConv(5, 6, add_self_loops=False),
        "target": lambda: pyg.GCNConv(5, 6, flow="target_to_source"),
        "sage": lambda: pyg.SAGEConv(5, 6),
        "max": lambda: pyg.SAGEConv(5, 6, aggr="max"),
        "gin": lambda: pyg.GINConv(nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 6))),
    }
    return makers[name]()


class Net(nn.Module):
    def __init__(self, name: str):
        super().__init__()
        self.conv, self.head = convolution(name), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(x, edge_index)))


class Weighted(Net):
    def forward(self, x: torch.Tensor, edge_index: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(x, edge_index, weight)))


def graph(seed: int, nodes: int, edges: int) -> tuple[torch.Tensor, ...]:
    draw = torch.Generator().manual_seed(seed)
    index = torch.randint(0, nodes - 1, (2, edges), generator=draw)  # the last node is isolated
    index[:, 0] = 0  # and node 0 has a self-loop
    return torch.rand(nodes, 5, generator=draw), index, torch.rand(edges, generator=draw) + 0.5


@pytest.mark.parametrize("name", ["gcn", "weighted", "improved", "bare", "target", "sage", "max", "gin"])
def test_edge_index_is_an_input_and_any_graph_runs(name: str, randomised, tmp_path: Path) -> None:
    weighted = name == "weighted"
    model = randomised((Weighted if weighted else Net)(name))
    args, other = (graph(seed, *size)[: 3 if weighted else 2] for seed, size in enumerate([(9, 30), (13, 60)]))
    snn = convert(model, args)
    told = write_onnx(snn, args, tmp_path / "net.onnx")
    assert "fixed" not in told
    names = {"x", "edge_index", "weight"} if weighted else {"x", "edge_index"}
    assert set(str(told["inputs"]).split(", ")) == names
    for each in (args, other):
        found = check_onnx(snn, each, tmp_path / "net.onnx")
        assert found["differ"] == 0
        assert found["largest_difference"] <= TOLERANCE


def test_a_matrix_without_standard_operators_is_fixed_and_says_why(randomised, tmp_path: Path) -> None:
    pyg = pytest.importorskip("torch_geometric.nn")

    class Cheb(Net):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.conv, self.head = pyg.ChebConv(5, 6, K=2), nn.Linear(6, 3)

    x, index, _ = graph(0, 9, 30)
    snn = convert(randomised(Cheb()), (x, index))
    told = write_onnx(snn, (x, index), tmp_path / "net.onnx")
    assert "Laplacian matrices are not made of standard operators" in str(told["fixed"])
    assert told["inputs"] == "x"
    assert check_onnx(snn, (x, index), tmp_path / "net.onnx")["differ"] == 0


def test_double_precision_stays_double(randomised, tmp_path: Path) -> None:
    model = randomised(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)))
    x = torch.rand(7, 4)
    snn = convert(model, x).double()
    write_onnx(snn, (x,), tmp_path / "net.onnx")
    found = run_onnx(tmp_path / "net.onnx", {"input": x.double().numpy()})["potentials"]
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, snn(x).numpy(), rtol=1e-12)


def test_a_short_wait_is_refused(karate, tmp_path: Path) -> None:
    snn, graph = karate
    short = SpikingNetwork(snn.network, ConvertConfig(wait=3))
    with pytest.raises(ConfigError, match=r"wait is 3, .*the format onnx holds the closed form.*brian2 or spikes"):
        export(short, "onnx", graph, out=tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_check_fails_where_a_weight_of_the_file_was_changed(randomised, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    x = torch.rand(40, 4)
    snn = convert(randomised(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))), x)
    write_onnx(snn, (x,), tmp_path / "net.onnx")
    assert check(snn, "onnx", x, out=tmp_path / "net.onnx").passed
    model = onnx.load(tmp_path / "net.onnx")
    last = next(each for each in model.graph.initializer if list(each.dims) == [6, 2])
    last.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(last), last.name))
    onnx.save(model, tmp_path / "net.onnx")
    assert not check(snn, "onnx", x, out=tmp_path / "net.onnx").passed


def test_a_broken_file_is_refused(cnn, tmp_path: Path) -> None:
    snn, args = cnn
    (tmp_path / "broken.onnx").write_bytes(b"\xff\xff nothing")
    with pytest.raises(ArtefactError, match=r"broken.onnx cannot be read"):
        check(snn, "onnx", args, out=tmp_path / "broken.onnx")


class Pooled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        pyg = pytest.importorskip("torch_geometric.nn")
        self.conv, self.pool, self.head = pyg.GCNConv(5, 6), pyg.global_mean_pool, nn.Linear(6, 3)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(torch.relu(self.conv(x, edge_index)), batch))


def test_a_fixed_matrix_fixes_the_number_of_rows(randomised, tmp_path: Path) -> None:
    """Another number would be computed without a word, from the rows that the matrix knows."""
    call = (torch.rand(6, 5), torch.randint(0, 6, (2, 15)), torch.tensor([0, 0, 0, 1, 1, 1]))
    snn, out = convert(randomised(Pooled()), call), tmp_path / "net.onnx"
    assert "Membership" in str(export(snn, "onnx", call, out=out).facts["fixed"])
    assert check(snn, "onnx", call, out=out).passed
    other = (call[0], torch.randint(0, 6, (2, 4)), call[2])
    assert check(snn, "onnx", other, out=out).passed  # edges stay an input
    more = (torch.rand(9, 5), torch.randint(0, 9, (2, 15)), torch.tensor([0] * 5 + [1] * 4))
    with pytest.raises(ArtefactError, match=r"onnxruntime cannot run .*net.onnx with x \[9, 5\]"):
        check(snn, "onnx", more, out=out)


def test_matrices_of_one_argument_are_all_inputs_or_all_fixed(randomised, tmp_path: Path) -> None:
    """LEConv multiplies by the adjacency and by its degrees; the latter have no standard operators."""
    pyg = pytest.importorskip("torch_geometric.nn")
    call = (torch.rand(6, 5), torch.randint(0, 6, (2, 15)))
    snn = convert(randomised(pyg.LEConv(5, 3)), call)
    told = export(snn, "onnx", call, out=tmp_path / "net.onnx").facts
    assert told["inputs"] == "x"
    assert "another matrix of edge_index is fixed" in str(told["fixed"])


def test_last_phases_of_nodes_fix_the_number_of_rows(tmp_path: Path) -> None:
    x = torch.rand(4, 3)
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)).eval()
    own = convert(model, x)
    (neuron,) = own.network.of(ir.Neuron)
    late = replace(neuron, horizon=torch.tensor([[3], [16], [1], [9]]))
    own = SpikingNetwork(own.network.replace({neuron.name: [late]}), own.config)
    export(own, "onnx", x, out=tmp_path / "net.onnx")
    assert check(own, "onnx", x, out=tmp_path / "net.onnx").passed
    with pytest.raises(ArtefactError, match=r"onnxruntime cannot run .* with input \[1, 3\]"):
        run_onnx(tmp_path / "net.onnx", {"input": x[:1].numpy()})  # one row would be stretched over four last phases


def test_images_in_double_precision_are_refused(cnn, tmp_path: Path) -> None:
    snn, args = cnn
    double = SpikingNetwork(snn.network, snn.config).double()
    with pytest.raises(ConfigError, match=r"no convolution or average pool \(.*Export snn.float\(\)"):
        export(double, "onnx", args, out=tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_network_is_no_traceback(tmp_path: Path) -> None:
    x = torch.rand(4, 3)
    one, two = (convert(nn.Sequential(nn.Linear(3, n), nn.ReLU(), nn.Linear(n, 2)).eval(), x) for n in (4, 5))
    export(one, "onnx", x, out=tmp_path / "net.onnx")
    with pytest.raises(ArtefactError, match=r"has the shape \[4, 4\], that of the network \[4, 5\]"):
        check(two, "onnx", x, out=tmp_path / "net.onnx")
    (tmp_path / "net.onnx").write_bytes(b"")
    with pytest.raises(ArtefactError, match="onnxruntime cannot run"):
        check(one, "onnx", x, out=tmp_path / "net.onnx")


def test_modules_may_be_called_like_operators_and_constants(tmp_path: Path) -> None:
    class Names(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.constant_1, self.div_3, self.matmul_4 = nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)

        def forward(self, cast_5: torch.Tensor) -> torch.Tensor:
            return self.matmul_4(self.div_3(self.constant_1(cast_5)))

    x = torch.rand(4, 3)
    snn = convert(Names().eval(), x)
    export(snn, "onnx", x, out=tmp_path / "net.onnx")
    assert check(snn, "onnx", x, out=tmp_path / "net.onnx").passed


def test_the_name_of_the_output_is_taken(tmp_path: Path) -> None:
    class Names(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.potentials, self.head = nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.potentials(self.hidden(x)))

    x = torch.rand(4, 3)
    with pytest.raises(ConfigError, match="a layer or argument is called potentials"):
        export(convert(Names().eval(), x), "onnx", x, out=tmp_path / "net.onnx")
