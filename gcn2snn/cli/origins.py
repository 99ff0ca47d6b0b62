"""Where a network comes from: the run folder or artefact on disk, and the data it belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcn2snn.datasets import LabelledCall
    from gcn2snn.graph import Graph
    from gcn2snn.spiking_network import SpikingNetwork
    from gcn2snn.textgcn import UnseenDocuments


def origin_of(summary: dict[str, Any]) -> dict[str, Any]:
    """What a spiking network keeps of the run it comes from."""
    return {key: summary[key] for key in ("dataset", "fingerprint", "config", "ann") if key in summary}


def graph_of(origin: dict[str, Any], data_dir: Path | None) -> Graph:
    """The graph a run or network belongs to, from the cache or built again, and checked to be the same.

    Raises:
        ArtefactError: the data are no longer what they were.
    """
    from gcn2snn.datasets import TextGraphOptions, load_graph
    from gcn2snn.errors import ArtefactError

    source = origin["dataset"]
    graph = load_graph(source["dataset"], data_dir, TextGraphOptions(**source.get("options", {})))
    if graph.fingerprint != origin["fingerprint"]:
        raise ArtefactError(
            f"the data of {source['dataset']} are not those the network was trained on. Train again on these"
        )
    return graph


def unseen_of(origin: dict[str, Any], data_dir: Path | None) -> UnseenDocuments:
    """The test documents of the corpus of an inductive run, which its graph does not hold."""
    from gcn2snn.datasets import TextGraphOptions, load
    from gcn2snn.textgcn import UnseenDocuments

    source = origin["dataset"]
    return UnseenDocuments.of(load(source["dataset"], data_dir, TextGraphOptions(**source["options"])))


def refuse_inductive(origin: dict[str, Any], what: str) -> None:
    """Refuse a run or network of inductive training where labelled nodes of the graph are needed.

    Raises:
        ConfigError: as said.
    """
    from gcn2snn.errors import ConfigError

    if origin.get("config", {}).get("inductive"):
        raise ConfigError(
            f"{what} needs labelled test nodes in the graph; this network was trained with --inductive, whose graph holds no "
            f"test document. Use gcn2snn evaluate, which classifies them as new ones"
        )


def is_image_run(folder: Path) -> bool:
    """Whether a run folder holds an image classifier."""
    from gcn2snn.files import load_json
    from gcn2snn.run_folder import RUN_FILE

    if not (folder / RUN_FILE).is_file():
        return False
    summary = load_json(folder / RUN_FILE)
    return isinstance(summary, dict) and summary.get("kind") == "images"


def given_call(network: SpikingNetwork, data: str, data_dir: Path | None) -> tuple[LabelledCall, tuple[Any, ...]]:
    """Labelled data by file or dataset name, and what of them the network is called with.

    Raises:
        DataError: they are not there, have no labels, or lack an input of the network.
    """
    from gcn2snn import ir
    from gcn2snn.datasets import load_labelled

    found = load_labelled(data, data_dir)
    outputs = network.network.shapes[network.network.nodes[-1].name][1]
    found = found if outputs is None else found.for_classes(outputs)
    return found, found.arguments({node.name: node.role for node in network.network.of(ir.Input)})


def refuse_unknown_origin(file: Path, origin: dict[str, Any]) -> None:
    """Refuse a network that does not say what it was trained on, when no data are given.

    Raises:
        ConfigError: as said; the message says how to give them.
    """
    from gcn2snn.errors import ConfigError

    if origin.get("kind") != "images" and "dataset" not in origin:
        raise ConfigError(
            f"{file} does not say what it was trained on. Give the data: --data FILE.pt, a file of torch.save with a dict "
            f"that holds x, edge_index, y and test_mask (or whatever the model takes), or the name of a dataset, --data cora"
        )
