"""A measured point is what ``convert`` gives: for graphs, PyG and DGL models, and image classifiers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gcn2snn.cnn.models import build_model
from gcn2snn.config import ConvertConfig, LayerConfig, TrainConfig
from gcn2snn.conversion import call_of, convert, prepare
from gcn2snn.datasets import load_graph
from gcn2snn.engines import bind
from gcn2snn.errors import ConfigError, DataError
from gcn2snn.graph import Graph
from gcn2snn.kernels import PhaseCode, Spikes
from gcn2snn.passes import calibrate, refit_values
from gcn2snn.textgcn.model import TextGCN
from gcn2snn.textgcn.training import Trainer, fit
from gcn2snn.tune import Pool, Problem, refits


@pytest.fixture(scope="module")
def karate() -> Graph:
    return load_graph("karate")


def some_labels(count: int, classes: int) -> Tensor:
    """A label for every third row."""
    labels = torch.full((count,), -1)
    labels[::3] = torch.arange(len(labels[::3])) % classes
    return labels


def assert_measured_as_converted(model: nn.Module, validation: list[tuple[Any, Tensor]], config: ConvertConfig) -> None:
    """The search's shortcuts and the pipeline: the same spikes, so the same predictions and energy."""
    problem = Problem(model, validation)
    for _ in range(2):  # the second time from kept states
        scores, energy = problem.run(config)
        point = problem.measure(config)
    examples = [example for example, _ in validation]
    snn = convert(model, examples[0], config, calibration=examples)
    whole = [snn(*call_of(example)[0], **call_of(example)[1]) for example in examples]
    picked = torch.cat([out[labels >= 0] for out, (_, labels) in zip(whole, validation, strict=True)])
    assert torch.allclose(scores, picked, rtol=1e-5, atol=1e-6)  # sums of rows in other blocks
    right = (picked.argmax(1) == problem.labels).double().mean()
    assert point.accuracy == pytest.approx(100 * float(right))
    if len(examples) == 1:
        args, kwargs = call_of(examples[0])
        # The search keeps horizons beside the network, so that their bytes are in the converted one's footprint alone.
        assert replace(energy, footprint=0) == replace(snn.energy(*args, **kwargs), footprint=0)
        assert point.alpha == pytest.approx(energy.alpha_events)
    assert -100 <= point.loss <= 100


@pytest.mark.parametrize("message", ["signed", "rectified"])
def test_text_gcn(karate: Graph, message: str) -> None:
    model = fit(Trainer(karate, TrainConfig(epochs=20, hidden=8)))
    layers = {
        "layer1.message.neuron": LayerConfig(base=1.5, timesteps=5, events=0.4, per="channel"),
        "layer1.relu": LayerConfig(scale="mse", timesteps=7, horizon=0.05),
        "layer2.message.neuron": LayerConfig(events=0.7),
    }
    config = ConvertConfig.paper(timesteps=9, message=message, layers=layers)
    assert_measured_as_converted(model, [(karate, some_labels(karate.num_nodes, karate.num_classes))], config)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_a_refit_is_what_convert_makes(karate: Graph, ridge: float) -> None:
    """New values for the first messages, and horizons behind them that are set on what is sent then."""
    model = fit(Trainer(karate, TrainConfig(epochs=20, hidden=8)))
    layers = {
        "layer1.message.neuron": LayerConfig(events=0.3, refit=True),
        "layer1.relu": LayerConfig(events=0.6),
        "layer2.message.neuron": LayerConfig(events=0.5),
    }
    config = ConvertConfig.paper(refit_ridge=ridge, layers=layers)
    assert_measured_as_converted(model, [(karate, some_labels(karate.num_nodes, karate.num_classes))], config)


