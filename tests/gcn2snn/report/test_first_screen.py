"""What a report says first: loss with its interval, energy in words, the flow of spikes, examples, settings, differences."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
import torch

from gcn2snn import ir
from gcn2snn.config import ConvertConfig, LayerConfig
from gcn2snn.conversion import convert
from gcn2snn.datasets import load_graph
from gcn2snn.graph import Graph
from gcn2snn.kernels import CSR
from gcn2snn.prediction import RowPredictions
from gcn2snn.report import Batch, Sample, Subject, png, subject_of
from gcn2snn.report.collect import Measured, measure
from gcn2snn.report.compare import Cell, side_by_side
from gcn2snn.report.flow import TALLEST, WIDEST, flows, stages
from gcn2snn.report.headline import cards, energy_in_words, loss_interval
from gcn2snn.report.page import Network, _section
from gcn2snn.report.samples import of_graph, shown
from gcn2snn.report.settings import conversion_in_words, for_machines, training_in_words
from gcn2snn.textgcn import TextGCN


@pytest.fixture(scope="module")
def graph() -> Graph:
    return load_graph("karate")


@pytest.fixture(scope="module")
def measured(graph: Graph) -> Measured:
    torch.manual_seed(0)
    return measure(convert(TextGCN(34, [8], 4).eval(), graph), subject_of(graph))


def test_the_interval_by_hand() -> None:
    # b = 10.5, c = 2.5, n = 102: middle 8 / 102, half 1.95996 sqrt(13 - 64 / 102) / 102
    low, high = loss_interval(10, 2, 100)
    assert (low + high) / 2 == pytest.approx(100 * 8 / 102)
    assert (high - low) / 2 == pytest.approx(100 * 1.959964 * (13 - 64 / 102) ** 0.5 / 102)
    assert loss_interval(3, 3, 50) == pytest.approx((-loss_interval(3, 3, 50)[1], loss_interval(3, 3, 50)[1]))
    narrow, wide = loss_interval(10, 2, 10_000), loss_interval(10, 2, 100)
    assert narrow[1] - narrow[0] < wide[1] - wide[0]


@pytest.mark.parametrize(
    ("alpha", "words"),
    [
        (5.546, ("saves", "saves: 5.55 times less")),
        (0.76, ("costs", "costs 1.32 times as much")),
        (1.004, ("", "the same")),
        (0.0, ("costs", "costs infinitely times as much")),
    ],
)
def test_energy_in_words(alpha: float, words: tuple[str, str]) -> None:
    assert energy_in_words(alpha) == words


def test_cards_hold_the_numbers_of_the_evaluation(measured: Measured) -> None:
    source, spiking, lost, *energy = cards(measured)
    assert source.value == f"{measured.evaluation.ann.accuracy:.2f} %"
    assert spiking.value == f"{measured.evaluation.snn.accuracy:.2f} %"
    assert lost.title in ("Accuracy lost", "Accuracy gained")
    assert "With 95 % confidence" in lost.text
    alphas = (measured.evaluation.energy.alpha_events, measured.evaluation.energy.alpha_eq6)
    assert [card.text.split("Alpha ")[1] for card in energy[:2]] == [f"{alpha:.2f}." for alpha in alphas]
    gained = replace(measured, evaluation=replace(measured.evaluation, ann=measured.evaluation.snn))
    assert cards(gained)[2].value == "0.00 points"


def test_the_flow_is_as_wide_as_there_are_spikes(measured: Measured) -> None:
    (chart,) = flows("k", measured)
    every = stages(measured)
    assert [stage.name for stage in every] == [
        *("one_hot", "layer1.message.neuron", "layer1.relu", "layer2.message.neuron", "output")
    ]
    assert every[0].spikes == every[0].neurons == 34
    assert [stage.spikes for stage in every[1:4]] == [own.spikes for own in measured.populations]
    bands = [bar for bar in chart.bars if bar.look == "flow"]
    most = max(own.spikes for own in measured.populations)
    assert [band.width for band in bands[1:]] == [
        pytest.approx(max(1.5, WIDEST * own.spikes / most), abs=0.06) for own in measured.populations
    ]


class Deep(torch.nn.Module):
    """Many layers, and one that is read again further down."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(12))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layers[0](x).relu()
        first = x
        for layer in self.layers[1:-1]:
            x = layer(x).relu()
            first = x if layer is self.layers[3] else first
        return self.layers[-1](x + first)


