"""Where a network comes from: the run folder or artefact on disk, and the data it belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcn2snn.graph import Graph


def refuse_existing(out: Path, force: bool) -> None:
    """Refuse to replace a file unasked, before any work is done.

    Raises:
        ArtefactError: ``out`` exists and ``force`` is not given.
    """
    from gcn2snn.errors import ArtefactError

    if out.exists() and not force:
        raise ArtefactError(f"{out} exists; it is not overwritten without --force. Choose another --out")


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


def is_image_run(folder: Path) -> bool:
    """Whether a run folder holds an image classifier."""
    from gcn2snn.files import load_json
    from gcn2snn.run_folder import RUN_FILE

    if not (folder / RUN_FILE).is_file():
        return False
    summary = load_json(folder / RUN_FILE)
    return isinstance(summary, dict) and summary.get("kind") == "images"