def test_a_refit_is_made_once(karate: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials that differ behind it share it; another share, ridge, or population without refit does not have it."""
    made: list[float] = []

    def counted(*args: Any, **kwargs: Any) -> Any:
        made.append(args[2].refit_ridge)
        return refit_values(*args, **kwargs)

    monkeypatch.setattr(refits, "refit_values", counted)
    model = TextGCN(karate.num_nodes, [6], karate.num_classes).eval()
    problem = Problem(model, [(karate, some_labels(karate.num_nodes, karate.num_classes))])
    assert problem.refittable == {"layer1.message.neuron"}

    def run(events: float, behind: float, refit: bool = True, ridge: float = 0.0) -> tuple[Tensor, float]:
        layers = {
            "layer1.message.neuron": LayerConfig(events=events, refit=refit),
            "layer2.message.neuron": LayerConfig(events=behind),
        }
        scores, energy = problem.run(ConvertConfig.paper(layers=layers, refit_ridge=ridge))
        return scores, energy.alpha_events

    first = run(0.3, 0.5)
    run(0.3, 0.8)
    assert len(made) == 1
    assert not torch.equal(run(0.3, 0.5, refit=False)[0], first[0])
    run(0.2, 0.5)
    run(0.3, 0.5, ridge=0.5)
    assert made == [0.0, 0.0, 0.5]
    again = run(0.3, 0.5)
    assert len(made) == 3
    assert torch.equal(again[0], first[0])
    assert again[1] == first[1]


def test_refits_make_room(karate: Graph) -> None:
    kept = refits.Refits(kept_bytes=1)
    for key in range(3):
        held = Spikes(torch.zeros(4, 5, dtype=torch.int8), torch.ones(()), PhaseCode(1.3, 16, True))
        kept._kept[key] = {"x": held}
    model = TextGCN(karate.num_nodes, [6], karate.num_classes).eval()
    config = ConvertConfig.paper(layers={"layer1.message.neuron": LayerConfig(events=0.3, refit=True)})
    prepared, (args, kwargs) = prepare(model, karate, config), call_of(karate)
    network, _ = calibrate(prepared, lambda: [bind(prepared, args, kwargs)], config)
    found = kept.spikes("new", network, bind(network, args, kwargs), config)
    assert kept.held_bytes == sum(spikes.code.nbytes for spikes in found.values())


def test_what_cannot_be_refitted_is_refused(karate: Graph) -> None:
    model = TextGCN(karate.num_nodes, [6], karate.num_classes).eval()
    problem = Problem(model, [(karate, some_labels(karate.num_nodes, karate.num_classes))])
    with pytest.raises(ConfigError, match=r"layer1.relu depends on the input"):
        problem.measure(ConvertConfig.paper(layers={"layer1.relu": LayerConfig(events=0.5, refit=True)}))


def test_networks_tuned_together(karate: Graph) -> None:
    """A pool's predictions are those of its networks; its alpha is that of their energies added up."""
    models = [fit(Trainer(karate, TrainConfig(epochs=20, hidden=8, seed=seed))) for seed in range(2)]
    labels = some_labels(karate.num_nodes, karate.num_classes)
    problems = [Problem(model, [(karate, labels)]) for model in models]
    config = ConvertConfig.paper(layers={"layer1.message.neuron": LayerConfig(events=0.3)})
    together, alone = Pool(problems).measure(config), [problem.measure(config) for problem in problems]
    assert together.accuracy == pytest.approx(sum(point.accuracy for point in alone) / 2)
    assert together.agreement == pytest.approx(sum(point.agreement for point in alone) / 2)
    energies = [problem.run(config)[1] for problem in problems]
    source, spikes = (sum(getattr(e, name) for e in energies) for name in ("ann_joules", "snn_joules"))
    assert together.alpha == pytest.approx(source / spikes)


def test_networks_tuned_together_are_of_one_kind(karate: Graph) -> None:
    labels = some_labels(karate.num_nodes, karate.num_classes)
    sizes = ([6], [6, 6])
    problems = [
        Problem(TextGCN(karate.num_nodes, size, karate.num_classes).eval(), [(karate, labels)]) for size in sizes
    ]
    with pytest.raises(ConfigError, match="tuned together need the same populations; got"):
        Pool(problems)


def test_images_in_batches() -> None:
    torch.manual_seed(0)
    model = build_model("small", 3, 1).eval()
    batches = [(torch.rand(n, 1, 8, 8), some_labels(n, 3)) for n in (7, 5)]
    name = Problem(model, batches).populations[1]
    config = ConvertConfig.paper(
        timesteps=8, scale="mse", layers={name: LayerConfig(base=1.5, timesteps=4, per="channel")}
    )
    assert_measured_as_converted(model, batches, config)


def test_pyg_model() -> None:
    pyg = pytest.importorskip("torch_geometric.nn", reason="needs PyTorch Geometric")
    torch.manual_seed(0)
    model = pyg.GCN(5, 8, 2, out_channels=3).eval()
    call = {"x": torch.randn(20, 5), "edge_index": torch.randint(0, 20, (2, 60))}
    problem = Problem(model, [(call, some_labels(20, 3))])
    layers = {name: LayerConfig(events=0.6) for name in sorted(problem.cuttable)}
    assert layers
    assert_measured_as_converted(
        model, [(call, some_labels(20, 3))], ConvertConfig.paper(layers=layers, correct="none")
    )


def test_dgl_model() -> None:
    dgl_nn = pytest.importorskip("dgl.nn", reason="needs DGL", exc_type=ImportError)
    import dgl

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = dgl_nn.GraphConv(5, 8, activation=torch.relu)
            self.second = dgl_nn.GraphConv(8, 3)

        def forward(self, graph: Any, x: Tensor) -> Tensor:
            return self.second(graph, self.first(graph, x))

    torch.manual_seed(0)
    edges = torch.randint(0, 20, (2, 60))
    graph = dgl.add_self_loop(dgl.graph((edges[0], edges[1]), num_nodes=20))
    example = (graph, torch.randn(20, 5))
    assert_measured_as_converted(
        Net().eval(), [(example, some_labels(20, 3))], ConvertConfig.paper(timesteps=8, per="channel", correct="none")
    )


def test_a_share_is_of_the_whole_last_aggregation(karate: Graph) -> None:
    """Only some rows of it are made; what a spike costs there is still its fan-out in all of it."""
    model = TextGCN(karate.num_nodes, [6], karate.num_classes).eval()
    config = ConvertConfig.paper(layers={"layer2.message.neuron": LayerConfig(events=0.5)})
    few, all_rows = some_labels(karate.num_nodes, karate.num_classes), karate.labels
    energies = [Problem(model, [(karate, labels)]).run(config)[1] for labels in (few, all_rows)]
    assert energies[0] == energies[1]


def test_some_validation_rows_must_have_labels(karate: Graph) -> None:
    with pytest.raises(DataError, match="no validation row has a label"):
        Problem(
            TextGCN(karate.num_nodes, [6], karate.num_classes).eval(), [(karate, torch.full_like(karate.labels, -1))]
        )