def test_deep_networks_are_parted_and_branches_go_around(graph: Graph) -> None:
    torch.manual_seed(0)
    x = torch.rand(6, 4)
    subject = Subject(
        lambda: [Batch((x,), torch.arange(6) % 4, torch.ones(6, dtype=torch.bool))], tuple("abcd"), "rows", "6 rows"
    )
    measured = measure(convert(Deep().eval(), x), subject)
    charts = flows("k", measured)
    every = stages(measured)
    assert len(charts) == -(-len(every) // TALLEST) == 2
    assert sum(bar.look == "box" for chart in charts for bar in chart.bars) == len(every)
    assert any(label.text.startswith("from ") for label in charts[1].labels)  # from a box of the first picture
    assert all(chart.height < 900 for chart in charts)
    assert "spikes" in charts[0].text


def test_rows_of_each_kind_are_shown() -> None:
    tensor = torch.tensor
    rows = RowPredictions(
        tensor([3, 4, 5, 6]),
        tensor([0, 0, 0, 0]),
        tensor([0, 0, 1, 1]),
        tensor([0, 1, 0, 1]),
        torch.ones(4),
        torch.ones(4),
    )
    found = shown(rows, ("a", "b"), lambda numbers: [Sample(f"row {number}") for number in numbers])
    assert [heading for heading, _ in found] == [
        *("Both are right", "Only the source is right", "Only the spiking network is right", "Both are wrong")
    ]
    assert [(one.sample.name, one.label, one.source, one.network) for _, (one,) in found] == [
        *(("row 3", "a", "a", "a"), ("row 4", "a", "a", "b"), ("row 5", "a", "b", "a"), ("row 6", "a", "b", "b"))
    ]
    assert shown(rows, ("a", "b"), lambda numbers: [Sample("x") for _ in numbers])[0][1][0].sample.picture == b""


def test_nodes_by_neighbours_and_documents_by_words(graph: Graph) -> None:
    (person,) = of_graph(graph)([0])
    assert person.name == graph.node_names[0]
    assert person.words.startswith("16 neighbours: ")
    weights = torch.tensor([[0.0, 0.0, 0.5, 2.0], [0.0, 0.0, 1.0, 0.0], [0.5, 1.0, 0.0, 3.0], [2.0, 0.0, 3.0, 0.0]])
    train, test = torch.eye(4, dtype=torch.bool)[:2]
    labels = torch.tensor([0, 0, -1, -1])
    texts = Graph(CSR.from_dense(weights), labels, train, test, ("a",), ("d0", "d1", "often", "rare"), 2)
    assert [sample.words for sample in of_graph(texts)([0, 1])] == ["rare, often", "often"]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_what_it_was(channels: int) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = torch.randint(0, 256, (channels, 5, 7), dtype=torch.uint8)
    read = image.open(io.BytesIO(png(pixels)))
    assert read.size == (7, 5)
    assert list(read.tobytes()) == pixels.permute(1, 2, 0).flatten().tolist()


def test_settings_in_words() -> None:
    own = ConvertConfig.paper(events=0.5, layers={"layer1.relu": LayerConfig(base=1.5, timesteps=8)})
    told = conversion_in_words(own)
    assert told["Code"] == "16 time steps at base 1.3: a spike is worth 1.3 times less with each step"
    assert told["Spikes that are left out"].startswith("those that matter least, until 50 %")
    assert told["Other for layer1.relu"] == "base 1.5, timesteps 8"
    plain = conversion_in_words(ConvertConfig(wait=3, weights="int8", batch_norm="threshold", avg_pool="spike"))
    assert plain["A layer waits"] == "3 steps"
    assert plain["Code"] == "16 time steps at a base that is measured for each population"
    assert {plain["Weights"], plain["Batch norm"]} == {"rounded to 8 bits", "stays in threshold and starting potential"}
    assert training_in_words({"hidden": 200, "own": 1}) == {"hidden: units of each hidden layer": 200, "own": 1}
    assert for_machines({"a": "f" * 64, "b": "f", "builder": 1})[0] == {"b": "f"}


def test_differences_are_marked(graph: Graph) -> None:
    torch.manual_seed(0)
    model = TextGCN(34, [8], 4).eval()
    rows = []
    for name, config in (("one", ConvertConfig()), ("two", ConvertConfig(timesteps=8, base=1.5))):
        snn = convert(model, graph, config)
        rows.append(_section(Network(name, snn.config, None, measure(snn, subject_of(graph)), {}, {}, {}, len(rows))))
    questions = {question.title: question.cells for question in side_by_side(rows)}
    assert questions["Accuracy of the source %"][1].differs is False
    assert questions["Code"] == (
        Cell("16 time steps at base 1.3: a spike is worth 1.3 times less with each step", False),
        Cell("8 time steps at base 1.5: a spike is worth 1.5 times less with each step", True),
    )
    assert "Weights" not in questions  # equal settings are left out
    assert isinstance(rows[0].measured.network[rows[0].measured.populations[0].node.name], ir.Neuron)
