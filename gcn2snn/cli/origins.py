"""Where a network comes from: the run folder or artefact on disk, and the data it belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcn2snn.cli.options import refuse_given
from gcn2snn.file_names import shell_word
from gcn2snn.kept_inputs import keep_input

if TYPE_CHECKING:
    from gcn2snn.datasets import LabelledCall, TextGraphOptions
    from gcn2snn.graph import Graph
    from gcn2snn.spiking_network import SpikingNetwork
    from gcn2snn.textgcn import UnseenDocuments


def network_file(place: Path) -> Path:
    """The converted network that is meant by a file, or by a folder in which one lies.

    Raises:
        ArtefactError: the folder holds none, or several of which none is snn.safetensors alone.
    """
    from gcn2snn.errors import ArtefactError
    from gcn2snn.files import stored_kind
    from gcn2snn.run_folder import tell_of_another_run

    if not place.is_dir():
        return place
    found = [file for file in sorted(place.glob("*.safetensors")) if stored_kind(file) == "snn"]
    if len(found) == 1:
        tell_of_another_run(found[0])
        return found[0]
    if found:
        raise ArtefactError(f"{place} holds {len(found)} networks; give one of them: {', '.join(map(str, found))}")
    if (place / "config.json").is_file():
        raise ArtefactError(
            f"{place} is a model folder; read it in Python with gcn2snn.from_pretrained({str(place)!r})"
        )
    raise ArtefactError(f"{place} holds no converted network. Make one with: gcn2snn convert {shell_word(place)}")


def origin_of(summary: dict[str, object]) -> dict[str, object]:
    """What a spiking network keeps of the run it comes from."""
    return {key: summary[key] for key in ("dataset", "fingerprint", "config", "ann") if key in summary}


def graph_of(
    origin: dict[str, object], data_dir: Path | None, corpus: Path | None = None, tokeniser: str | None = None
) -> Graph:
    """The graph a run or network belongs to, from the cache or built again, and checked to be the same.

    Args:
        origin: what :func:`origin_of` gives.
        data_dir: folder searched first for published data.
        corpus: where an own corpus, or a graph that was built before, is now if it was moved.
        tokeniser: that was given on the command line: imported if it is the one that the texts were cut with.

    Raises:
        ArtefactError: the data are no longer what they were.
        ConfigError: ``corpus`` is given for published data, or another tokeniser.
        DataError: an own corpus is not where it was.
    """
    from gcn2snn.datasets import TextGraphOptions, load_graph, refuse_other_tokeniser
    from gcn2snn.errors import ArtefactError
    from gcn2snn.run_summary import GraphOrigin
    from gcn2snn.schema import checked, made_of

    source = checked(origin, GraphOrigin, "where the network comes from", "Convert again")["dataset"]
    options = made_of(TextGraphOptions, source.get("options", {}), "the options of the text graph")
    refuse_other_tokeniser(tokeniser, options.tokeniser)
    allow_tokeniser(tokeniser)
    if "path" in source or "graph" in source:
        graph = load_graph(_place_of(source, corpus), data_dir, options, notes=False)
        if graph.source.get("corpus_hash") != source.get("corpus_hash"):
            raise ArtefactError(
                f"{graph.source.get('path', graph.source.get('dataset'))} is not the corpus this run was trained on, "
                f"{source.get('path', source['dataset'])}: its content differs (sha256 {_start(graph.source)}..., not {_start(source)}...). "
                f"Give the corpus as it was with --corpus PATH, or train again"
            )
    else:
        refuse_given(
            {"corpus": corpus}, f"the run was trained on {source.get('dataset')}, which is no corpus of your own"
        )
        graph = load_graph(source["dataset"], data_dir, options, notes=False)
    if graph.fingerprint != origin["fingerprint"]:
        raise ArtefactError(
            f"the data of {source['dataset']} are not those the network was trained on. Train again on these"
        )
    return graph


def _start(source: dict[str, Any]) -> str:
    return str(source.get("corpus_hash", ""))[:12]


def unseen_of(origin: dict[str, object], data_dir: Path | None, corpus: Path | None = None) -> UnseenDocuments:
    """The test documents of the corpus of an inductive run, which its graph does not hold; arguments as :func:`graph_of`.

    Raises:
        DataError: the corpus is not there, or its training documents are no longer what they were.
    """
    from gcn2snn.datasets import TextGraphOptions, load, refuse_other_corpus
    from gcn2snn.run_summary import GraphOrigin
    from gcn2snn.schema import checked, made_of
    from gcn2snn.textgcn import UnseenDocuments

    source = checked(origin, GraphOrigin, "where the network comes from", "Convert again")["dataset"]
    place = _place_of(source, corpus) if "path" in source or "graph" in source else source["dataset"]
    options = made_of(TextGraphOptions, source.get("options", {}), "the options of the text graph")
    whole = load(place, data_dir, options, notes=False)
    refuse_other_corpus(whole, source, "this run was trained on")
    return UnseenDocuments.of(whole)


def is_inductive(origin: dict[str, object]) -> bool:
    """Whether a run or network was trained for documents that no graph has seen."""
    config = origin.get("config")
    return isinstance(config, dict) and bool(config.get("inductive"))


def refuse_inductive(origin: dict[str, object], what: str) -> None:
    """Refuse a run or network of inductive training where labelled nodes of the graph are needed.

    Raises:
        ConfigError: as said.
    """
    from gcn2snn.errors import ConfigError

    if is_inductive(origin):
        raise ConfigError(
            f"{what} needs labelled test nodes in the graph; this network was trained with --inductive, whose graph holds no "
            f"test document. Use gcn2snn evaluate, which classifies them as new ones"
        )


def _place_of(source: dict[str, Any], corpus: Path | None) -> Path:
    """Where the own corpus of a run is, or the graph of it that was built before."""
    import os

    from gcn2snn.errors import DataError

    key, what = ("graph", "graph") if "graph" in source else ("path", "corpus")
    place = Path(source[key]) if corpus is None else corpus
    keep_input(place)
    if not os.path.lexists(place):
        raise DataError(
            f"the {what} this run was trained on, {source[key]} (sha256 {_start(source)}...), "
            f"is not at {place}. Give its new place with --corpus PATH"
        )
    return place


def text_options(dataset: str, options: dict[str, Any]) -> TextGraphOptions:
    """The options of a text graph from those of the command line, with the tokeniser imported that was asked for.

    Args:
        dataset: name or path.
        options: those that were given.

    Raises:
        ConfigError: a wrong value, or an option of own corpora for a published dataset.
    """
    from gcn2snn.datasets import DATASETS, TextGraphOptions

    if dataset.lower() in DATASETS:
        own = ("test_share", "split_seed", "text_column", "label_column", "encoding", "no_quotes")
        refuse_given({name: options.get(name) for name in own}, f"{dataset} is a published dataset")
    options = {name: value for name, value in options.items() if name != "no_quotes"} | (
        {"quotes": False} if options.get("no_quotes") else {}
    )
    allow_tokeniser(options.get("tokeniser"))
    return TextGraphOptions(**options)


def allow_tokeniser(name: str | None) -> None:
    """Import the tokeniser that the person at the keyboard names, so that a network may use it.

    Raises:
        ConfigError: there is no such tokeniser.
    """
    from gcn2snn.datasets import import_tokeniser

    if name is not None:
        import_tokeniser(name)


def is_image_run(folder: Path) -> bool:
    """Whether a run folder holds an image classifier."""
    from gcn2snn.run_summary import RUN_FILE, load_summary

    return (folder / RUN_FILE).is_file() and load_summary(folder)["kind"] == "images"


def given_call(network: SpikingNetwork, data: str, data_dir: Path | None) -> tuple[LabelledCall, tuple[object, ...]]:
    """Labelled data by file or dataset name, and what of them the network is called with.

    Raises:
        DataError: they are not there, have no labels, or lack an input of the network.
        InputError: the network gives no class scores.
    """
    from gcn2snn import ir
    from gcn2snn.datasets import load_labelled

    found = load_labelled(data, data_dir)
    network.network.check_scores(f"labelled data such as {data}")
    outputs = network.network.shapes[network.network.heads[0]][1]
    found = found if outputs is None else found.for_classes(outputs)
    return found, found.arguments({node.name: node.role for node in network.network.of(ir.Input)})


def data_of(origin: dict[str, Any], data: str | None) -> str | None:
    """The data that were given; else, for a network of the caller's own model, those that it was converted on."""
    own: str | None = origin["data"] if origin.get("kind") == "own" else None
    return own if data is None else data


def _wanted(network: SpikingNetwork) -> str:
    """What the network is called with, as a dict of labelled data names it."""
    from gcn2snn import ir

    return ", ".join(node.name for node in network.network.of(ir.Input))


def _graph_names(network: SpikingNetwork) -> str:
    from gcn2snn import ir

    graph = any(node.role != "dense" for node in network.network.of(ir.Input))
    return ", or the name of a dataset, --data cora" if graph else ""


def refuse_unknown_origin(file: Path, network: SpikingNetwork, origin: dict[str, object]) -> None:
    """Refuse a network that does not say what it was trained on, when no data are given.

    Raises:
        ConfigError: as said; the message names what the network is called with.
    """
    from gcn2snn.errors import ConfigError

    if origin.get("kind") != "images" and "dataset" not in origin:
        raise ConfigError(
            f"{file} does not say what it was trained on. Give the data: --data FILE.pt, a file of torch.save with a dict "
            f"that holds {_wanted(network)}, y and test_mask{_graph_names(network)}"
        )
