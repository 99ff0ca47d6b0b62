from __future__ import annotations

import pytest
import torch
from rank_processes import on_ranks
from torch import Tensor

from gcn2snn import ConvertConfig, Graph, SpikingNetwork, TrainConfig, convert, fit, load_graph
from gcn2snn.datasets import TextGraphOptions
from gcn2snn.distributed import Communicator, Job, convert_share, documents_on_first, share_in_memory
from gcn2snn.errors import ConfigError
from gcn2snn.passes import activation_counts, some_rows
from gcn2snn.textgcn import NewDocuments, TextGCN, Trainer, split_of


@pytest.fixture(scope="module")
def text_graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    rows = ["red apple tree\ta\ttrain", "green pear tree\ta\ttrain", "car road jam\tb\ttrain", "bus road jam\tb\ttrain"]
    file = tmp_path_factory.mktemp("corpus") / "things.tsv"
    file.write_text("\n".join(["text\tlabel\tsplit", *rows, "red pear bus\ta\ttest"]) + "\n", encoding="utf-8")
    return load_graph(str(file), options=TextGraphOptions(min_count=1, stop_words="none", window=3), cache=False)


@pytest.fixture(scope="module")
def karate() -> tuple[Graph, TextGCN]:
    graph = load_graph("karate")
    return graph, fit(Trainer(graph, TrainConfig(hidden=8, epochs=10)))


def _converted(job: Job, model: TextGCN, graph: Graph, config: ConvertConfig) -> SpikingNetwork:
    return convert_share(model, share_in_memory(graph, job.ranks), config)


@pytest.mark.parametrize(
    "options",
    [{}, {"scale": "mse", "per": "channel", "base": None}, {"scale": "percentile"}, {"weights": "int8"}],
    ids=["paper", "mse", "percentile", "int8"],
)
def test_counts_and_maxima_give_the_network_of_one_process(
    karate: tuple[Graph, TextGCN], options: dict[str, object]
) -> None:
    graph, model = karate
    config = ConvertConfig.paper(**options)
    one = convert(model, graph, config)
    for snn in on_ranks(2, _converted, model, graph, config):
        assert snn.config == one.config
        assert snn.report == one.report
        assert {name: x.tolist() for name, x in snn.state_dict().items()} == {
            name: x.tolist() for name, x in one.state_dict().items()
        }


def _converted_from_some_rows(job: Job, model: TextGCN, graph: Graph, config: ConvertConfig) -> SpikingNetwork:
    """With fewer rows counted than the graph has, as for one of more than 65,536 nodes."""
    for module in (some_rows, activation_counts):
        module.SEEN_ROWS = 11
    return _converted(job, model, graph, config)


def test_ranks_count_the_rows_that_one_process_counts(
    karate: tuple[Graph, TextGCN], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, model = karate
    config = ConvertConfig.paper(scale="mse", per="channel", correct="mean")
    for module in (some_rows, activation_counts):
        monkeypatch.setattr(module, "SEEN_ROWS", 11)
    one = convert(model, graph, config)
    assert one.report[0].neurons == 11 * 8
    for snn in on_ranks(2, _converted_from_some_rows, model, graph, config):
        assert snn.report == one.report
        torch.testing.assert_close(dict(snn.state_dict()), dict(one.state_dict()))


def test_what_is_left_open_is_measured_on_all_ranks(karate: tuple[Graph, TextGCN]) -> None:
    graph, model = karate
    one = convert(model, graph)
    assert one.choice is not None
    first, second = on_ranks(2, _converted, model, graph, ConvertConfig())
    assert first.config == second.config == one.config
    assert first.choice is not None
    assert first.choice.chosen == one.choice.chosen
    for mine, other in zip(first.choice.trials, one.choice.trials, strict=True):
        # corrected means are sums of floats in another order, so a spike may change
        assert mine.divergence == pytest.approx(other.divergence, rel=1e-3)
    torch.testing.assert_close(dict(first.state_dict()), dict(one.state_dict()))


@pytest.mark.parametrize("options", [{"events": 0.5}, {"horizon": 0.1}])
def test_what_ranks_all_neurons_is_refused(karate: tuple[Graph, TextGCN], options: dict[str, float]) -> None:
    graph, model = karate
    share = share_in_memory(graph, Communicator.alone())
    with pytest.raises(ConfigError, match=f"--{next(iter(options))} ranks all neurons .* Convert without torchrun"):
        convert_share(model, share, ConvertConfig.paper(**options))


def _documents(
    job: Job, snn: SpikingNetwork, graph: Graph, held: Tensor
) -> tuple[dict[str, Tensor], dict[str, object]] | None:
    words = graph.vocabulary if job.ranks.first else None
    found = documents_on_first(snn, share_in_memory(graph, job.ranks), words, held, None)
    return None if found is None else found.parts()


def test_documents_on_first_keeps_what_one_process_keeps(text_graph: Graph) -> None:
    config = TrainConfig(hidden=8, epochs=3)
    snn = convert(fit(Trainer(text_graph, config)), text_graph, ConvertConfig.paper())
    one = NewDocuments.of(snn, text_graph)
    held = split_of(text_graph, config).val
    found, nothing = on_ranks(2, _documents, snn, text_graph, held)
    assert nothing is None
    assert found is not None
    tensors, values = one.parts()
    assert found[1] == {**values, "temperature": found[1]["temperature"]}
    assert found[0].keys() == tensors.keys()
    assert all(torch.equal(found[0][name], tensor) for name, tensor in tensors.items())
