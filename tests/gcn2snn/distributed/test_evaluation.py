from __future__ import annotations

from pathlib import Path

import pytest
import torch
from rank_processes import on_ranks
from torch import Tensor

from gcn2snn import ConvertConfig, Graph, SpikingNetwork, TrainConfig, convert, evaluate, fit, load_graph
from gcn2snn.distributed import Job, Traffic, evaluate_share, read_share, share_in_memory
from gcn2snn.distributed.evaluation import network_on
from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.evaluation import Evaluation
from gcn2snn.kernels import Spikes
from gcn2snn.textgcn import Trainer


def _network(graph: Graph, **options: object) -> SpikingNetwork:
    model = fit(Trainer(graph, TrainConfig(hidden=8, epochs=10)))
    return convert(model, graph, ConvertConfig.paper(**options))


@pytest.fixture(scope="module")
def karate() -> tuple[Graph, SpikingNetwork]:
    graph = load_graph("karate")
    return graph, _network(graph)


def _evaluated(job: Job, snn: SpikingNetwork, file: Path) -> tuple[Evaluation, Traffic, dict[str, Tensor]]:
    share = read_share(file, job.ranks)
    result, traffic = evaluate_share(snn, share)
    local, inputs = network_on(snn.network, share)
    codes: dict[str, Tensor] = {}
    local.run_closed(inputs, lambda node, _, x: codes.update({node.name: x.code}) if isinstance(x, Spikes) else None)
    return result, traffic, codes


@pytest.mark.parametrize("size", [1, 2, 4])
def test_ranks_give_what_one_process_gives(karate: tuple[Graph, SpikingNetwork], tmp_path: Path, size: int) -> None:
    graph, snn = karate
    file = graph.save(tmp_path / "graph.safetensors")
    found = on_ranks(size, _evaluated, snn, file)
    one = evaluate(snn, graph)
    for name, spikes in snn.spikes(graph.adjacency).items():
        assert torch.equal(torch.cat([codes[name] for _, _, codes in found]), spikes.code)
    for result, traffic, _ in found:
        assert result.to_dict() == one.to_dict()  # scores, and every count of the energy report
        assert result.rows is not None
        assert one.rows is not None
        assert torch.equal(result.rows.row, one.rows.row)
        assert traffic == found[0][1]
        if size > 1:
            assert 0 < traffic.phases <= 0.27 * traffic.floats


def _of_features(job: Job, graph: Graph, snn: SpikingNetwork) -> dict[str, object]:
    return evaluate_share(snn, share_in_memory(graph, job.ranks), "int8-paper")[0].to_dict()


def test_a_graph_with_features_and_fused_messages() -> None:
    bare = load_graph("karate")
    graph = Graph(
        bare.raw, bare.labels, bare.train_mask, bare.test_mask, bare.class_names, features=torch.rand(34, 6) - 0.3
    )
    for message in ("signed", "fused"):
        snn = _network(graph, message=message)
        want = evaluate(snn, graph, preset="int8-paper").to_dict()
        assert on_ranks(2, _of_features, graph, snn) == [want, want]


def test_an_engine_in_time_is_refused(karate: tuple[Graph, SpikingNetwork]) -> None:
    from gcn2snn.distributed import Communicator

    graph, _ = karate
    snn = _network(graph, wait=2)
    with pytest.raises(ConfigError, match="the bucketed engine runs in one process"):
        evaluate_share(snn, share_in_memory(graph, Communicator.alone()))


def test_read_share_refuses_other_files(tmp_path: Path) -> None:
    from gcn2snn.distributed import Communicator
    from gcn2snn.files import save_tensors

    alone = Communicator.alone()
    other = save_tensors(tmp_path / "x.safetensors", {"a": torch.ones(1)}, kind="model", version=1, meta={})
    with pytest.raises(ArtefactError, match="no graph file of this release"):
        read_share(other, alone)
    graph = load_graph("karate")
    file = graph.save(tmp_path / "graph.safetensors")
    with pytest.raises(ConfigError, match="35 ranks for a graph of 34 rows"):
        read_share(file, Communicator(0, 35))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ArtefactError, match="cannot be read"):
        read_share(file, alone)
